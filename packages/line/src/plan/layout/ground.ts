/** What is printed on a side, as a camera sees it in grey: the ground on which engraved marks stand. */
import { Resvg } from "@resvg/resvg-js";
import type { Face } from "../placed.js";
import { renderColour } from "./colour.js";
import { drawElement } from "./draw.js";
import { dotsAt } from "./raster.js";

/** 8-bit grey of which 255 is the bare body, rows top to bottom. */
export interface GreyGround {
  readonly width: number;
  readonly height: number;
  readonly grey: Uint8Array;
}

export interface FaceGround {
  /** What all cards of the layout share: the blank's preprint and the printer's common artwork. Kept; not to be changed. */
  readonly common: GreyGround;
  /** What the printer adds for this record alone; undefined when it adds nothing. */
  readonly own?: GreyGround;
}

const kept = new Map<string, GreyGround | undefined>();
const mostKept = 8;

/** Grey of premultiplied RGBA over a white body. */
function greyOf(pixels: Uint8Array, width: number, height: number): GreyGround {
  const grey = new Uint8Array(width * height);
  for (let i = 0; i < grey.length; i++) {
    const at = 4 * i;
    const bare = 255 - (pixels[at + 3] ?? 0);
    grey[i] =
      bare + 0.299 * (pixels[at] ?? 0) + 0.587 * (pixels[at + 1] ?? 0) + 0.114 * (pixels[at + 2] ?? 0);
  }
  return { width, height, grey };
}

function commonOf({ common }: Face, dpi: number): GreyGround | undefined {
  const name = `${String(dpi)} ${common.key}`;
  if (kept.has(name)) return kept.get(name);
  const { width, height } = dotsAt(dpi);
  const printed = common.elements.filter(({ layer }) => layer === "preprint" || layer === "colour");
  let made: GreyGround | undefined;
  if (printed.length > 0) {
    const dot = 25.4 / dpi;
    const palette = { mark: "#000000", clear: "#ffffff" };
    const svg =
      `<svg xmlns="http://www.w3.org/2000/svg" width="${String(width)}" height="${String(height)}" ` +
      `viewBox="0 0 ${(width * dot).toFixed(6)} ${(height * dot).toFixed(6)}">${printed.map((one) => drawElement(one, palette)).join("")}</svg>`;
    made = greyOf(new Resvg(svg, { font: { loadSystemFonts: false } }).render().pixels, width, height);
  }
  const [oldest] = kept.keys();
  if (kept.size >= mostKept && oldest !== undefined) kept.delete(oldest);
  kept.set(name, made);
  return made;
}

/** Undefined: nothing is printed on that side. Throws LayoutProblem "photo-broken". */
export async function renderGround(face: Face, dpi: 300 | 600): Promise<FaceGround | undefined> {
  const { width, height } = dotsAt(dpi);
  const common = commonOf(face, dpi);
  const mine = face.own.some(({ layer }) => layer === "colour");
  if (!mine) return common === undefined ? undefined : { common };
  const alone = { ...face, common: { key: "nothing", elements: [] } };
  const own = greyOf((await renderColour(alone, dpi)).pixels, width, height);
  return {
    common: common ?? { width, height, grey: new Uint8Array(width * height).fill(255) },
    own,
  };
}
