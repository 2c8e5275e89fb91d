import { concat, u16 } from "@persoline/card/bytes";
import type { ExpectedData, Judge, KeyRef, Part, ProvedKey, Step, SwPattern } from "@persoline/card/program";
import { type Fcp, MF, PIN_REFERENCE } from "./fcp.js";

/** The commands of the product's programs, one function each, with the answer they must get (docs/card-os.md). */
const ok: readonly SwPattern[] = [{ value: 0x9000, mask: 0xffff }];
const notFound: readonly SwPattern[] = [{ value: 0x6a82, mask: 0xffff }];
export const pageSize = 64;

const bytes = (...list: number[]): Uint8Array => Uint8Array.from(list);
const hexText = (value: number, digits: number): string =>
  value.toString(16).toUpperCase().padStart(digits, "0");

type Defaults = "sw" | "data" | "again" | "changes" | "cost";
const command = (step: Omit<Step, Defaults> & Partial<Pick<Step, Defaults>>): Step => ({
  sw: ok,
  data: [],
  again: "session",
  changes: false,
  cost: { pages: 0 },
  ...step,
});

/** AES blocks of a CMAC over so many bytes, with its subkeys. */
export const cmacBlocks = (length: number): number => Math.ceil(length / 16) + 1;
export const pagesTouched = (offset: number, length: number): number =>
  length === 0 ? 0 : Math.floor((offset + length - 1) / pageSize) - Math.floor(offset / pageSize) + 1;

/** Expected bytes of which only some count. */
const masked = (value: readonly number[], counts: readonly number[]): ExpectedData => ({
  value: Uint8Array.from(value),
  mask: Uint8Array.from(value, (_, at) => (counts.includes(at) ? 0xff : 0)),
});

export const chipNumber = (): Step =>
  command({
    cla: 0x80,
    ins: 0xca,
    p1: 0x00,
    p2: 0xcf,
    le: 256,
    answer: masked([0xcf, 0x0a, ...Array.from({ length: 10 }, () => 0)], [0, 1]),
    again: "same",
    why: "read the chip number",
    clause: "docs/card-os.md 2, GET DATA chip number",
  });

/** What of the chip status must be so; the rest is not looked at. */
export interface ChipStatus {
  readonly phase: number;
  readonly rom?: { readonly major: number; readonly minor: number };
  readonly os?: { readonly major: number; readonly minor: number };
  readonly loaderTries?: number;
  readonly memory?: boolean;
  readonly cardState?: number;
}

export function chipStatus(expected: ChipStatus, why: string): Step {
  const value = [0xdf, 0x01, 0x0b, expected.phase, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
  const counts = [0, 1, 2, 3];
  const must = (at: number, ...wanted: number[]): void =>
    wanted.forEach((byte, i) => {
      value[at + i] = byte;
      counts.push(at + i);
    });
  if (expected.rom !== undefined) must(4, expected.rom.major, expected.rom.minor);
  if (expected.os !== undefined) must(6, expected.os.major, expected.os.minor);
  if (expected.loaderTries !== undefined) must(8, expected.loaderTries);
  if (expected.memory === true) must(9, 0x02, 0x00, pageSize);
  if (expected.cardState !== undefined) must(12, expected.cardState);
  return command({
    cla: 0x80,
    ins: 0xca,
    p1: 0xdf,
    p2: 0x01,
    le: 256,
    answer: masked(value, counts),
    again: "same",
    why,
    clause: "docs/card-os.md 2, GET DATA chip status",
  });
}

export const testRam = (): Step =>
  command({
    cla: 0x80,
    ins: 0x12,
    p1: 0,
    p2: 0,
    again: "same",
    reject: "ram-fault",
    cost: { pages: 0, micros: 2 * 2048 },
    why: "write 55, then AA over the whole RAM and read it back",
    clause: "docs/card-os.md 2, TEST RAM",
  });

export const romChecksum = (expected: Uint8Array): Step =>
  command({
    cla: 0x80,
    ins: 0x14,
    p1: 0,
    p2: 0,
    le: 4,
    answer: { value: expected },
    again: "same",
    reject: "rom-fault",
    cost: { pages: 0, micros: 819.2 },
    why: "checksum of the ROM",
    clause: "docs/card-os.md 2, ROM CHECKSUM",
  });

/** Both chessboards, with the shortened pulse: the same defects show in a tenth of the time. */
export const testEeprom = (pattern: "chessboard" | "inverse", first: number, count: number): Step =>
  command({
    cla: 0x80,
    ins: 0x18,
    p1: pattern === "chessboard" ? 0x01 : 0x02,
    p2: 0x01,
    data: [concat(u16(first), u16(count))],
    again: "same",
    changes: true,
    reject: "eeprom-fault",
    cost: { pages: count, shortPulse: true },
    why: `write and read back the ${pattern === "chessboard" ? "chessboard" : "inverse chessboard"} on pages ${first} to ${first + count - 1}, shortened pulse`,
    clause: "docs/card-os.md 2, TEST EEPROM",
  });

export const loadBlock = (address: number, block: Uint8Array): Step =>
  command({
    cla: 0x84,
    ins: 0xd6,
    p1: address >> 8,
    p2: address & 0xff,
    data: [block],
    changes: true,
    cost: { pages: pagesTouched(address, block.length) },
    why: `load ${block.length} bytes of the operating system to ${hexText(address, 4)}`,
    clause: "docs/card-os.md 2, LOAD BLOCK",
  });

export const loadKeys = (keys: KeyRef, kvn: number): Step =>
  command({
    cla: 0x84,
    ins: 0xd8,
    p1: 0,
    p2: kvn,
    data: [{ secret: "key-set", keys, kvn }],
    changes: true,
    cost: { pages: 2, aesBlocks: 6 },
    why: `load the card's own initial key set as version ${hexText(kvn, 2)}`,
    clause: "docs/card-os.md 2, LOAD KEYS",
  });

export const activateSystem = (start: number, length: number, crc: number): Step =>
  command({
    cla: 0x84,
    ins: 0x44,
    p1: 0,
    p2: 0,
    data: [concat(u16(start), u16(length), u16(crc >>> 16), u16(crc & 0xffff))],
    again: "never",
    changes: true,
    cost: { pages: 2, micros: length * 0.1 },
    why: "switch to the completed operating system; the loader key is destroyed",
    clause: "docs/card-os.md 2, ACTIVATE",
  });

/** A file as the planner names it: where it lies, and for people. */
export interface Place {
  /** Without 3F00; empty for the MF. */
  readonly path: readonly number[];
  readonly label: string;
}

/** SELECT with FCP; the path begins at the MF wherever the card stands. */
function selectPlace(place: Place, answer: ExpectedData, why: string): Step {
  const { path } = place;
  return command({
    cla: 0x00,
    ins: 0xa4,
    p1: path.length === 0 ? 0x00 : 0x08,
    p2: 0x04,
    data: [path.length === 0 ? u16(MF) : concat(...path.map((fid) => u16(fid)))],
    le: 256,
    answer,
    again: "same",
    why,
    clause: "ISO/IEC 7816-4 7.1.1, SELECT",
  });
}

/** Whether a file is there just as planned; SELECT leaves it current, as CREATE FILE does. */
export const createFile = (place: Place, fcp: Fcp, pages: number): Step =>
  command({
    cla: 0x00,
    ins: 0xe0,
    p1: 0,
    p2: 0,
    data: [fcp.create],
    again: "probe",
    changes: true,
    cost: { pages },
    why: `create ${place.label}`,
    clause: "ISO/IEC 7816-9, CREATE FILE; docs/card-os.md 5",
    probe: {
      ask: [selectPlace(place, { value: fcp.created }, `is ${place.label} there as planned?`)],
      absent: notFound,
    },
  });

/** Whether a file is active already: then its rules apply, and what had to be written before is written. */
export function activeProbe(place: Place, fcp: Fcp): NonNullable<Step["probe"]> {
  return {
    ask: [selectPlace(place, { value: fcp.active }, `is ${place.label} active?`)],
    absent: ok,
  };
}

export const activateFile = (place: Place, fid: number, probe: NonNullable<Step["probe"]>): Step =>
  command({
    cla: 0x00,
    ins: 0x44,
    p1: 0,
    p2: 0,
    data: [u16(fid)],
    again: "probe",
    changes: true,
    cost: { pages: 1 },
    why: `activate ${place.label}: its access rules apply from now on`,
    clause: "ISO/IEC 7816-9, ACTIVATE FILE",
    probe,
  });

export const selectDf = (aid: Uint8Array, name: string): Step =>
  command({
    cla: 0x00,
    ins: 0xa4,
    p1: 0x04,
    p2: 0x0c,
    data: [aid],
    why: `select DF ${name}`,
    clause: "ISO/IEC 7816-4 7.1.1, SELECT by DF name",
  });

export const selectMf = (): Step =>
  command({
    cla: 0x00,
    ins: 0xa4,
    p1: 0x00,
    p2: 0x0c,
    data: [u16(MF)],
    why: "go back to the MF",
    clause: "ISO/IEC 7816-4 7.1.1, SELECT by file identifier",
  });

/** Where in an EF; `sfi` only for the first block, which makes the EF current. */
interface Target {
  readonly place: Place;
  readonly active: NonNullable<Step["probe"]>;
  readonly sfi?: number;
}

export const updateBinary = (
  target: Target,
  offset: number,
  block: Uint8Array,
  resume: "activated" | "common",
): Step =>
  command({
    cla: 0x00,
    ins: 0xd6,
    p1: target.sfi === undefined ? offset >> 8 : 0x80 | target.sfi,
    p2: offset & 0xff,
    data: [block],
    changes: true,
    cost: { pages: pagesTouched(offset, block.length) },
    why: `write ${block.length} bytes to ${target.place.label} from byte ${offset}`,
    clause: "ISO/IEC 7816-4 7.2.5, UPDATE BINARY",
    ...onceActive(target, resume),
  });

export const updateRecord = (
  target: Target & { readonly sfi: number },
  number: number,
  record: Uint8Array,
  resume: "activated" | "common",
): Step =>
  command({
    cla: 0x00,
    ins: 0xdc,
    p1: number,
    p2: (target.sfi << 3) | 0x04,
    data: [record],
    changes: true,
    cost: { pages: pagesTouched((number - 1) * record.length, record.length) },
    why: `write EF record ${number} of ${target.place.label}`,
    clause: "ISO/IEC 7816-4 7.3.5, UPDATE RECORD",
    ...onceActive(target, resume),
  });

/** A write that ACTIVATE FILE follows in the same session: done for good once the file is active, whose rules may forbid it. */
const onceActive = (target: Target, resume: "activated" | "common"): Partial<Step> =>
  resume === "activated" ? { again: "probe", probe: target.active } : {};

export const putDfKey = (keys: KeyRef, kid: number, kvn: number, use: string): Step =>
  command({
    cla: 0x80,
    ins: 0xd8,
    p1: 0x00,
    p2: kid,
    data: [{ secret: "key", keys, kid, kvn }],
    le: 256,
    answer: masked([kvn, 0, 0, 0], [0]),
    changes: true,
    cost: { pages: 2, aesBlocks: 2 },
    why: `load the key ${use} (${hexText(kid, 2)})`,
    clause: "docs/card-os.md 4, PUT KEY",
  });

export const putKeySet = (keys: KeyRef, kvn: number, replaces: number): Step =>
  command({
    cla: 0x80,
    ins: 0xd8,
    p1: replaces,
    p2: 0x81,
    data: [{ secret: "key-set", keys, kvn }],
    le: 256,
    answer: masked([kvn, ...Array.from({ length: 9 }, () => 0)], [0]),
    again: "probe",
    changes: true,
    cost: { pages: 2, aesBlocks: 6 },
    why: `install the issuer's keys as version ${hexText(kvn, 2)}; version ${hexText(replaces, 2)} is gone`,
    clause: "GlobalPlatform 2.3.1 11.8, PUT KEY",
    probe: { ask: [keyInformation(kvn)], absent: ok },
  });

export const keyInformation = (kvn: number): Step =>
  command({
    cla: 0x80,
    ins: 0xca,
    p1: 0x00,
    p2: 0xe0,
    le: 256,
    answer: {
      value: bytes(0xe0, 0x12, ...[1, 2, 3].flatMap((kid) => [0xc0, 0x04, kid, kvn, 0x88, 0x10])),
    },
    again: "same",
    why: `is the key set version ${hexText(kvn, 2)} there?`,
    clause: "GlobalPlatform 2.3.1 11.3.3.1, GET DATA key information",
  });

export const setPin = (pin: string, length: number, tries: number): Step =>
  command({
    cla: 0x00,
    ins: 0x24,
    p1: 0x01,
    p2: PIN_REFERENCE,
    data: [{ secret: "pin", pin, tries }],
    changes: true,
    cost: { pages: 2, aesBlocks: 1 },
    why: `set the PIN (${length} digits, ${tries} tries)`,
    clause: "docs/card-os.md 4, CHANGE REFERENCE DATA",
  });

/** Sent again after an interruption: the card has another PIN then, and nobody has kept the one before. */
export const drawPin = (pin: string, length: number, tries: number): Step =>
  command({
    cla: 0x80,
    ins: 0x5e,
    p1: 0x00,
    p2: PIN_REFERENCE,
    data: [bytes(tries, length)],
    le: 256,
    draws: { pin, length },
    changes: true,
    cost: { pages: 2, answer: 8 },
    why: `the card draws its PIN (${length} digits, ${tries} tries) and tells it once, to the security module`,
    clause: "docs/card-os.md 10.7, DRAW REFERENCE DATA",
  });

export const setStatus = (state: 0x07 | 0x0f, done: Step): Step =>
  command({
    cla: 0x80,
    ins: 0xf0,
    p1: 0x80,
    p2: state,
    again: "probe",
    changes: true,
    cost: { pages: 1 },
    why: state === 0x07 ? "card state INITIALIZED" : "card state SECURED",
    clause: "GlobalPlatform 2.3.1 11.10, SET STATUS",
    probe: { ask: [done], absent: ok },
  });

export const readBinary = (
  sfi: number | undefined,
  offset: number,
  content: Uint8Array,
  label: string,
): Step =>
  command({
    cla: 0x00,
    ins: 0xb0,
    p1: sfi === undefined ? offset >> 8 : 0x80 | sfi,
    p2: offset & 0xff,
    le: content.length,
    answer: { value: content },
    why: `read ${content.length} bytes of ${label} from byte ${offset} and compare`,
    clause: "ISO/IEC 7816-4 7.2.3, READ BINARY",
  });

export const readRecord = (sfi: number, number: number, record: Uint8Array, label: string): Step =>
  command({
    cla: 0x00,
    ins: 0xb2,
    p1: number,
    p2: (sfi << 3) | 0x04,
    le: record.length,
    answer: { value: record },
    why: `read EF record ${number} of ${label} and compare`,
    clause: "ISO/IEC 7816-4 7.3.3, READ RECORD",
  });

export const challenge: Part = { secret: "challenge" };

/** The card proves an EF's whole content without letting anyone read it. */
export const proveFile = (judge: Extract<Judge, { proof: "file" }>, label: string): Step =>
  command({
    cla: 0x80,
    ins: 0x5c,
    p1: judge.fid >> 8,
    p2: judge.fid & 0xff,
    data: [bytes(judge.kid), challenge],
    le: 256,
    judge,
    cost: { pages: 0, aesBlocks: cmacBlocks(1 + 10 + 16 + 2 + 2 + judge.content.length) },
    why: `prove the content of ${label}`,
    clause: "docs/card-os.md 6, PROVE FILE",
  });

export const internalAuthenticate = (key: ProvedKey, why = "the card proves the key of the gates"): Step =>
  command({
    cla: 0x00,
    ins: 0x88,
    p1: 0x00,
    p2: key.kid,
    data: [challenge],
    le: 256,
    judge: { proof: "internal", ...key },
    cost: { pages: 0, aesBlocks: cmacBlocks(1 + 10 + 16) },
    why,
    clause: "docs/card-os.md 6, INTERNAL AUTHENTICATE",
  });

/** VERIFY without data costs no try and tells how many there are. */
export const pinState = (tries: number): Step =>
  command({
    cla: 0x00,
    ins: 0x20,
    p1: 0x00,
    p2: PIN_REFERENCE,
    sw: [{ value: 0x63c0 | tries, mask: 0xffff }],
    reject: "wrong-answer",
    why: `the PIN is set and has all its ${tries} tries`,
    clause: "ISO/IEC 7816-4 7.5.6, VERIFY without data",
  });

/** The same of a PIN whose limit only its issuer knows. */
export const pinSet = (): Step => ({
  ...pinState(1),
  sw: Array.from({ length: 15 }, (_, at) => ({ value: 0x63c1 + at, mask: 0xffff })),
  why: "the PIN is set and has tries",
});

/** `dfs`: with the MF. The phase, the key set, the pairs of all DFs, the transaction buffer (docs/card-os.md 1). */
export const terminateCard = (dfs: number): Step =>
  command({
    cla: 0x00,
    ins: 0xfe,
    p1: 0,
    p2: 0,
    again: "never",
    changes: true,
    cost: { pages: 8 + 2 * dfs },
    why: "terminate the card for ever; it erases its keys and PINs",
    clause: "ISO/IEC 7816-9, TERMINATE CARD USAGE; docs/card-os.md 1",
  });
