/** A border too faint for one scan: the card's tone is nearly the belt's. What many scans have in common still shows it. */

/** A straight line `across = at + slope · along`, in pixels. */
export interface Line {
  readonly at: number;
  readonly slope: number;
}

/** The picture as seen from one side: grey of a pixel so far along that side and so far in from it. */
export interface FromSide {
  readonly along: number;
  /** How far in a border is looked for. */
  readonly reach: number;
  readonly grey: (along: number, across: number) => number;
}

/** Quarters of the border, each of which must show the same step: print inside a card, met at a slant, shows it in one or two. */
const quarters = 4;
const scansEach = 24;
/** Slopes up to this are tried, so many pixels apart where a border ends. */
const steepest = 0.06;
const apart = 1.5;
/** Pixels on both sides of a border that count, but for those at it, which the lens blends. */
const far = 8;
const near = 2;
/** Grey levels that the weakest quarter must step: noise and a belt's weave leave less than one. */
const least = 2;
/** Pixels in which the best place is looked for once a border shows. */
const climb = 10;

/** Means of each quarter's scans at every distance, along lines of one slope. */
function profiles({ along, reach, grey }: FromSide, slope: number): Float64Array[] {
  return Array.from({ length: quarters }, (_, quarter) => {
    const profile = new Float64Array(reach);
    for (let scan = 0; scan < scansEach; scan++) {
      const share = (quarter * scansEach + scan + 0.5) / (quarters * scansEach);
      const at = Math.round(along * (0.2 + 0.6 * share));
      const off = Math.round(slope * (at - along / 2));
      for (let p = 0; p < reach; p++)
        profile[p] = (profile[p] ?? 0) + grey(at, Math.max(0, p + off)) / scansEach;
    }
    return profile;
  });
}

function mean(profile: Float64Array, from: number, to: number): number {
  let sum = 0;
  for (let p = from; p < to; p++) sum += profile[p] ?? 0;
  return sum / (to - from);
}

/** Step of the quarter that steps least; nothing when they do not all step the same way. */
function step(all: readonly Float64Array[], p: number): number {
  const steps = all.map((one) => mean(one, p + near, p + far) - mean(one, p - far, p - near));
  const [low, high] = [Math.min(...steps), Math.max(...steps)];
  return low > 0 ? low : high < 0 ? -high : 0;
}

/** Where a quarter passes the middle between its two sides, between pixels. */
function crossing(profile: Float64Array, p: number): number {
  const middle = (mean(profile, p + near, p + far) + mean(profile, p - far, p - near)) / 2;
  for (let off = 0; off <= near + 2; off++) {
    for (const at of [p + off, p - off]) {
      const [a, b] = [profile[at - 1] ?? 0, profile[at] ?? 0];
      if ((a - middle) * (b - middle) <= 0 && a !== b) return at - 1 + (middle - a) / (b - a) + 0.5;
    }
  }
  return p;
}

/** The outermost straight border along a side; undefined when there is none. */
export function faintBorder(side: FromSide): Line | undefined {
  const { along, reach } = side;
  const count = Math.ceil((steepest * 0.6 * along) / apart);
  const tried = Array.from({ length: 2 * count + 1 }, (_, i) => {
    const slope = ((i - count) / count) * steepest;
    return { slope, all: profiles(side, slope) };
  });
  let best: { p: number; found: (typeof tried)[number]; step: number } | undefined;
  for (let p = far; p < Math.min(reach - far, (best?.p ?? reach) + climb); p++) {
    for (const found of tried) {
      const here = step(found.all, p);
      if (here > Math.max(least, best?.step ?? 0)) best = { p, found, step: here };
    }
  }
  if (best === undefined) return undefined;
  const { p, found } = best;
  // A line through where the quarters cross, by least squares about the middle of the side.
  const points = found.all.map((profile, quarter) => {
    const u = along * (0.2 + (0.6 * (quarter + 0.5)) / quarters) - along / 2;
    return { u, across: crossing(profile, p) + found.slope * u };
  });
  const slope =
    points.reduce((sum, { u, across }) => sum + u * across, 0) /
    points.reduce((sum, { u }) => sum + u * u, 0);
  const middle = points.reduce((sum, { across }) => sum + across, 0) / quarters;
  return { at: middle - (slope * along) / 2, slope };
}
