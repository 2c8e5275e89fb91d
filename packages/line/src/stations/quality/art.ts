/** Artwork in pieces of 5 mm, where no field lies. */
import type { PlacedField } from "../../plan/types.js";
import type { JudgedField } from "./field.js";
import type { FaceFinding } from "./finding.js";
import { type Box, type Ink, inkOf, perMm, search, shownIn, unexplained, windowOf } from "./match.js";
import type { Window } from "./plane.js";
import type { Sight } from "./sight.js";

const piece = 5;

/** Where pieces lie that only the artwork marks: not under a field, and not in the rim, which no camera sees well. */
function* pieces({ box }: PlacedField, others: readonly Box[]): Generator<Box> {
  for (let y = 0; y < box.height; y += piece) {
    for (let x = 0; x < box.width && x + piece <= 84.8; x += piece) {
      const covered = others.some(
        (other) =>
          other.x < x + piece + 0.3 &&
          x < other.x + other.width + 0.3 &&
          other.y < y + piece + 0.3 &&
          y < other.y + other.height + 0.3,
      );
      if (!covered) yield { x, y, width: piece, height: piece };
    }
  }
}

/** Fine lines feel a tenth of a dot: each piece is read where it lies. Undefined: there is next to nothing to see. */
function pieceOf(window: Window, sight: Sight): { ink: Ink; off: number } | undefined {
  const { seen, expected, shift, limits } = sight;
  let [sx, sy] = [Math.round(shift.dx), Math.round(shift.dy)];
  let shown = shownIn(seen, expected, window, sx, sy);
  if ((shown.products[0] ?? 0) < 0.008) return undefined;
  let ink = inkOf(shown, sx, sy);
  const far = Math.max(Math.abs(ink.toX), Math.abs(ink.toY)) / Math.max(0.02, ink.gain);
  if (far > 0.7) {
    const found = search(seen, expected, window, { dx: sx, dy: sy, reach: 1 });
    [sx, sy] = [found.dx, found.dy];
    shown = shownIn(seen, expected, window, sx, sy);
    ink = inkOf(shown, sx, sy);
  }
  const gone = ink.gain < limits.missing * limits.fullInk;
  return { ink, off: gone ? 1 : Math.sqrt(unexplained(shown, ink)) };
}

export function judgeArt(field: PlacedField, others: readonly Box[], sight: Sight): JudgedField {
  const { seen, limits, shift } = sight;
  const findings: FaceFinding[] = [];
  const inks: { box: Box; ink: Ink }[] = [];
  let worst = 0;
  let inkSum = 0;
  let count = 0;
  for (const box of pieces(field, others)) {
    const found = pieceOf(windowOf(box, 0, seen), sight);
    if (found === undefined) continue;
    count++;
    inks.push({ box, ink: found.ink });
    inkSum += found.ink.gain / limits.fullInk;
    worst = Math.max(worst, found.off);
    if (found.off > limits.art) {
      findings.push({
        field: field.name,
        what: "wrong-art",
        measured: found.off,
        limit: limits.art,
        unit: "share",
        box,
        weight: "reject",
      });
    }
  }
  const ink = count === 0 ? 1 : inkSum / count;
  if (count > 0 && ink < limits.faint) {
    findings.push({
      field: field.name,
      what: "faint",
      measured: ink,
      limit: limits.faint,
      unit: "share",
      box: field.box,
      weight: "reject",
    });
  }
  const [dx, dy] = [shift.dx / perMm, shift.dy / perMm];
  return {
    findings,
    measure: { field: field.name, kind: field.kind, dx, dy, ink, correlation: 1 - worst, worst },
    inks,
  };
}
