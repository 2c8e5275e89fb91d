/** How the print lies on the card, and which side of it is up. */
import type { PlacedField } from "../../plan/types.js";
import { type Found, search, windowOf } from "./match.js";
import { halve, type Plane, plane, windowAll } from "./plane.js";
import type { Sight } from "./sight.js";

/** Correlations of the print as it should lie, turned by 180°, and mirrored. */
interface Lie {
  /** Where it lies as it should, in eighths. */
  readonly upright: Found;
  readonly turned: number;
  readonly mirrored: number;
}

const mirror = (from: Plane): Plane => {
  const to = plane(from.width, from.height);
  for (let y = 0; y < from.height; y++)
    for (let x = 0; x < from.width; x++)
      to.data[y * from.width + x] = from.data[y * from.width + from.width - 1 - x] ?? 0;
  return to;
};

/** Measured at an eighth of the size. Mirrored: from left to right, or from top to bottom. */
export function lieOf(seenHalf: Plane, expectedHalf: Plane): Lie {
  const [small, wanted] = [halve(halve(seenHalf)), halve(halve(expectedHalf))];
  const like = (seen: Plane): Found => search(seen, wanted, windowAll(wanted), { dx: 0, dy: 0, reach: 2 });
  const turned = plane(small.width, small.height);
  turned.data.set(small.data);
  turned.data.reverse();
  return {
    upright: like(small),
    turned: like(turned).correlation,
    mirrored: Math.max(like(mirror(small)).correlation, like(mirror(turned)).correlation),
  };
}

/** The module with its contacts (ISO/IEC 7816-2), and what lies around it, mm. */
const module: PlacedField["box"] = { x: 10, y: 19, width: 10, height: 10 };
const around: PlacedField["box"] = { x: 6.5, y: 14.5, width: 17, height: 18.5 };

/**
 * How much more the place of the contacts differs from the expected ink than its surroundings do: metal and its gaps differ from any
 * body, and a wrong print differs inside and outside alike.
 */
export function contactsSeen({ seen, expected, shift, limits }: Sight): number {
  const [sx, sy] = [Math.round(shift.dx), Math.round(shift.dy)];
  const inner = windowOf(module, 0, seen);
  const gap = windowOf(module, 1.5, seen);
  const outer = windowOf(around, 0, seen);
  const [inside, outside] = [
    { sum: 0, count: 0 },
    { sum: 0, count: 0 },
  ];
  for (let y = outer.top; y < outer.bottom; y += 2) {
    for (let x = outer.left; x < outer.right; x += 2) {
      const within = ({ left, top, right, bottom }: typeof inner): boolean =>
        x >= left && x < right && y >= top && y < bottom;
      const here = within(inner) ? inside : within(gap) ? undefined : outside;
      if (here === undefined) continue;
      const must = limits.fullInk * (expected.data[(y - sy) * expected.width + x - sx] ?? 0);
      here.sum += Math.abs((seen.data[y * seen.width + x] ?? 0) - must);
      here.count++;
    }
  }
  return inside.sum / Math.max(1, inside.count) - outside.sum / Math.max(1, outside.count);
}
