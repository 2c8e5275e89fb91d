/** What is wrong with a piece of text, before any rule of the product. */
export interface Fault {
  readonly code: string;
  readonly message: string;
  readonly remedy: string;
}

const kinds = [
  ["letter", /\p{L}/gu],
  ["digit", /\p{Nd}/gu],
  ["space", /\p{Zs}/gu],
  ["mark", /\p{M}/gu],
] as const;

/** The shape of a value, for messages: "12 letters, 1 digit". The value itself is personal and never shown. */
export function shapeOf(value: string): string {
  const total = value.match(/./gsu)?.length ?? 0;
  if (total === 0) return "empty";
  const counts = kinds.map(([word, pattern]) => [word, value.match(pattern)?.length ?? 0] as const);
  const rest = total - counts.reduce((sum, [, count]) => sum + count, 0);
  return [...counts, ["other sign", rest] as const]
    .filter(([, count]) => count > 0)
    .map(([word, count]) => `${String(count)} ${word}${count === 1 ? "" : "s"}`)
    .join(", ");
}

const segmenter = new Intl.Segmenter("und", { granularity: "grapheme" });

/** Characters as a reader counts them (grapheme clusters); counting stops above `enough`. */
export function graphemes(value: string, enough: number): number {
  // A cluster has at least one code unit: short values need no segmenter.
  if (value.length <= enough) return value.length;
  let count = 0;
  for (const _ of segmenter.segment(value)) if (++count > enough) break;
  return count;
}

interface Refusal extends Fault {
  readonly pattern: RegExp;
}

/** Signs that cannot stand on a card or that make a text look like another one. Refused, never replaced in silence. */
const refused: readonly Refusal[] = [
  {
    pattern: /\p{Cs}/u,
    code: "lone-surrogate",
    message: "half a character (a lone surrogate)",
    remedy: "type the value again and save the file as UTF-8",
  },
  {
    pattern: /\0/u,
    code: "nul",
    message: "a NUL character",
    remedy: "the file is damaged or UTF-16 without its mark: save it again as UTF-8",
  },
  {
    pattern: /[\t\n\r\v\f\u{85}\u{2028}\u{2029}]/u,
    code: "line-break",
    message: "a tab or line break inside the value",
    remedy: "write the value on one line, with spaces",
  },
  { pattern: /\p{Cc}/u, code: "control-character", message: "a control character", remedy: "remove it" },
  {
    pattern: /[\u{200E}\u{200F}\u{061C}\u{202A}-\u{202E}\u{2066}-\u{2069}]/u,
    code: "bidi-mark",
    message: "an invisible mark that turns the direction of the text",
    remedy: "remove it: the script of the letters sets the direction",
  },
  {
    pattern: /\u{FFFD}/u,
    code: "replacement-character",
    message: "the sign � of an earlier wrong conversion",
    remedy: "type the value again: what stood there is lost",
  },
  {
    // Joiners (200C, 200D) are part of Persian and Indic spelling, the other format characters of none.
    pattern:
      /[\u{AD}\u{180E}\u{200B}\u{2060}-\u{2064}\u{206A}-\u{206F}\u{FEFF}\u{FFF9}-\u{FFFB}\u{E0000}-\u{E007F}]/u,
    code: "invisible-character",
    message: "an invisible character",
    remedy: "type the value again without it",
  },
  {
    pattern: /[\p{Co}\p{Cn}]/u,
    code: "unassigned-character",
    message: "a character that Unicode does not define",
    remedy: "use a defined letter",
  },
  {
    pattern: /(?! )\p{Zs}/u,
    code: "unusual-space",
    message: "an unusual space (no-break, thin or wide)",
    remedy: "type an ordinary space",
  },
];

/** Mostly plain values: one look decides that nothing above can be in them. */
const plain = /^[\x20-\x7E\u{C0}-\u{24F}\u{400}-\u{52F}]*$/u;
const mixed = /\p{Script=Cyrillic}|\p{Script=Greek}/u;

/** The value in NFC without the ordinary spaces around it, or why it is refused. */
export function cleanText(raw: string): { readonly text: string } | Fault {
  if (!plain.test(raw)) {
    for (const { pattern, code, message, remedy } of refused) {
      if (pattern.test(raw)) return { code, message: `the value (${shapeOf(raw)}) holds ${message}`, remedy };
    }
  }
  const text = raw.normalize("NFC").replace(/^ +/, "").trimEnd();
  if (mixed.test(text) && text.match(/[\p{L}\p{M}]+/gu)?.some(mixes) === true) {
    return {
      code: "mixed-scripts",
      message: `a word of the value (${shapeOf(text)}) mixes Latin letters with Cyrillic or Greek ones that look alike`,
      remedy: "type the word again with one keyboard layout",
    };
  }
  return { text };
}

const mixes = (word: string): boolean => mixed.test(word) && /\p{Script=Latin}/u.test(word);
