/**
 * PIN letters: a batch is rendered inside the security module, encrypted at once for the letter printer, and signed: whoever has the printer's
 * public key could otherwise send it letters of his own. Whoever holds its private key opens it; the line never can. A letter carries no card
 * serial and no account number.
 */
import type { KeyObject } from "node:crypto";
import { type Batch, lettersPdf } from "./letters/pdf.js";
import {
  boxFor,
  type LineSign,
  type MachineKeys,
  NotOfTheLine,
  openBox,
  type SealedBox,
} from "./sealed-box.js";

interface SealedBatch extends SealedBox {
  readonly format: "persoline-letters";
  /** 1: of former programs, unsigned. */
  readonly version: 1 | 2;
  readonly batch: string;
  readonly order: string;
  /** How many pages it has. */
  readonly letters: number;
}

type BatchHead = Pick<SealedBatch, "batch" | "order" | "letters">;

/** The file's head is part of seal and signature: under another one it does not open. */
const batchLabel = ({ batch, order, letters }: BatchHead) => ({
  kind: "letters" as const,
  purpose: `letters ${batch}`,
  belongs: JSON.stringify([batch, order, letters]),
});

/** The batch as a file for the printer. The caller wipes the digits. */
export function sealBatch(printer: KeyObject, sign: LineSign, { batch, order, letters }: Batch): string {
  const head: BatchHead = { batch, order, letters: letters.length };
  const box = boxFor(printer, sign, batchLabel(head), lettersPdf({ batch, order, letters }));
  const file: SealedBatch = { format: "persoline-letters", version: 2, ...head, ...box };
  return `${JSON.stringify(file)}\n`;
}

export interface OpenedLetters {
  /** B-0000001. */
  readonly batch: string;
  readonly order: string;
  readonly letters: number;
  /** PDF; the caller wipes it. */
  readonly content: Uint8Array;
}

/**
 * At the letter printer: what is to be printed. Throws SyntaxError or TypeError for what is no file of letters, NotOfTheLine for what none of
 * the printer's lines signed as it is (single letters of former programs bear no signature), Error when it is for another printer.
 */
export function openLetters(keys: MachineKeys, file: string): OpenedLetters {
  const sealed = JSON.parse(file) as SealedBatch | { readonly format: "persoline-letter" };
  switch (sealed.format) {
    case "persoline-letters": {
      const content = openBox(keys, batchLabel(sealed), sealed);
      return { batch: sealed.batch, order: sealed.order, letters: sealed.letters, content };
    }
    case "persoline-letter":
      throw new NotOfTheLine("unsigned");
    default:
      throw new TypeError("no letters are in it");
  }
}
