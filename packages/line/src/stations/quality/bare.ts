/** Ink where none should be. */
import type { FaceFinding } from "./finding.js";
import { type Box, perMm, windowOf } from "./match.js";
import { type Window, windowAll } from "./plane.js";
import { nothing, type Sight } from "./sight.js";

/** Calls for each dot of a window that carries ink although nothing is expected within a third of a millimetre. */
function eachStray(
  { seen, near, shift, limits, relief }: Sight,
  { left, top, right, bottom }: Window,
  found: (x: number, y: number) => void,
): void {
  const [sx, sy] = [Math.round(shift.dx), Math.round(shift.dy)];
  const { width, height, data } = seen;
  const { marked } = limits;
  for (let y = top; y < bottom; y++) {
    for (let x = left, at = y * width + left; x < right; x++, at++) {
      if ((data[at] ?? 0) < marked || (relief?.data[at] ?? 0) > 0.02) continue;
      const [ex, ey] = [x - sx, y - sy];
      const off = ex < 0 || ey < 0 || ex >= width || ey >= height;
      if (off || (near.data[(ey >> 1) * near.width + (ex >> 1)] ?? 0) < nothing) found(x, y);
    }
  }
}

/** Square millimetres of them. */
export function strayArea(window: Window, sight: Sight): number {
  let stray = 0;
  eachStray(sight, window, () => stray++);
  return stray / (perMm * perMm);
}

/** Places in which stray ink is counted, mm. */
const place = 2;

/** In places of 2 mm; the contacts are left out. */
export function judgeBare(sight: Sight, leftOut: readonly Box[]): readonly FaceFinding[] {
  const { seen, limits } = sight;
  const out = leftOut.map((box) => windowOf(box, 0.3, seen));
  const columns = Math.ceil(seen.width / perMm / place);
  const dots = new Uint32Array(columns * Math.ceil(seen.height / perMm / place));
  eachStray(sight, windowAll(seen), (x, y) => {
    if (out.some((w) => x >= w.left && x < w.right && y >= w.top && y < w.bottom)) return;
    const at = Math.floor(y / perMm / place) * columns + Math.floor(x / perMm / place);
    dots[at] = (dots[at] ?? 0) + 1;
  });
  return Array.from(dots, (count) => count / (perMm * perMm)).flatMap((area, i): FaceFinding[] => {
    if (area <= limits.strayInk) return [];
    const box = {
      x: (i % columns) * place,
      y: Math.floor(i / columns) * place,
      width: place,
      height: place,
    };
    const what = "stray-ink";
    return [
      {
        field: "card",
        what,
        measured: area,
        limit: limits.strayInk,
        unit: "mm²",
        box,
        weight: "reject",
      },
    ];
  });
}
