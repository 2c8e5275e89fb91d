import sharp from "sharp";

/** Pixels across: both sides of the comparison stay readable. */
const width = 1400;

/** A judged side as the report shows it. `png`: as it was drawn. */
export async function judgedJpeg(png: Uint8Array): Promise<Uint8Array> {
  return new Uint8Array(await sharp(png).resize({ width }).jpeg({ quality: 72 }).toBuffer());
}
