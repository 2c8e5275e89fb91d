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

/** Of the lightest and the darkest one per cent of a picture nothing is kept; what lies between is spread over the whole scale. */
const kept = 0.01;
/** Mid tones are lifted a little: a burnt dot is larger than it was asked to be. */
const lift = 1 / 1.15;

/** Tones spread over the whole scale and lifted, as a table from grey to grey. */
function toneTable(grey: Uint8Array, lifted: number): Uint8Array {
  const counts = new Uint32Array(256);
  for (const value of grey) counts[value] = (counts[value] ?? 0) + 1;
  const share = grey.length * kept;
  let [low, darker] = [0, counts[0] ?? 0];
  while (low < 255 && darker <= share) darker += counts[++low] ?? 0;
  let [high, lighter] = [255, counts[255] ?? 0];
  while (high > low && lighter <= share) lighter += counts[--high] ?? 0;
  const range = Math.max(1, high - low);
  return Uint8Array.from({ length: 256 }, (_, value) =>
    Math.round(255 * Math.min(1, Math.max(0, (value - low) / range)) ** lifted),
  );
}

/** Unsharp mask with a binomial blur of five dots (sigma 1): edges of a face survive the dots. */
function sharpened(grey: Uint8Array, width: number, height: number): Uint8Array {
  const across = new Float32Array(grey.length);
  for (let y = 0; y < height; y++) {
    const line = y * width;
    const at = (x: number): number => grey[line + Math.min(width - 1, Math.max(0, x))] ?? 0;
    let [a, b, c, d] = [at(-2), at(-1), at(0), at(1)];
    for (let x = 0; x < width; x++) {
      const e = x + 2 < width ? (grey[line + x + 2] ?? 0) : (grey[line + width - 1] ?? 0);
      across[line + x] = (a + 4 * b + 6 * c + 4 * d + e) / 16;
      [a, b, c, d] = [b, c, d, e];
    }
  }
  const done = new Uint8Array(grey.length);
  for (let y = 0; y < height; y++) {
    const row = (to: number): number => Math.min(height - 1, Math.max(0, y + to)) * width;
    const [a, b, c, d, e] = [row(-2), row(-1), row(0), row(1), row(2)];
    for (let x = 0; x < width; x++) {
      const soft =
        ((across[a + x] ?? 0) +
          4 * (across[b + x] ?? 0) +
          6 * (across[c + x] ?? 0) +
          4 * (across[d + x] ?? 0) +
          (across[e + x] ?? 0)) /
        16;
      const sharp = 2 * (grey[c + x] ?? 0) - soft;
      done[c + x] = sharp < 0 ? 0 : sharp > 255 ? 255 : Math.round(sharp);
    }
  }
  return done;
}

/**
 * The engraver's dots, 1 = mark, one byte a dot. A portrait is cut to its box, its tones spread over the whole scale and lifted for the
 * dot gain of a laser, or sent through the `curve` that was measured for it (256 tones); a signature is laid whole into its box and its
 * lines are told from the paper. Throws LayoutProblem "photo-broken".
 */
export async function pictureDots(
  image: PlacedImage,
  width: number,
  height: number,
  curve?: Uint8Array,
): Promise<Uint8Array> {
  const lines = image.tones === "line";
  let grey: Uint8Array;
  try {
    grey = await sharp(image.bytes)
      .flatten({ background: "#fff" })
      .greyscale()
      .resize(
        width,
        height,
        lines ? { fit: "contain", background: "#fff" } : { fit: "cover", position: "top" },
      )
      .extractChannel(0)
      .raw()
      .toBuffer();
  } catch (cause) {
    throw broken(image.field, cause);
  }
  const table = toneTable(grey, curve === undefined ? lift : 1);
  const tones = grey.map((value) => table[value] ?? value);
  if (lines) return tones.map((value) => (value < 128 ? 1 : 0));
  const asked = sharpened(tones, width, height);
  return dither(
    curve === undefined ? asked : asked.map((value) => curve[value] ?? value),
    width,
    height,
    image.dither,
  );
}

/** The picture in colours or greys at so many dots: three bytes a dot, RGB; of a grey picture one. Throws LayoutProblem "photo-broken". */
export async function pictureRgb(image: PlacedImage, width: number, height: number): Promise<Uint8Array> {
  try {
    const whole = image.tones === "line";
    return await sharp(image.bytes)
      .flatten({ background: "#fff" })
      .resize(
        width,
        height,
        whole ? { fit: "contain", background: "#fff" } : { fit: "cover", position: "top" },
      )
      .toColourspace("srgb")
      .removeAlpha()
      .raw()
      .toBuffer();
  } catch (cause) {
    throw broken(image.field, cause);
  }
}
