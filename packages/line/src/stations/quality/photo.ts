/** The expected picture twice: its large shapes, and the very dots of its dithering, which no other picture has. */
import type { PlacedField } from "../../plan/types.js";
import { findInk, type JudgedField } from "./field.js";
import { windowOf } from "./match.js";
import { agreement, boxBlur, cut, type Plane, plane, windowAll } from "./plane.js";
import type { Sight } from "./sight.js";

function subtract(from: Float32Array, what: Float32Array, count: number): void {
  for (let i = 0; i < count; i++) from[i] = (from[i] ?? 0) - (what[i] ?? 0);
}

/** Share of a picture that differs from the expected one by more than so much. */
function differing(seen: Plane, expected: Plane, gain: number, much: number): number {
  let count = 0;
  for (let i = 0; i < seen.data.length; i++)
    if (Math.abs((seen.data[i] ?? 0) - gain * (expected.data[i] ?? 0)) > much) count++;
  return count / seen.data.length;
}

/** Side of the pieces of a photo, in dots of judging: 2.5 mm. */
const piece = 30;
/** Pieces with less than so much of the mean contrast are nearly black or white, and have no dots to compare. */
const flat = 0.25;

/** Share of a picture's pieces whose dots agree less than so: in people who look alike most dots are the same, but those of a chin are not. */
function strangePieces(seen: Plane, expected: Plane, least: number): number {
  const { width, height } = expected;
  const pieces: { readonly area: number; readonly correlation: number; readonly contrast: number }[] = [];
  // What is left over at an end is a piece when it is half of one, and a smaller picture is one.
  for (let top = 0; top === 0 || top + piece / 2 < height; top += piece) {
    for (let left = 0; left === 0 || left + piece / 2 < width; left += piece) {
      const [right, bottom] = [Math.min(width, left + piece), Math.min(height, top + piece)];
      const { correlation, contrast } = agreement(seen, expected, { left, top, right, bottom });
      pieces.push({ area: (right - left) * (bottom - top), correlation, contrast });
    }
  }
  const areaOf = (some: typeof pieces): number => some.reduce((sum, { area }) => sum + area, 0);
  const mean = pieces.reduce((sum, { area, contrast }) => sum + area * contrast, 0) / areaOf(pieces);
  const told = pieces.filter(({ contrast }) => contrast > flat * mean);
  return areaOf(told.filter(({ correlation }) => correlation < least)) / areaOf(told);
}

export function judgePhoto(field: PlacedField, sight: Sight): JudgedField {
  const { findings, measure, place, ink, missing } = findInk(field, field.box, sight);
  const inks = [{ box: field.box, ink }];
  if (missing) return { findings, measure, inks };
  const { limits } = sight;
  const [a, b, c, across] = sight.desk.spare;
  const window = windowOf(field.box, 0, sight.seen);
  const seen = cut(sight.seen, window, place.dx, place.dy, a);
  const { width, height } = seen;
  const all = windowAll(seen);
  // A printed picture has no dots: its features of a millimetre are what no other picture has.
  const printed = field.layer === "colour";
  const reach = printed ? 8 : 3;
  const smooth = (from: Plane, far: number, to: Float32Array): Plane => {
    const blurred = boxBlur(from, far, plane(width, height, to), across);
    return boxBlur(blurred, far, blurred, across);
  };
  const shapesSeen = smooth(seen, reach, b);
  const expected = cut(sight.expected, window, 0, 0, c);
  const shapesExpected = smooth(expected, reach, sight.desk.photo);
  const shapes = agreement(shapesSeen, shapesExpected, all).correlation;
  if (printed) for (const one of [seen, expected]) smooth(one, 1, one.data);
  subtract(seen.data, shapesSeen.data, width * height);
  subtract(expected.data, shapesExpected.data, width * height);
  const { correlation: dots, gain } = agreement(seen, expected, all);
  const say = (measured: number, limit: number, unit: "correlation" | "share", detail: string): void => {
    findings.push({
      field: field.name,
      what: "wrong-photo",
      measured,
      limit,
      unit,
      box: field.box,
      weight: "reject",
      detail,
    });
  };
  const least = printed ? limits.photo.features : limits.photo.dots;
  if (shapes < limits.photo.shapes)
    say(shapes, limits.photo.shapes, "correlation", "its large shapes are others");
  if (dots < least)
    say(dots, least, "correlation", printed ? "its features are others" : "its dots are others");
  if (printed) {
    const { ink: much, share } = limits.photo.other;
    const other = differing(seen, expected, gain, much);
    if (other > share) say(other, share, "share", "a part of its features is another");
  } else {
    const { correlation, share } = limits.photo.part;
    const other = strangePieces(seen, expected, correlation);
    if (other > share) say(other, share, "share", "the dots of a part of it are others");
  }
  return { findings, measure: { ...measure, worst: dots }, inks };
}
