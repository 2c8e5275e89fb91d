/**
 * What is sealed in a keystore: `length of the text (4) ‖ text ‖ for each key: length of its value (4) ‖ value, masked`. The text is JSON and
 * tells all but the keys' values, which never become text: text cannot be wiped. The mask is none of the seal's strength: node:crypto leaves a
 * copy of what it deciphers in memory that nobody can reach, and there it is masked.
 */
import { hkdfSync } from "node:crypto";
import { unmovedCopy } from "@persoline/card/bytes";
import type { StoredKey } from "./keystore.js";
import { emptyBook, type OfficeBook } from "./office/types.js";

export interface Sealed {
  readonly keys: readonly StoredKey[];
  readonly book: OfficeBook;
}

const LENGTH = 4;

/** HKDF-SHA-256 (RFC 5869) gives no more. */
const LONGEST = 255 * 32;

/** Puts the mask of the value at this place upon it, or takes it off. `key`: what the whole is sealed with, drawn anew or salted at each writing. */
function mask(key: Uint8Array, at: number, value: Uint8Array): void {
  if (value.length > LONGEST) throw new RangeError(`a key's value has at most ${String(LONGEST)} bytes`);
  const info = `persoline keystore value ${String(at)}`;
  const stream = new Uint8Array(hkdfSync("sha256", key, new Uint8Array(0), info, value.length));
  for (const [place, byte] of stream.entries()) value[place] = (value[place] ?? 0) ^ byte;
  stream.fill(0);
}

/** The caller wipes it; the keys' values stay theirs. */
export function sectionsOf({ keys, book }: Sealed, key: Uint8Array): Buffer {
  const told = keys.map((one) => {
    const { value: _, ...rest } = one;
    return rest;
  });
  const text = Buffer.from(JSON.stringify({ keys: told, book }));
  const length = keys.reduce((sum, { value }) => sum + LENGTH + value.length, LENGTH + text.length);
  // Of its own: not a piece of a pool that others read.
  const all = Buffer.allocUnsafeSlow(length);
  let at = 0;
  const put = (part: Uint8Array): Uint8Array => {
    at = all.writeUInt32BE(part.length, at);
    all.set(part, at);
    at += part.length;
    return all.subarray(at - part.length, at);
  };
  put(text);
  text.fill(0);
  for (const [place, { value }] of keys.entries()) mask(key, place, put(value));
  return all;
}

/** The values are copies, which whoever opened them wipes. Throws RangeError for what is no such thing. */
export function parseSections(clear: Buffer, key: Uint8Array): Sealed {
  let at = 0;
  const next = (): Buffer => {
    const from = at + LENGTH;
    at = from + clear.readUInt32BE(at);
    if (at > clear.length) throw new RangeError("a keystore's section is cut off");
    return clear.subarray(from, at);
  };
  const { keys, book } = JSON.parse(next().toString("utf8")) as {
    readonly keys: readonly Omit<StoredKey, "value">[];
    readonly book: OfficeBook;
  };
  const opened = keys.map((told, place): StoredKey => {
    const value = unmovedCopy(next());
    mask(key, place, value);
    return { ...told, value };
  });
  if (at !== clear.length) throw new RangeError("a keystore has more sections than keys");
  return { keys: opened, book };
}

/** Before there were sections, values were base64 in the text, which stays in memory until the process ends; version 1 had keys only. */
export function parseText(clear: Buffer): Sealed {
  type TextKey = Omit<StoredKey, "value"> & { readonly value: string };
  const kept = JSON.parse(clear.toString("utf8")) as
    | readonly TextKey[]
    | { readonly keys: readonly TextKey[]; readonly book: OfficeBook };
  const { keys, book } = "book" in kept ? kept : { keys: kept, book: emptyBook };
  return {
    keys: keys.map(({ value, ...key }): StoredKey => {
      const bytes = Buffer.from(value, "base64");
      const copy = unmovedCopy(bytes);
      bytes.fill(0);
      return { ...key, value: copy };
    }),
    book,
  };
}

/** Whoever opened a keystore has its keys' values until then. */
export function wipeValues(keys: readonly StoredKey[]): void {
  for (const { value } of keys) value.fill(0);
}
