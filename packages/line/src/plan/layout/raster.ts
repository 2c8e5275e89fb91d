import { Resvg } from "@resvg/resvg-js";
import sharp from "sharp";
import type { Face, PlacedField } from "../types.js";
import type { Box } from "./art.js";
import { type DitherMethod, dither } from "./dither.js";
import { LayoutProblem } from "./problem.js";

/** One side for the engraver: a raster job (devices/marker/port.ts) as it stands. */
export interface FaceRaster {
  readonly kind: "raster";
  readonly side: "front" | "back";
  readonly dpi: number;
  readonly width: number;
  readonly height: number;
  /** One bit a dot, rows padded to bytes, 1 = mark. */
  readonly bits: Uint8Array;
  /** What lies where, mm: an engraver may burn photos otherwise than text. */
  readonly areas: readonly { readonly name: string; readonly kind: PlacedField["kind"]; readonly box: Box }[];
}

/** Dots of the whole card, to the nearest: 1011 × 638 at 300 dpi, 2022 × 1275 at 600. */
export const dotsAt = (dpi: number): { width: number; height: number } => ({
  width: Math.round((85.6 / 25.4) * dpi),
  height: Math.round((53.98 / 25.4) * dpi),
});

/** Marks of an SVG fragment in millimetres, one byte a dot. */
function marksOf(fragment: string, dpi: number): Uint8Array {
  const { width, height } = dotsAt(dpi);
  const scale = 25.4 / dpi;
  // The view is exactly the dots, so that a millimetre is dpi / 25.4 of them in both directions.
  const svg =
    `<svg xmlns="http://www.w3.org/2000/svg" width="${String(width)}" height="${String(height)}" ` +
    `viewBox="0 0 ${(width * scale).toFixed(6)} ${(height * scale).toFixed(6)}">${fragment}</svg>`;
  const { pixels } = new Resvg(svg, { background: "#fff", font: { loadSystemFonts: false } }).render();
  const marks = new Uint8Array(width * height);
  for (let i = 0; i < marks.length; i++) marks[i] = (pixels[4 * i] ?? 255) < 128 ? 1 : 0;
  return marks;
}

/** A synchronous loop of renderings keeps their memory: one turn of the event loop sets it free. */
const turn = (): Promise<void> => new Promise((done) => setImmediate(done));

const drawnArt = new Map<string, Uint8Array>();
const artKept = 8;

async function artMarks(fragment: string, dpi: number): Promise<Uint8Array> {
  const key = `${String(dpi)} ${fragment}`;
  let marks = drawnArt.get(key);
  if (marks === undefined) {
    marks = marksOf(fragment, dpi);
    await turn();
    const [oldest] = drawnArt.keys();
    if (drawnArt.size >= artKept && oldest !== undefined) drawnArt.delete(oldest);
    drawnArt.set(key, marks);
  }
  return marks;
}

const imageTag =
  /<image x="([\d.-]+)" y="([\d.-]+)" width="([\d.]+)" height="([\d.]+)" preserveAspectRatio="xMidYMid slice" data-dither="([a-z-]+)" href="data:image\/png;base64,([^"]*)"\/>/g;

/** The picture as dots of the device: cut to the box, tones spread over the whole scale, lifted for the dot gain of a laser. */
async function photoDots(
  png: Buffer,
  width: number,
  height: number,
  method: DitherMethod,
): Promise<Uint8Array> {
  const grey = await sharp(png)
    .flatten({ background: "#fff" })
    .greyscale()
    .resize(width, height, { fit: "cover", position: "top" })
    .normalise({ lower: 1, upper: 99 })
    .sharpen({ sigma: 1.2 })
    .gamma(1.15)
    .raw()
    .toBuffer();
  return dither(grey, width, height, method);
}

/**
 * A side as the engraver burns it, at 300 or 600 dpi. Static artwork is drawn once and kept; photos are dithered at the device's
 * resolution. The same face gives the same bits. Throws LayoutProblem "photo-broken".
 */
export async function renderFace(face: Face, dpi: 300 | 600): Promise<FaceRaster> {
  const { width, height } = dotsAt(dpi);
  const [, art = "", fields = ""] =
    /<g id="art">(.*)<\/g>\n<g id="fields">(.*)<\/g>\n<\/svg>/s.exec(face.svg) ?? [];
  const marks = Uint8Array.from(await artMarks(art, dpi));
  const own = marksOf(fields.replaceAll(imageTag, ""), dpi);
  await turn();
  for (let i = 0; i < marks.length; i++) marks[i] = (marks[i] ?? 0) | (own[i] ?? 0);
  for (const [, x, y, w, h, method, data] of fields.matchAll(imageTag)) {
    const dots = (mm: string | undefined): number => Math.round((Number(mm) / 25.4) * dpi);
    const [left, top, columns, rows] = [dots(x), dots(y), dots(w), dots(h)];
    let photo: Uint8Array;
    try {
      const png = Buffer.from(data ?? "", "base64");
      photo = await photoDots(png, columns, rows, method === "atkinson" ? "atkinson" : "floyd-steinberg");
    } catch (cause) {
      const name = face.fields.find((field) => field.kind === "photo")?.name;
      throw new LayoutProblem(
        "photo-broken",
        { file: "the record's photo" },
        name,
        `it cannot be decoded (${cause instanceof Error ? cause.message : "unknown reason"})`,
        "supply the picture again as PNG or JPEG",
      );
    }
    for (let row = 0; row < rows; row++) {
      for (let column = 0; column < columns; column++) {
        if (photo[row * columns + column] === 1 && top + row < height && left + column < width) {
          marks[(top + row) * width + left + column] = 1;
        }
      }
    }
  }
  return {
    kind: "raster",
    side: face.side,
    dpi,
    width,
    height,
    bits: packBits(marks, width, height),
    areas: face.fields.map(({ name, kind, box }) => ({ name, kind, box })),
  };
}

/** One byte a dot to one bit a dot, rows padded to bytes, the leftmost dot in the highest bit. */
function packBits(marks: Uint8Array, width: number, height: number): Uint8Array {
  const stride = Math.ceil(width / 8);
  const bits = new Uint8Array(stride * height);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      if (marks[y * width + x] === 1) {
        const at = y * stride + (x >> 3);
        bits[at] = (bits[at] ?? 0) | (0x80 >> (x & 7));
      }
    }
  }
  return bits;
}
