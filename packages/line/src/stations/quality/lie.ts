/** How the print lies on the card, and which side of it is up. */
import type { PlacedField } from "../../plan/types.js";
import { search, type Sight, windowOf } from "./fields.js";
import { halve, type Plane } from "./plane.js";

/** Correlations of the print as it should lie, turned by 180°, and mirrored. */
interface Lie {
  readonly upright: number;
  readonly turned: number;
  readonly mirrored: number;
}

const mirror = (from: Plane): Plane => {
  const to = { ...from, data: new Float32Array(from.data.length) };
  for (let y = 0; y < from.height; y++)
    for (let x = 0; x < from.width; x++)
      to.data[y * from.width + x] = from.data[y * from.width + from.width - 1 - x] ?? 0;
  return to;
};

/** Measured at an eighth of the size. Mirrored: from left to right, or from top to bottom. */
export function lieOf(seenHalf: Plane, expectedHalf: Plane): Lie {
  const [small, wanted] = [halve(halve(seenHalf)), halve(halve(expectedHalf))];
  const whole = { left: 0, top: 0, right: wanted.width, bottom: wanted.height };
  const like = (seen: Plane): number => search(seen, wanted, whole, { dx: 0, dy: 0, reach: 2 }).correlation;
  const turned = { ...small, data: small.data.slice().reverse() };
  return {
    upright: like(small),
    turned: like(turned),
    mirrored: Math.max(like(mirror(small)), like(mirror(turned))),
  };
}

/** The module with its contacts inside the keep-out (ISO/IEC 7816-2), mm. */
const module: PlacedField["box"] = { x: 10, y: 19, width: 10, height: 10 };

/** Mean difference from the expected ink where the contacts are on their side: metal and its gaps differ from any body. */
export function contactsSeen({ seen, expected, shift, limits }: Sight): number {
  const window = windowOf(module, 0, seen);
  const [sx, sy] = [Math.round(shift.dx), Math.round(shift.dy)];
  let sum = 0;
  let count = 0;
  for (let y = window.top; y < window.bottom; y += 2) {
    for (let x = window.left; x < window.right; x += 2) {
      const must = limits.fullInk * (expected.data[(y - sy) * expected.width + x - sx] ?? 0);
      sum += Math.abs((seen.data[y * seen.width + x] ?? 0) - must);
      count++;
    }
  }
  return sum / Math.max(1, count);
}
