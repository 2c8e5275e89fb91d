/** The letters' font: what a batch writes is laid out, and its glyphs alone go into the file. Digits have fixed glyphs: a PIN is never a text. */
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import type * as fontkit from "fontkit";
import type { Font } from "fontkit";

/** A line of text: operands of TJ (ISO 32000-1, 9.4.3), and its width in em. */
export interface SetLine {
  readonly operands: string;
  readonly width: number;
}

/** What a PDF needs of the glyphs in use: a TrueType file of them alone, lengths in thousandths of an em, by glyph. */
export interface EmbeddedFont {
  readonly file: Uint8Array;
  readonly widths: readonly number[];
  /** The characters that each glyph stands for. */
  readonly characters: readonly string[];
  readonly ascent: number;
  readonly descent: number;
  readonly box: readonly [number, number, number, number];
}

export interface LetterFont {
  set(text: string): SetLine;
  /** After everything was set. */
  embedded(): EmbeddedFont;
}

/** In every file, digit d is glyph d + 1 (0 is the one for "none"): so a PIN's bytes become glyphs without a table or a text. */
export const glyphOfDigit = (digit: number): number => digit + 1;

const hex4 = (glyph: number): string => glyph.toString(16).padStart(4, "0");

/** OpenType's names of the scripts that are written from right to left. */
const rightToLeft = (text: string): "arab" | "hebr" | undefined =>
  /\p{Script=Arabic}/u.test(text) ? "arab" : /\p{Script=Hebrew}/u.test(text) ? "hebr" : undefined;

let opened: Font | undefined;

function letterFont(): Font {
  // Loaded where the first letters are written: most modules that are started write none.
  const { create } = createRequire(import.meta.url)("fontkit") as typeof fontkit;
  opened ??= create(readFileSync(new URL("../../../../fonts/DejaVuSans.ttf", import.meta.url)));
  return opened;
}

/** A font for one batch. */
export function fontOfBatch(): LetterFont {
  const font = letterFont();
  const subset = font.createSubset();
  const perEm = (units: number): number => Math.round((units * 1000) / font.unitsPerEm);
  const widths: number[] = [];
  const characters: string[] = [];
  const use = (glyph: ReturnType<Font["glyphForCodePoint"]>): number => {
    const id = subset.includeGlyph(glyph.id);
    widths[id] ??= perEm(glyph.advanceWidth);
    characters[id] ??= String.fromCodePoint(...glyph.codePoints);
    return id;
  };
  for (let digit = 0; digit <= 9; digit++)
    if (use(font.glyphForCodePoint(0x30 + digit)) !== glyphOfDigit(digit))
      throw new Error("the font's digits have other glyphs than letters count on");
  return {
    set(text) {
      const script = rightToLeft(text);
      const { glyphs, positions } = font.layout(
        text,
        { liga: false },
        script,
        undefined,
        script === undefined ? "ltr" : "rtl",
      );
      let width = 0;
      const operands = glyphs.map((glyph, at) => {
        const id = use(glyph);
        const advance = perEm(positions[at]?.xAdvance ?? glyph.advanceWidth);
        width += advance / 1000;
        const kern = (widths[id] ?? advance) - advance;
        return `<${hex4(id)}>${kern === 0 ? "" : ` ${String(kern)} `}`;
      });
      return { operands: `[${operands.join("")}]`, width };
    },
    embedded: () => ({
      file: subset.encode(),
      widths: Array.from(widths, (width) => width ?? 0),
      characters: Array.from(characters, (text) => text ?? ""),
      ascent: perEm(font.ascent),
      descent: perEm(font.descent),
      box: [perEm(font.bbox.minX), perEm(font.bbox.minY), perEm(font.bbox.maxX), perEm(font.bbox.maxY)],
    }),
  };
}
