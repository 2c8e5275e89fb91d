import { join } from "./command.js";

export interface DataObject {
  readonly tag: number;
  readonly value: Uint8Array;
}

/** BER-TLV with one-byte tags and lengths up to FF; undefined when damaged. Values are views. */
export function readObjects(bytes: Uint8Array): DataObject[] | undefined {
  const objects: DataObject[] = [];
  for (let at = 0; at < bytes.length; ) {
    const tag = bytes[at] ?? 0;
    let length = bytes[at + 1];
    let start = at + 2;
    if (tag === 0 || (tag & 0x1f) === 0x1f || length === undefined) return undefined;
    if (length === 0x81) {
      length = bytes[start++] ?? 0;
      if (length < 0x80) return undefined;
    } else if (length >= 0x80) return undefined;
    at = start + length;
    if (at > bytes.length) return undefined;
    objects.push({ tag, value: bytes.subarray(start, at) });
  }
  return objects;
}

/** One object; at most 255 bytes of value. */
export const object = (tag: number, ...value: readonly (Uint8Array | readonly number[])[]): Uint8Array => {
  const bytes = join(...value);
  return join(bytes.length < 0x80 ? [tag, bytes.length] : [tag, 0x81, bytes.length], bytes);
};
