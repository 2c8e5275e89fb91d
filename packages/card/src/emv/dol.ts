import { CardProblem, concat } from "../bytes/index.js";

/** One entry of a data object list (EMV Book 3, 5.4). */
export interface DolEntry {
  readonly tag: number;
  /** 0 to 255 bytes. */
  readonly length: number;
}

const problem = (hint: string): CardProblem => new CardProblem("emv-answer", "data object list", hint);

/** Tags and lengths, nothing left over. Throws CardProblem `emv-answer`. */
export function parseDol(bytes: Uint8Array): DolEntry[] {
  const entries: DolEntry[] = [];
  for (let at = 0; at < bytes.length; ) {
    let tag = bytes[at++] ?? 0;
    if ((tag & 0x1f) === 0x1f) {
      let byte: number | undefined;
      do {
        byte = bytes[at++];
        if (byte === undefined || tag > 0xffff) throw problem("a tag is cut off or too long");
        tag = tag * 256 + byte;
      } while ((byte & 0x80) !== 0);
    }
    const length = bytes[at++];
    if (tag === 0 || length === undefined) throw problem("a length is missing, or 00 stands for a tag");
    entries.push({ tag, length });
  }
  return entries;
}

export function encodeDol(entries: readonly DolEntry[]): Uint8Array {
  return new Uint8Array(
    entries.flatMap(({ tag, length }) => {
      const bytes =
        tag > 0xffff
          ? [tag >> 16, (tag >> 8) & 0xff, tag & 0xff]
          : tag > 0xff
            ? [tag >> 8, tag & 0xff]
            : [tag];
      return [...bytes, length];
    }),
  );
}

/** Numeric and compressed numeric data of terminals and cards; all else is bytes from the left (EMV Book 3, annex A). */
const NUMERIC: ReadonlySet<number> = new Set([
  0x9f02, 0x9f03, 0x9f1a, 0x5f2a, 0x5f36, 0x9a, 0x9c, 0x9f21, 0x9f35, 0x9f41, 0x5f24, 0x5f25, 0x5f34, 0x5f30,
  0x9f01,
]);
const COMPRESSED: ReadonlySet<number> = new Set([0x5a, 0x9f20]);

/**
 * The values a list asks for, one after the other (EMV Book 3, 5.4): an unknown one as zeros, a longer one cut (numeric: on the left), a
 * shorter one padded (numeric: zeros on the left; compressed numeric: F, else zeros on the right).
 */
export function fillDol(entries: readonly DolEntry[], values: ReadonlyMap<number, Uint8Array>): Uint8Array {
  return concat(
    ...entries.map(({ tag, length }) => {
      const value = values.get(tag);
      const out = new Uint8Array(length);
      if (value === undefined) return out;
      if (value.length >= length)
        return NUMERIC.has(tag) ? value.slice(value.length - length) : value.slice(0, length);
      if (COMPRESSED.has(tag)) out.fill(0xff);
      out.set(value, NUMERIC.has(tag) ? length - value.length : 0);
      return out;
    }),
  );
}

/** The values in data that a list has filled, by tag. Throws CardProblem `emv-answer` when the lengths differ. */
export function splitDol(entries: readonly DolEntry[], data: Uint8Array): Map<number, Uint8Array> {
  const values = new Map<number, Uint8Array>();
  let at = 0;
  for (const { tag, length } of entries) {
    values.set(tag, data.subarray(at, at + length));
    at += length;
  }
  if (at !== data.length) throw problem(`it asks for ${at} bytes, there are ${data.length}`);
  return values;
}
