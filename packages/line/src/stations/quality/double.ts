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
  const far = reach + 4;
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

/** Only asked of a side on which something is wrong already. */
export function judgeDouble(sight: Sight): readonly FaceFinding[] {
  const { seenHalf, expectedHalf, shift, limits, desk } = sight;
  const { width, height } = expectedHalf;
  const { rest } = desk;
  let best = { like: 0, far: 0, share: 0 };
  // The place that was found is that of either print, or between both.
  for (const [sx, sy] of starts(shift)) {
    rest.data.fill(0);
    let [extra, all] = [0, 0];
    for (let y = 8; y < height - 8; y++) {
      for (let x = 8, at = y * width + 8; x < width - 8; x++, at++) {
        const must = limits.fullInk * (expectedHalf.data[at - sy * width - sx] ?? 0);
        const over = (seenHalf.data[at] ?? 0) - must;
        all += must;
        if (over < 0.1) continue;
        rest.data[at] = over;
        extra += over;
      }
    }
    const share = extra / Math.max(1, all);
    if (share < limits.double.ink) continue;
    for (let dy = -reach; dy <= reach; dy++) {
      for (let dx = -reach; dx <= reach; dx++) {
        if (Math.hypot(dx, dy) < 1.5) continue;
        const like = likeSecond(rest, expectedHalf, sx, sy, dx, dy);
        if (like > best.like) best = { like, far: Math.hypot(dx, dy) / (perMm / 2), share };
      }
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

const starts = ({ dx, dy }: Sight["shift"]): readonly (readonly [number, number])[] => [
  [Math.round(dx / 2), Math.round(dy / 2)],
];
