/** Where expected ink really lies, how dark and how sharp it is: by correlation to whole dots, then by least squares. */
import type { PlacedField } from "../../plan/types.js";
import { judgedAt } from "./density.js";
import { agreement, type Plane, type Window } from "./plane.js";
import { solve } from "./solve.js";

export type Box = PlacedField["box"];
/** Dots a millimetre. */
export const perMm = judgedAt / 25.4;

/** Whole dots around a box in mm with so much more on each side. */
export function windowOf(
  box: Box,
  pad: number,
  of: { readonly width: number; readonly height: number },
): Window {
  return {
    left: Math.max(0, Math.floor((box.x - pad) * perMm)),
    top: Math.max(0, Math.floor((box.y - pad) * perMm)),
    right: Math.min(of.width, Math.ceil((box.x + box.width + pad) * perMm)),
    bottom: Math.min(of.height, Math.ceil((box.y + box.height + pad) * perMm)),
  };
}

export const halfWindow = ({ left, top, right, bottom }: Window): Window => ({
  left: left >> 1,
  top: top >> 1,
  right: (right + 1) >> 1,
  bottom: (bottom + 1) >> 1,
});

/** A place in dots off the expected one, and how alike it is there. */
export interface Found {
  readonly dx: number;
  readonly dy: number;
  readonly correlation: number;
}

/** Large windows hold more dots than a place needs: rows are left out. */
export const stepIn = ({ left, right, top, bottom }: Window): number =>
  Math.max(1, Math.min(4, Math.floor(((right - left) * (bottom - top)) / 12_000)));

/** Best whole-dot shift around a guess. */
export function search(
  seen: Plane,
  expected: Plane,
  window: Window,
  around: { readonly dx: number; readonly dy: number; readonly reach: number },
): Found {
  let [bestX, bestY, best] = [around.dx, around.dy, -1];
  const step = stepIn(window);
  for (let dy = around.dy - around.reach; dy <= around.dy + around.reach; dy++) {
    for (let dx = around.dx - around.reach; dx <= around.dx + around.reach; dx++) {
      const { correlation } = agreement(seen, expected, window, dx, dy, step);
      if (correlation <= best) continue;
      [bestX, bestY, best] = [dx, dy, correlation];
    }
  }
  return { dx: bestX, dy: bestY, correlation: best };
}

/** The five terms of an ink: E, its slopes and its bends. */
const terms = 5;

/** What a window shows of them, about their means: variance of what is seen, products of the terms with it and with one another. */
export interface Shown {
  readonly dots: number;
  readonly meanSeen: number;
  readonly spread: number;
  readonly means: readonly number[];
  readonly withSeen: readonly number[];
  /** Row by row. */
  readonly products: readonly number[];
}

/** n, S, SS, then sums of the terms, of their products (upper triangle, row by row), and of their products with S. */
const sums = new Float64Array(3 + terms + (terms * (terms + 1)) / 2 + terms);

function gather(seen: Plane, expected: Plane, window: Window, sx: number, sy: number, step: number): void {
  const { width, height } = expected;
  const s = seen.data;
  const e = expected.data;
  const left = Math.max(window.left, -sx, 1);
  const right = Math.min(window.right, width - sx, width - 1);
  const top = Math.max(window.top, -sy, 1);
  const bottom = Math.min(window.bottom, height - sy, height - 1);
  const away = sy * width + sx;
  // One by one: taken out of a list they would be boxed in every turn of the loop.
  let n = 0;
  let ts = 0;
  let tss = 0;
  let t0 = 0;
  let t1 = 0;
  let t2 = 0;
  let t3 = 0;
  let t4 = 0;
  let p00 = 0;
  let p01 = 0;
  let p02 = 0;
  let p03 = 0;
  let p04 = 0;
  let p11 = 0;
  let p12 = 0;
  let p13 = 0;
  let p14 = 0;
  let p22 = 0;
  let p23 = 0;
  let p24 = 0;
  let p33 = 0;
  let p34 = 0;
  let p44 = 0;
  let q0 = 0;
  let q1 = 0;
  let q2 = 0;
  let q3 = 0;
  let q4 = 0;
  for (let y = top; y < bottom; y += step) {
    const end = y * width + right;
    for (let at = y * width + left; at < end; at++) {
      const v = s[at + away] ?? 0;
      n++;
      ts += v;
      tss += v * v;
      const l = e[at - 1] ?? 0;
      const r = e[at + 1] ?? 0;
      const u = e[at - width] ?? 0;
      const d = e[at + width] ?? 0;
      const a = e[at] ?? 0;
      // Most of a card is bare.
      if (a === 0 && l === 0 && r === 0 && u === 0 && d === 0) continue;
      const b = (r - l) / 2;
      const c = (d - u) / 2;
      const f = r + l - 2 * a;
      const g = d + u - 2 * a;
      t0 += a;
      t1 += b;
      t2 += c;
      t3 += f;
      t4 += g;
      p00 += a * a;
      p01 += a * b;
      p02 += a * c;
      p03 += a * f;
      p04 += a * g;
      p11 += b * b;
      p12 += b * c;
      p13 += b * f;
      p14 += b * g;
      p22 += c * c;
      p23 += c * f;
      p24 += c * g;
      p33 += f * f;
      p34 += f * g;
      p44 += g * g;
      q0 += v * a;
      q1 += v * b;
      q2 += v * c;
      q3 += v * f;
      q4 += v * g;
    }
  }
  sums.set([n, ts, tss, t0, t1, t2, t3, t4, p00, p01, p02, p03, p04, p11, p12, p13, p14, p22, p23, p24]);
  sums.set([p33, p34, p44, q0, q1, q2, q3, q4], 20);
}

/** A window read so many whole dots to the right and below, in every `step`th row. */
export function shownIn(
  seen: Plane,
  expected: Plane,
  window: Window,
  sx: number,
  sy: number,
  step = 1,
): Shown {
  gather(seen, expected, window, sx, sy, step);
  const dots = sums[0] ?? 0;
  const n = Math.max(1, dots);
  const means = Array.from({ length: terms }, (_, i) => (sums[3 + i] ?? 0) / n);
  const meanSeen = (sums[1] ?? 0) / n;
  const products = Array.from({ length: terms * terms }, () => 0);
  for (let i = 0, at = 3 + terms; i < terms; i++) {
    for (let j = i; j < terms; j++) {
      const product = (sums[at++] ?? 0) / n - (means[i] ?? 0) * (means[j] ?? 0);
      products[i * terms + j] = product;
      products[j * terms + i] = product;
    }
  }
  return {
    dots,
    meanSeen,
    spread: Math.max(0, (sums[2] ?? 0) / n - meanSeen * meanSeen),
    means,
    withSeen: means.map((mean, i) => (sums[23 + i] ?? 0) / n - mean * meanSeen),
    products,
  };
}

/**
 * How the ink of a window came out: seen(x + sx, y + sy) = base + gain·E + toX·∂E/∂x + toY·∂E/∂y + softX·∂²E/∂x² + softY·∂²E/∂y², where E
 * is the expected ink. The slopes say how far it lies off (sx, sy), the bends how much softer or sharper it is than expected.
 */
export interface Ink {
  readonly sx: number;
  readonly sy: number;
  readonly gain: number;
  readonly toX: number;
  readonly toY: number;
  readonly softX: number;
  readonly softY: number;
}

/** Most that a lens and the belt's motion change, in dots squared over two: a smear or a second print close by is no lens. */
const softest = 0.6;

/** By least squares, of a window read at those whole dots. */
export function inkOf(shown: Shown, sx: number, sy: number): Ink {
  const rows = Array.from({ length: terms }, (_, i) => [
    ...shown.products.slice(i * terms, (i + 1) * terms),
    shown.withSeen[i] ?? 0,
  ]);
  // A term that the window does not show (a line along x has no slope in x) must come out as nothing.
  for (const [i, row] of rows.entries()) row[i] = (row[i] ?? 0) + 1e-6;
  const [gain = 0, toX = 0, toY = 0, softX = 0, softY = 0] = solve(rows);
  const most = softest * Math.max(0, gain);
  const held = (soft: number): number => Math.max(-most, Math.min(most, soft));
  return { sx, sy, gain, toX, toY, softX: held(softX), softY: held(softY) };
}

/** Where it lies, to parts of a dot: slopes tell at most one dot. */
export function placeOf({ sx, sy, gain, toX, toY }: Ink): { readonly dx: number; readonly dy: number } {
  const part = (slope: number): number => (gain < 0.02 ? 0 : Math.max(-1, Math.min(1, -slope / gain)));
  return { dx: sx + part(toX), dy: sy + part(toY) };
}

/** Variance of what is seen that the ink does not explain, over the variance of the expected ink at that gain. */
export function unexplained(shown: Shown, ink: Ink): number {
  const of = [ink.gain, ink.toX, ink.toY, ink.softX, ink.softY];
  let rest = shown.spread;
  for (let i = 0; i < terms; i++) {
    rest -= 2 * (of[i] ?? 0) * (shown.withSeen[i] ?? 0);
    for (let j = 0; j < terms; j++)
      rest += (of[i] ?? 0) * (of[j] ?? 0) * (shown.products[i * terms + j] ?? 0);
  }
  return Math.max(0, rest) / (ink.gain * ink.gain * (shown.products[0] ?? 0));
}
