/** One page of a batch: what a letter says, and where. */
import { glyphOfDigit, type LetterFont } from "./font.js";

/** A4, in points. */
export const paper = { width: 595, height: 842 } as const;

export interface Page {
  readonly letter: string;
  readonly addressee: string;
  /** The PIN in ASCII. */
  readonly digits: Uint8Array;
}

/** Content of a page: operators in ASCII with the PIN's digits at one place among them. */
export interface PageContent {
  readonly before: string;
  readonly digits: Uint8Array;
  readonly after: string;
}

const left = 71;
/** The window of an envelope (DIN 5008, form B). */
const address = { down: 160, width: 227 } as const;
const pinSize = 20;

/** What a digit takes as an operand of Tj, in bytes. */
const BYTES_A_DIGIT = 4;
export const lengthOf = ({ before, digits, after }: PageContent): number =>
  before.length + BYTES_A_DIGIT * digits.length + after.length;

/** The digits as glyphs, four hexadecimal digits each: "0001" for 0. From bytes to bytes, for a text cannot be wiped. */
export function writeDigits(into: Uint8Array, at: number, digits: Uint8Array): void {
  let next = at;
  for (const code of digits) {
    const glyph = glyphOfDigit(code - 0x30);
    for (let shift = 12; shift >= 0; shift -= 4) {
      const nibble = (glyph >> shift) & 0xf;
      into[next++] = nibble < 10 ? 0x30 + nibble : 0x57 + nibble;
    }
  }
}

/** `of`: how many pages the batch has. */
export function pageContent(
  font: LetterFont,
  { letter, addressee, digits }: Page,
  {
    batch,
    order,
    page,
    of,
  }: { readonly batch: string; readonly order: string; readonly page: number; readonly of: number },
): PageContent {
  const line = (text: string, down: number, size = 11, most = paper.width - 2 * left): string => {
    const { operands, width } = font.set(text);
    // A long name is set smaller rather than cut.
    const fits = Math.min(size, most / Math.max(width, 0.001));
    return `BT /F ${fits.toFixed(2)} Tf ${String(left)} ${String(paper.height - down)} Td ${operands} TJ ET\n`;
  };
  const told = font.set("Your PIN: ");
  return {
    before:
      line(`Letter ${letter}`, 71, 9) +
      line(`Batch ${batch}, page ${String(page)} of ${String(of)}`, 84, 9) +
      line(`Order ${order}`, 97, 9) +
      line(addressee.replaceAll(/\p{C}+/gu, " "), address.down, 11, address.width) +
      `BT /F ${String(pinSize)} Tf ${String(left)} ${String(paper.height - 340)} Td ${told.operands} TJ <`,
    digits,
    after: `> Tj ET\n${line("Keep it in your head and destroy this letter.", 380)}`,
  };
}
