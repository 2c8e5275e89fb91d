/** One line of text in one or several fonts, in the order it is seen (Unicode Standard Annex 9). */
import { createRequire } from "node:module";
import type { Bidi } from "bidi-js";
import type { LayoutFont, SetGlyph } from "./fonts.js";

// The package is CommonJS, and its types describe an ES module: what it really exports is the factory itself.
const makeBidi: unknown = createRequire(import.meta.url)("bidi-js");
const isFactory = (found: unknown): found is () => Bidi => typeof found === "function";
if (!isFactory(makeBidi)) throw new Error("bidi-js exports no factory");
const bidi = makeBidi();

export type Direction = "auto" | "ltr" | "rtl";

/** A glyph on its line; `x` in em from the line's left end. */
export interface LineGlyph extends SetGlyph {
  readonly font: LayoutFont;
}

export interface SetLine {
  readonly glyphs: readonly LineGlyph[];
  /** Sum of the advances, em. */
  readonly width: number;
  /** Letters that stand alone may be spaced out; joined ones may not. */
  readonly spaced: boolean;
}

/** Characters that make a line anything else than one run from left to right: right-to-left scripts and the marks of direction. */
const turning =
  /[\u0590-\u08ff\u200e\u200f\u202a-\u202e\u2066-\u2069\ufb1d-\ufdff\ufe70-\ufeff\u{10800}-\u{10fff}\u{1e800}-\u{1efff}]/u;
/** They order the text and have no shape. */
const shapeless = /[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu;

/** Direction the text is read in: said, or as its first strong letter has it. */
export const readFrom = (text: string, direction: Direction): "ltr" | "rtl" =>
  direction === "auto"
    ? turning.test(text) && (bidi.getEmbeddingLevels(text, "auto").paragraphs[0]?.level ?? 0) % 2 === 1
      ? "rtl"
      : "ltr"
    : direction;

/** First character that none of the fonts has. */
export const lacking = (text: string, fonts: readonly LayoutFont[]): string | undefined =>
  Array.from(text.replaceAll(shapeless, "")).find((char) => !fonts.some((font) => font.has(char)));

interface Segment {
  readonly text: string;
  readonly font: LayoutFont;
  readonly level: number;
}

/** The font of each character: a word takes the first font that has all of it, so that it does not change its face half way. */
function fontsOf(text: string, fonts: readonly LayoutFont[]): LayoutFont[] {
  const [first] = fonts;
  if (first === undefined) throw new Error("a text without a font");
  const chosen: LayoutFont[] = [];
  let last = first;
  for (const part of text.match(/\s+|\S+/gu) ?? []) {
    const chars = Array.from(part.replaceAll(shapeless, ""));
    const whole = /^\s/u.test(part)
      ? last.has(" ")
        ? last
        : first
      : fonts.find((font) => chars.every((char) => font.has(char)));
    for (const char of Array.from(part)) {
      last = whole ?? fonts.find((font) => font.has(char)) ?? last;
      for (let unit = 0; unit < char.length; unit++) chosen.push(last);
    }
  }
  return chosen;
}

function segmentsOf(text: string, fonts: readonly LayoutFont[], direction: Direction): Segment[] {
  const chosen = fontsOf(text, fonts);
  const turns = turning.test(text);
  const levels = turns
    ? bidi.getEmbeddingLevels(text, direction === "auto" ? undefined : direction).levels
    : undefined;
  const segments: Segment[] = [];
  let at = 0;
  while (at < text.length) {
    const level = levels?.[at] ?? 0;
    const font = chosen[at] ?? chosen[0];
    if (font === undefined) break;
    let end = at + 1;
    while (end < text.length && (levels?.[end] ?? 0) === level && chosen[end] === font) end++;
    const part = text.slice(at, end).replaceAll(shapeless, "");
    const seen =
      level % 2 === 1 ? Array.from(part, (char) => bidi.getMirroredCharacter(char) ?? char).join("") : part;
    if (seen !== "") segments.push({ text: seen, font, level });
    at = end;
  }
  return segments;
}

/** Rule L2: from the highest level down to the lowest odd one, runs of at least that level are turned round. */
function asSeen(segments: readonly Segment[]): Segment[] {
  const order = [...segments];
  const highest = Math.max(0, ...order.map(({ level }) => level));
  for (let level = highest; level >= 1; level--) {
    for (let from = 0; from < order.length; from++) {
      if ((order[from]?.level ?? 0) < level) continue;
      let to = from;
      while (to + 1 < order.length && (order[to + 1]?.level ?? 0) >= level) to++;
      order.splice(from, to - from + 1, ...order.slice(from, to + 1).reverse());
      from = to;
    }
  }
  return order;
}

/** Sets one line. Every character must be in one of the fonts (`lacking`). */
export function setLine(text: string, fonts: readonly LayoutFont[], direction: Direction = "auto"): SetLine {
  const glyphs: LineGlyph[] = [];
  let width = 0;
  const segments = asSeen(segmentsOf(text, fonts, direction));
  for (const { text: part, font, level } of segments) {
    const run = font.set(part, level % 2 === 1 ? "rtl" : "ltr");
    for (const glyph of run.glyphs) glyphs.push({ ...glyph, x: width + glyph.x, font });
    width += run.width;
  }
  return { glyphs, width, spaced: segments.every(({ level }) => level % 2 === 0) };
}
