import { join } from "../command.js";
import type { DataObject } from "../tlv.js";

/** BER-TLV with tags of one or two bytes and lengths up to FFFF; undefined when damaged. Values are views. */
export function readBer(bytes: Uint8Array): DataObject[] | undefined {
  const objects: DataObject[] = [];
  for (let at = 0; at < bytes.length; ) {
    const object = objectAt(bytes, at);
    if (object === undefined) return undefined;
    objects.push(object);
    at = object.end;
  }
  return objects;
}

/** The object that begins here, and where it ends; undefined when it is damaged or begins with 00 or FF. */
export function objectAt(
  bytes: Uint8Array,
  from: number,
): (DataObject & { readonly end: number }) | undefined {
  let at = from;
  const first = bytes[at++] ?? 0;
  let tag = first;
  if (first === 0x00 || first === 0xff) return undefined;
  if ((first & 0x1f) === 0x1f) {
    const second = bytes[at++] ?? 0;
    // A second byte below 1F would fit in one byte; b8 says that a third one follows.
    if (second < 0x1f || second > 0x7f) return undefined;
    tag = (first << 8) | second;
  }
  const head = bytes[at++];
  if (head === undefined) return undefined;
  let length = head;
  if (head === 0x81 || head === 0x82) {
    length = 0;
    for (let left = head - 0x80; left > 0; left--) length = (length << 8) | (bytes[at++] ?? 0);
    if (length < (head === 0x81 ? 0x80 : 0x100)) return undefined;
  } else if (head >= 0x80) return undefined;
  const end = at + length;
  return end > bytes.length ? undefined : { tag, value: bytes.subarray(at, end), end };
}

/** One object, tag of one or two bytes. */
export function ber(tag: number, ...value: readonly (Uint8Array | readonly number[])[]): Uint8Array {
  const bytes = join(...value);
  const { length } = bytes;
  const lengths =
    length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return join(tag > 0xff ? [tag >> 8, tag & 0xff] : [tag], lengths, bytes);
}

export const unsigned = (bytes: Uint8Array): number => bytes.reduce((sum, byte) => sum * 256 + byte, 0);
