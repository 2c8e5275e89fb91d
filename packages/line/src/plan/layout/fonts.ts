import { readFileSync } from "node:fs";
import { create, type Font } from "fontkit";

export const fontNames = ["Inter-Regular", "Inter-SemiBold", "Inter-Bold", "OCR-B"] as const;
export type FontName = (typeof fontNames)[number];

/** A glyph of a set line: outline in font units, y up, and where its origin stands on the line, in em. */
interface SetGlyph {
  readonly char: string;
  readonly outline: string;
  /** Origin along the line, em. */
  readonly x: number;
  /** Ink of the glyph relative to its origin, em, y up; undefined for a space. */
  readonly ink:
    | { readonly left: number; readonly right: number; readonly bottom: number; readonly top: number }
    | undefined;
}

export interface SetLine {
  readonly glyphs: readonly SetGlyph[];
  /** Sum of the advances, em. */
  readonly width: number;
}

export interface LayoutFont {
  readonly name: FontName;
  readonly unitsPerEm: number;
  /** Height of a capital, em. */
  readonly capHeight: number;
  /** First character of the text the font has no glyph for. */
  lacks(text: string): string | undefined;
  /** One outline and one box a character: ligatures and contextual forms are off, kerning is on. */
  set(text: string): SetLine;
}

export type Fonts = Readonly<Record<FontName, LayoutFont>>;

// A ligature would be one outline for two expected characters: the camera checks character by character.
const oneGlyphEach = {
  liga: false,
  clig: false,
  dlig: false,
  calt: false,
  rlig: false,
  ccmp: false,
  locl: false,
};

function layoutFont(name: FontName, font: Font): LayoutFont {
  const em = font.unitsPerEm;
  const outlines = new Map<number, string>();
  return {
    name,
    unitsPerEm: em,
    capHeight: font.capHeight / em,
    lacks: (text) => Array.from(text).find((char) => !font.hasGlyphForCodePoint(char.codePointAt(0) ?? 0)),
    set(text) {
      const chars = Array.from(text);
      const run = font.layout(text, oneGlyphEach);
      if (run.glyphs.length !== chars.length) {
        throw new Error(
          `${name} set ${String(chars.length)} characters as ${String(run.glyphs.length)} glyphs`,
        );
      }
      let x = 0;
      const glyphs = run.glyphs.map((glyph, i): SetGlyph => {
        const position = run.positions[i];
        let outline = outlines.get(glyph.id);
        if (outline === undefined) {
          outline = glyph.path.toSVG();
          outlines.set(glyph.id, outline);
        }
        const box = glyph.bbox;
        const set: SetGlyph = {
          char: chars[i] ?? "",
          outline,
          x: x + (position?.xOffset ?? 0) / em,
          ink:
            outline === ""
              ? undefined
              : { left: box.minX / em, right: box.maxX / em, bottom: box.minY / em, top: box.maxY / em },
        };
        x += (position?.xAdvance ?? glyph.advanceWidth) / em;
        return set;
      });
      return { glyphs, width: x };
    },
  };
}

/** Reads the fonts that come with the package (never fonts of the machine). About 800 kB; do it once. */
export function readFonts(): Fonts {
  const folder = new URL("../../../fonts/", import.meta.url);
  const read = (name: FontName): LayoutFont =>
    layoutFont(name, create(readFileSync(new URL(`${name}.otf`, folder))));
  return {
    "Inter-Regular": read("Inter-Regular"),
    "Inter-SemiBold": read("Inter-SemiBold"),
    "Inter-Bold": read("Inter-Bold"),
    "OCR-B": read("OCR-B"),
  };
}
