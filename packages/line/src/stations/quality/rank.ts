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

/** What the lines as they should be leave unexplained (0 where marks hide it), and where that is, at half of full size. */
export interface Unexplained {
  readonly rest: Plane;
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
  /** Share of what tells the two from one another that marks do not hide. */
  readonly open: number;
}

/** 1 a dot under a stamp that can be seen, 0 one that marks hide; undefined: all can be. */
function openOf({ hidden }: Unexplained, middle: Middle, stamp: Stamp): Uint8Array | undefined {
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

/** Light on the flanks of a stamp at a dot that has dots around it. */
const lightAt = (data: Float32Array, width: number, at: number, { crest, toX, toY }: SideLit): number =>
  crest * (data[at] ?? 0) +
  (toX * ((data[at + 1] ?? 0) - (data[at - 1] ?? 0)) +
    toY * ((data[at + width] ?? 0) - (data[at - width] ?? 0))) /
    2;

/**
 * What is seen under a stamp without what stands around it: the expected character's own light and what is unexplained. Weighed so that its
 * sum over a character tells how much of that character is seen in this light.
 */
function weighed(
  { rest }: Unexplained,
  own: Stamp | undefined,
  middle: Middle,
  { width, height, left, top }: Stamp,
  lit: SideLit,
  open: Uint8Array | undefined,
): Float32Array {
  // A rim of nothing, so that slopes need no question where they are.
  const wide = width + 2;
  const dots = new Float32Array(wide * (height + 2));
  for (let y = 0; y < height; y++)
    for (let x = 0, at = y * width; x < width; x++, at++) {
      if (open?.[at] === 0) continue;
      const [px, py] = [middle.x + left + x, middle.y + top + y];
      const off = px < 0 || py < 0 || px >= rest.width || py >= rest.height;
      const inner = own !== undefined && x > 0 && y > 0 && x < width - 1 && y < height - 1;
      dots[(y + 1) * wide + x + 1] =
        (off ? 0 : (rest.data[py * rest.width + px] ?? 0)) + (inner ? lightAt(own.data, width, at, lit) : 0);
    }
  const to = new Float32Array(width * height);
  for (let y = 0; y < height; y++)
    for (let x = 0, at = (y + 1) * wide + 1; x < width; x++, at++) {
      const across = (dots[at + 1] ?? 0) - (dots[at - 1] ?? 0);
      const down = (dots[at + wide] ?? 0) - (dots[at - wide] ?? 0);
      to[y * width + x] = lit.crest * (dots[at] ?? 0) - (lit.toX * across + lit.toY * down) / 2;
    }
  return to;
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
  const e = new Float32Array(width * height);
  for (let at = 0; at < e.length; at++) e[at] = (one?.data[at] ?? 0) - (other?.data[at] ?? 0);
  let sum = 0;
  for (let y = 1; y < height - 1; y++)
    for (let x = 1, at = y * width + 1; x < width - 1; x++, at++)
      if (open?.[at] !== 0) sum += lightAt(e, width, at, lit) ** 2;
  return sum;
}

/** Undefined: the wheel has nothing to compare there. */
export function rankOf(
  wheel: WheelFont,
  mirrored: boolean,
  expected: string,
  middle: Middle,
  unexplained: Unexplained,
  lit: SideLit,
): Rank | undefined {
  const stampAt = (char: string): Stamp | undefined =>
    stampOf(wheel, char, middle.partX, middle.partY, mirrored);
  const some = stampAt("0");
  if (some === undefined) return undefined;
  const own = stampAt(expected);
  const open = openOf(unexplained, middle, some);
  const seen = weighed(unexplained, own, middle, some, lit, open);
  // What is not seen explains nothing, and must not count against a character either.
  const energy = (stamp: Stamp): number =>
    open === undefined ? energyOf(stamp.sums, lit) : difference(stamp, undefined, lit, open);
  /** How much better than nothing a character explains it. */
  const explains = (stamp: Stamp | undefined): number =>
    stamp === undefined ? 0 : 2 * product(seen, stamp.data) - energy(stamp);
  let best: Stamp | undefined;
  let other: string | undefined;
  let most = own === undefined ? -Infinity : 0;
  for (const char of wheels[wheel].characters) {
    if (char === expected || char === " ") continue;
    const stamp = stampAt(char);
    const value = explains(stamp);
    if (value > most) [best, other, most] = [stamp, char, value];
  }
  const whole = difference(own, best, lit, undefined);
  if (whole <= 1e-9) return undefined;
  const apart = open === undefined ? whole : difference(own, best, lit, open);
  const off = apart > 1e-9 ? 0.5 + (most - explains(own)) / (2 * apart) : 0;
  return { off, other, open: apart / whole };
}
