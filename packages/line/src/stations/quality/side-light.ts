/** How raised characters show in a picture, and where their line lies: their crests' tone and the light on their flanks, by least squares. */
import type { Plane, Window } from "./plane.js";
import { nothing } from "./sight.js";
import { solve } from "./solve.js";

/** seen = base + crest·E + toX·∂E/∂x + toY·∂E/∂y, where E is the relief: foil makes its crests dark, a side light its flanks. */
export interface SideLit {
  readonly base: number;
  readonly crest: number;
  readonly toX: number;
  readonly toY: number;
  /** Share of what is seen there that this explains, 0..1. */
  readonly share: number;
}

/** n, S, SS, three sums of the terms, six of their products, three of them with S. */
export type Sums = Float64Array;
const length = 15;

export const noSums = (): Sums => new Float64Array(length);
export const add = (to: Sums, from: Sums): void => from.forEach((value, i) => (to[i] = (to[i] ?? 0) + value));

/** Read so many whole dots to the right and below, in every `step`th row; dots beside expected ink are left out (`near`, at half of full size). */
export function gather(
  seen: Plane,
  relief: Plane,
  near: { readonly plane: Plane; readonly halved: 0 | 1 },
  window: Window,
  dx: number,
  dy: number,
  step: number,
): Sums {
  const { width, height } = relief;
  const [s, e] = [seen.data, relief.data];
  const left = Math.max(window.left, 1, -dx);
  const right = Math.min(window.right, width - 1, width - dx);
  const top = Math.max(window.top, 1, -dy);
  const bottom = Math.min(window.bottom, height - 1, height - dy);
  const { plane, halved } = near;
  let [n, ts, tss, t0, t1, t2, p00, p01, p02, p11, p12, p22, q0, q1, q2] = [
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
  ];
  const away = dy * width + dx;
  for (let y = top; y < bottom; y += step) {
    const nearRow = ((y + dy) >> halved) * plane.width;
    for (let x = left, at = y * width + left; x < right; x++, at++) {
      if ((plane.data[nearRow + ((x + dx) >> halved)] ?? 0) >= nothing) continue;
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
    }
  }
  return Float64Array.of(n, ts, tss, t0, t1, t2, p00, p01, p02, p11, p12, p22, q0, q1, q2);
}

export function litBy(sums: Sums): SideLit {
  const [
    n = 0,
    ts = 0,
    tss = 0,
    t0 = 0,
    t1 = 0,
    t2 = 0,
    p00 = 0,
    p01 = 0,
    p02 = 0,
    p11 = 0,
    p12 = 0,
    p22 = 0,
  ] = sums;
  const [q0 = 0, q1 = 0, q2 = 0] = sums.subarray(12);
  const count = Math.max(1, n);
  const mean = ts / count;
  const spread = tss / count - mean * mean;
  const about = (sum: number, one: number, other: number): number =>
    sum / count - (one / count) * (other / count);
  const with0 = about(q0, t0, ts);
  const with1 = about(q1, t1, ts);
  const with2 = about(q2, t2, ts);
  // A term that the window does not show must come out as nothing.
  const least = 1e-9;
  const [x01, x02, x12] = [about(p01, t0, t1), about(p02, t0, t2), about(p12, t1, t2)];
  const [crest = 0, toX = 0, toY = 0] = solve([
    [about(p00, t0, t0) + least, x01, x02, with0],
    [x01, about(p11, t1, t1) + least, x12, with1],
    [x02, x12, about(p22, t2, t2) + least, with2],
  ]);
  const explained = crest * with0 + toX * with1 + toY * with2;
  return {
    base: mean - (crest * t0 + toX * t1 + toY * t2) / count,
    crest,
    toX,
    toY,
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
