/** What is printed on a side, as a camera sees it in grey: the ground on which engraved marks stand. */
import { Resvg } from "@resvg/resvg-js";
import type { Face, PlacedElement } from "../placed.js";
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

/** What was drawn of the elements that all cards of a layout share. */
interface Shared {
  /** Of the blank, before the line begins. */
  readonly preprint: GreyGround | undefined;
  /** The printer's common artwork alone. */
  readonly printed: GreyGround | undefined;
  /** Both. */
  readonly both: GreyGround | undefined;
}

const kept = new Map<string, Shared>();
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

function drawn(elements: readonly PlacedElement[], dpi: number): GreyGround | undefined {
  if (elements.length === 0) return undefined;
  const { width, height } = dotsAt(dpi);
  const dot = 25.4 / dpi;
  const palette = { mark: "#000000", clear: "#ffffff" };
  const svg =
    `<svg xmlns="http://www.w3.org/2000/svg" width="${String(width)}" height="${String(height)}" ` +
    `viewBox="0 0 ${(width * dot).toFixed(6)} ${(height * dot).toFixed(6)}">${elements.map((one) => drawElement(one, palette)).join("")}</svg>`;
  return greyOf(new Resvg(svg, { font: { loadSystemFonts: false } }).render().pixels, width, height);
}

/** Dyes are clear: what lies under them shows through, and light goes through both. */
function through(under: GreyGround | undefined, over: GreyGround | undefined): GreyGround | undefined {
  if (under === undefined || over === undefined) return under ?? over;
  return { ...under, grey: under.grey.map((value, i) => Math.round((value * (over.grey[i] ?? 255)) / 255)) };
}

function sharedBy({ common }: Face, dpi: number): Shared {
  const name = `${String(dpi)} ${common.key}`;
  const known = kept.get(name);
  if (known !== undefined) return known;
  const on = (wanted: PlacedElement["layer"]): GreyGround | undefined =>
    drawn(
      common.elements.filter(({ layer }) => layer === wanted),
      dpi,
    );
  const [preprint, printed] = [on("preprint"), on("colour")];
  const made = { preprint, printed, both: through(preprint, printed) };
  const [oldest] = kept.keys();
  if (kept.size >= mostKept && oldest !== undefined) kept.delete(oldest);
  kept.set(name, made);
  return made;
}

/** What a blank of this layout shows before anything is done to it; undefined: it is bare. Kept; not to be changed. */
export const renderPreprint = (face: Face, dpi: 300 | 600): GreyGround | undefined =>
  sharedBy(face, dpi).preprint;

/** Undefined: nothing is printed on that side. Throws LayoutProblem "photo-broken". */
export async function renderGround(face: Face, dpi: 300 | 600): Promise<FaceGround | undefined> {
  const { preprint, printed, both } = sharedBy(face, dpi);
  if (!face.own.some(({ layer }) => layer === "colour"))
    return both === undefined ? undefined : { common: both };
  const { width, height } = dotsAt(dpi);
  const bare = { width, height, grey: new Uint8Array(width * height).fill(255) };
  const { grey: whole } = greyOf((await renderColour(face, dpi)).pixels, width, height);
  const { grey: base } = printed ?? bare;
  // Where this record's print takes the place of lighter or darker artwork, it is its own print that counts.
  if (whole.every((value, i) => value <= (base[i] ?? 255)))
    return { common: both ?? bare, own: { width, height, grey: shareOf(whole, base) } };
  const lightest = base.map((value, i) => Math.max(value, whole[i] ?? 255));
  return {
    common: through(preprint, { width, height, grey: lightest }) ?? bare,
    own: { width, height, grey: shareOf(whole, lightest) },
  };
}

/** The part of the light of `base` that is left in `whole`, 255 = all of it. */
const shareOf = (whole: Uint8Array, base: Uint8Array): Uint8Array =>
  whole.map((value, i) => {
    const there = base[i] ?? 255;
    return there === 0 ? 255 : Math.round((255 * value) / there);
  });
