/** Ink where none should be. */
import type { FaceFinding } from "./finding.js";
import { type Box, perMm, windowOf } from "./match.js";
import type { Window } from "./plane.js";
import { nothing, type Sight } from "./sight.js";

/** Ink that counts as such on a bare dot. */
const marked = 0.3;

/** Square millimetres of a window that carry ink although nothing is expected within a third of a millimetre. */
export function strayArea(
  { left, top, right, bottom }: Window,
  { seen, near, shift }: Sight,
  leftOut: readonly Window[] = [],
): number {
  const [sx, sy] = [Math.round(shift.dx), Math.round(shift.dy)];
  const { width, height, data } = seen;
  let stray = 0;
  for (let y = top; y < bottom; y++) {
    for (let x = left; x < right; x++) {
      const value = data[y * width + x] ?? 0;
      if (value < marked) continue;
      const [ex, ey] = [x - sx, y - sy];
      const off = ex < 0 || ey < 0 || ex >= width || ey >= height;
      if (!off && (near.data[(ey >> 1) * near.width + (ex >> 1)] ?? 0) >= nothing) continue;
      if (!leftOut.some((w) => x >= w.left && x < w.right && y >= w.top && y < w.bottom)) stray++;
    }
  }
  return stray / (perMm * perMm);
}

/** In places of 2 mm; the contacts are left out. */
export function judgeBare(sight: Sight, leftOut: readonly Box[]): readonly FaceFinding[] {
  const { seen, limits } = sight;
  const out = leftOut.map((box) => windowOf(box, 0.3, seen));
  const findings: FaceFinding[] = [];
  for (let y = 0; y < seen.height / perMm; y += 2) {
    for (let x = 0; x < seen.width / perMm; x += 2) {
      const box = { x, y, width: 2, height: 2 };
      const area = strayArea(windowOf(box, 0, seen), sight, out);
      if (area > limits.strayInk) {
        findings.push({
          field: "card",
          what: "stray-ink",
          measured: area,
          limit: limits.strayInk,
          unit: "mm²",
          box,
          weight: "reject",
        });
      }
    }
  }
  return findings;
}
