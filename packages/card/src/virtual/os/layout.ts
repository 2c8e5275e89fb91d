/** Where files lie in EEPROM (docs/card-os.md 1 and 5); addresses and lengths in bytes. */
import { layout, pageSize } from "../layout.js";

/** Directory: one pair of description pages a file. */
export const DIRECTORY = layout.files;
export const ENTRIES = 40;
/** Bodies of EFs, and the page pairs of DFs with their keys and PIN. */
export const BODIES = DIRECTORY + ENTRIES * 2 * pageSize;
/** The new content of the pages that a transaction changes. */
export const BUFFER = 0x7ec0;
export const BUFFER_PAGES = 5;

/** Offsets in a description page; integers most significant byte first. */
export const DESCRIPTION = {
  sequence: 0, // 2
  descriptor: 2, // file descriptor byte; 00: deleted
  lifeCycle: 3,
  fid: 4, // 2
  parent: 6, // directory entry of the DF above; FF: the MF
  sfi: 7, // 0: none; b8: the file descriptor has its data coding byte; b7: compact security attributes
  bodyPage: 8, // 2, physical page number
  size: 10, // 2, bytes
  recordSize: 12,
  head: 13, // cyclic: slot of record 1, the newest; the cyclic slot finder reads it and the next byte
  recordCount: 14,
  nameLength: 15, // b8 b7: what WRITE does
  rulesLength: 16,
  rest: 17, // DF name, AB, linear variable: the length of each record (FF: unwritten)
  crc: 60, // 4
} as const;
export const REST = DESCRIPTION.crc - DESCRIPTION.rest;
