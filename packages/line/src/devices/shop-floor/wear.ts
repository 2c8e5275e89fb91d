/**
 * What a side of a body shows besides the engraver's marks: damage, places burnt too weakly, another stock, a printed ground. Files in
 * the body's folder, `front.wear.json` and `front.ground.pgm` (back likewise), which simulators write and the simulated camera reads;
 * `front.preprint.pgm` is how the blank came, one file for its whole lot.
 */
import { copyFileSync, existsSync, linkSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Side, underWayFile } from "./faces.js";

/** A scratch (a line) or a spot (a line of no length), mm; `tone` is the light that comes back from it, 0..1. */
export interface Damage {
  readonly kind: "scratch" | "spot";
  readonly from: readonly [x: number, y: number];
  readonly to: readonly [x: number, y: number];
  readonly width: number;
  readonly tone: number;
}

export interface Weak {
  readonly box: { readonly x: number; readonly y: number; readonly width: number; readonly height: number };
  /** Darkness of marks in it, 0..1. */
  readonly power: number;
}

export interface Wear {
  readonly damage: readonly Damage[];
  readonly weak: readonly Weak[];
  /** Blanks of another make: their tone against the right one's, and a band of another tone across them, mm. */
  readonly stock?: {
    readonly tone: number;
    readonly band?: { readonly y: number; readonly height: number; readonly tone: number };
  };
  /** The card lay with its other side up: the contacts are there when they should not be, or the other way round. */
  readonly turnedOver?: boolean;
}

/** A printed picture of a side, 8-bit grey, of which 255 is the bare body; any resolution. */
export interface Ground {
  readonly width: number;
  readonly height: number;
  readonly grey: Uint8Array;
}

export const unworn: Wear = { damage: [], weak: [] };

const wearFile = (body: string, side: Side): string => join(body, `${side}.wear.json`);
const groundFile = (body: string, side: Side): string => join(body, `${side}.ground.pgm`);
const preprintFile = (body: string, side: Side): string => join(body, `${side}.preprint.pgm`);

export const readWear = (body: string, side: Side): Wear =>
  existsSync(wearFile(body, side))
    ? (JSON.parse(readFileSync(wearFile(body, side), "utf8")) as Wear)
    : unworn;

/** Adds to what was there. */
export function wear(body: string, side: Side, more: Partial<Wear>): void {
  mkdirSync(body, { recursive: true });
  const before = readWear(body, side);
  const now: Wear = {
    ...before,
    ...more,
    damage: [...before.damage, ...(more.damage ?? [])],
    weak: [...before.weak, ...(more.weak ?? [])],
  };
  writeFileSync(wearFile(body, side), JSON.stringify(now));
}

/** A ground as a plain greymap (PGM P5), which any picture viewer opens. */
const pgm = ({ width, height, grey }: Ground): Buffer =>
  Buffer.concat([Buffer.from(`P5\n${String(width)} ${String(height)}\n255\n`, "latin1"), grey]);

function readPgm(file: string): Ground | undefined {
  if (!existsSync(file)) return undefined;
  const bytes = readFileSync(file);
  const head = /^P5\n(\d+) (\d+)\n255\n/.exec(bytes.subarray(0, 40).toString("latin1"));
  if (head === null) return undefined;
  const [whole, width, height] = head;
  return { width: Number(width), height: Number(height), grey: new Uint8Array(bytes.subarray(whole.length)) };
}

/** Lays a ground on a body, whatever was there. */
export function writeGround(body: string, side: Side, ground: Ground): void {
  mkdirSync(body, { recursive: true });
  writeFileSync(groundFile(body, side), pgm(ground));
}

/** The blank's own print and what a printer laid over it. Undefined: nothing is printed on that side. */
export const readGround = (body: string, side: Side): Ground | undefined =>
  readPgm(groundFile(body, side)) ?? readPgm(preprintFile(body, side));

/** How the blanks of a lot come from their maker, bare sides left out. */
export type Preprint = Readonly<Partial<Record<Side, Ground>>>;

const sides: readonly Side[] = ["front", "back"];

/** Keeps the print of a lot in a folder, under its name. */
export function keepPreprint(folder: string, lot: string, preprint: Preprint): void {
  for (const side of sides) {
    const ground = preprint[side];
    if (ground !== undefined) writeFileSync(join(folder, `${lot}.${side}.pgm`), pgm(ground));
  }
}

/** A body of the lot comes with its print: the same file, under another name, so that twenty thousand take no room. */
export function wearPreprint(body: string, folder: string, lot: string): void {
  for (const side of sides) {
    const [from, to] = [join(folder, `${lot}.${side}.pgm`), preprintFile(body, side)];
    if (!existsSync(from) || existsSync(to)) continue;
    try {
      linkSync(from, to);
    } catch {
      // A file system without links.
      copyFileSync(from, to);
    }
  }
}

/** What a printer's dyes leave of the light, in strips from top to bottom, over what is there; a kill leaves the upper ones. */
export async function printOver(
  body: string,
  side: Side,
  dyes: Ground,
  pause: (strip: number, strips: number) => Promise<void>,
  strips = 8,
): Promise<void> {
  mkdirSync(body, { recursive: true });
  writeFileSync(underWayFile(body, side), "");
  const { width, height, grey } = dyes;
  const before = readGround(body, side);
  const seen = new Uint8Array(width * height).fill(255);
  if (before !== undefined)
    for (let y = 0; y < height; y++) {
      const row = Math.floor(((y + 0.5) * before.height) / height) * before.width;
      for (let x = 0; x < width; x++)
        seen[y * width + x] = before.grey[row + Math.floor(((x + 0.5) * before.width) / width)] ?? 255;
    }
  for (let strip = 0; strip < strips; strip++) {
    const from = width * Math.floor((height * strip) / strips);
    const to = width * Math.floor((height * (strip + 1)) / strips);
    for (let i = from; i < to; i++) seen[i] = Math.round(((seen[i] ?? 255) * (grey[i] ?? 255)) / 255);
    writeGround(body, side, { width, height, grey: seen });
    await pause(strip, strips);
  }
  rmSync(underWayFile(body, side));
}
