/** How the characters of a wheel lie about their middle, as outlines: for whoever looks for them in a picture. */
import { type WheelFont, wheels } from "@persoline/card/id1";
import { type LayoutFont, readFont } from "./fonts.js";

/** One character of a wheel. Wheels have no font file: OCR-B stands for their shapes, at their height, as in previews. */
export interface StruckShape {
  /** SVG path data, font units, y up. */
  readonly outline: string;
  /** mm a font unit. */
  readonly scale: number;
  /** Its origin from the character's middle, mm, y down. */
  readonly x: number;
  readonly y: number;
}

let font: LayoutFont | undefined;

/** Undefined: a space. */
export function struckShape(wheel: WheelFont, char: string): StruckShape | undefined {
  font ??= readFont("OCR-B");
  const [glyph] = font.set(char).glyphs;
  if (glyph?.ink === undefined) return undefined;
  const { height } = wheels[wheel];
  const size = height / font.capHeight;
  return {
    outline: glyph.outline,
    scale: size / font.unitsPerEm,
    x: (-(glyph.ink.left + glyph.ink.right) / 2) * size,
    y: height / 2,
  };
}
