import { type Answer, type Apdu, SW, answer, join, status } from "../command.js";
import { type Card, FREE } from "../card.js";
import { FDB, type File, UNWRITTEN, erasedByte } from "../directory.js";
import {
  fits,
  lastRecord,
  lengthOf,
  pushRecord,
  recordNumber,
  slotOf,
  writeRecord as store,
} from "../records.js";
import { AM } from "../rules.js";
import { target } from "../selection.js";
import { tooShort, wantsAll } from "./apdu.js";
import { ber } from "./ber.js";
import { combined, partOf, room } from "./binary.js";

const PREVIOUS = 3;
const NUMBER = 4;
const ALL_UP = 5;
const ALL_DOWN = 6;
/** Functions of UPDATE RECORD DD. */
const AND = 5;
const OR = 6;
const XOR = 7;
const RECORDS: readonly number[] = [FDB.linearFixed, FDB.linearVariable, FDB.cyclic];

/** READ RECORD B2, B3 (ISO/IEC 7816-4, 7.3.3). */
export function readRecord(card: Card, command: Apdu): Answer {
  const partial = (command.ins & 1) !== 0;
  const mode = command.p2 & 0x07;
  if (command.data.length > 0 !== partial || command.le === undefined) return status(SW.wrongLength);
  if (mode > ALL_DOWN || (partial && mode !== NUMBER)) return status(SW.wrongP1P2);
  const file = locate(card, command, AM.read);
  if (typeof file === "number") return status(file);
  if (mode === ALL_UP || mode === ALL_DOWN) return readAll(card, file, command);
  const number = recordNumber(card, file, command);
  if (number === undefined) return status(SW.wrongP1P2);
  const record = read(card, file, number);
  if (record === undefined) return status(SW.recordNotFound);
  if (record.length + (partial ? 3 : 0) > room(card, command)) return status(SW.wrongLength);
  if (partial) {
    const part = partOf(command.data, true);
    if (part === undefined) return status(SW.wrongData);
    if (part.offset >= record.length) return status(SW.wrongOffset);
    return answer(ber(0x53, record.subarray(part.offset)));
  }
  const short = tooShort(command, record.length);
  if (short !== FREE) return status(short);
  if (mode !== NUMBER) card.record = number;
  return answer(record);
}

/** As many whole records as fit. */
function readAll(card: Card, file: File, command: Apdu): Answer {
  const from = command.p1 === 0 ? card.record : command.p1;
  const last = lastRecord(file);
  if (from < 1 || from > last) return status(SW.recordNotFound);
  const most = wantsAll(command) ? room(card, command) : Math.min(command.le ?? 0, room(card, command));
  const numbers = Array.from({ length: last - from + 1 }, (_, at) => from + at);
  if ((command.p2 & 0x07) === ALL_DOWN) numbers.reverse();
  const records: Uint8Array[] = [];
  let length = 0;
  for (const number of numbers) {
    const record = read(card, file, number);
    if (record === undefined) continue;
    if (length + record.length > most) break;
    records.push(record);
    length += record.length;
  }
  return records.length === 0 ? status(SW.wrongLength) : answer(join(...records));
}

/** UPDATE RECORD DC, DD (7.3.5). */
export function updateRecord(card: Card, command: Apdu): Answer {
  if ((command.ins & 1) !== 0) return updatePart(card, command);
  return change(card, command, AM.update, (_, data) => data);
}

/** WRITE RECORD D2 (7.3.4): what the data coding byte says. */
export function writeRecord(card: Card, command: Apdu): Answer {
  return change(card, command, AM.append, combined);
}

function change(
  card: Card,
  command: Apdu,
  am: number,
  combine: (file: File, data: Uint8Array, old: Uint8Array) => Uint8Array | undefined,
): Answer {
  const { p1, p2, data } = command;
  const mode = p2 & 0x07;
  if (mode > NUMBER) return status(SW.wrongP1P2);
  const file = locate(card, command, am);
  if (typeof file === "number") return status(file);
  if (!fits(file, data)) return status(SW.wrongLength);
  if (file.descriptor === FDB.cyclic && mode === PREVIOUS && p1 === 0) return pushRecord(card, file, data);
  const number = recordNumber(card, file, command);
  if (number === undefined) return status(SW.wrongP1P2);
  if (number < 1 || number > file.recordCount) return status(SW.recordNotFound);
  const old = read(card, file, number);
  let bytes: Uint8Array | undefined = data;
  if (old !== undefined) {
    if (am === AM.append && old.length !== data.length) return status(SW.wrongLength);
    bytes = combine(file, data, old);
  }
  if (bytes === undefined) return status(SW.conditionsNotSatisfied);
  return store(card, file, number, bytes, mode !== NUMBER);
}

/** Replaces, ANDs, ORs or XORs part of a record, whose length stays. */
function updatePart(card: Card, command: Apdu): Answer {
  const mode = command.p2 & 0x07;
  if (mode < NUMBER) return status(SW.wrongP1P2);
  const file = locate(card, command, AM.update);
  if (typeof file === "number") return status(file);
  const number = command.p1 === 0 ? card.record : command.p1;
  const old = read(card, file, number);
  if (old === undefined) return status(SW.recordNotFound);
  const part = partOf(command.data, false);
  if (part === undefined) return status(SW.wrongData);
  const { offset, content } = part;
  if (offset + content.length > old.length) return status(SW.noMemory);
  const bytes = old.slice();
  content.forEach((byte, at) => {
    const before = old[offset + at] ?? 0;
    bytes[offset + at] =
      mode === AND ? before & byte : mode === OR ? before | byte : mode === XOR ? before ^ byte : byte;
  });
  return store(card, file, number, bytes, false);
}

/** APPEND RECORD E2 (7.3.7). */
export function appendRecord(card: Card, command: Apdu): Answer {
  if (command.p1 !== 0 || (command.p2 & 0x07) !== 0) return status(SW.wrongP1P2);
  const file = locate(card, command, AM.append);
  if (typeof file === "number") return status(file);
  if (!fits(file, command.data)) return status(SW.wrongLength);
  if (file.descriptor === FDB.cyclic) return pushRecord(card, file, command.data);
  const number = lastRecord(file) + 1;
  return number > file.recordCount ? status(SW.noMemory) : store(card, file, number, command.data, true);
}

/** ERASE RECORD 0C (7.3.8). */
export function eraseRecord(card: Card, command: Apdu): Answer {
  const mode = command.p2 & 0x07;
  if (mode !== NUMBER && mode !== ALL_UP) return status(SW.wrongP1P2);
  if (command.data.length > 0) return status(SW.wrongLength);
  const file = locate(card, command, AM.update);
  if (typeof file === "number") return status(file);
  const from = command.p1 === 0 ? card.record : command.p1;
  if (lengthOf(file, from) === undefined) return status(SW.recordNotFound);
  const to = mode === NUMBER ? from : file.recordCount;
  if (file.descriptor === FDB.linearVariable) {
    // The description page is written as a whole: no transaction is needed for it alone.
    card.directory.save({ ...file, lengths: file.lengths.slice().fill(UNWRITTEN, from - 1, to) });
    return status(SW.ok);
  }
  const slots = Array.from({ length: to - from + 1 }, (_, at) => slotOf(file, from + at));
  const first = Math.min(...slots) * file.recordSize;
  const bytes = card.chip.read(file.body + first, (Math.max(...slots) + 1) * file.recordSize - first);
  for (const slot of slots) {
    const at = slot * file.recordSize - first;
    bytes.fill(erasedByte(file), at, at + file.recordSize);
  }
  card.write(file, first, bytes);
  return status(SW.ok);
}

/** SEARCH RECORD A2 (7.3.9). */
export function searchRecord(card: Card, command: Apdu): Answer {
  const mode = command.p2 & 0x07;
  if (mode < NUMBER || mode > ALL_DOWN) return status(SW.wrongP1P2);
  if (command.data.length === 0 || command.le === undefined) return status(SW.wrongLength);
  const file = locate(card, command, AM.read);
  if (typeof file === "number") return status(file);
  const search =
    mode === 6 ? enhanced(command.data) : { direction: mode, pattern: command.data, begins: () => 0 };
  if (search === undefined) return status(SW.wrongData);
  const { direction, pattern, begins } = search;
  // 4 and 5 from P1 itself, 6 and 7 from its neighbour; forward when even.
  const forward = (direction & 1) === 0;
  const start = command.p1 === 0 ? card.record : command.p1;
  if (start < 1 || start > file.recordCount) return status(SW.recordNotFound);
  const step = forward ? 1 : -1;
  const found: number[] = [];
  for (
    let number = direction > 5 ? start + step : start;
    number >= 1 && number <= file.recordCount;
    number += step
  ) {
    const record = read(card, file, number);
    if (record !== undefined && contains(record, pattern, begins(record))) found.push(number);
  }
  const [first] = found;
  if (first === undefined) return status(SW.endOfFile);
  card.record = first;
  return answer(Uint8Array.from(found).subarray(0, Math.min(command.le, room(card, command))));
}

interface Search {
  readonly direction: number;
  readonly pattern: Uint8Array;
  /** Where in a record the pattern may begin; undefined: nowhere. */
  readonly begins: (record: Uint8Array) => number | undefined;
}

function enhanced(data: Uint8Array): Search | undefined {
  const [indication = 0, second = 0, ...rest] = data;
  const direction = indication & 0x07;
  if ((indication & 0xf0) !== 0 || direction < 4 || rest.length === 0) return undefined;
  const afterByte = (indication & 0x08) !== 0;
  return {
    direction,
    pattern: data.subarray(2),
    begins: (record) => {
      if (!afterByte) return second;
      const at = record.indexOf(second);
      return at < 0 ? undefined : at + 1;
    },
  };
}

function contains(record: Uint8Array, pattern: Uint8Array, from: number | undefined): boolean {
  if (from === undefined) return false;
  for (let at = from; at + pattern.length <= record.length; at++) {
    if (pattern.every((byte, i) => byte === record[at + i])) return true;
  }
  return false;
}

function read(card: Card, file: File, number: number): Uint8Array | undefined {
  const length = lengthOf(file, number);
  return length === undefined
    ? undefined
    : card.chip.read(file.body + slotOf(file, number) * file.recordSize, length);
}

function locate(card: Card, { p2 }: Apdu, mode: number): File | number {
  const sfi = p2 >> 3;
  if (sfi === 0x1f) return SW.wrongP1P2;
  const file = target(card, sfi);
  if (typeof file === "number") return file;
  if (!RECORDS.includes(file.descriptor)) return SW.wrongStructure;
  const refusal = card.refusal(file, mode);
  return refusal === FREE ? file : refusal;
}
