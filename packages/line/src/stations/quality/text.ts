/** Every expected glyph at its expected place: verified, not read. */
import type { PlacedField } from "../../plan/types.js";
import { strayArea } from "./bare.js";
import { findInk, type JudgedField } from "./field.js";
import type { FaceFinding } from "./finding.js";
import { type Box, type Ink, shownIn, unexplained, windowOf } from "./match.js";
import type { Sight } from "./sight.js";

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

/** Of a text that was not recognised, the print's own place and a usual darkness are what is left to compare with. */
function usualInk({ shift, limits }: Sight): Ink {
  const [sx, sy] = [Math.round(shift.dx), Math.round(shift.dy)];
  const gain = limits.fullInk;
  return { sx, sy, gain, toX: gain * (sx - shift.dx), toY: gain * (sy - shift.dy), softX: 0, softY: 0 };
}

/** Root of the share of a glyph that its ink does not explain: 0 = as it must be. */
function unlike(box: Box, ink: Ink, { seen, expected }: Sight): number {
  const shown = shownIn(seen, expected, windowOf(box, 0.12, seen), ink.sx, ink.sy);
  if (!((shown.products[0] ?? 0) > 1e-9))
    throw new Error("nothing was sent to the engraver here, so nothing can be compared");
  return Math.sqrt(unexplained(shown, ink));
}

export function judgeText(field: PlacedField, sight: Sight): JudgedField {
  const glyphs = field.glyphs ?? [];
  const box = unite(glyphs.length === 0 ? [field.box] : glyphs.map((glyph) => glyph.box));
  const { findings, measure, ink, missing } = findInk(field, box, sight);
  const inks = [{ box: field.box, ink }];
  if (missing) return { findings, measure, inks };
  const { good, wrong } = sight.limits.glyph;
  const known = measure.correlation > sight.limits.recognised;
  const by = known ? ink : usualInk(sight);
  let worst = 0;
  for (const glyph of glyphs) {
    const off = unlike(glyph.box, by, sight);
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
  if (extra > sight.limits.extraInk) findings.push(extraInk(field, extra, sight.limits.extraInk));
  return { findings, measure: { ...measure, worst }, inks };
}

const extraInk = ({ name, box }: PlacedField, measured: number, limit: number): FaceFinding => ({
  field: name,
  what: "extra-ink",
  measured,
  limit,
  unit: "mm²",
  box,
  weight: "reject",
});
