import type { PlacedField } from "../../plan/types.js";
import { judgedAt } from "./density.js";
import type { FaceFinding, FieldMeasure } from "./finding.js";
import type { QualityLimits } from "./limits.js";
import { agreement, boxBlur, cut, halve, type Plane, type Window } from "./plane.js";

type Box = PlacedField["box"];
const perMm = judgedAt / 25.4;

/** One side as expected and as seen, both straight and of one size, at full and at half resolution. */
export interface Sight {
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
  readonly limits: QualityLimits;
}

export function windowOf(
  box: Box,
  pad: number,
  of: { readonly width: number; readonly height: number },
): Window {
  return {
    left: Math.max(0, Math.floor((box.x - pad) * perMm)),
    top: Math.max(0, Math.floor((box.y - pad) * perMm)),
    right: Math.min(of.width, Math.ceil((box.x + box.width + pad) * perMm)),
    bottom: Math.min(of.height, Math.ceil((box.y + box.height + pad) * perMm)),
  };
}

const halfWindow = (window: Window): Window => ({
  left: window.left >> 1,
  top: window.top >> 1,
  right: (window.right + 1) >> 1,
  bottom: (window.bottom + 1) >> 1,
});

interface Found {
  readonly dx: number;
  readonly dy: number;
  readonly correlation: number;
}

/** Large windows hold more dots than a place needs: rows are left out. */
const stepIn = ({ left, right, top, bottom }: Window): number =>
  Math.max(1, Math.min(4, Math.floor(((right - left) * (bottom - top)) / 12_000)));

/** Best whole-dot shift around a guess. */
export function search(
  seen: Plane,
  expected: Plane,
  window: Window,
  around: { readonly dx: number; readonly dy: number; readonly reach: number },
): Found {
  let best: Found = { dx: around.dx, dy: around.dy, correlation: -1 };
  const step = stepIn(window);
  for (let dy = around.dy - around.reach; dy <= around.dy + around.reach; dy++) {
    for (let dx = around.dx - around.reach; dx <= around.dx + around.reach; dx++) {
      const { correlation } = agreement(seen, expected, window, dx, dy, step);
      if (correlation > best.correlation) best = { dx, dy, correlation };
    }
  }
  return best;
}

/** Top of the parabola through three values at -1, 0, 1. */
const peak = (before: number, at: number, after: number): number => {
  const bend = before - 2 * at + after;
  return bend >= 0 ? 0 : Math.max(-0.5, Math.min(0.5, (before - after) / (2 * bend)));
};

/** Where the window's ink really lies, to parts of a dot: first near the place of the whole print, then farther off. */
function place(sight: Sight, window: Window): Found {
  const around = { dx: Math.round(sight.shift.dx / 2), dy: Math.round(sight.shift.dy / 2) };
  const small = halfWindow(window);
  let half = search(sight.seenHalf, sight.expectedHalf, small, { ...around, reach: 2 });
  if (half.correlation < 0.6)
    half = search(sight.seenHalf, sight.expectedHalf, small, { ...around, reach: 6 });
  const full = search(sight.seen, sight.expected, window, { dx: half.dx * 2, dy: half.dy * 2, reach: 1 });
  return refine(sight.seen, sight.expected, window, full);
}

function refine(seen: Plane, expected: Plane, window: Window, found: Found): Found {
  const at = (dx: number, dy: number): number =>
    agreement(seen, expected, window, found.dx + dx, found.dy + dy, stepIn(window)).correlation;
  return {
    dx: found.dx + peak(at(-1, 0), found.correlation, at(1, 0)),
    dy: found.dy + peak(at(0, -1), found.correlation, at(0, 1)),
    correlation: found.correlation,
  };
}

/** Seen against expected ink in a window read at the found place: root of the squared difference over the contrast expected. */
function difference(seen: Plane, expected: Plane, gain: number): number {
  const n = expected.data.length;
  let meanSeen = 0;
  let meanExpected = 0;
  for (let i = 0; i < n; i++) {
    meanSeen += seen.data[i] ?? 0;
    meanExpected += expected.data[i] ?? 0;
  }
  meanSeen /= n;
  meanExpected /= n;
  let wrong = 0;
  let contrast = 0;
  for (let i = 0; i < n; i++) {
    const e = gain * ((expected.data[i] ?? 0) - meanExpected);
    wrong += ((seen.data[i] ?? 0) - meanSeen - e) ** 2;
    contrast += e * e;
  }
  if (!(contrast > 1e-9))
    throw new Error("nothing was sent to the engraver here, so nothing can be compared");
  return Math.sqrt(wrong / contrast);
}

const unite = (boxes: readonly Box[]): Box => {
  const x = Math.min(...boxes.map((box) => box.x));
  const y = Math.min(...boxes.map((box) => box.y));
  return {
    x,
    y,
    width: Math.max(...boxes.map((box) => box.x + box.width)) - x,
    height: Math.max(...boxes.map((box) => box.y + box.height)) - y,
  };
};

interface Judged {
  readonly findings: readonly FaceFinding[];
  readonly measure: FieldMeasure;
}

const total = (ink: Plane): number => {
  let sum = 0;
  for (const value of ink.data) if (value > 0.12) sum += value;
  return sum;
};

/** Ink and place, which every field must have. `missing` ends the judgement of that field. */
function inkAndPlace(
  field: PlacedField,
  box: Box,
  sight: Sight,
): { findings: FaceFinding[]; measure: FieldMeasure; found: Found; gain: number; missing: boolean } {
  const { limits } = sight;
  const window = windowOf(box, 0.25, sight.seen);
  const found = place(sight, window);
  const seen = cut(sight.seen, window, found.dx, found.dy);
  const whole = { left: 0, top: 0, right: seen.width, bottom: seen.height };
  const { gain } = agreement(seen, cut(sight.expected, window), whole);
  const ink = gain / limits.fullInk;
  const [dx, dy] = [found.dx / perMm, found.dy / perMm];
  const far = Math.hypot(dx, dy);
  const findings: FaceFinding[] = [];
  const say = (finding: Pick<FaceFinding, "what" | "measured" | "limit" | "unit">): void => {
    findings.push({ field: field.name, box, weight: "reject", ...finding });
  };
  // All ink there is, whatever its shape, against all that must be there.
  const share = total(seen) / (total(cut(sight.expected, window)) * limits.fullInk);
  if (!Number.isFinite(share) || !Number.isFinite(gain)) {
    throw new Error("nothing was sent to the engraver here, so nothing can be measured");
  }
  const missing = share < limits.missing;
  if (missing) say({ what: "missing", measured: share, limit: limits.missing, unit: "share" });
  // Place and darkness mean something only where the expected ink was recognised.
  else if (found.correlation > 0.6) {
    if (ink < limits.faint) say({ what: "faint", measured: ink, limit: limits.faint, unit: "share" });
    if (ink > limits.burnt) say({ what: "burnt", measured: ink, limit: limits.burnt, unit: "share" });
    if (far > limits.displacement) {
      say({ what: "displaced", measured: far, limit: limits.displacement, unit: "mm" });
    }
  }
  const measure = { field: field.name, kind: field.kind, dx, dy, ink, correlation: found.correlation };
  return { findings, measure, found, gain, missing };
}

/** Every expected glyph at its expected place: verified, not read. */
export function judgeText(field: PlacedField, sight: Sight): Judged {
  const glyphs = field.glyphs ?? [];
  const box = unite(glyphs.length === 0 ? [field.box] : glyphs.map((glyph) => glyph.box));
  const { findings, measure, found, gain, missing } = inkAndPlace(field, box, sight);
  if (missing) return { findings, measure };
  const { good, wrong } = sight.limits.glyph;
  // Of a text that was not recognised, the print's own place and a usual darkness are what is left to compare with.
  const known = found.correlation > 0.6;
  const at = known ? found : sight.shift;
  const strength = known ? gain : sight.limits.fullInk;
  let worst = 0;
  for (const glyph of glyphs) {
    const window = windowOf(glyph.box, 0.12, sight.seen);
    const off = difference(cut(sight.seen, window, at.dx, at.dy), cut(sight.expected, window), strength);
    worst = Math.max(worst, off);
    if (off <= good) continue;
    findings.push({
      field: field.name,
      what: "wrong-glyph",
      measured: off,
      limit: off > wrong ? wrong : good,
      unit: "share",
      box: glyph.box,
      weight: off > wrong ? "reject" : "doubtful",
    });
  }
  const extra = strayArea(windowOf(field.box, 0.2, sight.seen), sight);
  if (extra > sight.limits.extraInk) {
    findings.push({
      field: field.name,
      what: "extra-ink",
      measured: extra,
      limit: sight.limits.extraInk,
      unit: "mm²",
      box: field.box,
      weight: "reject",
    });
  }
  return { findings, measure: { ...measure, worst } };
}

/** The expected picture twice: its large shapes, and the very dots of its dithering, which no other picture has. */
export function judgePhoto(field: PlacedField, sight: Sight): Judged {
  const { findings, measure, found, missing } = inkAndPlace(field, field.box, sight);
  if (missing) return { findings, measure };
  const { limits } = sight;
  const window = windowOf(field.box, 0, sight.seen);
  const seen = cut(sight.seen, window, found.dx, found.dy);
  const expected = cut(sight.expected, window);
  const whole = { left: 0, top: 0, right: seen.width, bottom: seen.height };
  const smooth = (plane: Plane, reach: number): Plane => boxBlur(boxBlur(plane, reach), reach);
  // A printed picture has no dots: its features of a millimetre are what no other picture has.
  const printed = field.layer === "colour";
  const reach = printed ? 8 : 3;
  const shapesSeen = smooth(seen, reach);
  const shapesExpected = smooth(expected, reach);
  const shapes = agreement(shapesSeen, shapesExpected, whole).correlation;
  const without = (all: Plane, large: Plane): Plane => ({
    ...all,
    data: all.data.map((value, i) => value - (large.data[i] ?? 0)),
  });
  const fine = (plane: Plane): Plane => (printed ? smooth(plane, 1) : plane);
  const dots = agreement(
    without(fine(seen), shapesSeen),
    without(fine(expected), shapesExpected),
    whole,
  ).correlation;
  const say = (measured: number, limit: number, detail: string): void => {
    if (measured >= limit) return;
    findings.push({
      field: field.name,
      what: "wrong-photo",
      measured,
      limit,
      unit: "correlation",
      box: field.box,
      weight: "reject",
      detail,
    });
  };
  say(shapes, limits.photo.shapes, "its large shapes are others");
  say(
    dots,
    printed ? limits.photo.features : limits.photo.dots,
    printed ? "its features are others" : "its dots are others",
  );
  return { findings, measure: { ...measure, worst: dots } };
}

/** Place and darkness of a code; its content is decoded apart (code.ts). */
export function judgeInk(field: PlacedField, sight: Sight): Judged {
  const { findings, measure } = inkAndPlace(field, field.box, sight);
  return { findings, measure };
}

/** Artwork in pieces of 5 mm, where no field lies. */
export function judgeArt(field: PlacedField, others: readonly Box[], sight: Sight): Judged {
  const { seen, expected, limits, shift } = sight;
  const piece = 5;
  const findings: FaceFinding[] = [];
  let worst = 0;
  let inkSum = 0;
  let pieces = 0;
  for (let y = 0; y < field.box.height; y += piece) {
    for (let x = 0; x < field.box.width; x += piece) {
      const box: Box = { x, y, width: piece, height: piece };
      // Artwork that runs off the edge ends in the rim, which no camera sees well.
      if (x + piece > 84.8) continue;
      const covered = others.some(
        (other) =>
          other.x < x + piece + 0.3 &&
          x < other.x + other.width + 0.3 &&
          other.y < y + piece + 0.3 &&
          y < other.y + other.height + 0.3,
      );
      if (covered) continue;
      const window = windowOf(box, 0, seen);
      const wanted = cut(expected, window);
      const whole = { left: 0, top: 0, right: wanted.width, bottom: wanted.height };
      const { contrast } = agreement(wanted, wanted, whole);
      if (contrast < 0.008) continue;
      // Fine lines feel a tenth of a dot: each piece is read where it lies.
      const near = search(seen, expected, window, {
        dx: Math.round(shift.dx),
        dy: Math.round(shift.dy),
        reach: 1,
      });
      const at = near.correlation > 0.5 ? refine(seen, expected, window, near) : shift;
      const there = cut(seen, window, at.dx, at.dy);
      const { gain } = agreement(there, wanted, whole);
      pieces++;
      inkSum += gain / limits.fullInk;
      const off = gain < limits.missing * limits.fullInk ? 1 : difference(there, wanted, gain);
      worst = Math.max(worst, off);
      if (off > limits.art) {
        findings.push({
          field: field.name,
          what: "wrong-art",
          measured: off,
          limit: limits.art,
          unit: "share",
          box,
          weight: "reject",
        });
      }
    }
  }
  const ink = pieces === 0 ? 1 : inkSum / pieces;
  if (pieces > 0 && ink < limits.faint) {
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
  };
}

/** Square millimetres of a window that carry ink although nothing is expected within a third of a millimetre. */
function strayArea(
  { left, top, right, bottom }: Window,
  { seen, near, shift }: Sight,
  leftOut: readonly Window[] = [],
): number {
  const [sx, sy] = [Math.round(shift.dx), Math.round(shift.dy)];
  let stray = 0;
  for (let y = top; y < bottom; y++) {
    for (let x = left; x < right; x++) {
      if ((seen.data[y * seen.width + x] ?? 0) < 0.3) continue;
      const [ex, ey] = [x - sx, y - sy];
      const ink =
        ex < 0 || ey < 0 || ex >= seen.width || ey >= seen.height
          ? 0
          : (near.data[(ey >> 1) * near.width + (ex >> 1)] ?? 0);
      if (ink < 0.002 && !leftOut.some((w) => x >= w.left && x < w.right && y >= w.top && y < w.bottom))
        stray++;
    }
  }
  return stray / (perMm * perMm);
}

/** Ink where none should be, in places of 2 mm; the contacts are left out. */
export function judgeBare(sight: Sight, leftOut: readonly Box[]): readonly FaceFinding[] {
  const { seen, limits } = sight;
  const out = leftOut.map((box) => windowOf(box, 0.3, seen));
  const findings: FaceFinding[] = [];
  for (let y = 0; y < seen.height / perMm; y += 2) {
    for (let x = 0; x < seen.width / perMm; x += 2) {
      const box = { x, y, width: 2, height: 2 };
      const area = strayArea(windowOf(box, 0, seen), sight, out);
      if (area > limits.strayInk) {
        findings.push({
          field: "card",
          what: "stray-ink",
          measured: area,
          limit: limits.strayInk,
          unit: "mm²",
          box,
          weight: "reject",
        });
      }
    }
  }
  return findings;
}

/** The shift of the whole print, coarse to fine, and all a field's detector needs. */
export function sightOf(
  planes: Pick<Sight, "seen" | "expected" | "seenHalf" | "expectedHalf" | "near" | "ground">,
  limits: QualityLimits,
): Sight {
  const { seenHalf, expectedHalf } = planes;
  const [seenQuarter, expectedQuarter] = [halve(seenHalf), halve(expectedHalf)];
  const all = ({ width, height }: Plane): Window => ({ left: 0, top: 0, right: width, bottom: height });
  const rough = search(seenQuarter, expectedQuarter, all(expectedQuarter), { dx: 0, dy: 0, reach: 4 });
  const finer = search(seenHalf, expectedHalf, all(expectedHalf), {
    dx: rough.dx * 2,
    dy: rough.dy * 2,
    reach: 1,
  });
  const { dx, dy } = refine(seenHalf, expectedHalf, all(expectedHalf), finer);
  return { ...planes, shift: { dx: dx * 2, dy: dy * 2 }, limits };
}
