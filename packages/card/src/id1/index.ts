/**
 * The card as a thing: sizes and places that ISO/IEC 7810 (ID-1), 7811-1, -2, -3, -6 and 7816-2 give it, in millimetres. Stated here once,
 * for whoever lays a card out and whoever marks it.
 */

/** ISO/IEC 7810: nominal size, and radius of the corners. */
export const id1 = { width: 85.6, height: 53.98, radius: 3.18 } as const;

/** Farrington 7B for the number line, visual fonts for name and address, the font of indent printers behind. */
export type WheelFont = "7B" | "4B" | "rear";

export interface Wheel {
  /** Characters it can strike. */
  readonly characters: string;
  /** Distance of two characters' centres. */
  readonly pitch: number;
  /** Characters of a line at most. */
  readonly most: number;
  /** Height of a character. */
  readonly height: number;
}

const digits = "0123456789";
const capitals = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";

/** ISO/IEC 7811-1: 7B at 7 to the inch, visual fonts at 10; indent printing at 15. */
export const wheels: Readonly<Record<WheelFont, Wheel>> = {
  "7B": { characters: `${digits} `, pitch: 25.4 / 7, most: 19, height: 4.32 },
  "4B": { characters: `${capitals}${digits} .,/'&-`, pitch: 2.54, most: 27, height: 2.9 },
  /** As the security number beside the signature panel. */
  rear: { characters: `${digits}${capitals} /-`, pitch: 25.4 / 15, most: 27, height: 2.2 },
};

/** The first character of a text that a wheel lacks; undefined: it has them all. */
export const lackedBy = (font: WheelFont, text: string): string | undefined =>
  Array.from(text).find((char) => !wheels[font].characters.includes(char));

/** A line of characters that a wheel strikes. */
export interface StruckText {
  readonly font: WheelFont;
  readonly text: string;
  /** Centre of the first character from the left edge, the characters' middle from the bottom edge, distance of two centres; mm. */
  readonly x: number;
  readonly yFromBottom: number;
  readonly pitch: number;
}

/**
 * ISO/IEC 7811-3: area 1, the identification number's line, whose characters' middle lies at `centre`; and area 2, name and address, whose
 * edges the printing surfaces of the characters keep to (height 14.53 mm at most, 2.41 mm or more above the card's edge; 2.54 mm where the
 * card has a magnetic stripe). mm above the bottom edge; `left` and `right` bound the centres of the first and last character.
 */
export const embossAreas = {
  number: { centre: 21.42, slack: 0.2, left: 9.9, right: 80.5 },
  name: { bottom: 2.41, withStripe: 2.54, top: 2.41 + 14.53, left: 7.4, right: 76.5 },
} as const;

/** Whether a raised line keeps to the area of ISO/IEC 7811-3 that its font is for. `bottom`: of area 2. */
export function isInArea(line: StruckText, bottom: number = embossAreas.name.bottom): boolean {
  const { font, text, x, yFromBottom, pitch } = line;
  if (font === "rear") return true;
  const { number, name } = embossAreas;
  const slack = 1e-6;
  const last = x + (text.length - 1) * pitch;
  const { left, right } = font === "7B" ? number : name;
  if (x < left - slack || last > right + slack) return false;
  if (font === "7B") return Math.abs(yFromBottom - number.centre) <= number.slack + slack;
  const half = wheels[font].height / 2;
  return yFromBottom - half >= bottom - slack && yFromBottom + half <= name.top + slack;
}

/** What the words of a struck line take, mm from the left and from the bottom edge; a space raises nothing. */
export function struckWords({ font, text, x, yFromBottom, pitch }: StruckText): readonly {
  readonly left: number;
  readonly right: number;
  readonly bottom: number;
  readonly top: number;
}[] {
  const half = wheels[font].height / 2;
  return Array.from(text.matchAll(/[^ ]+/g), ({ 0: word, index }) => ({
    left: x + (index - 0.5) * pitch,
    right: x + (index + word.length - 0.5) * pitch,
    bottom: yFromBottom - half,
    top: yFromBottom + half,
  }));
}

/** Whether characters of two lines of one side would be struck onto one another; each font has its own height. */
export function areStruckOnto(one: StruckText, other: StruckText): boolean {
  const slack = 1e-6;
  return struckWords(one).some((a) =>
    struckWords(other).some(
      (b) =>
        a.left < b.right - slack &&
        b.left < a.right - slack &&
        a.bottom < b.top - slack &&
        b.bottom < a.top - slack,
    ),
  );
}

/** ISO/IEC 7811-2, -6: the magnetic stripe's upper edge at most so far below the card's; its height for two tracks and for three. */
export const stripe = { top: 5.54, twoTracks: 6.35, threeTracks: 10.28 } as const;
