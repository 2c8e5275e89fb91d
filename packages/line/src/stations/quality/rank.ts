/** Which character of a wheel a place shows: by rank, since light and foil make characters look as they like. */
import { type WheelFont, wheels } from "@persoline/card/id1";
import type { Plane } from "./plane.js";
import type { SideLit } from "./side-light.js";
import { nothing } from "./sight.js";
import { type Stamp, stampOf } from "./stamp.js";

/** Where a character's middle lies: whole dots, and parts of one. */
export interface Middle {
  readonly x: number;
  readonly y: number;
  readonly partX: number;
  readonly partY: number;
}

/** What may be told of a line's places: what is seen, and where marks hide it (at half of full size). */
export interface Shown {
  readonly seen: Plane;
  readonly hidden: Plane;
}

export interface Rank {
  /**
   * Where the place stands between the expected character and the likeliest other: 0 = it is the expected one, 1 = that other one. Of a
   * place where nothing was to be struck: how much of a character is there.
   */
  readonly off: number;
  /** The likeliest other; undefined: nothing at all. */
  readonly other: string | undefined;
}

/** The dots under a character's stamp: what they show, and which of them marks hide. */
interface Place {
  /** Weighed so that its sum over a character tells how much of that character is seen in this light. */
  readonly seen: Float32Array;
  /** 1 a dot that can be seen, 0 one that marks hide; undefined: all can be. */
  readonly open: Uint8Array | undefined;
}

function openOf({ hidden }: Shown, middle: Middle, stamp: Stamp): Uint8Array | undefined {
  const { width, height, left, top } = stamp;
  const open = new Uint8Array(width * height);
  let all = true;
  for (let y = 0; y < height; y++) {
    const row = ((middle.y + top + y) >> 1) * hidden.width;
    for (let x = 0; x < width; x++) {
      const seen = (hidden.data[row + ((middle.x + left + x) >> 1)] ?? 0) < nothing;
      open[y * width + x] = seen ? 1 : 0;
      all &&= seen;
    }
  }
  return all ? undefined : open;
}

function placeOf(shown: Shown, middle: Middle, stamp: Stamp, lit: SideLit): Place {
  const { seen } = shown;
  const { width, height, left, top } = stamp;
  const open = openOf(shown, middle, stamp);
  // A rim of nothing, so that slopes need no question where they are.
  const wide = width + 2;
  const dots = new Float32Array(wide * (height + 2));
  for (let y = 0; y < height; y++) {
    const row = middle.y + top + y;
    if (row < 0 || row >= seen.height) continue;
    for (let x = 0; x < width; x++) {
      const column = middle.x + left + x;
      if (column < 0 || column >= seen.width || open?.[y * width + x] === 0) continue;
      dots[(y + 1) * wide + x + 1] = (seen.data[row * seen.width + column] ?? 0) - lit.base;
    }
  }
  const to = new Float32Array(width * height);
  for (let y = 0; y < height; y++)
    for (let x = 0, at = (y + 1) * wide + 1; x < width; x++, at++) {
      const across = (dots[at + 1] ?? 0) - (dots[at - 1] ?? 0);
      const down = (dots[at + wide] ?? 0) - (dots[at - wide] ?? 0);
      to[y * width + x] = lit.crest * (dots[at] ?? 0) - (lit.toX * across + lit.toY * down) / 2;
    }
  return { seen: to, open };
}

const energyOf = ({ ee, xx, yy, xy }: Stamp["sums"], { crest, toX, toY }: SideLit): number =>
  crest * crest * ee + toX * toX * xx + toY * toY * yy + 2 * toX * toY * xy;

const product = (one: Float32Array, other: Float32Array): number => {
  let sum = 0;
  for (let i = 0; i < one.length; i++) sum += (one[i] ?? 0) * (other[i] ?? 0);
  return sum;
};

/** How much two characters differ in this light, where it can be seen; of one alone, how much there is of it to see. */
function difference(
  one: Stamp | undefined,
  other: Stamp | undefined,
  lit: SideLit,
  open: Uint8Array | undefined,
): number {
  const { width, height } = one ?? other ?? { width: 0, height: 0 };
  const [a, b] = [one?.data, other?.data];
  const e = (at: number): number => (a?.[at] ?? 0) - (b?.[at] ?? 0);
  let sum = 0;
  for (let y = 1; y < height - 1; y++)
    for (let x = 1, at = y * width + 1; x < width - 1; x++, at++) {
      if (open?.[at] === 0) continue;
      const value =
        lit.crest * e(at) +
        (lit.toX * (e(at + 1) - e(at - 1)) + lit.toY * (e(at + width) - e(at - width))) / 2;
      sum += value * value;
    }
  return sum;
}

/** Undefined: there is nothing to compare, since the wheel has no other character that would look otherwise where it can be seen. */
export function rankOf(
  wheel: WheelFont,
  mirrored: boolean,
  expected: string,
  middle: Middle,
  shown: Shown,
  lit: SideLit,
): Rank | undefined {
  const stampAt = (char: string): Stamp | undefined =>
    stampOf(wheel, char, middle.partX, middle.partY, mirrored);
  const some = stampAt("0");
  if (some === undefined) return undefined;
  const { seen, open } = placeOf(shown, middle, some, lit);
  const energy = (stamp: Stamp): number =>
    // What is not seen explains nothing, and must not count against a character either.
    open === undefined ? energyOf(stamp.sums, lit) : difference(stamp, undefined, lit, open);
  /** How much better than nothing a character explains it. */
  const explains = (stamp: Stamp | undefined): number =>
    stamp === undefined ? 0 : 2 * product(seen, stamp.data) - energy(stamp);
  const own = stampAt(expected);
  let best: Stamp | undefined;
  let other: string | undefined;
  let most = own === undefined ? -Infinity : 0;
  for (const char of wheels[wheel].characters) {
    if (char === expected || char === " ") continue;
    const stamp = stampAt(char);
    const value = explains(stamp);
    if (value > most) [best, other, most] = [stamp, char, value];
  }
  const apart = difference(own, best, lit, open);
  return apart > 1e-9 ? { off: 0.5 + (most - explains(own)) / (2 * apart), other } : undefined;
}
