/** Pictures of records as dots of a machine. */
import sharp from "sharp";
import type { PlacedImage } from "../placed.js";
import { dither } from "./dither.js";
import { LayoutProblem } from "./problem.js";

const broken = (field: string, cause: unknown): LayoutProblem =>
  new LayoutProblem(
    "photo-broken",
    { file: "the record's photo" },
    field,
    `it cannot be decoded (${cause instanceof Error ? cause.message : "unknown reason"})`,
    "supply the picture again as PNG or JPEG",
  );

/**
 * The engraver's dots, 1 = mark, one byte a dot. A portrait is cut to its box, its tones spread over the whole scale and lifted for the
 * dot gain of a laser; a signature is laid whole into its box and its lines are told from the paper. Throws LayoutProblem "photo-broken".
 */
export async function pictureDots(image: PlacedImage, width: number, height: number): Promise<Uint8Array> {
  try {
    const grey = sharp(image.bytes).flatten({ background: "#fff" }).greyscale();
    if (image.tones === "line") {
      const lines = await grey
        .resize(width, height, { fit: "contain", background: "#fff" })
        .normalise({ lower: 1, upper: 99 })
        .raw()
        .toBuffer();
      return Uint8Array.from(lines, (value) => (value < 128 ? 1 : 0));
    }
    const tones = await grey
      .resize(width, height, { fit: "cover", position: "top" })
      .normalise({ lower: 1, upper: 99 })
      .sharpen({ sigma: 1.2 })
      .gamma(1.15)
      .raw()
      .toBuffer();
    return dither(tones, width, height, image.dither);
  } catch (cause) {
    throw broken(image.field, cause);
  }
}

/** The picture in colours or greys at so many dots, as PNG. Throws LayoutProblem "photo-broken". */
export async function picturePng(image: PlacedImage, width: number, height: number): Promise<Buffer> {
  try {
    const picture = sharp(image.bytes).flatten({ background: "#fff" });
    return await (image.tones === "line"
      ? picture.greyscale().resize(width, height, { fit: "contain", background: "#fff" })
      : picture.resize(width, height, { fit: "cover", position: "top" })
    )
      .png({ compressionLevel: 3 })
      .toBuffer();
  } catch (cause) {
    throw broken(image.field, cause);
  }
}
