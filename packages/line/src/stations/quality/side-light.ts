/** How raised characters show in a picture, and where their line lies: their crests' tone and the light on their flanks, by least squares. */
import type { Plane, Window } from "./plane.js";
import { dim } from "./light.js";
import { nothing } from "./sight.js";
import { solve } from "./solve.js";

/**
 * seen = base + crest·E + foil·E·(1/p − 1) + toX·∂E/∂x + toY·∂E/∂y, where E is the relief and p the light that the printed ground gives back:
 * foil hides the ground under it, so that on dark print its crests are brighter than what lies around them; a side light shows their flanks.
 */
export interface SideLit {
  readonly base: number;
  readonly crest: number;
  readonly foil: number;
  readonly toX: number;
  readonly toY: number;
  /** Share of what is seen there that this explains, 0..1. */
  readonly share: number;
}

/** n, S, SS, four sums of the terms, ten of their products, four of them with S. */
export type Sums = Float64Array;
const length = 21;

export const noSums = (): Sums => new Float64Array(length);
export const add = (to: Sums, from: Sums): void => from.forEach((value, i) => (to[i] = (to[i] ?? 0) + value));

/** Read so many whole dots to the right and below, in every `step`th row; dots that marks hide are left out (`hidden`, at half of full size or at that of the planes). */
export function gather(
  seen: Plane,
  relief: Plane,
  hidden: { readonly plane: Plane; readonly halved: 0 | 1 },
  window: Window,
  dx: number,
  dy: number,
  step: number,
  ground?: Plane,
): Sums {
  const { width, height } = relief;
  const [s, e] = [seen.data, relief.data];
  const left = Math.max(window.left, 1, -dx);
  const right = Math.min(window.right, width - 1, width - dx);
  const top = Math.max(window.top, 1, -dy);
  const bottom = Math.min(window.bottom, height - 1, height - dy);
  const { plane, halved } = hidden;
  let [n, ts, tss, t0, t1, t2, p00, p01, p02, p11, p12, p22, q0, q1, q2] = [
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
  ];
  let [t3, p03, p13, p23, p33, q3] = [0, 0, 0, 0, 0, 0];
  const away = dy * width + dx;
  for (let y = top; y < bottom; y += step) {
    const hiddenRow = ((y + dy) >> halved) * plane.width;
    for (let x = left, at = y * width + left; x < right; x++, at++) {
      if ((plane.data[hiddenRow + ((x + dx) >> halved)] ?? 0) >= nothing) continue;
      const v = s[at + away] ?? 0;
      n++;
      ts += v;
      tss += v * v;
      const l = e[at - 1] ?? 0;
      const r = e[at + 1] ?? 0;
      const u = e[at - width] ?? 0;
      const d = e[at + width] ?? 0;
      const a = e[at] ?? 0;
      if (a === 0 && l === 0 && r === 0 && u === 0 && d === 0) continue;
      const b = (r - l) / 2;
      const c = (d - u) / 2;
      t0 += a;
      t1 += b;
      t2 += c;
      p00 += a * a;
      p01 += a * b;
      p02 += a * c;
      p11 += b * b;
      p12 += b * c;
      p22 += c * c;
      q0 += v * a;
      q1 += v * b;
      q2 += v * c;
      if (ground === undefined) continue;
      const f = a * coveredBy(ground, at + away);
      t3 += f;
      p03 += a * f;
      p13 += b * f;
      p23 += c * f;
      p33 += f * f;
      q3 += v * f;
    }
  }
  const first = [n, ts, tss, t0, t1, t2, t3, p00, p01, p02, p03, p11, p12, p13, p22, p23, p33];
  return Float64Array.of(...first, q0, q1, q2, q3);
}

/** How much more of the ground's own light foil takes away than of a bare body's; print as dark as a stripe counts as `dim` does. */
export const coveredBy = (ground: Plane, at: number): number => 1 / Math.max(dim, ground.data[at] ?? 1) - 1;

export function litBy(sums: Sums): SideLit {
  const [n = 0, ts = 0, tss = 0] = sums;
  const count = Math.max(1, n);
  const mean = ts / count;
  const spread = tss / count - mean * mean;
  const terms = sums.subarray(3, 7);
  const products = sums.subarray(7, 17);
  const about = (sum: number, one: number, other: number): number =>
    sum / count - (one / count) * (other / count);
  const rows = Array.from({ length: 4 }, () => [0, 0, 0, 0, 0]);
  let next = 0;
  for (let i = 0; i < 4; i++) {
    for (let j = i; j < 4; j++) {
      // A term that the window does not show must come out as nothing.
      const value =
        about(products[next++] ?? 0, terms[i] ?? 0, terms[j] ?? 0) + (i === j ? (i === 3 ? 1e-5 : 1e-9) : 0);
      for (const [row, column] of [
        [i, j],
        [j, i],
      ] as const) {
        const to = rows[row];
        if (to !== undefined) to[column] = value;
      }
    }
  }
  const withSeen = Array.from({ length: 4 }, (_, i) => about(sums[17 + i] ?? 0, terms[i] ?? 0, ts));
  for (const [i, row] of rows.entries()) row[4] = withSeen[i] ?? 0;
  const of = solve(rows);
  const [crest = 0, toX = 0, toY = 0, foil = 0] = of;
  const explained = of.reduce((sum, one, i) => sum + one * (withSeen[i] ?? 0), 0);
  return {
    base: mean - of.reduce((sum, one, i) => sum + one * (terms[i] ?? 0), 0) / count,
    crest,
    toX,
    toY,
    foil,
    share: spread > 1e-9 ? Math.min(1, Math.max(0, explained / spread)) : 0,
  };
}

/** A place in dots at which a line explains most. */
export interface Place {
  readonly dx: number;
  readonly dy: number;
  readonly share: number;
}

/** Goes from neighbour to neighbour for as long as that explains more. */
export function climb(
  shareAt: (dx: number, dy: number) => number,
  from: { dx: number; dy: number },
  most: number,
): Place {
  const known = new Map<string, number>();
  const share = (dx: number, dy: number): number => {
    const key = `${String(dx)} ${String(dy)}`;
    const there = known.get(key) ?? shareAt(dx, dy);
    known.set(key, there);
    return there;
  };
  let [x, y] = [from.dx, from.dy];
  for (let turn = 0; turn < most; turn++) {
    const [bestX, bestY] = (
      [
        [x + 1, y],
        [x - 1, y],
        [x, y + 1],
        [x, y - 1],
      ] as const
    ).reduce<readonly [number, number]>((best, one) => (share(...one) > share(...best) ? one : best), [x, y]);
    if (bestX === x && bestY === y) break;
    [x, y] = [bestX, bestY];
  }
  // Between dots by a parabola through the neighbours.
  const middle = share(x, y);
  const between = (less: number, more: number): number => {
    const bend = less + more - 2 * middle;
    return bend >= -1e-9 ? 0 : Math.max(-0.5, Math.min(0.5, (less - more) / (2 * bend)));
  };
  return {
    dx: x + between(share(x - 1, y), share(x + 1, y)),
    dy: y + between(share(x, y - 1), share(x, y + 1)),
    share: middle,
  };
}
