import { CardProblem, concat, hex, readU16, u16 } from "../bytes/index.js";
import { type StatusWord, statusWord } from "./status.js";

/** A command APDU (ISO/IEC 7816-4, 5.1). `le` is Ne, the number of bytes expected: 1..65536, absent for none; 256 and 65536 mean "all". */
export interface Command {
  readonly cla: number;
  readonly ins: number;
  readonly p1: number;
  readonly p2: number;
  /** 0..65535 bytes; absent and empty mean the same. */
  readonly data?: Uint8Array;
  readonly le?: number;
}

/** A response APDU. */
export interface Response {
  readonly data: Uint8Array;
  readonly sw: StatusWord;
}

/**
 * Bytes of a command, in short length when it fits (`extended` true or false forces one form).
 * Throws CardProblem `bad-apdu` for impossible headers, and `too-long` when it does not fit.
 */
export function encodeCommand(command: Command, form: { readonly extended?: boolean } = {}): Uint8Array {
  checkHeader(command);
  const { cla, ins, p1, p2, le } = command;
  const data = command.data ?? new Uint8Array(0);
  const where = nameOf(command);
  if (le !== undefined && (!Number.isInteger(le) || le < 1 || le > 65536)) {
    throw new CardProblem("bad-apdu", where, `Ne ${le} is not a number from 1 to 65536`);
  }
  if (data.length > 65535)
    throw new CardProblem("too-long", where, `${data.length} data bytes are more than 65535`);
  const fitsShort = data.length <= 255 && (le ?? 0) <= 256;
  const extended = form.extended ?? !fitsShort;
  if (!extended && !fitsShort) {
    throw new CardProblem(
      "too-long",
      where,
      `${data.length} data bytes with Ne ${le ?? 0} need extended length`,
    );
  }
  const header = Uint8Array.of(cla, ins, p1, p2);
  if (!extended) {
    const lc = data.length === 0 ? [] : [data.length];
    return concat(header, Uint8Array.from(lc), data, Uint8Array.from(le === undefined ? [] : [le & 0xff]));
  }
  const leBytes = le === undefined ? new Uint8Array(0) : u16(le & 0xffff);
  if (data.length > 0) return concat(header, Uint8Array.of(0), u16(data.length), data, leBytes);
  return le === undefined ? header : concat(header, Uint8Array.of(0), leBytes);
}

/** Strict inverse of `encodeCommand`, both forms. The data is a view of the input. Throws CardProblem `bad-apdu`. */
export function decodeCommand(bytes: Uint8Array): Command {
  const [cla, ins, p1, p2] = bytes;
  if (cla === undefined || ins === undefined || p1 === undefined || p2 === undefined) {
    throw new CardProblem("bad-apdu", "command", `${bytes.length} bytes are less than a header`);
  }
  const header = { cla, ins, p1, p2 };
  checkHeader(header);
  const where = nameOf(header);
  const first = bytes[4];
  if (first === undefined) return header;
  if (bytes.length === 5) return { ...header, le: first === 0 ? 256 : first };
  if (first !== 0) {
    const data = bytes.subarray(5, 5 + first);
    if (bytes.length === 5 + first) return { ...header, data };
    const le = bytes[5 + first];
    if (bytes.length === 6 + first && le !== undefined) return { ...header, data, le: le === 0 ? 256 : le };
    throw new CardProblem("bad-apdu", where, `${bytes.length} bytes do not agree with Lc ${first}`);
  }
  if (bytes.length < 7) throw new CardProblem("bad-apdu", where, "an extended length is cut off");
  const length = readU16(bytes, 5);
  if (bytes.length === 7) return { ...header, le: length === 0 ? 65536 : length };
  if (length === 0) throw new CardProblem("bad-apdu", where, "extended Lc is zero");
  const data = bytes.subarray(7, 7 + length);
  if (bytes.length === 7 + length) return { ...header, data };
  if (bytes.length !== 9 + length) {
    throw new CardProblem("bad-apdu", where, `${bytes.length} bytes do not agree with extended Lc ${length}`);
  }
  const le = readU16(bytes, 7 + length);
  return { ...header, data, le: le === 0 ? 65536 : le };
}

/** Whether the class announces secure messaging (ISO/IEC 7816-4, 5.1.1; GPCS 11.1.4 has the same bits for its own classes). */
export const isSecured = (cla: number): boolean =>
  (cla & 0x40) === 0 ? (cla & 0x0c) !== 0 : (cla & 0x20) !== 0;

/** Whether the bytes of a command carry lengths in the extended form. */
export function isExtended(bytes: Uint8Array): boolean {
  return bytes.length > 5 && bytes[4] === 0;
}

function checkHeader(command: Command): void {
  const { cla, ins, p1, p2 } = command;
  for (const byte of [cla, ins, p1, p2]) {
    if (!Number.isInteger(byte) || byte < 0 || byte > 0xff) {
      throw new CardProblem("bad-apdu", "command", `header byte ${byte} is not a number from 0 to 255`);
    }
  }
  if (cla === 0xff) throw new CardProblem("bad-apdu", nameOf(command), "class FF is reserved for PPS");
  // They would be procedure bytes of T=0; class 90 dresses native commands of contactless cards, which never meet T=0.
  if (cla !== 0x90 && ((ins & 0xf0) === 0x60 || (ins & 0xf0) === 0x90)) {
    throw new CardProblem("bad-apdu", nameOf(command), "instructions 6X and 9X are invalid");
  }
}

/** The header alone, for messages: data fields may hold secrets. */
function nameOf({ cla, ins, p1, p2 }: Command): string {
  return `command ${hex(Uint8Array.of(cla, ins, p1, p2))}`;
}

/** Splits data and status word. The data is a view of the input. Throws CardProblem `bad-response`. */
export function decodeResponse(bytes: Uint8Array): Response {
  if (bytes.length < 2 || bytes.length > 65538) {
    throw new CardProblem("bad-response", "response", `${bytes.length} bytes are not a response`);
  }
  return { data: bytes.subarray(0, -2), sw: statusWord(readU16(bytes, bytes.length - 2)) };
}

export function encodeResponse(response: Response): Uint8Array {
  return concat(response.data, u16(response.sw));
}

/**
 * Command chaining (ISO/IEC 7816-4, 5.1.1.1): the data cut into pieces of at most `maxData` bytes, CLA b5 set in all but the last,
 * which alone expects data back. A command that fits stays alone. Throws CardProblem `bad-apdu` for a class without the bit.
 */
export function chain(command: Command, maxData = 255): Command[] {
  if (!Number.isInteger(maxData) || maxData < 1) {
    throw new CardProblem("bad-value", nameOf(command), `pieces of ${maxData} bytes make no chain`);
  }
  const data = command.data ?? new Uint8Array(0);
  if (data.length <= maxData) return [command];
  if ((command.cla & 0xe0) === 0x20 || (command.cla & 0x10) !== 0) {
    throw new CardProblem("bad-apdu", nameOf(command), "this class byte cannot begin a chain");
  }
  const { ins, p1, p2, le } = command;
  const pieces: Command[] = [];
  for (let at = 0; at < data.length; at += maxData) {
    const piece = data.subarray(at, at + maxData);
    const last = at + maxData >= data.length;
    const cla = last ? command.cla : command.cla | 0x10;
    pieces.push({ cla, ins, p1, p2, data: piece, ...(last && le !== undefined ? { le } : {}) });
  }
  return pieces;
}
