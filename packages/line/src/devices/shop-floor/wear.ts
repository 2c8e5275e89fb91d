/**
 * What a side of a body shows besides the engraver's marks: damage, places burnt too weakly, another stock, a printed ground. Files in
 * the body's folder, `front.wear.json` and `front.ground.pgm` (back likewise), which simulators write and the simulated camera reads.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Side } from "./faces.js";

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

export function writeGround(body: string, side: Side, { width, height, grey }: Ground): void {
  mkdirSync(body, { recursive: true });
  writeFileSync(
    groundFile(body, side),
    Buffer.concat([Buffer.from(`P5\n${String(width)} ${String(height)}\n255\n`, "latin1"), grey]),
  );
}

/** Undefined: nothing is printed on that side. */
export function readGround(body: string, side: Side): Ground | undefined {
  if (!existsSync(groundFile(body, side))) return undefined;
  const bytes = readFileSync(groundFile(body, side));
  const head = /^P5\n(\d+) (\d+)\n255\n/.exec(bytes.subarray(0, 40).toString("latin1"));
  if (head === null) return undefined;
  const [whole, width, height] = head;
  return { width: Number(width), height: Number(height), grey: new Uint8Array(bytes.subarray(whole.length)) };
}
