/** The native commands that personalization and gates need, each as data for a session (or, unauthenticated, for `bare`). */
import type { Command } from "../apdu/index.js";
import { CardProblem, concat, xor } from "../bytes/index.js";
import { crc32Native } from "./crc.js";
import { type CommMode, i32le, type NativeCommand, native, u24le } from "./native.js";

/** Key number 0 to 13, or who needs none ("free": anyone, "never": nobody). */
export type Right = number | "free" | "never";

export interface FileRights {
  readonly read: Right;
  readonly write: Right;
  readonly readWrite: Right;
  readonly change: Right;
}

export type FileSpec = { readonly file: number; readonly comm: CommMode; readonly rights: FileRights } & (
  | { readonly kind: "standard" | "backup"; readonly size: number }
  | {
      readonly kind: "value";
      readonly lower: number;
      readonly upper: number;
      readonly value: number;
      readonly limitedCredit: boolean;
    }
  | { readonly kind: "linear" | "cyclic"; readonly recordSize: number; readonly records: number }
);

const managed = { send: "session", receive: "session" } as const;
const byte = (...bytes: readonly number[]): Uint8Array => Uint8Array.from(bytes);

/** A command outside any session. */
export function bare({ ins, header, data }: NativeCommand): Command {
  return native(ins, concat(header ?? byte(), data ?? byte()));
}

export const getVersion: NativeCommand = { ins: 0x60, ...managed };
export const getApplicationIds: NativeCommand = { ins: 0x6a, ...managed };
export const getFileIds: NativeCommand = { ins: 0x6f, ...managed };
export const getFreeMemory: NativeCommand = { ins: 0x6e, ...managed };
export const getKeySettings: NativeCommand = { ins: 0x45, ...managed };
export const commitTransaction: NativeCommand = { ins: 0xc7, ...managed };
export const abortTransaction: NativeCommand = { ins: 0xa7, ...managed };
export const formatPicc: NativeCommand = { ins: 0xfc, ...managed };
/** The true UID, also of a card that shows a random one. */
export const getCardUid: NativeCommand = { ins: 0x51, send: "session", receive: "full", answerLength: 7 };

/** AID 000000 is the card itself. Ends any session. */
export function selectApplication(aid: number): NativeCommand {
  return { ins: 0x5a, data: u24le(aid), send: "plain", receive: "plain" };
}

/** Application of `keys` AES keys (1 to 14). `settings`: key settings byte (see `keySettings`). */
export function createApplication(aid: number, settings: number, keys: number): NativeCommand {
  if (!Number.isInteger(keys) || keys < 1 || keys > 14)
    throw new CardProblem("bad-value", "CreateApplication", `an application has 1 to 14 keys, not ${keys}`);
  return { ins: 0xca, data: concat(u24le(aid), byte(settings, 0x80 | keys)), ...managed };
}

export function deleteApplication(aid: number): NativeCommand {
  return { ins: 0xda, data: u24le(aid), ...managed };
}

/** Key settings: who may change keys, and what is possible without the master key. */
export function keySettings(wanted: {
  /** Key number that changes keys; "same": each key changes itself; "frozen": none but the master key. 0: the master key. */
  readonly changeKeys: number | "same" | "frozen";
  readonly masterKeyChangeable: boolean;
  readonly freeDirectory: boolean;
  readonly freeCreateDelete: boolean;
  readonly changeable: boolean;
}): number {
  const who = wanted.changeKeys === "same" ? 0xe : wanted.changeKeys === "frozen" ? 0xf : wanted.changeKeys;
  const bits = [wanted.masterKeyChangeable, wanted.freeDirectory, wanted.freeCreateDelete, wanted.changeable];
  return (who << 4) | bits.reduce((all, set, at) => all | (set ? 1 << at : 0), 0);
}

export function changeKeySettings(settings: number): NativeCommand {
  return { ins: 0x54, data: byte(settings), send: "full", receive: "session" };
}

export function getKeyVersion(key: number): NativeCommand {
  return { ins: 0x64, header: byte(key), ...managed };
}

const modes: Readonly<Record<CommMode, number>> = { plain: 0x00, mac: 0x01, full: 0x03 };
const nibble = (right: Right): number => (right === "free" ? 0xe : right === "never" ? 0xf : right);

/** Communication mode and access rights as CreateFile and ChangeFileSettings take them: 3 bytes. */
function access({ comm, rights }: { readonly comm: CommMode; readonly rights: FileRights }): Uint8Array {
  const { read, write, readWrite, change } = rights;
  return byte(modes[comm], (nibble(readWrite) << 4) | nibble(change), (nibble(read) << 4) | nibble(write));
}

export function createFile(spec: FileSpec): NativeCommand {
  const head = concat(byte(spec.file), access(spec));
  switch (spec.kind) {
    case "standard":
    case "backup":
      return {
        ins: spec.kind === "standard" ? 0xcd : 0xcb,
        data: concat(head, u24le(spec.size)),
        ...managed,
      };
    case "value": {
      const limits = concat(i32le(spec.lower), i32le(spec.upper), i32le(spec.value));
      return { ins: 0xcc, data: concat(head, limits, byte(spec.limitedCredit ? 1 : 0)), ...managed };
    }
    default: {
      const sizes = concat(u24le(spec.recordSize), u24le(spec.records));
      return { ins: spec.kind === "linear" ? 0xc1 : 0xc0, data: concat(head, sizes), ...managed };
    }
  }
}

export function getFileSettings(file: number): NativeCommand {
  return { ins: 0xf5, header: byte(file), ...managed };
}

/** `free`: the file's change right is "free", so that the new settings go in clear. */
export function changeFileSettings(
  file: number,
  wanted: { readonly comm: CommMode; readonly rights: FileRights },
  free = false,
): NativeCommand {
  return {
    ins: 0x5f,
    header: byte(file),
    data: access(wanted),
    send: free ? "session" : "full",
    receive: "session",
  };
}

export function deleteFile(file: number): NativeCommand {
  return { ins: 0xdf, header: byte(file), ...managed };
}

export function writeData(file: number, offset: number, data: Uint8Array, comm: CommMode): NativeCommand {
  const header = concat(byte(file), u24le(offset), u24le(data.length));
  return { ins: 0x3d, header, data, send: comm, receive: comm === "plain" ? "plain" : "mac" };
}

/** `length` 0: up to the end, which an enciphered answer of EV1 cannot tell. */
export function readData(file: number, offset: number, length: number, comm: CommMode): NativeCommand {
  const header = concat(byte(file), u24le(offset), u24le(length));
  const known = length === 0 ? {} : { answerLength: length };
  return { ins: 0xbd, header, send: comm === "plain" ? "plain" : "session", receive: comm, ...known };
}

export function writeRecord(file: number, offset: number, data: Uint8Array, comm: CommMode): NativeCommand {
  return { ...writeData(file, offset, data, comm), ins: 0x3b };
}

/**
 * `newest`: 0 is the newest record; `count` 0: all from there on, oldest first. `recordSize`: of the file, for an enciphered answer of EV1.
 */
export function readRecords(ask: {
  readonly file: number;
  readonly newest: number;
  readonly count: number;
  readonly comm: CommMode;
  readonly recordSize: number;
}): NativeCommand {
  const { file, newest, count, comm, recordSize } = ask;
  const header = concat(byte(file), u24le(newest), u24le(count));
  const known = count === 0 ? {} : { answerLength: count * recordSize };
  return { ins: 0xbb, header, send: comm === "plain" ? "plain" : "session", receive: comm, ...known };
}

export function clearRecordFile(file: number): NativeCommand {
  return { ins: 0xeb, header: byte(file), ...managed };
}

export function getValue(file: number, comm: CommMode): NativeCommand {
  return {
    ins: 0x6c,
    header: byte(file),
    send: comm === "plain" ? "plain" : "session",
    receive: comm,
    answerLength: 4,
  };
}

/** Credit (0C) or debit (DC) by an amount from 0 up; it counts after CommitTransaction. */
export function changeValue(
  kind: "credit" | "debit",
  file: number,
  amount: number,
  comm: CommMode,
): NativeCommand {
  const ins = kind === "credit" ? 0x0c : 0xdc;
  return {
    ins,
    header: byte(file),
    data: i32le(amount),
    send: comm,
    receive: comm === "plain" ? "plain" : "mac",
  };
}

/** SetConfiguration, option 00: bit 0 forbids FormatPICC, bit 1 makes the UID random. Neither can be taken back. */
export function setConfiguration(bits: {
  readonly noFormat: boolean;
  readonly randomUid: boolean;
}): NativeCommand {
  const value = (bits.noFormat ? 1 : 0) | (bits.randomUid ? 2 : 0);
  return { ins: 0x5c, header: byte(0), data: byte(value), send: "full", receive: "session" };
}

/**
 * ChangeKey of an AES key. `authenticated`: the session's key number; changing that one ends the session. `old`: the present value of
 * another key, which the card must find in the difference. `piccMaster`: of the card itself, key number with the AES mark 80.
 */
export function changeKey(ask: {
  readonly key: number;
  readonly authenticated: number;
  readonly value: Uint8Array;
  readonly version: number;
  readonly old?: Uint8Array;
  readonly piccMaster?: boolean;
}): NativeCommand {
  const { key, authenticated, value, version, old } = ask;
  if (value.length !== 16)
    throw new CardProblem("bad-key", "ChangeKey", `an AES key has 16 bytes, not ${value.length}`);
  const header = byte(ask.piccMaster === true ? key | 0x80 : key);
  if (key === authenticated) {
    const data = concat(value, byte(version));
    return { ins: 0xc4, header, data, send: "full", receive: "plain", endsSession: true };
  }
  if (old === undefined)
    throw new CardProblem(
      "bad-key",
      "ChangeKey",
      "another key than the session's is changed by its difference",
    );
  const data = concat(xor(value, old), byte(version));
  return { ins: 0xc4, header, data, trailer: crc32Native(value), send: "full", receive: "session" };
}
