/** Scratches and spots: what differs from the expected picture, rebuilt with the places and darknesses that were found. */
import type { PlacedField } from "../../plan/types.js";
import type { FaceFinding, FieldMeasure } from "./finding.js";
import { type Box, halfWindow, perMm, search, windowOf } from "./match.js";
import { boxBlur, type Plane, type Window, windowAll } from "./plane.js";
import { nothing, type Sight } from "./sight.js";

/** A field as it was found: the rebuilt picture follows it. */
export interface FoundField {
  readonly field: PlacedField;
  readonly measure: FieldMeasure;
  /** Already rejected: its surface says nothing more. */
  readonly failed: boolean;
}

/** Steepest part of a printed ground that a fraction of a dot still forgives, as a share of the bare body's light within two dots. */
const steep = 0.08;

/** Highest less lowest of the 5 × 5 dots around. */
function onEdge({ data, width }: Plane, at: number): boolean {
  let low = Infinity;
  let high = -Infinity;
  for (let dy = -2; dy <= 2; dy++) {
    for (let dx = -2; dx <= 2; dx++) {
      const there = data[at + dy * width + dx] ?? 0;
      if (there < low) low = there;
      if (there > high) high = there;
    }
  }
  return high - low > steep;
}

/** What is seen is darker than the darkest of the 5 × 5 expected dots around, or lighter than the lightest, by more than that. */
function outOfRange(value: number, gain: number, { data, width }: Plane, at: number, more: number): boolean {
  let low = Infinity;
  let high = -Infinity;
  for (let dy = -2; dy <= 2; dy++) {
    for (let dx = -2; dx <= 2; dx++) {
      const there = data[at + dy * width + dx] ?? 0;
      if (there < low) low = there;
      if (there > high) high = there;
    }
  }
  return value > gain * high + more || value < gain * low - more;
}

/** Marks each dot of a window that differs too much to be light, noise or an edge a fraction of a dot off its place. */
function markStrange(sight: Sight, sx: number, sy: number, gain: number, window: Window): void {
  const { seen, expected, near, limits, ground } = sight;
  const strange = sight.desk.marks;
  const { width, height } = seen;
  const { bare, inked } = limits.surface;
  const away = sy * width + sx;
  // Three dots from the edge there is always another dot to look at.
  const left = Math.max(window.left, sx + 3, 3);
  const right = Math.min(window.right, width + sx - 3, width - 3);
  const top = Math.max(window.top, sy + 3, 3);
  const bottom = Math.min(window.bottom, height + sy - 3, height - 3);
  for (let y = top; y < bottom; y++) {
    const nearRow = ((y - sy) >> 1) * near.width;
    for (let x = left, at = y * width + left; x < right; x++, at++) {
      const value = seen.data[at] ?? 0;
      if ((near.data[nearRow + ((x - sx) >> 1)] ?? 1) < nothing) {
        if (value <= bare && value >= -bare) continue;
      } else {
        const off = value - gain * (expected.data[at - away] ?? 0);
        if (off < inked && off > -inked) continue;
        if (!outOfRange(value, gain, expected, at - away, inked)) continue;
      }
      if (ground === undefined || !onEdge(ground, at)) strange[at] = 1;
    }
  }
}

function clear(marks: Uint8Array, width: number, { left, top, right, bottom }: Window): void {
  for (let y = top; y < bottom; y++) marks.fill(0, y * width + left, y * width + right);
}

function strangeDots(sight: Sight, fields: readonly FoundField[], leftOut: readonly Box[]): Uint8Array {
  const { seen, limits, shift } = sight;
  const { width, height } = seen;
  const strange = sight.desk.marks;
  strange.fill(0);
  const inner = { left: 6, top: 6, right: width - 6, bottom: height - 6 };
  markStrange(sight, Math.round(shift.dx), Math.round(shift.dy), limits.fullInk, inner);
  for (const { field, measure, failed } of fields) {
    if (field.kind === "art") continue;
    const window = windowOf(field.box, 0.3, seen);
    clear(strange, width, window);
    if (failed || field.kind === "photo" || field.kind === "signature") continue;
    const gain = measure.ink * limits.fullInk;
    markStrange(sight, Math.round(measure.dx * perMm), Math.round(measure.dy * perMm), gain, window);
  }
  broad(sight, fields, strange);
  for (const box of leftOut) clear(strange, width, windowOf(box, 0.3, seen));
  return strange;
}

/** Seen less expected ink at half resolution, written over what was there. */
function subtract(sight: Sight, dx: number, dy: number, gain: number, window: Window): void {
  const { width, height } = sight.seenHalf;
  const [seen, expected, rest] = [sight.seenHalf.data, sight.expectedHalf.data, sight.desk.rest.data];
  const [sx, sy] = [Math.round(dx / 2), Math.round(dy / 2)];
  const [left, right] = [Math.max(window.left, sx, 0), Math.min(window.right, width, width + sx)];
  const away = sy * width + sx;
  for (let y = Math.max(window.top, sy, 0); y < Math.min(window.bottom, height, height + sy); y++) {
    for (let at = y * width + left, end = y * width + right; at < end; at++)
      rest[at] = (seen[at] ?? 0) - gain * (expected[at - away] ?? 0);
  }
}

/**
 * The mean over half a millimetre, where marks are close: dots of a dithered photo and hair lines differ from card to card, their mean
 * does not. At half resolution.
 */
function broad(sight: Sight, fields: readonly FoundField[], strange: Uint8Array): void {
  const { limits, shift, desk, ground } = sight;
  const { rest } = desk;
  const { width, height } = rest;
  rest.data.fill(0);
  subtract(sight, shift.dx, shift.dy, limits.fullInk, {
    left: 4,
    top: 4,
    right: width - 4,
    bottom: height - 4,
  });
  for (const { field, measure, failed } of fields) {
    if (field.kind === "art") continue;
    const { left, top, right, bottom } = halfWindow(windowOf(field.box, 0.3, sight.seen));
    // As far as whole pairs of dots lie in it.
    const half = { left, top, right: Math.min(right, width), bottom: Math.min(bottom, height) };
    if (failed)
      for (let y = half.top; y < half.bottom; y++)
        rest.data.fill(0, y * width + half.left, y * width + half.right);
    else subtract(sight, measure.dx * perMm, measure.dy * perMm, measure.ink * limits.fullInk, half);
  }
  const mean = boxBlur(rest, 1, desk.mean, desk.spare[0]);
  const full = sight.seen.width;
  const limit = limits.surface.photo;
  for (let y = 4; y < height - 4; y++) {
    for (let x = 4, at = y * width + 4; x < width - 4; x++, at++) {
      const off = mean.data[at] ?? 0;
      if (off < limit && off > -limit) continue;
      const dot = 2 * y * full + 2 * x;
      if (ground !== undefined && onEdge(ground, dot)) continue;
      strange[dot] = strange[dot + 1] = strange[dot + full] = strange[dot + full + 1] = 1;
    }
  }
}

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
  for (let start = strange.indexOf(1); start >= 0; start = strange.indexOf(1, start + 1)) {
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
  const { rest } = sight.desk;
  rest.data.fill(0);
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
  // The same print lies behind itself on either side of its found place.
  const found = search(rest, expectedHalf, windowAll(rest), { dx: sx, dy: sy, reach: 7 });
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
