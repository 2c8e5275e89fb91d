/** Scratches and spots: what differs from the expected picture, rebuilt with the places and darknesses that were found. */
import type { PlacedField } from "../../plan/types.js";
import { judgedAt } from "./density.js";
import { search, type Sight, windowOf } from "./fields.js";
import type { FaceFinding, FieldMeasure } from "./finding.js";
import { boxBlur, type Plane, plane, type Window } from "./plane.js";

type Box = PlacedField["box"];
const perMm = judgedAt / 25.4;

/** A field as it was found: the rebuilt picture follows it. */
export interface FoundField {
  readonly field: PlacedField;
  readonly measure: FieldMeasure;
  /** Already rejected: its surface says nothing more. */
  readonly failed: boolean;
}

/** Steepest part of a printed ground that a fraction of a dot still forgives, as a share of the bare body's light within two dots. */
const steep = 0.08;

/** Lowest and highest of the 5 × 5 dots around. */
function rangeAround({ data, width }: Plane, at: number): readonly [low: number, high: number] {
  let [low, high] = [Infinity, -Infinity];
  for (let dy = -2; dy <= 2; dy++) {
    for (let dx = -2; dx <= 2; dx++) {
      const there = data[at + dy * width + dx] ?? 0;
      if (there < low) low = there;
      if (there > high) high = there;
    }
  }
  return [low, high];
}

/** Marks every dot that differs too much to be light, noise or an edge a fraction of a dot off its place. */
function strangeDots(sight: Sight, fields: readonly FoundField[], leftOut: readonly Box[]): Uint8Array {
  const { seen, expected, near, limits } = sight;
  const { width, height } = seen;
  const strange = new Uint8Array(width * height);
  const { bare, inked } = limits.surface;
  const { ground } = sight;
  const onEdge = (at: number): boolean => ground !== undefined && steepAround(ground, at);
  const around = (sx: number, sy: number, gain: number, { left, top, right, bottom }: Window): void => {
    for (let y = top; y < bottom; y++) {
      const [row, from] = [y * width, (y - sy) * width - sx];
      if (y < sy || y - sy >= height) continue;
      const nearRow = ((y - sy) >> 1) * near.width;
      for (let x = left; x < right; x++) {
        const value = seen.data[row + x] ?? 0;
        if ((near.data[nearRow + ((x - sx) >> 1)] ?? 1) < 0.002) {
          if ((value > bare || value < -bare) && !onEdge(row + x)) strange[row + x] = 1;
          continue;
        }
        if (Math.abs(value - gain * (expected.data[from + x] ?? 0)) < inked) continue;
        const [low, high] = rangeAround(expected, from + x);
        if ((value > gain * high + inked || value < gain * low - inked) && !onEdge(row + x))
          strange[row + x] = 1;
      }
    }
  };
  const whole = { left: 6, top: 6, right: width - 6, bottom: height - 6 };
  around(Math.round(sight.shift.dx), Math.round(sight.shift.dy), limits.fullInk, whole);
  const clear = ({ left, top, right, bottom }: Window): void => {
    for (let y = top; y < bottom; y++) strange.fill(0, y * width + left, y * width + right);
  };
  for (const { field, measure, failed } of fields) {
    if (field.kind === "art") continue;
    const window = windowOf(field.box, 0.3, seen);
    clear(window);
    if (failed) continue;
    const gain = measure.ink * limits.fullInk;
    if (field.kind === "photo" || field.kind === "signature") continue;
    around(Math.round(measure.dx * perMm), Math.round(measure.dy * perMm), gain, window);
  }
  broad(sight, fields, strange);
  for (const box of leftOut) clear(windowOf(box, 0.3, seen));
  return strange;
}

/**
 * The mean over half a millimetre, where marks are close: dots of a dithered photo and hair lines differ from card to card, their mean
 * does not. At half resolution.
 */
function broad(sight: Sight, fields: readonly FoundField[], strange: Uint8Array): void {
  const { seenHalf, expectedHalf, limits, shift } = sight;
  const { width, height } = seenHalf;
  const rest = plane(width, height);
  const subtract = (dx: number, dy: number, gain: number, { left, top, right, bottom }: Window): void => {
    const [sx, sy] = [Math.round(dx / 2), Math.round(dy / 2)];
    for (let y = Math.max(top, sy, 0); y < Math.min(bottom, height, height + sy); y++) {
      for (let x = Math.max(left, sx, 0); x < Math.min(right, width, width + sx); x++)
        rest.data[y * width + x] =
          (seenHalf.data[y * width + x] ?? 0) - gain * (expectedHalf.data[(y - sy) * width + x - sx] ?? 0);
    }
  };
  subtract(shift.dx, shift.dy, limits.fullInk, { left: 4, top: 4, right: width - 4, bottom: height - 4 });
  for (const { field, measure, failed } of fields) {
    if (field.kind === "art") continue;
    const { left, top, right, bottom } = windowOf(field.box, 0.3, sight.seen);
    const half = { left: left >> 1, top: top >> 1, right: right >> 1, bottom: bottom >> 1 };
    if (failed)
      for (let y = half.top; y < half.bottom; y++)
        rest.data.fill(0, y * width + half.left, y * width + half.right);
    else subtract(measure.dx * perMm, measure.dy * perMm, measure.ink * limits.fullInk, half);
  }
  const mean = boxBlur(rest, 1);
  const full = sight.seen.width;
  for (let y = 4; y < height - 4; y++) {
    for (let x = 4; x < width - 4; x++) {
      if (Math.abs(mean.data[y * width + x] ?? 0) < limits.surface.photo) continue;
      const at = 2 * y * full + 2 * x;
      if (sight.ground !== undefined && steepAround(sight.ground, at)) continue;
      strange[at] = strange[at + 1] = strange[at + full] = strange[at + full + 1] = 1;
    }
  }
}

const steepAround = (ground: Plane, at: number): boolean => {
  const [low, high] = rangeAround(ground, at);
  return high - low > steep;
};

interface Patch {
  readonly dots: number;
  readonly box: Box;
  /** Longest extent, mm. */
  readonly length: number;
}

/** Connected dots (within two dots of each other), each patch once. */
function patches(strange: Uint8Array, width: number): Patch[] {
  const found: Patch[] = [];
  const open: number[] = [];
  for (let start = 0; start < strange.length; start++) {
    if (strange[start] !== 1) continue;
    let dots = 0;
    let [left, right, top, bottom] = [width, 0, strange.length, 0];
    open.push(start);
    strange[start] = 2;
    for (let at = open.pop(); at !== undefined; at = open.pop()) {
      dots++;
      const [x, y] = [at % width, Math.floor(at / width)];
      if (x < left) left = x;
      if (x > right) right = x;
      if (y < top) top = y;
      if (y > bottom) bottom = y;
      for (let dy = -2; dy <= 2; dy++) {
        for (let dx = -2; dx <= 2; dx++) {
          const next = at + dy * width + dx;
          if (strange[next] !== 1) continue;
          strange[next] = 2;
          open.push(next);
        }
      }
    }
    const box = {
      x: left / perMm,
      y: top / perMm,
      width: (right - left + 1) / perMm,
      height: (bottom - top + 1) / perMm,
    };
    found.push({ dots, box, length: Math.hypot(box.width, box.height) });
  }
  return found;
}

/** Scratches (long and thin) and spots. Measured: length in mm of a scratch, mm² of a spot. */
export function judgeSurface(
  sight: Sight,
  fields: readonly FoundField[],
  leftOut: readonly Box[],
): readonly FaceFinding[] {
  const { limits } = sight;
  const strange = strangeDots(sight, fields, leftOut);
  return patches(strange, sight.seen.width).flatMap(({ dots, box, length }): FaceFinding[] => {
    const area = dots / (perMm * perMm);
    const say = (
      what: "scratch" | "spot",
      measured: number,
      limit: number,
      unit: "mm" | "mm²",
    ): FaceFinding[] => [{ field: "card", what, measured, limit, unit, box, weight: "reject" }];
    const { scratch, spot } = limits.surface;
    if (length > scratch && area / length < 0.7) return say("scratch", length, scratch, "mm");
    if (area > spot) return say("spot", area, spot, "mm²");
    return [];
  });
}

/**
 * The same print twice, a little apart: ink that should not be there looks like the ink that should. Only asked of a side on which
 * something is wrong already. Returns the distance in mm.
 */
export function judgeDouble(sight: Sight): readonly FaceFinding[] {
  const { seenHalf, expectedHalf, shift, limits } = sight;
  const { width, height } = expectedHalf;
  const rest: Plane = plane(width, height);
  const [sx, sy] = [Math.round(shift.dx / 2), Math.round(shift.dy / 2)];
  let [extra, all] = [0, 0];
  for (let y = Math.max(0, sy); y < height + Math.min(0, sy); y++) {
    for (let x = Math.max(0, sx); x < width + Math.min(0, sx); x++) {
      const must = limits.fullInk * (expectedHalf.data[(y - sy) * width + x - sx] ?? 0);
      const over = (seenHalf.data[y * width + x] ?? 0) - must;
      all += must;
      if (over < 0.1) continue;
      rest.data[y * width + x] = over;
      extra += over;
    }
  }
  const share = extra / Math.max(1, all);
  if (share < limits.double.ink) return [];
  const whole = { left: 0, top: 0, right: width, bottom: height };
  // The same print lies behind itself on either side of its found place.
  const found = search(rest, expectedHalf, whole, { dx: sx, dy: sy, reach: 7 });
  const far = Math.hypot(found.dx - sx, found.dy - sy) / (perMm / 2);
  if (found.correlation < limits.double.correlation || far < 0.1) return [];
  return [
    {
      field: "card",
      what: "double-print",
      measured: found.correlation,
      limit: limits.double.correlation,
      unit: "correlation",
      box: { x: 0, y: 0, width: 85.6, height: 53.98 },
      weight: "reject",
      detail: `the second print lies ${far.toFixed(2)} mm off`,
    },
  ];
}
