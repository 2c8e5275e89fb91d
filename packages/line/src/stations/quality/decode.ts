import sharp from "sharp";
import type { Grey } from "./straighten.js";

/** Largest side of a picture that is taken: more is no camera of a line. */
const largest = 8000;

/** Any JPEG, PNG, TIFF, WebP or PGM file as grey. Throws when it is no picture, or a larger one than a camera of a line takes. */
export async function decodePicture(bytes: Uint8Array): Promise<Grey> {
  const picture = sharp(bytes, { limitInputPixels: largest * largest, failOn: "error" });
  const { data, info } = await picture
    .autoOrient()
    .flatten({ background: "#000" })
    .greyscale()
    .raw()
    .toBuffer({ resolveWithObject: true });
  if (info.channels === 1) return { width: info.width, height: info.height, grey: new Uint8Array(data) };
  const grey = new Uint8Array(info.width * info.height);
  for (let i = 0; i < grey.length; i++) grey[i] = data[i * info.channels] ?? 0;
  return { width: info.width, height: info.height, grey };
}
