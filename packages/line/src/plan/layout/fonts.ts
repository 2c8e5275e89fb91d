import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import type * as fontkit from "fontkit";
import type { Font } from "fontkit";

export const fontNames = [
  "Inter-Regular",
  "Inter-SemiBold",
  "Inter-Bold",
  "DejaVuSans",
  "DejaVuSans-Bold",
  "OCR-B",
] as const;
export type FontName = (typeof fontNames)[number];

/** A glyph of a run: outline in font units, y up, and where its origin stands on the line, in em. */
export interface SetGlyph {
  /** The characters it draws, in reading order. */
  readonly char: string;
  readonly outline: string;
  /** Origin, em: along the line, and above it (marks of Hebrew and Arabic). */
  readonly x: number;
  readonly rise: number;
  /** Ink of the glyph relative to its origin, em, y up; undefined for a space. */
  readonly ink:
    | { readonly left: number; readonly right: number; readonly bottom: number; readonly top: number }
    | undefined;
}

/** Glyphs of one font and direction, as seen from left to right. */
export interface SetRun {
  readonly glyphs: readonly SetGlyph[];
  /** Sum of the advances, em. */
  readonly width: number;
}

export interface LayoutFont {
  readonly name: FontName;
  readonly unitsPerEm: number;
  /** Height of a capital, em. */
  readonly capHeight: number;
  has(char: string): boolean;
  /**
   * One outline and one box a character for scripts whose letters stand alone: ligatures and contextual forms are off, kerning is on.
   * Hebrew and Arabic are shaped as their readers expect it.
   */
  set(text: string, direction?: "ltr" | "rtl"): SetRun;
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

/** OpenType's names of the scripts whose letters change with their neighbours or carry marks. */
const shapedScript = (text: string): "arab" | "hebr" | undefined =>
  /\p{Script=Arabic}/u.test(text) ? "arab" : /\p{Script=Hebrew}/u.test(text) ? "hebr" : undefined;

function layoutFont(name: FontName, font: Font): LayoutFont {
  const em = font.unitsPerEm;
  const outlines = new Map<number, string>();
  return {
    name,
    unitsPerEm: em,
    // Measured, since older fonts do not state it.
    capHeight: font.glyphForCodePoint("H".codePointAt(0) ?? 0).bbox.maxY / em,
    has: (char) => font.hasGlyphForCodePoint(char.codePointAt(0) ?? 0),
    set(text, direction = "ltr") {
      const script = shapedScript(text);
      const chars = Array.from(text);
      const run =
        script === undefined
          ? font.layout(text, oneGlyphEach, undefined, undefined, direction)
          : font.layout(text, undefined, script, undefined, direction);
      if (script === undefined && run.glyphs.length !== chars.length) {
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
          char: String.fromCodePoint(...glyph.codePoints),
          outline,
          x: x + (position?.xOffset ?? 0) / em,
          rise: (position?.yOffset ?? 0) / em,
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

const fileOf = (name: FontName): string => `${name}.${name.startsWith("DejaVu") ? "ttf" : "otf"}`;

/** Reads one of the fonts that come with the package. */
export function readFont(name: FontName): LayoutFont {
  // Loaded only here: that takes a tenth of a second, and whoever draws what is laid out already needs no font.
  const { create } = createRequire(import.meta.url)("fontkit") as typeof fontkit;
  const folder = new URL("../../../fonts/", import.meta.url);
  return layoutFont(name, create(readFileSync(new URL(fileOf(name), folder))));
}

/** Reads the fonts that come with the package (never fonts of the machine). About 2.3 MB; do it once. */
export function readFonts(): Fonts {
  const read = readFont;
  return {
    "Inter-Regular": read("Inter-Regular"),
    "Inter-SemiBold": read("Inter-SemiBold"),
    "Inter-Bold": read("Inter-Bold"),
    DejaVuSans: read("DejaVuSans"),
    "DejaVuSans-Bold": read("DejaVuSans-Bold"),
    "OCR-B": read("OCR-B"),
  };
}
