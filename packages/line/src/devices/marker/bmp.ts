import type { MarkJob } from "./port.js";

/** A raster job as a 1-bit BMP (BITMAPINFOHEADER, bottom-up, palette white/black, resolution in pixels a metre), for engravers that take files. */
export function bmp(job: Extract<MarkJob, { kind: "raster" }>): Uint8Array {
  const from = Math.ceil(job.width / 8);
  const stride = Math.ceil(job.width / 32) * 4;
  const start = 14 + 40 + 8;
  const bytes = new Uint8Array(start + stride * job.height);
  const view = new DataView(bytes.buffer);
  const perMetre = Math.round(job.dpi / 0.0254);
  bytes.set([0x42, 0x4d]);
  view.setUint32(2, bytes.length, true);
  view.setUint32(10, start, true);
  view.setUint32(14, 40, true);
  view.setInt32(18, job.width, true);
  view.setInt32(22, job.height, true);
  view.setUint16(26, 1, true);
  view.setUint16(28, 1, true);
  view.setUint32(34, stride * job.height, true);
  view.setInt32(38, perMetre, true);
  view.setInt32(42, perMetre, true);
  view.setUint32(46, 2, true);
  bytes.set([0xff, 0xff, 0xff, 0, 0, 0, 0, 0], 54);
  for (let y = 0; y < job.height; y++) {
    bytes.set(job.bits.subarray(y * from, (y + 1) * from), start + (job.height - 1 - y) * stride);
  }
  return bytes;
}
