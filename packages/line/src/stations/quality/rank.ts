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

/** What is unexplained under a stamp, weighed so that its sum over a character tells how much of that character would explain it in this light. */
function weighed({ rest }: Unexplained, middle: Middle, stamp: Stamp, lit: SideLit): Float32Array {
  const { width, height, left, top } = stamp;
  const at = (x: number, y: number): number =>
    x < 0 || y < 0 || x >= rest.width || y >= rest.height ? 0 : (rest.data[y * rest.width + x] ?? 0);
  const to = new Float32Array(width * height);
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++) {
      const [px, py] = [middle.x + left + x, middle.y + top + y];
      const across = at(px + 1, py) - at(px - 1, py);
      const down = at(px, py + 1) - at(px, py - 1);
      to[y * width + x] = lit.crest * at(px, py) - (lit.toX * across + lit.toY * down) / 2;
    }
  return to;
}

const product = (one: Float32Array, other: Float32Array): number => {
  let sum = 0;
  for (let i = 0; i < one.length; i++) sum += (one[i] ?? 0) * (other[i] ?? 0);
  return sum;
};

/** How much two characters differ in this light, where it can be seen. */
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
  const open = openOf(unexplained, middle, some);
  const weights = weighed(unexplained, middle, some, lit);
  const shown = (stamp: Stamp | undefined): number =>
    stamp === undefined ? 0 : product(weights, stamp.data);
  const own = stampAt(expected);
  const shownOwn = shown(own);
  let found: Rank | undefined;
  let most = -Infinity;
  for (const other of [undefined, ...wheels[wheel].characters]) {
    if (other === expected || other === " " || (other === undefined && own === undefined)) continue;
    const stamp = other === undefined ? undefined : stampAt(other);
    const whole = difference(own, stamp, lit, undefined);
    if (whole <= 1e-9) continue;
    const apart = open === undefined ? whole : difference(own, stamp, lit, open);
    /** Of the unexplained, what would be explained if it were that other one. */
    const along = apart > 1e-9 ? shown(stamp) - shownOwn : 0;
    const better = 2 * along - apart;
    if (better <= most) continue;
    most = better;
    found = { off: along / Math.max(1e-9, apart), other, open: apart / whole };
  }
  return found;
}
