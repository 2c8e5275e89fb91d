/** Place and ink, which every field must have. */
import type { PlacedField } from "../../plan/types.js";
import type { FaceFinding, FieldMeasure } from "./finding.js";
import {
  type Box,
  halfWindow,
  type Ink,
  inkOf,
  perMm,
  placeOf,
  search,
  shownIn,
  stepIn,
  windowOf,
} from "./match.js";
import type { Plane, Window } from "./plane.js";
import type { Sight } from "./sight.js";

export interface JudgedField {
  readonly findings: readonly FaceFinding[];
  readonly measure: FieldMeasure;
  /** How its ink was found, as a whole or piece by piece. */
  readonly inks: readonly { readonly box: Box; readonly ink: Ink }[];
}

export interface FoundInk {
  readonly findings: FaceFinding[];
  readonly measure: FieldMeasure;
  /** Dots off its place, to parts of a dot. */
  readonly place: { readonly dx: number; readonly dy: number };
  readonly ink: Ink;
  /** Next to nothing is there: that ends the judgement of the field. */
  readonly missing: boolean;
}

/** Whole dots at which the window's ink is most alike: first near the place of the whole print, then farther off. */
function roughPlace(sight: Sight, window: Window): { dx: number; dy: number; correlation: number } {
  const around = { dx: Math.round(sight.shift.dx / 2), dy: Math.round(sight.shift.dy / 2) };
  const small = halfWindow(window);
  let half = search(sight.seenHalf, sight.expectedHalf, small, { ...around, reach: 2 });
  if (half.correlation < sight.limits.recognised)
    half = search(sight.seenHalf, sight.expectedHalf, small, { ...around, reach: 6 });
  return search(sight.seen, sight.expected, window, { dx: half.dx * 2, dy: half.dy * 2, reach: 1 });
}

/** All ink of a window that is no noise. */
function total({ data, width }: Plane, { left, top, right, bottom }: Window): number {
  let sum = 0;
  for (let y = top; y < bottom; y++) {
    for (let at = y * width + left, end = y * width + right; at < end; at++) {
      const value = data[at] ?? 0;
      if (value > 0.12) sum += value;
    }
  }
  return sum;
}

const moved = (window: Window, dx: number, dy: number, { width, height }: Plane): Window => ({
  left: Math.max(0, Math.min(width, window.left + dx)),
  top: Math.max(0, Math.min(height, window.top + dy)),
  right: Math.max(0, Math.min(width, window.right + dx)),
  bottom: Math.max(0, Math.min(height, window.bottom + dy)),
});

/** Where the field's ink lies and how dark it is. `box`: where the layout puts its ink. */
export function findInk(field: PlacedField, box: Box, sight: Sight): FoundInk {
  const { limits, seen, expected } = sight;
  const window = windowOf(box, 0.25, seen);
  const { dx: sx, dy: sy, correlation } = roughPlace(sight, window);
  const ink = inkOf(shownIn(seen, expected, window, sx, sy, stepIn(window)), sx, sy);
  const place = placeOf(ink);
  const darkness = ink.gain / limits.fullInk;
  const [dx, dy] = [place.dx / perMm, place.dy / perMm];
  const far = Math.hypot(dx, dy);
  const findings: FaceFinding[] = [];
  const say = (finding: Pick<FaceFinding, "what" | "measured" | "limit" | "unit">): void => {
    findings.push({ field: field.name, box, weight: "reject", ...finding });
  };
  // All ink there is, whatever its shape, against all that must be there.
  const share = total(seen, moved(window, sx, sy, seen)) / (total(expected, window) * limits.fullInk);
  if (!Number.isFinite(share) || !Number.isFinite(darkness)) {
    throw new Error("nothing was sent to the engraver here, so nothing can be measured");
  }
  const missing = share < limits.missing;
  if (missing) say({ what: "missing", measured: share, limit: limits.missing, unit: "share" });
  // Place and darkness mean something only where the expected ink was recognised.
  else if (correlation > limits.recognised) {
    if (darkness < limits.faint)
      say({ what: "faint", measured: darkness, limit: limits.faint, unit: "share" });
    if (darkness > limits.burnt)
      say({ what: "burnt", measured: darkness, limit: limits.burnt, unit: "share" });
    if (far > limits.displacement) {
      say({ what: "displaced", measured: far, limit: limits.displacement, unit: "mm" });
    }
  }
  const measure = { field: field.name, kind: field.kind, dx, dy, ink: darkness, correlation };
  return { findings, measure, place, ink, missing };
}
