import type { Command } from "../apdu/index.js";
import { CardProblem, concat, type Sfi, u16, unsigned } from "../bytes/index.js";
import { encodeTlv, encodeTlvLength, tlv } from "../tlv/index.js";

/** Place in a transparent EF: the current one, or one of the current DF by its short identifier. Offset in data units. */
export interface BinaryPlace {
  readonly offset: number;
  readonly sfi?: Sfi;
}

/**
 * ISO/IEC 7816-4:2005, 7.2.3: READ BINARY. Offsets above 7FFF (above FF with a short identifier) take the odd INS,
 * whose answer is an object 53.
 */
export function readBinary(place: BinaryPlace & { readonly length: number }): Command {
  const p = position(place, "READ BINARY");
  if (p !== undefined) return { cla: 0x00, ins: 0xb0, ...p, le: place.length };
  return { cla: 0x00, ins: 0xb1, ...oddPosition(place), data: offsetObject(place), le: place.length };
}

/** ISO/IEC 7816-4:2005, 7.2.5: UPDATE BINARY; far offsets as in `readBinary`. */
export function updateBinary(place: BinaryPlace & { readonly data: Uint8Array }): Command {
  const p = position(place, "UPDATE BINARY");
  if (p !== undefined) return { cla: 0x00, ins: 0xd6, ...p, data: place.data };
  const content = concat(Uint8Array.of(0x53), encodeTlvLength(place.data.length), place.data);
  return { cla: 0x00, ins: 0xd7, ...oddPosition(place), data: concat(offsetObject(place), content) };
}

function position({ offset, sfi }: BinaryPlace, where: string): { p1: number; p2: number } | undefined {
  if (!Number.isInteger(offset) || offset < 0 || offset > 0xffffff) {
    throw new CardProblem("bad-value", where, `${offset} is not an offset`);
  }
  if (sfi !== undefined) return offset <= 0xff ? { p1: 0x80 | sfi, p2: offset } : undefined;
  return offset <= 0x7fff ? { p1: offset >> 8, p2: offset & 0xff } : undefined;
}

function oddPosition({ sfi }: BinaryPlace): { p1: number; p2: number } {
  return { p1: 0x00, p2: sfi ?? 0x00 };
}

function offsetObject({ offset }: BinaryPlace): Uint8Array {
  return encodeTlv(tlv(0x54, unsigned(offset)));
}

/** Place of an EF record: its number from 1 (0: the current one) in the current EF or one by short identifier. */
export interface RecordPlace {
  readonly number: number;
  readonly sfi?: Sfi;
}

/** ISO/IEC 7816-4:2005, 7.3.3: READ RECORD, one by number, or all from that number up. `length` default: all there is. */
export function readRecord(
  place: RecordPlace & { readonly length?: number; readonly read?: "one" | "all-up" },
): Command {
  const mode = place.read === "all-up" ? 0x05 : 0x04;
  return { cla: 0x00, ins: 0xb2, ...recordPosition(place, mode, "READ RECORD"), le: place.length ?? 256 };
}

/** ISO/IEC 7816-4:2005, 7.3.5: UPDATE RECORD by number. */
export function updateRecord(place: RecordPlace & { readonly data: Uint8Array }): Command {
  return { cla: 0x00, ins: 0xdc, ...recordPosition(place, 0x04, "UPDATE RECORD"), data: place.data };
}

/** ISO/IEC 7816-4:2005, 7.3.5: UPDATE RECORD "previous" on a cyclic EF: the oldest EF record is overwritten and becomes number 1. */
export function updateOldestRecord(place: { readonly sfi?: Sfi; readonly data: Uint8Array }): Command {
  return { cla: 0x00, ins: 0xdc, p1: 0x00, p2: ((place.sfi ?? 0) << 3) | 0x03, data: place.data };
}

/** ISO/IEC 7816-4:2005, 7.3.6: APPEND RECORD. */
export function appendRecord(place: { readonly sfi?: Sfi; readonly data: Uint8Array }): Command {
  return { cla: 0x00, ins: 0xe2, p1: 0x00, p2: (place.sfi ?? 0) << 3, data: place.data };
}

function recordPosition(
  { number, sfi }: RecordPlace,
  mode: number,
  where: string,
): { p1: number; p2: number } {
  if (!Number.isInteger(number) || number < 0 || number > 0xfe) {
    throw new CardProblem("bad-value", where, `${number} is not the number of an EF record`);
  }
  return { p1: number, p2: ((sfi ?? 0) << 3) | mode };
}

/** ISO/IEC 7816-4:2005, 7.4.2: GET DATA, even INS, by a tag of one or two bytes. */
export function getData(tag: number, le = 256): Command {
  const [p1 = 0, p2 = 0] = u16(tag);
  return { cla: 0x00, ins: 0xca, p1, p2, le };
}

/** ISO/IEC 7816-4:2005, 7.4.3: PUT DATA, even INS, by a tag of one or two bytes. */
export function putData(tag: number, data: Uint8Array): Command {
  const [p1 = 0, p2 = 0] = u16(tag);
  return { cla: 0x00, ins: 0xda, p1, p2, data };
}

/** ISO/IEC 7816-4:2005, 7.6.1: GET RESPONSE on a logical channel of 0..3. The channel of a reader sends it itself after 61XX. */
export function getResponse(length: number, channel: 0 | 1 | 2 | 3 = 0): Command {
  return { cla: channel, ins: 0xc0, p1: 0x00, p2: 0x00, le: length };
}
