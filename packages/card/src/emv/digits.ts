import { CardProblem } from "../bytes/index.js";

/** Decimal digits, two a byte, padded with zeros on the left ("n" of EMV Book 3, 4.3). Throws CardProblem `bad-value`. */
export function packNumeric(digits: string, length: number): Uint8Array {
  return pack(only(digits).padStart(2 * length, "0"), length);
}

/** Digits from the left, padded with F ("cn" of EMV Book 3, 4.3). Throws CardProblem `bad-value`. */
export function packCompressed(digits: string, length = Math.ceil(digits.length / 2)): Uint8Array {
  return pack(only(digits).padEnd(2 * length, "F"), length);
}

/** Digits of a "cn" field, without its padding. Throws CardProblem `bad-value`. */
export function unpackCompressed(bytes: Uint8Array): string {
  const text = nibbles(bytes).replace(/F+$/, "");
  return only(text);
}

/** Digits of an "n" field, with its leading zeros. Throws CardProblem `bad-value`. */
export function unpackNumeric(bytes: Uint8Array): string {
  return only(nibbles(bytes));
}

const nibbles = (bytes: Uint8Array): string =>
  Array.from(bytes, (byte) => byte.toString(16).toUpperCase().padStart(2, "0")).join("");

function pack(text: string, length: number): Uint8Array {
  if (text.length !== 2 * length)
    throw new CardProblem("bad-value", "digits", `${text.length} digits do not fit ${length} bytes`);
  const bytes = new Uint8Array(length);
  // Decimal digits, and F where `packCompressed` fills up.
  const nibble = (at: number): number => Math.min(text.charCodeAt(at) - 0x30, 0x0f);
  for (let at = 0; at < length; at++) bytes[at] = (nibble(2 * at) << 4) | nibble(2 * at + 1);
  return bytes;
}

/** Says nothing of what stands there instead: it may belong to a PAN. */
function only(digits: string): string {
  if (!/^[0-9]*$/.test(digits)) throw new CardProblem("bad-value", "digits", "not all are decimal digits");
  return digits;
}
