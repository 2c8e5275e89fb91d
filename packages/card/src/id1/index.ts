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

/**
 * ISO/IEC 7811-3: area 1, the identification number's line, and area 2, name and address; heights are of the characters' middle above the
 * bottom edge, `left` and `right` bound the centres of the first and last character.
 */
export const embossAreas = {
  number: { centre: 21.42, slack: 0.2, left: 9.9, right: 80.5 },
  name: { lowest: 2.41, highest: 2.41 + 14.53, left: 7.4, right: 76.5 },
} as const;

/** ISO/IEC 7811-2, -6: the magnetic stripe's upper edge at most so far below the card's; its height for two tracks and for three. */
export const stripe = { top: 5.54, twoTracks: 6.35, threeTracks: 10.28 } as const;
