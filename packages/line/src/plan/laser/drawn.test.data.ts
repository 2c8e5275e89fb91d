/** What an engraver's file draws, as another program read it, held against the layout's own dots. */
import { readFileSync } from "node:fs";
import { compileVisual, readFonts, type VisualLayout } from "../layout/index.js";
import { samplePhoto } from "../layout/portraits.test.data.js";
import type { Face } from "../placed.js";
import { type LaserSettings, parseLaser } from "./index.js";

/** Millimetres from the upper left corner: x0, y0, x1, y1. */
export type Segment = readonly [number, number, number, number];

const fonts = readFonts();
const offered = {
  texts: [
    ..."name department premises number validUntil cardNumber".split(" "),
    ..."surname given nativeName birth sex nationality category order record".split(" "),
  ],
  photos: ["photo", "signature"],
  codes: ["cardNumber"],
};
const person = {
  name: "Željko Đorđević-O’Brien",
  department: "Extrusion and Tooling",
  premises: ["A1", "B2", "DOCK"],
  number: "PP1234567",
  validUntil: "2031-12-31",
  cardNumber: "7K3F-9Q2M",
  surname: "Lindqvist",
  given: "Maria",
  nativeName: "Maria Lindqvist",
  birth: "1989-04-23",
  sex: "F",
  nationality: "UTO",
  category: "junior",
  order: "2026-117",
  record: "1",
};

export function visualOf(product: string): VisualLayout {
  const folder = new URL(`../../../../../examples/products/${product}/layout/`, import.meta.url);
  const read = (file: string): { file: string; text: string } => ({
    file,
    text: readFileSync(new URL(file, folder), "utf8"),
  });
  return compileVisual({ front: read("front.yaml"), back: read("back.yaml") }, offered, fonts, read);
}

export const facesOf = (product: string): readonly Face[] =>
  visualOf(product).draw(person, { photo: samplePhoto(1), signature: samplePhoto(2) }).faces;

export const settingsIn = (name: string): Promise<LaserSettings> => {
  const file = new URL(`../../../../../examples/lasers/${name}.yaml`, import.meta.url);
  return parseLaser(readFileSync(file, "utf8"), `${name}.yaml`, () => Promise.reject(new Error("no curve")));
};

export interface Dots {
  readonly dpi: number;
  readonly width: number;
  readonly height: number;
  readonly bits: Uint8Array;
}

export const isDark = ({ width, height, bits }: Dots, x: number, y: number): boolean =>
  x >= 0 &&
  y >= 0 &&
  x < width &&
  y < height &&
  ((bits[y * Math.ceil(width / 8) + (x >> 3)] ?? 0) & (0x80 >> (x & 7))) !== 0;

/** Each dot as one byte, 1 where a dark one lies no further than `reach` mm (centre to centre). */
function grown(dots: Dots, reach: number): Uint8Array {
  const { width, height, dpi } = dots;
  const far = (reach / 25.4) * dpi;
  const near: (readonly [number, number])[] = [];
  for (let y = -Math.floor(far); y <= far; y++)
    for (let x = -Math.floor(far); x <= far; x++) if (x * x + y * y <= far * far) near.push([x, y]);
  const made = new Uint8Array(width * height);
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++)
      if (isDark(dots, x, y))
        for (const [dx, dy] of near)
          if (x + dx >= 0 && x + dx < width && y + dy >= 0 && y + dy < height)
            made[(y + dy) * width + x + dx] = 1;
  return made;
}

/** The dots whose middle a beam of this width covers, or misses by `margin` of a dot. */
export function burnt(
  segments: readonly Segment[],
  spot: number,
  { dpi, width, height }: Omit<Dots, "bits">,
  margin = 0.25,
): Dots {
  const stride = Math.ceil(width / 8);
  const bits = new Uint8Array(stride * height);
  const scale = dpi / 25.4;
  const r = (spot / 2) * scale + margin;
  for (const [x0, y0, x1, y1] of segments) {
    const [ax, ay, bx, by] = [x0 * scale - 0.5, y0 * scale - 0.5, x1 * scale - 0.5, y1 * scale - 0.5];
    const length = (bx - ax) ** 2 + (by - ay) ** 2;
    for (
      let y = Math.max(0, Math.ceil(Math.min(ay, by) - r));
      y <= Math.min(height - 1, Math.max(ay, by) + r);
      y++
    )
      for (
        let x = Math.max(0, Math.ceil(Math.min(ax, bx) - r));
        x <= Math.min(width - 1, Math.max(ax, bx) + r);
        x++
      ) {
        const t =
          length === 0 ? 0 : Math.min(1, Math.max(0, ((x - ax) * (bx - ax) + (y - ay) * (by - ay)) / length));
        if ((x - ax - t * (bx - ax)) ** 2 + (y - ay - t * (by - ay)) ** 2 <= r * r) {
          const at = y * stride + (x >> 3);
          bits[at] = (bits[at] ?? 0) | (0x80 >> (x & 7));
        }
      }
  }
  return { dpi, width, height, bits };
}

/**
 * Dots of `drawn` with nothing dark in `wanted` within `reach` mm, and the other way round: what is burnt beside the layout, and what of
 * the layout is not burnt.
 */
export function apart(
  drawn: Dots,
  wanted: Dots,
  reach: number,
): { readonly beside: number; readonly missing: number } {
  const [around, burntAround] = [grown(wanted, reach), grown(drawn, reach)];
  let [beside, missing] = [0, 0];
  for (let y = 0; y < wanted.height; y++)
    for (let x = 0; x < wanted.width; x++) {
      if (isDark(drawn, x, y) && around[y * wanted.width + x] === 0) beside++;
      if (isDark(wanted, x, y) && burntAround[y * wanted.width + x] === 0) missing++;
    }
  return { beside, missing };
}

/** Ink of each letter: the layout's box, and the edge of what is burnt in and right around it; the largest difference, mm. */
export function lettersApart(
  face: Face,
  segments: readonly Segment[],
  spot: number,
): { readonly letters: number; readonly worst: number } {
  let [letters, worst] = [0, 0];
  const own = new Set(face.own.filter(({ layer }) => layer === "laser").map(({ field }) => field));
  for (const field of face.fields) {
    if (field.layer !== "laser" || !own.has(field.name)) continue;
    for (const { box } of field.glyphs ?? []) {
      // Letters that reach under each other (To, r.) cannot be told apart by where lines lie.
      const alone = (field.glyphs ?? []).every(
        ({ box: other }) =>
          other === box ||
          other.x > box.x + box.width + 0.1 ||
          other.x + other.width < box.x - 0.1 ||
          other.y > box.y + box.height + 0.1 ||
          other.y + other.height < box.y - 0.1,
      );
      if (box.width === 0 || !alone) continue;
      const inside = segments.filter(
        ([x0, y0, x1, y1]) =>
          Math.min(x0, x1) > box.x - 0.1 &&
          Math.max(x0, x1) < box.x + box.width + 0.1 &&
          Math.min(y0, y1) > box.y - 0.1 &&
          Math.max(y0, y1) < box.y + box.height + 0.1,
      );
      const xs = inside.flatMap(([a, , b]) => [a, b]);
      const ys = inside.flatMap(([, a, , b]) => [a, b]);
      const low = (values: number[]): number => values.reduce((a, b) => Math.min(a, b), Infinity);
      const high = (values: number[]): number => values.reduce((a, b) => Math.max(a, b), -Infinity);
      letters++;
      worst = Math.max(
        worst,
        Math.abs(low(xs) - spot / 2 - box.x),
        Math.abs(high(xs) + spot / 2 - box.x - box.width),
        Math.abs(low(ys) - spot / 2 - box.y),
        Math.abs(high(ys) + spot / 2 - box.y - box.height),
      );
    }
  }
  return { letters, worst };
}

/** Plastic as a camera sees it: a dot is dark where the beam darkened half of it. */
export function plastic(segments: readonly Segment[], spot: number, wanted: Omit<Dots, "bits">): Dots {
  const fine = 4;
  const { dpi, width, height } = wanted;
  const exact = burnt(segments, spot, { dpi: fine * dpi, width: fine * width, height: fine * height }, 0);
  const stride = Math.ceil(width / 8);
  const bits = new Uint8Array(stride * height);
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++) {
      let dark = 0;
      for (let i = 0; i < fine * fine; i++)
        if (isDark(exact, fine * x + (i % fine), fine * y + Math.floor(i / fine))) dark++;
      if (2 * dark >= fine * fine)
        bits[y * stride + (x >> 3)] = (bits[y * stride + (x >> 3)] ?? 0) | (0x80 >> (x & 7));
    }
  return { dpi, width, height, bits };
}
