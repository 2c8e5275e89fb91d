import { type Answer, type Apdu, SW, answer, status, u16 } from "../command.js";
import { type Card, FREE } from "../card.js";
import { FDB, type File, WRITE, erasedByte } from "../directory.js";
import { AM } from "../rules.js";
import { target } from "../selection.js";
import { MOST_DATA, wantsAll } from "./apdu.js";
import { ber, readBer, unsigned } from "./ber.js";
import { oddTarget } from "./select.js";

const OFFSET = 0x54;
const CONTENT = [0x53, 0x73];

interface Place {
  readonly file: File;
  readonly offset: number;
  readonly data: Uint8Array;
  /** ERASE BINARY: offset of the first byte that stays. */
  readonly end: number | undefined;
}

/** Most bytes of data an answer to this command may have. */
export function room(card: Card, command: Apdu): number {
  if (card.secured) return card.channel?.room ?? 256;
  if (card.shielded) return card.shield?.session.room ?? 0;
  return command.extended === true ? MOST_DATA : 256;
}

/** READ BINARY B0, B1 (ISO/IEC 7816-4, 7.2.3). */
export function readBinary(card: Card, command: Apdu): Answer {
  const odd = (command.ins & 1) !== 0;
  if (command.data.length > 0 !== odd || command.le === undefined) return status(SW.wrongLength);
  const place = locate(card, command, AM.read);
  if (typeof place === "number") return status(place);
  const { file, offset } = place;
  // Tag and length of the object in the answer take up to 4 bytes.
  const most = room(card, command) - (odd ? 4 : 0);
  const all = wantsAll(command);
  if (command.le > most && !all && !odd) return status(SW.wrongLength);
  const there = file.size - offset;
  const length = Math.min(command.le, most, there);
  const bytes = card.chip.read(file.body + offset, length);
  const sw = !all && command.le > there ? SW.endOfFile : SW.ok;
  if (!odd) return answer(bytes, sw);
  // Ne counts the whole object.
  const fit = all ? length : Math.max(0, Math.min(length, command.le - headOf(command.le)));
  return answer(ber(0x53, bytes.subarray(0, fit)));
}

const headOf = (length: number): number => (length < 0x82 ? 2 : length < 0x103 ? 3 : 4);

/** UPDATE BINARY D6, D7 (7.2.5). */
export function updateBinary(card: Card, command: Apdu): Answer {
  return write(card, command, AM.update, (_, data) => data);
}

/** WRITE BINARY D0, D1 (7.2.4): what the data coding byte says. */
export function writeBinary(card: Card, command: Apdu): Answer {
  return write(card, command, AM.append, combined);
}

/** New content of a WRITE; undefined: a unit that may be written once is written already. */
export function combined(file: File, data: Uint8Array, old: Uint8Array): Uint8Array | undefined {
  const how = file.coded ? file.writing : WRITE.or;
  switch (how) {
    case WRITE.once:
      return old.every((byte) => byte === erasedByte(file)) ? data : undefined;
    case WRITE.or:
      return data.map((byte, at) => byte | (old[at] ?? 0));
    case WRITE.and:
      return data.map((byte, at) => byte & (old[at] ?? 0));
    default:
      return data;
  }
}

function write(
  card: Card,
  command: Apdu,
  mode: number,
  combine: (file: File, data: Uint8Array, old: Uint8Array) => Uint8Array | undefined,
): Answer {
  if (command.data.length === 0) return status(SW.wrongLength);
  const place = locate(card, command, mode);
  if (typeof place === "number") return status(place);
  const { file, offset, data } = place;
  if (data.length === 0) return status(SW.wrongData);
  if (offset + data.length > file.size) return status(SW.noMemory);
  const bytes = combine(file, data, card.chip.read(file.body + offset, data.length));
  if (bytes === undefined) return status(SW.conditionsNotSatisfied);
  card.write(file, offset, bytes);
  return status(SW.ok);
}

/** ERASE BINARY 0E, 0F (7.2.7). */
export function eraseBinary(card: Card, command: Apdu): Answer {
  const place = locate(card, command, AM.update);
  if (typeof place === "number") return status(place);
  const { file, offset } = place;
  const end = place.end ?? file.size;
  if (end <= offset || end > file.size) return status(SW.wrongOffset);
  card.write(file, offset, new Uint8Array(end - offset).fill(erasedByte(file)));
  return status(SW.ok);
}

/** SEARCH BINARY A0, A1 (7.2.6). */
export function searchBinary(card: Card, command: Apdu): Answer {
  if (command.data.length === 0 || command.le === undefined) return status(SW.wrongLength);
  const place = locate(card, command, AM.read);
  if (typeof place === "number") return status(place);
  const { file, offset, data } = place;
  if (data.length === 0) return status(SW.wrongData);
  const content = card.chip.read(file.body, file.size);
  for (let at = offset; at + data.length <= content.length; at++) {
    if (!data.every((byte, i) => byte === content[at + i])) continue;
    const found = [at >> 8, at & 0xff];
    return answer((command.ins & 1) === 0 ? Uint8Array.from(found) : ber(OFFSET, found));
  }
  return status(SW.endOfFile);
}

function locate(card: Card, command: Apdu, mode: number): Place | number {
  const parsed = (command.ins & 1) === 0 ? even(command) : odd(command);
  if (typeof parsed === "number") return parsed;
  const file = parsed.sfi === undefined ? oddTarget(card, command) : target(card, parsed.sfi);
  if (typeof file === "number") return file;
  if (file.descriptor !== FDB.transparent) return SW.wrongStructure;
  const refusal = card.refusal(file, mode);
  if (refusal !== FREE) return refusal;
  return parsed.offset < file.size ? { ...parsed, file } : SW.wrongOffset;
}

type Parsed = Omit<Place, "file"> & { readonly sfi: number | undefined };
const ERASE = 0x0e;

function even({ ins, p1, p2, data }: Apdu): Parsed | number {
  const short = (p1 & 0x80) !== 0;
  const sfi = p1 & 0x1f;
  if (short && ((p1 & 0x60) !== 0 || sfi === 0 || sfi === 0x1f)) return SW.wrongP1P2;
  if (ins === ERASE && data.length !== 0 && data.length !== 2) return SW.wrongLength;
  const end = ins === ERASE && data.length === 2 ? u16(data, 0) : undefined;
  return { sfi: short ? sfi : 0, offset: short ? p2 : (p1 << 8) | p2, data, end };
}

/** Offset DO 54, and by the command nothing, a second 54, or a discretionary DO 53 or 73. */
function odd({ ins, data }: Apdu): Parsed | number {
  const objects = readBer(data);
  const [first, second, ...rest] = objects ?? [];
  if (first?.tag !== OFFSET || rest.length > 0 || !isOffset(first.value)) return SW.wrongData;
  const offset = unsigned(first.value);
  const erases = (ins & 0xfe) === ERASE;
  const reads = (ins & 0xfe) === 0xb0;
  if (reads || (erases && second === undefined)) {
    return second === undefined
      ? { sfi: undefined, offset, data: new Uint8Array(0), end: undefined }
      : SW.wrongData;
  }
  if (second === undefined) return SW.wrongData;
  if (erases) {
    if (second.tag !== OFFSET || !isOffset(second.value)) return SW.wrongData;
    return { sfi: undefined, offset, data: new Uint8Array(0), end: unsigned(second.value) };
  }
  return CONTENT.includes(second.tag)
    ? { sfi: undefined, offset, data: second.value, end: undefined }
    : SW.wrongData;
}

const isOffset = (value: Uint8Array): boolean => value.length >= 1 && value.length <= 4;

/** Offset and content of an odd command on part of an EF record; undefined: 6A80. */
export function partOf(
  data: Uint8Array,
  reads: boolean,
): { offset: number; content: Uint8Array } | undefined {
  const [first, second, ...rest] = readBer(data) ?? [];
  if (first?.tag !== OFFSET || !isOffset(first.value) || rest.length > 0) return undefined;
  const offset = unsigned(first.value);
  if (reads) return second === undefined ? { offset, content: new Uint8Array(0) } : undefined;
  if (second === undefined || !CONTENT.includes(second.tag) || second.value.length === 0) return undefined;
  return { offset, content: second.value };
}
