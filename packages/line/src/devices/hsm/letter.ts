/**
 * PIN letters: a batch is rendered inside the security module and encrypted at once for the letter printer. Whoever holds the printer's private
 * key opens it; the line never can. A letter carries no card serial and no account number.
 */
import type { KeyObject } from "node:crypto";
import { type Batch, lettersPdf } from "./letters/pdf.js";
import { boxFor, openBox, type SealedBox } from "./sealed-box.js";

interface SealedBatch extends SealedBox {
  readonly format: "persoline-letters";
  readonly version: 1;
  readonly batch: string;
  readonly order: string;
  /** How many pages it has. */
  readonly letters: number;
}

/** A single letter of text, as former versions wrote it. */
interface SealedLetter extends SealedBox {
  readonly format: "persoline-letter";
  readonly version: 1;
  readonly letter: string;
}

type BatchHead = Pick<SealedBatch, "batch" | "order" | "letters">;

/** The file's head is part of the seal: under another one it does not open. */
const batchLabel = ({ batch, order, letters }: BatchHead) => ({
  purpose: `letters ${batch}`,
  belongs: JSON.stringify([batch, order, letters]),
});
const letterLabel = (letter: string) => ({ purpose: `letter ${letter}`, belongs: letter });

/** The batch as a file for the printer. The caller wipes the digits. */
export function sealBatch(printer: KeyObject, { batch, order, letters }: Batch): string {
  const head: BatchHead = { batch, order, letters: letters.length };
  const box = boxFor(printer, batchLabel(head), lettersPdf({ batch, order, letters }));
  const file: SealedBatch = { format: "persoline-letters", version: 1, ...head, ...box };
  return `${JSON.stringify(file)}\n`;
}

export interface OpenedLetters {
  /** "application/pdf"; a single letter of former versions is "text/plain". */
  readonly type: "application/pdf" | "text/plain";
  /** B-0000001; of a single letter its own number. */
  readonly name: string;
  readonly letters: number;
  readonly content: Uint8Array;
}

/**
 * At the letter printer: what is to be printed. Throws SyntaxError or TypeError for what is no file of letters, Error when it was altered or is
 * for another printer.
 */
export function openLetters(printerKey: KeyObject | string, file: string): OpenedLetters {
  const sealed = JSON.parse(file) as SealedBatch | SealedLetter;
  switch (sealed.format) {
    case "persoline-letters": {
      const content = openBox(printerKey, batchLabel(sealed), sealed);
      return { type: "application/pdf", name: sealed.batch, letters: sealed.letters, content };
    }
    case "persoline-letter": {
      const content = openBox(printerKey, letterLabel(sealed.letter), sealed);
      return { type: "text/plain", name: sealed.letter, letters: 1, content };
    }
    default:
      throw new TypeError("no letters are in it");
  }
}
