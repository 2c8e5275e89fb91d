/**
 * Text from outside (cards, readers, files) as people may be shown it: a terminal obeys control characters, and a line that is turned
 * around reads as another. Both become visible, and do nothing.
 */

/** C0 but for tab and line feed, DEL and C1 (ISO/IEC 6429); then the overrides, embeddings and isolates of the Unicode bidi algorithm. */
const harmful = new RegExp(
  // Written by their numbers: a control character in a source file is a slip.
  `[${range(0x00, 0x08)}${range(0x0b, 0x1f)}${range(0x7f, 0x9f)}${range(0x202a, 0x202e)}${range(0x2066, 0x2069)}]`,
  "g",
);

function range(from: number, to: number): string {
  const written = (code: number): string => `\\u${code.toString(16).padStart(4, "0")}`;
  return `${written(from)}-${written(to)}`;
}

/** `<1B>` stands for ESC, `<202E>` for a right-to-left override. */
export const harmless = (text: string): string =>
  text.replaceAll(
    harmful,
    (one) => `<${(one.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(2, "0")}>`,
  );

/** JSON says control characters below 20 by itself; the others are said the same way, and read back as they were. */
export const harmlessJson = (json: string): string =>
  json.replaceAll(harmful, (one) => `\\u${(one.codePointAt(0) ?? 0).toString(16).padStart(4, "0")}`);
