import { routine } from "../routines.js";
import { type Answer, type Apdu, SW, answer, status } from "./command.js";
import { type Card, FREE } from "./card.js";
import { FDB, type File, UNWRITTEN, isDf } from "./directory.js";
import { DESCRIPTION } from "./layout.js";
import { AM } from "./rules.js";
import { target } from "./selection.js";

const FIRST = 0;
const LAST = 1;
const NEXT = 2;
const PREVIOUS = 3;
const NUMBER = 4;

/** READ RECORD, one record (ISO/IEC 7816-4, 7.3.3). */
export function readRecord(card: Card, command: Apdu): Answer {
  if (command.data.length > 0 || command.le === undefined) return status(SW.wrongLength);
  const file = locate(card, command, AM.read);
  if (typeof file === "number") return status(file);
  const number = recordNumber(card, file, command);
  if (number === undefined) return status(SW.wrongP1P2);
  const length = lengthOf(file, number);
  if (length === undefined) return status(SW.recordNotFound);
  if (card.secured && length > (card.channel?.room ?? 256)) return status(SW.wrongLength);
  if ((command.p2 & 0x07) !== NUMBER) card.record = number;
  return answer(card.chip.read(file.body + slotOf(file, number) * file.recordSize, length));
}

/** UPDATE RECORD (ISO/IEC 7816-4, 7.3.5). "Previous" on a cyclic EF writes the oldest, which becomes record 1. */
export function updateRecord(card: Card, command: Apdu): Answer {
  const file = locate(card, command, AM.update);
  if (typeof file === "number") return status(file);
  const { p1, p2, data } = command;
  if (!fits(file, data)) return status(SW.wrongLength);
  if (file.descriptor === FDB.cyclic && (p2 & 0x07) === PREVIOUS && p1 === 0)
    return pushRecord(card, file, data);
  const number = recordNumber(card, file, command);
  if (number === undefined) return status(SW.wrongP1P2);
  if (number < 1 || number > file.recordCount) return status(SW.recordNotFound);
  return writeRecord(card, file, number, data, (p2 & 0x07) !== NUMBER);
}

/** APPEND RECORD (ISO/IEC 7816-4, 7.3.7): the next record of a linear variable EF, record 1 of a cyclic one. */
export function appendRecord(card: Card, command: Apdu): Answer {
  if (command.p1 !== 0 || (command.p2 & 0x07) !== 0) return status(SW.wrongP1P2);
  const file = locate(card, command, AM.append);
  if (typeof file === "number") return status(file);
  if (!fits(file, command.data)) return status(SW.wrongLength);
  if (file.descriptor === FDB.cyclic) return pushRecord(card, file, command.data);
  const number = lastRecord(file) + 1;
  if (number > file.recordCount) return status(SW.noMemory);
  return writeRecord(card, file, number, command.data, true);
}

/** Number and bytes of every record that exists, from record 1 on. */
export function allRecords(card: Card, file: File): Uint8Array[] {
  const body = card.chip.read(file.body, file.size);
  const records: Uint8Array[] = [];
  for (let number = 1; number <= file.recordCount; number++) {
    const length = lengthOf(file, number);
    const from = slotOf(file, number) * file.recordSize;
    if (length !== undefined) records.push(body.subarray(from, from + length));
  }
  return records;
}

function locate(card: Card, { p2 }: Apdu, mode: number): File | number {
  const sfi = p2 >> 3;
  if (sfi === 0x1f || (p2 & 0x07) > NUMBER) return SW.wrongP1P2;
  const file = target(card, sfi);
  if (typeof file === "number") return file;
  if (isDf(file) || file.descriptor === FDB.transparent) return SW.wrongStructure;
  const refusal = card.refusal(file, mode);
  return refusal === FREE ? file : refusal;
}

/** Undefined: P1 does not go with the mode. A number that no record has comes back as it is. */
export function recordNumber(card: Card, file: File, { p1, p2 }: Apdu): number | undefined {
  const mode = p2 & 0x07;
  if (mode === NUMBER) return p1 === 0 ? card.record : p1;
  if (p1 !== 0) return undefined;
  const last = lastRecord(file);
  const { record } = card;
  switch (mode) {
    case FIRST:
      return 1;
    case LAST:
      return last;
    case NEXT:
      return record === 0 ? 1 : record + 1;
    default:
      return record === 0 ? last : record - 1;
  }
}

export const slotOf = (file: File, number: number): number =>
  file.descriptor === FDB.cyclic ? (file.head + number - 1) % file.recordCount : number - 1;

/** Undefined: the record does not exist. */
export function lengthOf(file: File, number: number): number | undefined {
  if (number < 1 || number > file.recordCount) return undefined;
  if (file.descriptor !== FDB.linearVariable) return file.recordSize;
  const length = file.lengths[number - 1];
  return length === UNWRITTEN ? undefined : length;
}

/** The highest number written; 0: none. Records of linear fixed and cyclic EFs exist from the start. */
export function lastRecord(file: File): number {
  let number = file.recordCount;
  while (number > 0 && lengthOf(file, number) === undefined) number--;
  return number;
}

export const fits = (file: File, data: Uint8Array): boolean =>
  file.descriptor === FDB.linearVariable
    ? data.length > 0 && data.length <= file.recordSize
    : data.length === file.recordSize;

export function writeRecord(
  card: Card,
  file: File,
  record: number,
  data: Uint8Array,
  moves: boolean,
): Answer {
  const offset = slotOf(file, record) * file.recordSize;
  if (file.descriptor === FDB.linearVariable) {
    card.write(file, offset, data, { kind: "length", record, length: data.length });
  } else {
    card.write(file, offset, data);
  }
  if (moves) card.record = record;
  return status(SW.ok);
}

export function pushRecord(card: Card, file: File, data: Uint8Array): Answer {
  const find = card.chip.routine(routine.cyclicSlot);
  if (find === undefined) return status(SW.notSupported);
  const slot = find(card.directory.address(file) + DESCRIPTION.head);
  // An image's routine is not the ROM's: whatever it says, no byte outside this file is written.
  if (!Number.isInteger(slot) || slot < 0 || slot >= file.recordCount)
    return status(SW.conditionsNotSatisfied);
  card.write(file, slot * file.recordSize, data, { kind: "head", slot });
  card.record = 1;
  return status(SW.ok);
}
