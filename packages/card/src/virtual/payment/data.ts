import { type Item, items } from "../gp/tlv.js";

/** Data groupings by identifier. */
export type Files = ReadonlyMap<number, Uint8Array>;

/** Identifiers of docs/payment-card.md 2; records are 0101 to 1EFF. */
export const DGI = {
  internal: 0x3000,
  limits: 0x3001,
  keys: 0x8000,
  pin: 0x8010,
  keyChecks: 0x9000,
  tries: 0x9010,
  iccKey: 0x8201,
  pinKey: 0x8301,
  fci: 0x9102,
  options: 0x9104,
  issuerData: 0x9200,
  /** The card's own mark: personalized for good. */
  done: 0xffff,
} as const;

export const isRecord = (id: number): boolean => id >> 8 >= 0x01 && id >> 8 <= 0x1e && (id & 0xff) !== 0;

const nothing = new Uint8Array(0);

/** Objects in a grouping, in order. */
export const objectsIn = (files: Files, id: number): readonly Item[] => items(files.get(id) ?? nothing) ?? [];

const objectIn = (files: Files, id: number, tag: number): Uint8Array | undefined =>
  objectsIn(files, id).find((one) => one.tag === tag)?.value;

export const aipOf = (files: Files): Uint8Array => objectIn(files, DGI.options, 0x82) ?? new Uint8Array(2);
export const aflOf = (files: Files): Uint8Array => objectIn(files, DGI.options, 0x94) ?? nothing;

/** An object anywhere in the records of files 1 to 10. */
export function inRecords(files: Files, tag: number): Uint8Array | undefined {
  for (const [id, record] of files) {
    if (!isRecord(id) || id >> 8 > 0x0a) continue;
    const inside = items(record)?.[0]?.value;
    const found = items(inside ?? nothing)?.find((one) => one.tag === tag);
    if (found !== undefined) return found.value;
  }
  return undefined;
}

/** PDOL, of the stored FCI. */
export const pdolOf = (files: Files): Uint8Array => {
  const template = items(files.get(DGI.fci) ?? nothing)?.[0]?.value;
  return items(template ?? nothing)?.find((one) => one.tag === 0x9f38)?.value ?? nothing;
};

export interface Wanted {
  readonly tag: number;
  readonly at: number;
  readonly length: number;
}

/** What a data object list asks for and where it comes; undefined when it is cut off. */
export function wantedBy(
  list: Uint8Array,
): { readonly entries: readonly Wanted[]; readonly length: number } | undefined {
  const entries: Wanted[] = [];
  let length = 0;
  for (let at = 0; at < list.length; ) {
    let tag = list[at++] ?? 0;
    if ((tag & 0x1f) === 0x1f) {
      let next = 0x80;
      while ((next & 0x80) !== 0) {
        if (at >= list.length) return undefined;
        next = list[at++] ?? 0;
        tag = tag * 256 + next;
      }
    }
    const one = list[at++];
    if (one === undefined) return undefined;
    entries.push({ tag, at: length, length: one });
    length += one;
  }
  return { entries, length };
}

/** The value that came for a tag; undefined when the list does not ask for it. */
export function sentFor(list: Uint8Array, data: Uint8Array, tag: number): Uint8Array | undefined {
  const entry = wantedBy(list)?.entries.find((one) => one.tag === tag);
  return entry === undefined ? undefined : data.subarray(entry.at, entry.at + entry.length);
}
