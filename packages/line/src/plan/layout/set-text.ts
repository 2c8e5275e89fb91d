/** Text in a box: broken into lines, shrunk as far as allowed, placed glyph by glyph. */
import type { Box, PlacedElement, PlacedField, PlacedGlyph, PlacedGlyphs } from "../placed.js";
import { boxOf } from "./art.js";
import type { Fonts, LayoutFont } from "./fonts.js";
import { lacking, readFrom, type SetLine, setLine } from "./line.js";
import { characterName, LayoutProblem } from "./problem.js";
import type { FieldOf, LayoutField } from "./template.js";

export type Placement = { readonly elements: readonly PlacedElement[]; readonly field: PlacedField };

const point = 25.4 / 72;

export interface Ink {
  readonly layer: PlacedGlyphs["layer"];
  readonly colour: string;
  readonly clear: boolean;
}

/** Glyphs of a set line at their places, one element a font, and the box of each from left to right. */
export function placeLine(
  line: SetLine,
  field: string,
  at: { readonly x: number; readonly baseline: number; readonly size: number; readonly spacing: number },
  ink: Ink,
): { readonly elements: readonly PlacedGlyphs[]; readonly boxes: readonly { char: string; box: Box }[] } {
  const elements: PlacedGlyphs[] = [];
  const boxes: { char: string; box: Box }[] = [];
  let run: PlacedGlyph[] = [];
  let font: LayoutFont | undefined;
  line.glyphs.forEach((glyph, i) => {
    if (glyph.ink === undefined) return;
    if (glyph.font !== font) {
      font = glyph.font;
      run = [];
      elements.push({ kind: "glyphs", field, ...ink, scale: at.size / font.unitsPerEm, glyphs: run });
    }
    const x = at.x + glyph.x * at.size + i * at.spacing;
    const y = at.baseline - glyph.rise * at.size;
    run.push({ char: glyph.char, d: glyph.outline, x, y });
    const { left, right, bottom, top } = glyph.ink;
    boxes.push({
      char: glyph.char,
      box: {
        x: x + left * at.size,
        y: y - top * at.size,
        width: (right - left) * at.size,
        height: (top - bottom) * at.size,
      },
    });
  });
  return { elements, boxes };
}

export function checkGlyphs(fonts: readonly LayoutFont[], text: string, field: LayoutField): void {
  const missing = lacking(text, fonts);
  if (missing === undefined) return;
  const names = fonts.map(({ name }) => name).join(", ");
  throw new LayoutProblem(
    "missing-glyph",
    field.place,
    field.name,
    `${fonts.length === 1 ? `the font ${names} has` : `the fonts ${names} have`} no glyph for ${characterName(missing)}`,
    "spell the value otherwise, or give this field the modifier latin or another font",
  );
}

type Fits = (text: string) => boolean;

/** Pieces with what stands between a piece and the one before it: a space, or nothing after a hyphen. */
function piecesOf(
  text: string,
  wrap: FieldOf<"text">["wrap"],
): { readonly glue: string; readonly text: string }[] {
  const words = text.split(" ").filter((word) => word !== "");
  return words.flatMap((word) => {
    const parts = wrap === "hyphens" ? (word.match(/[^-]+-?|-/gu) ?? [word]) : [word];
    return parts.map((part, i) => ({ glue: i === 0 ? " " : "", text: part }));
  });
}

/** Pieces over at most so many lines, none wider than the box; undefined when they do not fit. */
function breakLines(pieces: ReturnType<typeof piecesOf>, lines: number, fits: Fits): string[] | undefined {
  const done: string[] = [];
  let current = "";
  for (const { glue, text } of pieces) {
    const longer = current === "" ? text : current + glue + text;
    if (fits(longer)) current = longer;
    else {
      if (current === "" || !fits(text)) return undefined;
      done.push(current);
      current = text;
    }
  }
  done.push(current);
  return done.length <= lines ? done : undefined;
}

/** The same number of lines, the longest of them as short as can be. */
function balanced(
  pieces: ReturnType<typeof piecesOf>,
  lines: readonly string[],
  wide: (text: string) => number,
): readonly string[] {
  if (lines.length < 2) return lines;
  let [low, high] = [0, Math.max(...lines.map(wide))];
  let best: readonly string[] = lines;
  for (let i = 0; i < 12; i++) {
    const middle = (low + high) / 2;
    const tried = breakLines(pieces, lines.length, (text) => wide(text) <= middle);
    if (tried === undefined) low = middle;
    else {
      high = middle;
      best = tried;
    }
  }
  return best;
}

/** Throws LayoutProblem when a glyph is missing or the text does not fit at its smallest size. */
export function placeText(field: FieldOf<"text">, text: string, fonts: Fonts): Placement {
  const chain = [field.font].flat().map((name) => fonts[name]);
  const [font] = chain;
  if (font === undefined) throw new Error("a text without a font");
  checkGlyphs(chain, text, field);
  const box = boxOf(field.box);
  const smallest = field.min ?? field.size;
  const base = readFrom(text, field.direction);
  // In em, so it is the same at every size that is tried.
  const set = new Map<string, SetLine>();
  const lineOf = (line: string): SetLine => {
    const known = set.get(line) ?? setLine(line, chain, base);
    set.set(line, known);
    return known;
  };
  const spacingOf = (line: SetLine): number => (line.spaced ? field.spacing : 0);
  const wide = (line: string, size: number): number => {
    const { width, glyphs, spaced } = lineOf(line);
    return width * size + (spaced ? field.spacing * Math.max(0, glyphs.length - 1) : 0);
  };
  const pieces = piecesOf(text, field.wrap);
  let lines: readonly string[] | undefined;
  let points = field.size;
  for (;;) {
    const size = points * point;
    const room = Math.floor((box.height - font.capHeight * size) / (field.leading * size) + 1 + 1e-9);
    const allowed = Math.min(field.lines, room);
    lines =
      allowed < 1 ? undefined : breakLines(pieces, allowed, (line) => wide(line, size) <= box.width + 1e-9);
    if (lines !== undefined || points <= smallest) break;
    points = Math.max(smallest, points - 0.25);
  }
  if (lines === undefined) {
    const needs = wide(text, smallest * point);
    throw new LayoutProblem(
      "too-long",
      field.place,
      field.name,
      `${field.name} too long for its line: ${String(Array.from(text).length)} characters need ${needs.toFixed(1)} mm at ${String(smallest)} pt, ` +
        `and there is room for ${String(field.lines)} × ${box.width.toFixed(1)} mm`,
      "shorten the value, or give the field a wider box, more lines or a smaller min",
    );
  }
  const size = points * point;
  if (field.wrap === "balance") lines = balanced(pieces, lines, (line) => wide(line, size));
  const step = field.leading * size;
  const height = font.capHeight * size + (lines.length - 1) * step;
  const slack = field.valign === "top" ? 0 : (box.height - height) * (field.valign === "middle" ? 0.5 : 1);
  const first = box.y + slack + font.capHeight * size;
  const atRight = field.align === "right" || field.align === (base === "rtl" ? "start" : "end");
  const share = field.align === "center" ? 0.5 : atRight ? 1 : 0;
  const ink: Ink = { layer: field.layer, colour: field.colour, clear: field.ink === "clear" };
  const placed = lines.map((line, i) => {
    const x = box.x + (box.width - wide(line, size)) * share;
    const own = lineOf(line);
    return placeLine(own, field.name, { x, baseline: first + i * step, size, spacing: spacingOf(own) }, ink);
  });
  return {
    elements: placed.flatMap(({ elements }) => elements),
    field: {
      name: field.name,
      kind: "text",
      layer: field.layer,
      box,
      text: lines.join("\n"),
      glyphs: placed.flatMap(({ boxes }) => boxes),
      points: { set: points, wanted: field.size },
    },
  };
}
