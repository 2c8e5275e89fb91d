import { CardProblem, concat, unsigned } from "../bytes/index.js";

/**
 * One BER-TLV object. `tag` is the number of its tag bytes (9F7F is 0x9F7F).
 * `children` is there for constructed tags; when both are there, `children` is what is encoded.
 */
export interface Tlv {
  readonly tag: number;
  readonly value: Uint8Array;
  readonly children?: readonly Tlv[];
}

export interface TlvOptions {
  /** Templates within templates; deeper input is refused. Default 8. */
  readonly maxDepth?: number;
  /** Fill bytes tolerated before, between and after top-level objects. `00-or-FF` makes tags FF.. unreadable. Default none. */
  readonly padding?: "none" | "00" | "00-or-FF";
  /** Tags of templates by their number whose values are left as they are: GlobalPlatform's B0, B1 and F0 hold bytes of keys. */
  readonly opaque?: readonly number[];
}

/**
 * Strict BER-TLV (ISO/IEC 7816-4, 5.2.2): tags of up to 4 bytes, definite lengths of up to 4 more bytes, nothing left over.
 * Values are views of the input. Throws CardProblem `bad-tlv` with the offset.
 */
export function parseTlv(bytes: Uint8Array, options: TlvOptions = {}): Tlv[] {
  const { maxDepth = 8, padding = "none", opaque = [] } = options;
  return parseLevel(bytes, 0, maxDepth, padding, opaque);
}

function parseLevel(
  bytes: Uint8Array,
  base: number,
  depth: number,
  padding: "none" | "00" | "00-or-FF",
  opaque: readonly number[],
): Tlv[] {
  const objects: Tlv[] = [];
  let at = 0;
  while (at < bytes.length) {
    const first = bytes[at];
    if (padding !== "none" && (first === 0x00 || (padding === "00-or-FF" && first === 0xff))) {
      at++;
      continue;
    }
    const tag = readTag(bytes, at, base);
    const length = readLength(bytes, tag.next, base);
    const end = length.next + length.length;
    if (end > bytes.length) {
      throw problem(
        base + at,
        `the value of ${name(tag.tag)} should have ${length.length} bytes, ${bytes.length - length.next} are there`,
      );
    }
    const value = bytes.subarray(length.next, end);
    if (tag.constructed && !opaque.includes(tag.tag)) {
      if (depth <= 1) throw problem(base + at, "templates are nested too deep");
      objects.push({
        tag: tag.tag,
        value,
        children: parseLevel(value, base + length.next, depth - 1, "none", opaque),
      });
    } else {
      objects.push({ tag: tag.tag, value });
    }
    at = end;
  }
  return objects;
}

function readTag(
  bytes: Uint8Array,
  start: number,
  base: number,
): { tag: number; constructed: boolean; next: number } {
  const first = bytes[start] ?? 0;
  // 00 is padding or end-of-contents, never a tag of ISO/IEC 7816.
  if (first === 0x00) throw problem(base + start, "00 is not a tag");
  let tag = first;
  let at = start + 1;
  if ((first & 0x1f) === 0x1f) {
    for (;;) {
      const byte = bytes[at];
      if (byte === undefined) throw problem(base + start, "the tag is cut off");
      if (at === start + 1 && byte === 0x80) throw problem(base + start, "the second tag byte may not be 80");
      if (at - start >= 4) throw problem(base + start, "the tag is longer than 4 bytes");
      tag = tag * 256 + byte;
      at++;
      if ((byte & 0x80) === 0) break;
    }
  }
  return { tag, constructed: (first & 0x20) !== 0, next: at };
}

function readLength(bytes: Uint8Array, at: number, base: number): { length: number; next: number } {
  const first = bytes[at];
  if (first === undefined) throw problem(base + at, "the length is missing");
  if (first < 0x80) return { length: first, next: at + 1 };
  if (first === 0x80 || first > 0x84)
    throw problem(base + at, "the first length byte is not one of 00..7F and 81..84");
  const end = at + 1 + (first & 0x7f);
  if (end > bytes.length) throw problem(base + at, "the length is cut off");
  let length = 0;
  for (let i = at + 1; i < end; i++) length = length * 256 + (bytes[i] ?? 0);
  return { length, next: end };
}

/** One object or several in a row, with the shortest lengths. Throws CardProblem `bad-tlv` for an impossible tag. */
export function encodeTlv(objects: Tlv | readonly Tlv[]): Uint8Array {
  const list = isList(objects) ? objects : [objects];
  const parts: Uint8Array[] = [];
  for (const object of list) {
    const value = object.children === undefined ? object.value : encodeTlv(object.children);
    parts.push(tagBytes(object.tag), encodeTlvLength(value.length), value);
  }
  return concat(...parts);
}

function isList(objects: Tlv | readonly Tlv[]): objects is readonly Tlv[] {
  return Array.isArray(objects);
}

function tagBytes(tag: number): Uint8Array {
  if (!Number.isInteger(tag) || tag < 1 || tag > 0xffffffff) throw problem(0, `${tag} is not a tag`);
  const bytes = unsigned(tag);
  const read = readTag(bytes, 0, 0);
  if (read.next !== bytes.length) throw problem(0, `${name(tag)} is not one tag`);
  return bytes;
}

/** The length field alone: 00..7F, 81 xx, 82 xxxx, 83 xxxxxx, 84 xxxxxxxx. */
export function encodeTlvLength(length: number): Uint8Array {
  if (length < 0x80) return unsigned(length);
  const bytes = unsigned(length);
  return concat(Uint8Array.of(0x80 | bytes.length), bytes);
}

/** An object from raw bytes, from other objects, or both in order. Throws CardProblem `bad-tlv` for an impossible tag. */
export function tlv(tag: number, ...values: readonly (Uint8Array | Tlv)[]): Tlv {
  const first = tagBytes(tag)[0] ?? 0;
  const children: Tlv[] = [];
  const parts: Uint8Array[] = [];
  for (const value of values) {
    if (value instanceof Uint8Array) {
      parts.push(value);
    } else {
      children.push(value);
      parts.push(encodeTlv(value));
    }
  }
  const value = concat(...parts);
  if ((first & 0x20) === 0) return { tag, value };
  // Raw bytes inside a template have to be objects too.
  return { tag, value, children: children.length === values.length ? children : parseTlv(value) };
}

/** The first object that a path of tags leads to, or undefined. An empty path leads nowhere. */
export function findTlv(list: readonly Tlv[], ...tagPath: readonly number[]): Tlv | undefined {
  const [tag, ...rest] = tagPath;
  for (const object of list) {
    if (object.tag !== tag) continue;
    if (rest.length === 0) return object;
    const found = findTlv(object.children ?? [], ...rest);
    if (found !== undefined) return found;
  }
  return undefined;
}

const name = (tag: number) => tag.toString(16).toUpperCase();

function problem(at: number, hint: string): CardProblem {
  return new CardProblem("bad-tlv", `TLV, offset ${at}`, hint);
}
