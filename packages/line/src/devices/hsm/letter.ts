/**
 * PIN letters: rendered inside the vault and encrypted at once for the letter printer. Whoever holds the printer's private key opens them;
 * the line never can. A letter carries no card serial and no account number.
 */
import type { KeyObject } from "node:crypto";
import { boxFor, openBox, type SealedBox } from "./sealed-box.js";

export interface LetterText {
  readonly letter: string;
  readonly order: string;
  readonly addressee: string;
}

interface SealedLetter extends SealedBox {
  readonly format: "persoline-letter";
  readonly version: 1;
  readonly letter: string;
}

const label = (letter: string) => ({ purpose: `letter ${letter}`, belongs: letter });

/** The letter as a file for the printer. `digits`: the PIN in ASCII; the caller wipes it. */
export function sealLetter(printer: KeyObject, text: LetterText, digits: Uint8Array): string {
  const { letter, order, addressee } = text;
  const head = Buffer.from(`Letter ${letter}\nOrder ${order}\n\n${addressee}\n\nYour PIN: `, "utf8");
  const foot = Buffer.from("\n\nKeep it in your head and destroy this letter.\n");
  const box = boxFor(printer, label(letter), Buffer.concat([head, digits, foot]));
  const file: SealedLetter = { format: "persoline-letter", version: 1, letter, ...box };
  return `${JSON.stringify(file)}\n`;
}

/** At the letter printer: the text of a letter. Throws when the letter was altered or is for another printer. */
export function openLetter(printerKeyPem: string, content: string): string {
  const file = JSON.parse(content) as SealedLetter;
  return Buffer.from(openBox(printerKeyPem, label(file.letter), file)).toString("utf8");
}
