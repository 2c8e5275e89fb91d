/** The same print twice, a little apart. */
import type { FaceFinding } from "./finding.js";
import { type Box, perMm } from "./match.js";
import type { Plane } from "./plane.js";
import type { Sight } from "./sight.js";

const wholeCard: Box = { x: 0, y: 0, width: 85.6, height: 53.98 };

/** Farthest second print that is looked for, in half dots: 1.2 mm. */
const reach = 7;

/** Correlation of the ink too much with what a second print so far off would add to the first, in every third row. */
function likeSecond(extra: Plane, expected: Plane, sx: number, sy: number, dx: number, dy: number): number {
  const { width, height, data } = extra;
  const e = expected.data;
  const far = reach + 8;
  const [first, second] = [sy * width + sx, (sy + dy) * width + sx + dx];
  let n = 0;
  let s = 0;
  let ss = 0;
  let p = 0;
  let pp = 0;
  let sp = 0;
  for (let y = far; y < height - far; y += 3) {
    for (let at = y * width + far, end = (y + 1) * width - far; at < end; at++) {
      const more = (e[at - second] ?? 0) - (e[at - first] ?? 0);
      const pattern = more > 0 ? more : 0;
      const value = data[at] ?? 0;
      n++;
      s += value;
      ss += value * value;
      p += pattern;
      pp += pattern * pattern;
      sp += value * pattern;
    }
  }
  const [spread, contrast] = [ss / n - (s / n) ** 2, pp / n - (p / n) ** 2];
  return spread < 1e-9 || contrast < 1e-9 ? 0 : (sp / n - (s / n) * (p / n)) / Math.sqrt(spread * contrast);
}

interface Second {
  readonly like: number;
  /** mm. */
  readonly far: number;
}

/** The best second print, the first being taken to lie at sx, sy half dots; undefined: there is hardly any ink too much. */
function secondBeside(sight: Sight, sx: number, sy: number): Second | undefined {
  const { seenHalf, expectedHalf, limits, desk } = sight;
  const { width, height } = expectedHalf;
  const { rest } = desk;
  rest.data.fill(0);
  let extra = 0;
  let all = 0;
  for (let y = 8; y < height - 8; y++) {
    for (let at = y * width + 8, end = (y + 1) * width - 8; at < end; at++) {
      const must = limits.fullInk * (expectedHalf.data[at - sy * width - sx] ?? 0);
      const over = (seenHalf.data[at] ?? 0) - must;
      all += must;
      if (over < 0.1) continue;
      rest.data[at] = over;
      extra += over;
    }
  }
  if (extra / Math.max(1, all) < limits.double.ink) return undefined;
  let best: Second = { like: 0, far: 0 };
  for (let dy = -reach; dy <= reach; dy++) {
    for (let dx = -reach; dx <= reach; dx++) {
      if (Math.hypot(dx, dy) < 1.5) continue;
      const like = likeSecond(rest, expectedHalf, sx, sy, dx, dy);
      if (like > best.like) best = { like, far: Math.hypot(dx, dy) / (perMm / 2) };
    }
  }
  return best;
}

/** Only asked of a side on which something is wrong already. */
export function judgeDouble(sight: Sight): readonly FaceFinding[] {
  const { shift, limits } = sight;
  const [sx, sy] = [Math.round(shift.dx / 2), Math.round(shift.dy / 2)];
  let best = secondBeside(sight, sx, sy);
  if (best === undefined) return [];
  // The place that was found may be one between both prints: then either of them lies a little beside it.
  if (best.like > limits.double.correlation / 2 && best.like < 2 * limits.double.correlation) {
    for (const [dx, dy] of around) {
      const other = secondBeside(sight, sx + dx, sy + dy);
      if (other !== undefined && other.like > best.like) best = other;
    }
  }
  if (best.like < limits.double.correlation) return [];
  return [
    {
      field: "card",
      what: "double-print",
      measured: best.like,
      limit: limits.double.correlation,
      unit: "correlation",
      box: wholeCard,
      weight: "reject",
      detail: `the second print lies ${best.far.toFixed(2)} mm off`,
    },
  ];
}

/** Half dots: a quarter of a millimetre in eight directions. */
const around = [
  [3, 0],
  [2, 2],
  [0, 3],
  [-2, 2],
  [-3, 0],
  [-2, -2],
  [0, -3],
  [2, -2],
] as const;
