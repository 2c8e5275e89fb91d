import { CardProblem, concat } from "../bytes/index.js";

/** One COMPACT-TLV object: a tag of 0..15 and 0..15 bytes (ISO/IEC 7816-4, 8.1.1; `31 C0` is tag 3). */
export interface CompactTlv {
  readonly tag: number;
  readonly value: Uint8Array;
}

/** Values are views of the input. Throws CardProblem `bad-tlv` when the last value is cut off. */
export function parseCompactTlv(bytes: Uint8Array): CompactTlv[] {
  const objects: CompactTlv[] = [];
  let at = 0;
  while (at < bytes.length) {
    const head = bytes[at] ?? 0;
    const end = at + 1 + (head & 0x0f);
    if (end > bytes.length)
      throw new CardProblem("bad-tlv", `COMPACT-TLV, offset ${at}`, "the value is cut off");
    objects.push({ tag: head >> 4, value: bytes.subarray(at + 1, end) });
    at = end;
  }
  return objects;
}

/** Throws CardProblem `bad-tlv` when a tag or a value does not fit in four bits. */
export function encodeCompactTlv(objects: readonly CompactTlv[]): Uint8Array {
  return concat(
    ...objects.map(({ tag, value }) => {
      if (!Number.isInteger(tag) || tag < 0 || tag > 15 || value.length > 15) {
        throw new CardProblem("bad-tlv", "COMPACT-TLV", `tag ${tag} with ${value.length} bytes does not fit`);
      }
      return concat(Uint8Array.of((tag << 4) | value.length), value);
    }),
  );
}
