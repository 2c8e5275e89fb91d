/** How the print lies on the card, and which side of it is up. */
import type { PlacedField } from "../../plan/types.js";
import type { ExpectedGround } from "./light.js";
import { type Found, search, windowOf } from "./match.js";
import { halve, type Plane, plane, type Window, windowAll } from "./plane.js";
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

/** Takes the printer's part, an eighth of the size, away from a picture of all ink. */
function withoutPrint(ink: Plane, { width, grey }: ExpectedGround, full: number): void {
  for (let y = 0; y < ink.height; y++) {
    for (let x = 0; x < ink.width; x++) {
      let light = 0;
      for (let j = 0; j < 8; j++)
        for (let i = 0, at = (8 * y + j) * width + 8 * x; i < 8; i++, at++) light += grey[at] ?? 255;
      const out = y * ink.width + x;
      ink.data[out] = (ink.data[out] ?? 0) - (1 - light / (64 * 255)) / full;
    }
  }
}

function measured(small: Plane, wanted: Plane): Lie {
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

const wrongness = ({ upright, turned, mirrored }: Lie): number =>
  Math.max(turned, mirrored) - upright.correlation;
const inkIn = ({ data }: Plane): number => data.reduce((sum, value) => sum + Math.abs(value), 0);
/** Share of all ink that the engraver's must be to say how it lies. */
const enough = 0.1;

/**
 * Measured at an eighth of the size. Mirrored: from left to right, or from top to bottom. `printed`: what the printer added for this
 * record. Printer and engraver each may have got the card the wrong way round: the worse is told, of all ink or of the engraver's alone.
 */
export function lieOf(seenHalf: Plane, expectedHalf: Plane, fullInk: number, printed?: ExpectedGround): Lie {
  const [small, wanted] = [halve(halve(seenHalf)), halve(halve(expectedHalf))];
  const all = measured(small, wanted);
  if (printed === undefined) return all;
  const ink = inkIn(wanted);
  withoutPrint(small, printed, 1);
  withoutPrint(wanted, printed, fullInk);
  if (inkIn(wanted) < enough * ink) return all;
  const marks = measured(small, wanted);
  return wrongness(marks) > wrongness(all) ? marks : all;
}

/** The module with its contacts (ISO/IEC 7816-2), and what lies around it, mm. */
const module: PlacedField["box"] = { x: 10, y: 19, width: 10, height: 10 };
const around: PlacedField["box"] = { x: 6.5, y: 14.5, width: 17, height: 18.5 };

/** Share of the dots that need not differ: print that should not be there leaves bare dots between its lines, metal leaves few. */
const covered = 0.2;
/** The same of a strip of another tone, which may end within the place. */
const half = 0.5;

/** Places beside the module, left and right, above and below. */
const beside: readonly (readonly [PlacedField["box"], PlacedField["box"]])[] = [
  [
    { ...module, x: 5, width: 3.5 },
    { ...module, x: 21.5, width: 3.5 },
  ],
  [
    { ...module, y: 14, height: 3.5 },
    { ...module, y: 30.5, height: 3.5 },
  ],
];

/**
 * How much more the place of the contacts differs from the expected ink than its surroundings do: metal differs from any body nearly
 * everywhere, and a wrong print differs inside and outside alike. `through`: what runs on at both sides of the place, as a strip of
 * another tone does, and no module.
 */
export function contactsSeen(sight: Sight): { readonly more: number; readonly through: number } {
  const at = (box: PlacedField["box"]): Window => windowOf(box, 0, sight.seen);
  const inner = differs(sight, at(module), covered);
  const outer = differs(sight, at(around), covered, windowOf(module, 1.5, sight.seen));
  const through = Math.max(
    ...beside.map(([one, other]) => Math.min(differs(sight, at(one), half), differs(sight, at(other), half))),
  );
  return { more: inner - outer, through };
}

/** Difference that all dots of a window but this share exceed. */
function differs(
  { seen, expected, shift, limits }: Sight,
  window: Window,
  share: number,
  without?: Window,
): number {
  const [sx, sy] = [Math.round(shift.dx), Math.round(shift.dy)];
  const found: number[] = [];
  for (let y = window.top; y < window.bottom; y += 2) {
    const hole = without !== undefined && y >= without.top && y < without.bottom ? without : undefined;
    for (let x = window.left; x < window.right; x += 2) {
      if (hole !== undefined && x >= hole.left && x < hole.right) continue;
      const must = limits.fullInk * (expected.data[(y - sy) * expected.width + x - sx] ?? 0);
      found.push(Math.abs((seen.data[y * seen.width + x] ?? 0) - must));
    }
  }
  return Float32Array.from(found).sort()[Math.floor(found.length * share)] ?? 0;
}
