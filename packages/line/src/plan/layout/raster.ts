import { Resvg } from "@resvg/resvg-js";
import {
  type Box,
  engraved,
  type Face,
  type PlacedCode,
  type PlacedElement,
  type PlacedField,
  type PlacedGlyphs,
} from "../placed.js";
import { drawElement } from "./draw.js";
import { pictureDots } from "./tones.js";

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
  readonly areas: readonly Pick<PlacedField, "name" | "kind" | "box" | "glyphs">[];
}

/** Dots of the whole card, to the nearest: 1011 × 638 at 300 dpi, 2022 × 1275 at 600. */
export const dotsAt = (dpi: number): { width: number; height: number } => ({
  width: Math.round((85.6 / 25.4) * dpi),
  height: Math.round((53.98 / 25.4) * dpi),
});

export interface Window {
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
}

/** The card's dots as bits; windows of it are drawn into it. */
interface Sheet {
  readonly dpi: number;
  readonly width: number;
  readonly height: number;
  readonly stride: number;
  readonly bits: Uint8Array;
}

function mark(sheet: Sheet, window: Window, isMarked: (at: number) => boolean): void {
  const { bits, stride } = sheet;
  const right = Math.min(window.width, sheet.width - window.left);
  const bottom = Math.min(window.height, sheet.height - window.top);
  for (let row = Math.max(0, -window.top); row < bottom; row++) {
    const line = (window.top + row) * stride;
    for (let column = Math.max(0, -window.left); column < right; column++) {
      if (!isMarked(row * window.width + column)) continue;
      const x = window.left + column;
      const at = line + (x >> 3);
      bits[at] = (bits[at] ?? 0) | (0x80 >> (x & 7));
    }
  }
}

const palette = { mark: "#000", clear: "#fff" };

/**
 * Draws a fragment in mm into a window of whole dots. The view is exactly the dots, so that a millimetre is dpi / 25.4 of them in both
 * directions, and a window gives the very dots that the whole card would have there.
 */
function drawInto(sheet: Sheet, window: Window, fragment: string): void {
  const dot = 25.4 / sheet.dpi;
  const svg =
    `<svg xmlns="http://www.w3.org/2000/svg" width="${String(window.width)}" height="${String(window.height)}" ` +
    `viewBox="${(window.left * dot).toFixed(6)} ${(window.top * dot).toFixed(6)} ${(window.width * dot).toFixed(6)} ${(window.height * dot).toFixed(6)}">${fragment}</svg>`;
  const { pixels } = new Resvg(svg, { background: "#fff", font: { loadSystemFonts: false } }).render();
  mark(sheet, window, (at) => (pixels[4 * at] ?? 255) < 128);
}

/** A synchronous loop of renderings keeps their memory: one turn of the event loop sets it free. */
const turn = (): Promise<void> => new Promise((done) => setImmediate(done));

const blank = (dpi: number): Sheet => {
  const { width, height } = dotsAt(dpi);
  const stride = Math.ceil(width / 8);
  return { dpi, width, height, stride, bits: new Uint8Array(stride * height) };
};

const isEngraved = ({ layer }: PlacedElement): boolean => engraved.includes(layer);
const keptCommon = new Map<string, Uint8Array>();
const mostKept = 8;

/** Marks that all cards of a layout share: drawn once, then kept. */
async function commonBits({ key, elements }: Face["common"], dpi: number): Promise<Uint8Array> {
  const name = `${String(dpi)} ${key}`;
  const known = keptCommon.get(name);
  if (known !== undefined) return known;
  const sheet = blank(dpi);
  const drawn = elements.filter(isEngraved);
  drawInto(
    sheet,
    { left: 0, top: 0, width: sheet.width, height: sheet.height },
    drawn.map((element) => drawElement(element, palette)).join(""),
  );
  await turn();
  const [oldest] = keptCommon.keys();
  if (keptCommon.size >= mostKept && oldest !== undefined) keptCommon.delete(oldest);
  keptCommon.set(name, sheet.bits);
  return sheet.bits;
}

/** Dots around a box, with one to spare on each side; undefined when none of them lie on the sheet. */
export function windowOf(
  box: Box,
  { dpi, width, height }: Pick<Sheet, "dpi" | "width" | "height">,
): Window | undefined {
  const dots = (mm: number): number => (mm / 25.4) * dpi;
  const left = Math.max(0, Math.floor(dots(box.x)) - 1);
  const top = Math.max(0, Math.floor(dots(box.y)) - 1);
  const right = Math.min(width, Math.ceil(dots(box.x + box.width)) + 1);
  const bottom = Math.min(height, Math.ceil(dots(box.y + box.height)) + 1);
  return right > left && bottom > top ? { left, top, width: right - left, height: bottom - top } : undefined;
}

function codeInto(sheet: Sheet, code: PlacedCode): void {
  const dots = (mm: number): number => Math.round((mm / 25.4) * sheet.dpi);
  for (let row = 0; row < code.rows; row++) {
    const top = dots(code.y + row * code.module.height);
    const height = dots(code.y + (row + 1) * code.module.height) - top;
    for (let column = 0; column < code.columns; column++) {
      if (code.dark[row * code.columns + column] !== 1) continue;
      const left = dots(code.x + column * code.module.width);
      const width = dots(code.x + (column + 1) * code.module.width) - left;
      mark(sheet, { left, top, width, height }, () => true);
    }
  }
}

/** Box around the ink of placed texts. */
export function inkOf(elements: readonly PlacedGlyphs[], fields: readonly PlacedField[]): Box | undefined {
  const names = new Set(elements.map(({ field }) => field));
  const boxes = fields
    .flatMap(({ name, glyphs }) => (names.has(name) ? (glyphs ?? []) : []))
    .map(({ box }) => box);
  if (boxes.length === 0) return undefined;
  const x = Math.min(...boxes.map((box) => box.x));
  const y = Math.min(...boxes.map((box) => box.y));
  return {
    x,
    y,
    width: Math.max(...boxes.map((box) => box.x + box.width)) - x,
    height: Math.max(...boxes.map((box) => box.y + box.height)) - y,
  };
}

/** Glyphs, codes and outlines of the record's own; pictures alone are drawn in other dots by whoever burns them. */
function outlinesInto(sheet: Sheet, face: Face, element: PlacedElement): void {
  switch (element.kind) {
    case "glyphs": {
      const ink = inkOf([element], face.fields);
      const window = ink === undefined ? undefined : windowOf(ink, sheet);
      if (window !== undefined) drawInto(sheet, window, drawElement(element, palette));
      break;
    }
    case "code":
      codeInto(sheet, element);
      break;
    case "outline":
      drawInto(
        sheet,
        { left: 0, top: 0, width: sheet.width, height: sheet.height },
        drawElement(element, palette),
      );
      break;
    case "image":
    case "artwork":
    case "line":
    case "stripe":
  }
}

/** One bit a dot, rows padded to bytes, 1 = dark. */
type MarkedDots = Pick<FaceRaster, "dpi" | "width" | "height" | "bits">;

/** A side but for the record's pictures, in dots as fine as a beam that follows outlines. */
export async function renderOutlines(face: Face, dpi: number): Promise<MarkedDots> {
  const sheet = blank(dpi);
  sheet.bits.set(await commonBits(face.common, dpi));
  for (const element of face.own.filter(isEngraved)) outlinesInto(sheet, face, element);
  await turn();
  const { width, height, bits } = sheet;
  return { dpi, width, height, bits };
}

/**
 * A side as the engraver burns it, at 300 or 600 dpi: the layers laser and code. What the cards share is drawn once and kept; of the
 * record's own only the windows it fills are drawn; photos are dithered at the device's resolution, through the `curve` of the device where
 * one was measured. The same face gives the same bits. Throws LayoutProblem "photo-broken".
 */
export async function renderFace(face: Face, dpi: 300 | 600, curve?: Uint8Array): Promise<FaceRaster> {
  const sheet = blank(dpi);
  sheet.bits.set(await commonBits(face.common, dpi));
  for (const element of face.own.filter(isEngraved)) {
    if (element.kind !== "image") {
      outlinesInto(sheet, face, element);
      continue;
    }
    const dots = (mm: number): number => Math.round((mm / 25.4) * dpi);
    const { x, y, width, height } = element.box;
    const window = { left: dots(x), top: dots(y), width: dots(width), height: dots(height) };
    const marks = await pictureDots(element, window.width, window.height, curve);
    mark(sheet, window, (at) => marks[at] === 1);
  }
  await turn();
  return {
    kind: "raster",
    side: face.side,
    dpi,
    width: sheet.width,
    height: sheet.height,
    bits: sheet.bits,
    areas: face.fields
      .filter(({ layer }) => engraved.includes(layer))
      .map(({ name, kind, box, glyphs }) => ({
        name,
        kind,
        box,
        ...(glyphs === undefined ? {} : { glyphs }),
      })),
  };
}
