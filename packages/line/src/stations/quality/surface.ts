/** Scratches and spots: what differs from the expected picture, rebuilt with the places, darknesses and sharpnesses that were found. */
import type { FaceFinding } from "./finding.js";
import { type Box, type Ink, inkOf, shownIn, windowOf } from "./match.js";
import { dim, trimToCard } from "./light.js";
import { isLine, linked, patchesOf } from "./patches.js";
import { boxBlur, halve, type Plane, plane, type Window, windowAll } from "./plane.js";
import { excuseRelief } from "./relief.js";
import { nothing, type Sight } from "./sight.js";

/** A part of a side as its ink was found; undefined: it failed already, and its surface says nothing more. */
export interface FoundPart {
  readonly box: Box;
  readonly ink: Ink | undefined;
}

/** Seen less rebuilt ink of a window, written over what was there. */
function subtract(
  { seen, expected, near }: Sight,
  { sx, sy, gain, toX, toY, softX, softY }: Ink,
  window: Window,
  rest: Float32Array,
): void {
  const { width, height } = seen;
  const [s, e] = [seen.data, expected.data];
  const away = sy * width + sx;
  const left = Math.max(window.left, sx + 1, 0);
  const right = Math.min(window.right, width + sx - 1, width);
  for (let y = Math.max(window.top, sy + 1, 0); y < Math.min(window.bottom, height + sy - 1, height); y++) {
    const nearRow = ((y - sy) >> 1) * near.width;
    for (let x = left, at = y * width + left; x < right; x++, at++) {
      const v = s[at] ?? 0;
      if ((near.data[nearRow + ((x - sx) >> 1)] ?? 0) < nothing) {
        rest[at] = v;
        continue;
      }
      const from = at - away;
      const a = e[from] ?? 0;
      const l = e[from - 1] ?? 0;
      const r = e[from + 1] ?? 0;
      const u = e[from - width] ?? 0;
      const d = e[from + width] ?? 0;
      rest[at] =
        v -
        gain * a -
        (toX * (r - l) + toY * (d - u)) / 2 -
        softX * (r + l - 2 * a) -
        softY * (d + u - 2 * a);
    }
  }
}

function clear(data: Float32Array, width: number, { left, top, right, bottom }: Window): void {
  for (let y = top; y < bottom; y++) data.fill(0, y * width + left, y * width + right);
}

/**
 * What nothing explains, dot by dot, as a share of the bare body's light: on a dark print the same difference of light is a larger share
 * of what comes back, and a lamp's reflection on it would be taken for damage.
 */
function unexplainedLight(sight: Sight, parts: readonly FoundPart[], leftOut: readonly Box[]): Plane {
  const { seen, expected, shift, ground } = sight;
  const { width, height } = seen;
  const rest = plane(width, height, sight.desk.spare[1]);
  rest.data.fill(0);
  const [sx, sy] = [Math.round(shift.dx), Math.round(shift.dy)];
  const inner = { left: 6, top: 6, right: width - 6, bottom: height - 6 };
  subtract(sight, inkOf(shownIn(seen, expected, windowAll(seen), sx, sy, 5), sx, sy), inner, rest.data);
  for (const { box, ink } of parts) {
    const window = windowOf(box, 0.3, seen);
    const inside = {
      left: Math.max(6, window.left),
      top: Math.max(6, window.top),
      right: Math.min(width - 6, window.right),
      bottom: Math.min(height - 6, window.bottom),
    };
    if (ink === undefined) clear(rest.data, width, window);
    else subtract(sight, ink, inside, rest.data);
  }
  for (const box of leftOut) clear(rest.data, width, windowOf(box, 0.3, seen));
  excuseRelief(sight, rest);
  // Where expected print was cut off at the rim its slopes and bends mean nothing.
  trimToCard(rest, 4);
  if (ground !== undefined) {
    for (let at = 0; at < rest.data.length; at++) {
      const printed = ground.data[at] ?? 1;
      // What is seen on dim ground was told by what it would be on this one (light.ts).
      rest.data[at] = (rest.data[at] ?? 0) * (printed < dim ? dim : printed);
    }
  }
  return rest;
}

/** Highest less lowest of the 5 × 5 dots around. */
function rangeAround(data: Float32Array, width: number, at: number): number {
  let low = Infinity;
  let high = -Infinity;
  for (let dy = -2; dy <= 2; dy++) {
    for (let i = at + dy * width - 2, end = i + 5; i < end; i++) {
      const there = data[i] ?? 0;
      if (there < low) low = there;
      if (there > high) high = there;
    }
  }
  return high - low;
}

/** Marks dots: 1 = strange if something strange is beside it, 2 = strange. */
function markDots(sight: Sight, { data, width, height }: Plane): Uint8Array {
  const { expected, shift, ground, limits, desk } = sight;
  const { bare, edge, weak } = limits.surface;
  const marks = desk.marks;
  marks.fill(0);
  const away = Math.round(shift.dy) * width + Math.round(shift.dx);
  const least = bare * weak;
  for (let y = 6; y < height - 6; y++) {
    for (let at = y * width + 6, end = (y + 1) * width - 6; at < end; at++) {
      const off = Math.abs(data[at] ?? 0);
      if (off < least) continue;
      const steep =
        rangeAround(expected.data, width, at - away) +
        (ground === undefined ? 0 : rangeAround(ground.data, width, at));
      const limit = bare + edge * steep;
      if (off > limit) marks[at] = 2;
      else if (off > limit * weak) marks[at] = 1;
    }
  }
  return marks;
}

/**
 * The mean over half a millimetre, where marks are close: dots of a dithered photo and hair lines differ from card to card, their mean
 * does not. At half resolution.
 */
function markBroad(sight: Sight, rest: Plane, marks: Uint8Array): void {
  const { limits, desk } = sight;
  const half = halve(rest, desk.rest);
  const mean = boxBlur(half, 1, desk.mean, desk.spare[0]);
  const { width, height } = half;
  const limit = limits.surface.broad;
  for (let y = 4; y < height - 4; y++) {
    for (let x = 4, at = y * width + 4; x < width - 4; x++, at++) {
      const off = Math.abs(mean.data[at] ?? 0);
      if (off < limit * limits.surface.weak) continue;
      const dot = 2 * y * rest.width + 2 * x;
      const mark = off > limit ? 2 : 1;
      for (const one of [dot, dot + 1, dot + rest.width, dot + rest.width + 1])
        if ((marks[one] ?? 0) < mark) marks[one] = mark;
    }
  }
}

/** Scratches (long and thin), spots, and places too large for either. Measured: mm of a scratch, mm² of the others. */
export function judgeSurface(
  sight: Sight,
  parts: readonly FoundPart[],
  leftOut: readonly Box[],
): readonly FaceFinding[] {
  const { scratch, spot, tone, thin } = sight.limits.surface;
  const rest = unexplainedLight(sight, parts, leftOut);
  const marks = markDots(sight, rest);
  markBroad(sight, rest, marks);
  const found = linked(patchesOf(marks, rest), thin);
  return found.flatMap(({ area, box, length, wide, uneven }): FaceFinding[] => {
    const say = (
      what: "scratch" | "spot" | "wrong-stock",
      measured: number,
      limit: number,
      unit: "mm" | "mm²",
    ): FaceFinding[] => [{ field: "card", what, measured, limit, unit, box, weight: "reject" }];
    const line = length > scratch && isLine({ length, wide }, thin);
    // The light is measured through a strip of another tone as well, and follows it in part.
    if (area > tone.area && (uneven < tone.uneven || (line && wide > tone.strip)))
      return say("wrong-stock", area, tone.area, "mm²");
    if (line && area > spot / 2) return say("scratch", length, scratch, "mm");
    if (area > spot) return say("spot", area, spot, "mm²");
    return [];
  });
}
