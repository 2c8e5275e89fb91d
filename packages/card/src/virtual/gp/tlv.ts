import { join } from "../os/command.js";

export interface Item {
  readonly tag: number;
  readonly value: Uint8Array;
}

/** BER-TLV objects in a row, tags of one or two bytes, lengths up to FFFF; undefined when damaged. Values are views. */
export function items(bytes: Uint8Array): Item[] | undefined {
  const found: Item[] = [];
  let at = 0;
  while (at < bytes.length) {
    let tag = bytes[at++] ?? 0;
    if ((tag & 0x1f) === 0x1f) tag = (tag << 8) | (bytes[at++] ?? 0);
    let length = bytes[at++] ?? 0xff;
    if (length === 0x81) length = bytes[at++] ?? 0;
    else if (length === 0x82) {
      length = ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0);
      at += 2;
    } else if (length >= 0x80) return undefined;
    if (at + length > bytes.length) return undefined;
    found.push({ tag, value: bytes.subarray(at, at + length) });
    at += length;
  }
  return found;
}

/** One object of at most FFFF bytes. */
export function item(tag: number, ...value: readonly (Uint8Array | readonly number[])[]): Uint8Array {
  const bytes = join(...value);
  const name = tag > 0xff ? [tag >> 8, tag & 0xff] : [tag];
  const n = bytes.length;
  const length = n < 0x80 ? [n] : n < 0x100 ? [0x81, n] : [0x82, n >> 8, n & 0xff];
  return join(name, length, bytes);
}

/** Fields with a one-byte length in front of each, nothing left over; undefined when they do not fit. */
export function fields(bytes: Uint8Array): Uint8Array[] | undefined {
  const found: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; ) {
    const length = bytes[at] ?? 0;
    const field = bytes.subarray(at + 1, at + 1 + length);
    if (field.length !== length) return undefined;
    found.push(field);
    at += 1 + length;
  }
  return found;
}
