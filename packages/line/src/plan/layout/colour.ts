/** What the printer puts on a card: the layer colour in RGB. */
import { Resvg } from "@resvg/resvg-js";
import type { Box, Face, PlacedCode, PlacedElement, PlacedImage } from "../placed.js";
import { drawElement } from "./draw.js";
import { outlinesOf } from "./outlines.js";
import { dotsAt, inkOf, type Window, windowOf } from "./raster.js";
import { pictureRgb } from "./tones.js";

export interface ColourPicture {
  readonly side: "front" | "back";
  readonly dpi: number;
  /** Dots of the card and of its bleed on both sides. */
  readonly width: number;
  readonly height: number;
  /** Dots of the picture beyond each edge of the card. */
  readonly bleed: number;
  /** RGBA, premultiplied; transparent where nothing is printed. */
  readonly pixels: Uint8Array;
}

/** The card's dots in colour, with so many beyond each edge. Windows are counted from the sheet's corner, boxes from the card's. */
interface Sheet {
  readonly dpi: number;
  readonly bleed: number;
  readonly width: number;
  readonly height: number;
  readonly pixels: Uint8Array;
}

const kept = new Map<string, Uint8Array>();
const mostKept = 4;
const palette = { mark: "#000000", clear: "#ffffff" };
const turn = (): Promise<void> => new Promise((done) => setImmediate(done));

const isPrinted = ({ layer }: PlacedElement): boolean => layer === "colour";

/** A window of whole dots, drawn from a fragment in mm: the very dots that the whole sheet would have there. */
function drawn(fragment: string, { dpi, bleed }: Sheet, window: Window): Uint8Array {
  const dot = 25.4 / dpi;
  const [left, top] = [window.left - bleed, window.top - bleed];
  const svg =
    `<svg xmlns="http://www.w3.org/2000/svg" width="${String(window.width)}" height="${String(window.height)}" ` +
    `viewBox="${(left * dot).toFixed(6)} ${(top * dot).toFixed(6)} ${(window.width * dot).toFixed(6)} ${(window.height * dot).toFixed(6)}">${fragment}</svg>`;
  return new Resvg(svg, { font: { loadSystemFonts: false } }).render().pixels;
}

const whole = ({ width, height }: Sheet): Window => ({ left: 0, top: 0, width, height });

async function commonInto(sheet: Sheet, { key, elements }: Face["common"]): Promise<void> {
  const printed = elements.filter(isPrinted);
  if (printed.length === 0) return;
  const name = `${String(sheet.dpi)} ${String(sheet.bleed)} ${key}`;
  const known = kept.get(name);
  if (known !== undefined) {
    sheet.pixels.set(known);
    return;
  }
  const pixels = drawn(printed.map((one) => drawElement(one, palette)).join(""), sheet, whole(sheet));
  await turn();
  const [oldest] = kept.keys();
  if (kept.size >= mostKept && oldest !== undefined) kept.delete(oldest);
  kept.set(name, pixels);
  sheet.pixels.set(pixels);
}

/** Lays a premultiplied window over the sheet. */
function over({ pixels, width }: Sheet, window: Window, top: Uint8Array): void {
  for (let row = 0; row < window.height; row++) {
    let to = 4 * ((window.top + row) * width + window.left);
    const end = 4 * (row + 1) * window.width;
    for (let from = 4 * row * window.width; from < end; from += 4, to += 4) {
      const alpha = top[from + 3] ?? 0;
      if (alpha === 0) continue;
      const rest = 255 - alpha;
      for (let band = 0; band < 4; band++)
        pixels[to + band] =
          (top[from + band] ?? 0) + (rest === 0 ? 0 : Math.round(((pixels[to + band] ?? 0) * rest) / 255));
    }
  }
}

/** Box around drawn shapes; control points of curves lie outside a curve, never inside. */
function boxOf(element: Extract<PlacedElement, { kind: "outline" }>): Box | undefined {
  const points = outlinesOf([element]).flatMap(({ commands }) =>
    commands.flatMap((command): (readonly [number, number])[] => {
      if (command.to === "Z") return [];
      const end = [command.x, command.y] as const;
      if (command.to === "Q") return [end, [command.x1, command.y1]];
      return command.to === "C" ? [end, [command.x1, command.y1], [command.x2, command.y2]] : [end];
    }),
  );
  if (points.length === 0) return undefined;
  // Lines are joined round and end flat: nothing is farther from the path than its width.
  const room = element.stroke ?? 0;
  const [xs, ys] = [points.map(([x]) => x), points.map(([, y]) => y)];
  const [x, y] = [Math.min(...xs) - room, Math.min(...ys) - room];
  return { x, y, width: Math.max(...xs) + room - x, height: Math.max(...ys) + room - y };
}

function inkBox(element: PlacedElement, face: Face): Box | undefined {
  switch (element.kind) {
    case "glyphs":
      return inkOf([element], face.fields);
    case "outline":
      return boxOf(element);
    case "artwork":
      return element.box;
    default:
      return undefined;
  }
}

/** Modules in whole dots with sharp edges: a printer's dots are no place for half tones of a code. */
function codeInto({ pixels, width, height, dpi, bleed }: Sheet, code: PlacedCode): void {
  const dots = (mm: number): number => Math.round((mm / 25.4) * dpi) + bleed;
  const rgb = [1, 3, 5].map((at) => Number.parseInt(code.colour.slice(at, at + 2), 16));
  for (let row = 0; row < code.rows; row++) {
    const top = Math.max(0, dots(code.y + row * code.module.height));
    const bottom = Math.min(height, dots(code.y + (row + 1) * code.module.height));
    for (let column = 0; column < code.columns; column++) {
      if (code.dark[row * code.columns + column] !== 1) continue;
      const left = Math.max(0, dots(code.x + column * code.module.width));
      const right = Math.min(width, dots(code.x + (column + 1) * code.module.width));
      for (let y = top; y < bottom; y++)
        for (let x = left; x < right; x++) pixels.set([...rgb, 255], 4 * (y * width + x));
    }
  }
}

async function imageInto(sheet: Sheet, element: PlacedImage): Promise<void> {
  const { dpi, bleed, width, height, pixels } = sheet;
  const dots = (mm: number): number => Math.round((mm / 25.4) * dpi);
  const { box } = element;
  const [left, top] = [dots(box.x) + bleed, dots(box.y) + bleed];
  const [across, down] = [dots(box.width), dots(box.height)];
  const data = await pictureRgb(element, across, down);
  const bands = data.length / (across * down);
  for (let row = Math.max(0, -top); row < Math.min(down, height - top); row++)
    for (let column = Math.max(0, -left); column < Math.min(across, width - left); column++) {
      const from = (row * across + column) * bands;
      const to = 4 * ((top + row) * width + left + column);
      for (let band = 0; band < 3; band++) pixels[to + band] = data[from + (bands === 1 ? 0 : band)] ?? 0;
      pixels[to + 3] = 255;
    }
}

/**
 * A side as the printer gets it, with `bleed` mm beyond each edge (to the nearest dot) for printers that print over it. What the cards share
 * is drawn once and kept; of the record's own only the windows it fills are drawn, in drawing order. Throws LayoutProblem "photo-broken".
 */
export async function renderColour(face: Face, dpi: 300 | 600, bleed = 0): Promise<ColourPicture> {
  const card = dotsAt(dpi);
  const edge = Math.round((bleed / 25.4) * dpi);
  const [width, height] = [card.width + 2 * edge, card.height + 2 * edge];
  const sheet: Sheet = { dpi, bleed: edge, width, height, pixels: new Uint8Array(4 * width * height) };
  await commonInto(sheet, face.common);
  const edgeMm = (edge * 25.4) / dpi;
  for (const element of face.own.filter(isPrinted)) {
    if (element.kind === "image") await imageInto(sheet, element);
    else if (element.kind === "code") codeInto(sheet, element);
    else {
      const box = inkBox(element, face);
      const window =
        box === undefined ? undefined : windowOf({ ...box, x: box.x + edgeMm, y: box.y + edgeMm }, sheet);
      if (window !== undefined) over(sheet, window, drawn(drawElement(element, palette), sheet, window));
    }
  }
  await turn();
  return { side: face.side, dpi, width, height, bleed: edge, pixels: sheet.pixels };
}
