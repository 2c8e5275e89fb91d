const range = (first: number, last: number): string =>
  Array.from({ length: last - first + 1 }, (_, i) => String.fromCodePoint(first + i)).join("");

const digits = "0123456789";
/** Punctuation of names and addresses. */
const marks = " .,'’-/&()";

/** Letters a customer may write with, by name: what a font must have before an order is taken. Letters of living languages only. */
export const alphabets = {
  /** Basic Latin, Latin-1, Latin Extended-A: the languages of Europe and the Americas; Vietnamese and others are `latin-extended`. */
  latin:
    range(0x41, 0x5a) +
    range(0x61, 0x7a) +
    range(0xc0, 0xd6) +
    range(0xd8, 0xf6) +
    range(0xf8, 0x148) +
    range(0x14a, 0x17e) +
    "ȘșȚțẞƏə",
  "latin-extended": range(0x1ea0, 0x1ef9) + "ƠơƯư",
  cyrillic: range(0x400, 0x45f) + "ҐґҒғҚқҢңҮүҰұҺһӘәӨө",
  greek: "ΆΈΉΊΌΎΏΐΰ" + range(0x391, 0x3a1) + range(0x3a3, 0x3cb) + "άέήίόύώ",
  hebrew: range(0x5d0, 0x5ea) + "׳״",
  arabic: range(0x621, 0x63a) + range(0x641, 0x64a) + "پچژگک",
} as const;

export type AlphabetName = keyof typeof alphabets;
export const alphabetNames = ["latin", "latin-extended", "cyrillic", "greek", "hebrew", "arabic"] as const;

/** Every character a text of that alphabet may hold. */
export const charactersOf = (name: AlphabetName): readonly string[] => [
  ...new Set(Array.from(alphabets[name] + digits + marks)),
];
