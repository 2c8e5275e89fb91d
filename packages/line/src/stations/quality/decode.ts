import sharp from "sharp";
import type { Grey } from "./straighten.js";

/** Largest side of a picture that is taken: more is no camera of a line. */
const largest = 8000;

/** Luma of interleaved 8-bit RGB (ITU-R BT.601), as printed grounds are drawn in grey too; greys stay what they are. */
function lumaOf(rgb: Uint8Array): Uint8Array {
  const grey = new Uint8Array(rgb.length / 3);
  for (let i = 0, at = 0; i < grey.length; i++, at += 3)
    grey[i] = (77 * (rgb[at] ?? 0) + 150 * (rgb[at + 1] ?? 0) + 29 * (rgb[at + 2] ?? 0) + 128) >> 8;
  return grey;
}

/** Header of a binary greymap (netpbm's P5): width, height and greatest value, apart by white space and comments. */
const greymap = /^P5(?:\s|#[^\n]*\n)+(\d{1,5})(?:\s|#[^\n]*\n)+(\d{1,5})(?:\s|#[^\n]*\n)+(\d{1,5})\s/;

/** The picture library has no reader for it. Undefined: it is no greymap. Throws when it is half of one. */
function readGreymap(bytes: Uint8Array): Grey | undefined {
  if (bytes[0] !== 0x50 || bytes[1] !== 0x35) return undefined;
  const header = greymap.exec(Buffer.from(bytes.subarray(0, 1024)).toString("latin1"));
  if (header === null) return undefined;
  const [width = 0, height = 0, most = 0] = header.slice(1).map(Number);
  const wide = most > 255 ? 2 : 1;
  const dots = bytes.subarray(header[0].length);
  if (width < 1 || height < 1 || width * height > largest * largest || most < 1 || most > 65_535)
    throw new Error("the greymap's header names no size or greatest value that a camera has");
  if (dots.length < width * height * wide) throw new Error("the greymap ends too early");
  const grey = new Uint8Array(width * height);
  for (let i = 0; i < grey.length; i++) {
    const value = wide === 1 ? (dots[i] ?? 0) : (dots[2 * i] ?? 0) * 256 + (dots[2 * i + 1] ?? 0);
    grey[i] = Math.min(255, Math.round((255 * value) / most));
  }
  return { width, height, grey };
}

/** Any JPEG, PNG, TIFF, WebP or PGM file as grey. Throws when it is no picture, or a larger one than a camera of a line takes. */
export async function decodePicture(bytes: Uint8Array): Promise<Grey> {
  const plainGrey = readGreymap(bytes);
  if (plainGrey !== undefined) return plainGrey;
  const picture = sharp(bytes, { limitInputPixels: largest * largest, failOn: "error" });
  const { space, depth, hasAlpha } = await picture.metadata();
  const upright = picture.autoOrient();
  // What cameras send needs no colour management: turning it to grey there costs as much as decoding.
  const plain = depth === "uchar" && !hasAlpha && (space === "srgb" || space === "b-w");
  const { data, info } = await (plain ? upright : upright.flatten({ background: "#000" }).greyscale())
    .raw()
    .toBuffer({ resolveWithObject: true });
  const { width, height, channels } = info;
  const all = new Uint8Array(data.buffer, data.byteOffset, data.length);
  if (channels === 1) return { width, height, grey: all };
  if (plain && channels === 3) return { width, height, grey: lumaOf(all) };
  const grey = new Uint8Array(width * height);
  for (let i = 0; i < grey.length; i++) grey[i] = all[i * channels] ?? 0;
  return { width, height, grey };
}
