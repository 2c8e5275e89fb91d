import { CardProblem } from "./problem.js";

const PAIRS = Array.from({ length: 256 }, (_, n) => n.toString(16).toUpperCase().padStart(2, "0"));

/** Upper-case hexadecimal, without spaces. */
export function hex(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += PAIRS[byte] ?? "";
  return text;
}

/** Strict: an even number of hexadecimal digits and nothing else. Throws CardProblem `bad-hex`. */
export function unhex(text: string): Uint8Array {
  if (text.length % 2 !== 0)
    throw new CardProblem("bad-hex", "hex", `${text.length} digits are an odd number`);
  const bytes = new Uint8Array(text.length / 2);
  for (let at = 0; at < bytes.length; at++) {
    bytes[at] = (digit(text, 2 * at) << 4) | digit(text, 2 * at + 1);
  }
  return bytes;
}

function digit(text: string, at: number): number {
  const code = text.charCodeAt(at);
  if (code >= 0x30 && code <= 0x39) return code - 0x30;
  if (code >= 0x41 && code <= 0x46) return code - 0x37;
  if (code >= 0x61 && code <= 0x66) return code - 0x57;
  // The character itself stays out of the text: it may belong to a key.
  throw new CardProblem("bad-hex", `hex, character ${at + 1}`, "not a hexadecimal digit");
}

/** A new array with all parts in order. */
export function concat(...parts: readonly Uint8Array[]): Uint8Array {
  let length = 0;
  for (const part of parts) length += part.length;
  const all = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

/** For public data; secrets are compared with `equalConstantTime`. */
export function equal(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let at = 0; at < a.length; at++) if (a[at] !== b[at]) return false;
  return true;
}

/** Takes the same time for any content of a given length; only a different length is told at once. */
export function equalConstantTime(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  let difference = 0;
  for (let at = 0; at < a.length; at++) difference |= (a[at] ?? 0) ^ (b[at] ?? 0);
  return difference === 0;
}

/** Byte-wise exclusive or of two arrays of one length. Throws CardProblem `bad-value`. */
export function xor(a: Uint8Array, b: Uint8Array): Uint8Array {
  if (a.length !== b.length)
    throw new CardProblem("bad-value", "xor", `${a.length} and ${b.length} bytes differ in length`);
  const result = new Uint8Array(a.length);
  for (let at = 0; at < a.length; at++) result[at] = (a[at] ?? 0) ^ (b[at] ?? 0);
  return result;
}

export function utf8(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

/** Strict, and a byte order mark is kept. Throws CardProblem `bad-text`. */
export function fromUtf8(bytes: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw new CardProblem("bad-text", "text", `${bytes.length} bytes are not valid UTF-8`);
  }
}

/** Two bytes, most significant first. Throws CardProblem `bad-value` outside 0..65535. */
export function u16(n: number): Uint8Array {
  if (!Number.isInteger(n) || n < 0 || n > 0xffff)
    throw new CardProblem("bad-value", "u16", `${n} does not fit in two bytes`);
  return Uint8Array.of(n >> 8, n & 0xff);
}

/** Two bytes at an offset, most significant first. Throws CardProblem `bad-value` beyond the end. */
export function readU16(bytes: Uint8Array, at = 0): number {
  const high = bytes[at];
  const low = bytes[at + 1];
  if (high === undefined || low === undefined) {
    throw new CardProblem("bad-value", `offset ${at}`, `two bytes do not lie within ${bytes.length}`);
  }
  return (high << 8) | low;
}

/** An unsigned number in the fewest bytes, at least `atLeast` of them, most significant first. */
export function unsigned(n: number, atLeast = 1): Uint8Array {
  if (!Number.isSafeInteger(n) || n < 0)
    throw new CardProblem("bad-value", "unsigned", `${n} is not a whole number from 0 up`);
  let length = atLeast;
  for (let most = 256 ** atLeast; n >= most; most *= 256) length++;
  const bytes = new Uint8Array(length);
  for (let at = length - 1, rest = n; at >= 0; at--, rest = Math.floor(rest / 256)) bytes[at] = rest % 256;
  return bytes;
}

/** An unsigned number of 0 to 6 bytes, most significant first. Throws CardProblem `bad-value` when longer. */
export function readUnsigned(bytes: Uint8Array): number {
  if (bytes.length > 6)
    throw new CardProblem("bad-value", "unsigned", `${bytes.length} bytes are more than six`);
  let n = 0;
  for (const byte of bytes) n = n * 256 + byte;
  return n;
}

/**
 * Zeros for a secret, to be wiped by who asked for them: outside the garbage collector's heap, where small arrays are moved about and leave
 * copies behind. Their `slice` and `map` are ordinary arrays again.
 */
export const unmoved = (length: number): Uint8Array => new Uint8Array(new ArrayBuffer(length));

/** A copy that stays where it is. */
export function unmovedCopy(bytes: Uint8Array): Uint8Array {
  const copy = unmoved(bytes.length);
  copy.set(bytes);
  return copy;
}
