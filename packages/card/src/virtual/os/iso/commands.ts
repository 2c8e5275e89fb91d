import type { Answer, Apdu } from "../command.js";
import { DRAW_REFERENCE_DATA } from "../../routines.js";
import type { Card } from "../card.js";
import {
  externalAuthenticate,
  getChallenge,
  internalAuthenticate,
  manageEnvironment,
} from "./authenticate.js";
import { eraseBinary, readBinary, searchBinary, updateBinary, writeBinary } from "./binary.js";
import { activateFile, createFile, deactivateFile, deleteFile, terminateDf, terminateEf } from "./manage.js";
import { getData, putData } from "./objects.js";
import { changeReferenceData, drawReferenceData, resetRetryCounter, verify } from "./pin.js";
import { appendRecord, eraseRecord, readRecord, searchRecord, updateRecord, writeRecord } from "./records.js";
import { select } from "./select.js";

export interface ImageCommand {
  readonly number: number;
  readonly run: (card: Card, command: Apdu) => Answer;
  /** Changes nothing: an answer longer than Ne gives 6CXX. */
  readonly repeatable?: true;
}

const READ_BINARY: ImageCommand = { number: 0x0a, run: readBinary };
const UPDATE_BINARY: ImageCommand = { number: 0x0b, run: updateBinary };
const READ_RECORD: ImageCommand = { number: 0x0c, run: readRecord, repeatable: true };
const UPDATE_RECORD: ImageCommand = { number: 0x0d, run: updateRecord };
const GET_DATA: ImageCommand = { number: 0x02, run: getData, repeatable: true };
const WRITE_BINARY: ImageCommand = { number: 0x21, run: writeBinary };
const ERASE_BINARY: ImageCommand = { number: 0x22, run: eraseBinary };
const SEARCH_BINARY: ImageCommand = { number: 0x23, run: searchBinary };
const PUT_DATA: ImageCommand = { number: 0x27, run: putData };

/** What machine code of an image does, by class without secure messaging and instruction. */
export const IMAGE_COMMANDS: ReadonlyMap<number, ImageCommand> = new Map<number, ImageCommand>([
  [0x00a4, { number: 0x01, run: select, repeatable: true }],
  [0x00ca, GET_DATA],
  [0x00cb, GET_DATA],
  [0x80ca, GET_DATA],
  [0x00e0, { number: 0x05, run: createFile }],
  [0x00e4, { number: 0x06, run: deleteFile }],
  [0x0044, { number: 0x07, run: activateFile }],
  [0x0004, { number: 0x08, run: deactivateFile }],
  [0x00b0, READ_BINARY],
  [0x00b1, READ_BINARY],
  [0x00d6, UPDATE_BINARY],
  [0x00d7, UPDATE_BINARY],
  [0x00b2, READ_RECORD],
  [0x00b3, READ_RECORD],
  [0x00dc, UPDATE_RECORD],
  [0x00dd, UPDATE_RECORD],
  [0x00e2, { number: 0x0e, run: appendRecord }],
  [0x0020, { number: 0x0f, run: verify }],
  [0x0024, { number: 0x10, run: changeReferenceData }],
  [0x002c, { number: 0x11, run: resetRetryCounter }],
  [0x0084, { number: 0x12, run: getChallenge }],
  [0x0088, { number: 0x13, run: internalAuthenticate }],
  [0x0082, { number: 0x14, run: externalAuthenticate }],
  [0x00d0, WRITE_BINARY],
  [0x00d1, WRITE_BINARY],
  [0x000e, ERASE_BINARY],
  [0x000f, ERASE_BINARY],
  [0x00a0, SEARCH_BINARY],
  [0x00a1, SEARCH_BINARY],
  [0x00d2, { number: 0x24, run: writeRecord }],
  [0x000c, { number: 0x25, run: eraseRecord }],
  [0x00a2, { number: 0x26, run: searchRecord }],
  [0x00da, PUT_DATA],
  [0x00db, PUT_DATA],
  [0x0022, { number: 0x28, run: manageEnvironment }],
  [0x00e6, { number: 0x29, run: terminateDf }],
  [0x00e8, { number: 0x2a, run: terminateEf }],
  [0x805e, { number: DRAW_REFERENCE_DATA, run: drawReferenceData }],
]);
