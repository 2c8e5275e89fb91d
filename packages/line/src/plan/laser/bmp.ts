/** One bit a dot, as drawn (layout's raster): rows padded to bytes, 1 = mark. */
export interface Bitmap {
  readonly dpi: number;
  readonly width: number;
  readonly height: number;
  readonly bits: Uint8Array;
}

/** A raster as a 1-bit BMP (BITMAPINFOHEADER, bottom-up, palette white/black, resolution in pixels a metre), for engravers that take files. */
export function bmp(raster: Bitmap): Uint8Array {
  const from = Math.ceil(raster.width / 8);
  const stride = Math.ceil(raster.width / 32) * 4;
  const start = 14 + 40 + 8;
  const bytes = new Uint8Array(start + stride * raster.height);
  const view = new DataView(bytes.buffer);
  const perMetre = Math.round(raster.dpi / 0.0254);
  bytes.set([0x42, 0x4d]);
  view.setUint32(2, bytes.length, true);
  view.setUint32(10, start, true);
  view.setUint32(14, 40, true);
  view.setInt32(18, raster.width, true);
  view.setInt32(22, raster.height, true);
  view.setUint16(26, 1, true);
  view.setUint16(28, 1, true);
  view.setUint32(34, stride * raster.height, true);
  view.setInt32(38, perMetre, true);
  view.setInt32(42, perMetre, true);
  view.setUint32(46, 2, true);
  bytes.set([0xff, 0xff, 0xff, 0, 0, 0, 0, 0], 54);
  for (let y = 0; y < raster.height; y++) {
    bytes.set(raster.bits.subarray(y * from, (y + 1) * from), start + (raster.height - 1 - y) * stride);
  }
  return bytes;
}
