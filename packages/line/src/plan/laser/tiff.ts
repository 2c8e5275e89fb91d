import sharp from "sharp";
import type { Bitmap } from "./bmp.js";

/** A raster as TIFF with CCITT Group 4 compression (ITU-T T.6), one bit a dot, its resolution beside it. */
export async function tiff({ dpi, width, height, bits }: Bitmap): Promise<Uint8Array> {
  const stride = Math.ceil(width / 8);
  const grey = Buffer.alloc(width * height, 255);
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++)
      if (((bits[y * stride + (x >> 3)] ?? 0) & (0x80 >> (x & 7))) !== 0) grey[y * width + x] = 0;
  const perMm = dpi / 25.4;
  const file = await sharp(grey, { raw: { width, height, channels: 1 } })
    .toColourspace("b-w")
    .tiff({ compression: "ccittfax4", bitdepth: 1, resolutionUnit: "inch", xres: perMm, yres: perMm })
    .toBuffer();
  return new Uint8Array(file);
}
