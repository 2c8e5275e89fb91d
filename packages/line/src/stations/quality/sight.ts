/** One side as expected and as seen, laid on each other. */
import type { Desk } from "./desk.js";
import type { QualityLimits } from "./limits.js";
import { type Found, inkOf, placeOf, search, shownIn } from "./match.js";
import { halve, type Plane, type Window, windowAll } from "./plane.js";

export interface Sight {
  /** Ink, straight and of one size, at full and at half resolution. */
  readonly seen: Plane;
  readonly expected: Plane;
  readonly seenHalf: Plane;
  readonly expectedHalf: Plane;
  /** Expected ink spread over four dots around, at half resolution: where it is nothing, nothing may be seen. */
  readonly near: Plane;
  /** What is printed under the marks, as a share of the bare body's light. */
  readonly ground?: Plane;
  /** Found shift of the whole print, dots. */
  readonly shift: { readonly dx: number; readonly dy: number };
  /** Raised characters as they were found, 0..1; they are taken out of what is seen. Beyond these windows there are none. */
  readonly relief?: Plane;
  readonly reliefIn?: readonly Window[];
  /** Ink of their crests. */
  readonly foil?: number;
  readonly limits: QualityLimits;
  readonly desk: Desk;
}

/** Less expected ink than this around a dot is none. */
export const nothing = 0.002;

/** The shift of the whole print, from a first guess at an eighth of the size to parts of a dot. */
export function sightOf(
  planes: Pick<Sight, "seen" | "expected" | "seenHalf" | "expectedHalf" | "near" | "ground" | "desk">,
  guess: Found,
  limits: QualityLimits,
): Sight {
  const { seenHalf, expectedHalf } = planes;
  const [seenQuarter, expectedQuarter] = [halve(seenHalf), halve(expectedHalf)];
  const rough = search(seenQuarter, expectedQuarter, windowAll(expectedQuarter), {
    dx: guess.dx * 2,
    dy: guess.dy * 2,
    reach: 1,
  });
  const all = windowAll(expectedHalf);
  const { dx: x, dy: y } = search(seenHalf, expectedHalf, all, {
    dx: rough.dx * 2,
    dy: rough.dy * 2,
    reach: 1,
  });
  const { dx, dy } = placeOf(inkOf(shownIn(seenHalf, expectedHalf, all, x, y, 4), x, y));
  return { ...planes, shift: { dx: dx * 2, dy: dy * 2 }, limits };
}
