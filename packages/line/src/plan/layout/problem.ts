/** Where in a layout file, counted from 1. */
export interface LayoutPlace {
  readonly file: string;
  readonly line?: number;
  readonly column?: number;
}

export type LayoutProblemCode =
  | "not-yaml"
  | "no-file"
  | "wrong-layout"
  | "wrong-artwork"
  | "unknown-field"
  | "personal-data-in-code"
  | "field-missing"
  | "too-long"
  | "missing-glyph"
  | "wrong-character"
  | "wrong-value"
  | "photo-missing"
  | "photo-broken"
  | "code-too-dense";

/** `file:line:column`, as editors and terminals jump to it. */
export const placeText = (at: LayoutPlace): string =>
  at.line === undefined ? at.file : `${at.file}:${String(at.line)}:${String(at.column ?? 1)}`;

/**
 * A layout file or a record cannot become a picture of a card. The message says where, what and the remedy; it never holds a
 * person's data, only single characters and counts.
 */
export class LayoutProblem extends Error {
  override readonly name = "LayoutProblem";
  constructor(
    readonly code: LayoutProblemCode,
    readonly at: LayoutPlace,
    /** Name of the layout's field, when one is at fault. */
    readonly field: string | undefined,
    readonly what: string,
    readonly remedy: string,
  ) {
    super(`${placeText(at)}${field === undefined ? "" : ` ${field}`}: ${what}; ${remedy}`);
  }
}

/** A character as an error may show it. */
export const characterName = (char: string): string =>
  `"${char}" (U+${(char.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, "0")})`;
