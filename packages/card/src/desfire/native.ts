/**
 * Native DESFire commands in ISO/IEC 7816-4 dress: `90 INS 00 00 Lc data 00`, answered by `data 91 SS`
 * (MIFARE DESFire EV1 to EV3; instruction and status bytes as the proxmark3 project and reader manuals tell them).
 */
import type { Command, Response } from "../apdu/index.js";
import { CardProblem } from "../bytes/index.js";

/** How a file's data goes over the air: bare, with a MAC, or enciphered (and, EV2, with a MAC). */
export type CommMode = "plain" | "mac" | "full";
/** `session`: as the session's generation does it for commands that are no file's: EV1 bare, EV2 with a MAC. */
export type Protection = CommMode | "session";

/** One native command before a session protects it. */
export interface NativeCommand {
  readonly ins: number;
  /** Goes in clear in every mode: file number, offset, length, key number. */
  readonly header?: Uint8Array;
  /** What mode `full` enciphers. */
  readonly data?: Uint8Array;
  /** Bytes enciphered behind the data, outside EV1's CRC of the command (ChangeKey's CRC of the new key). */
  readonly trailer?: Uint8Array;
  readonly send: Protection;
  readonly receive: Protection;
  /** Bytes of data in an enciphered answer, where the command tells: EV1 cannot find their end without it. */
  readonly answerLength?: number;
  /** The card ends the session with this command: its answer is bare. */
  readonly endsSession?: boolean;
}

export const nativeStatus = {
  0x00: "done",
  0x0c: "nothing has changed",
  0x0e: "not enough memory",
  0x1c: "the card does not know this command",
  0x1e: "integrity error: CRC, MAC or padding is wrong",
  0x40: "no such key",
  0x7e: "wrong length",
  0x9d: "not permitted",
  0x9e: "wrong parameter",
  0xa0: "application not found",
  0xae: "authentication error",
  0xaf: "more to come",
  0xbe: "beyond the end of the file",
  0xca: "a command was not finished",
  0xcd: "the card is disabled",
  0xce: "too many applications",
  0xde: "exists already",
  0xee: "memory failure",
  0xf0: "file not found",
  0xf1: "file damaged",
} as const satisfies Record<number, string>;

/** The status byte of an answer. Throws CardProblem `bad-response` when SW1 is not 91. */
export function statusOf(response: Response): number {
  if (response.sw >> 8 !== 0x91) {
    const sw = response.sw.toString(16).toUpperCase().padStart(4, "0");
    throw new CardProblem("bad-response", "DESFire", `${sw} is not a DESFire status word`);
  }
  return response.sw & 0xff;
}

/** In words, for people: `AE (authentication error)`. */
export function statusWords(status: number): string {
  const name = status.toString(16).toUpperCase().padStart(2, "0");
  const words = Object.entries(nativeStatus).find(([code]) => Number(code) === status)?.[1];
  return words === undefined ? name : `${name} (${words})`;
}

/** Longest data field of one frame: what a card with 64-byte frames takes in ISO dress. */
export const frameData = 54;

/** A native command without protection. */
export function native(ins: number, data: Uint8Array = new Uint8Array(0)): Command {
  return { cla: 0x90, ins, p1: 0, p2: 0, ...(data.length > 0 ? { data } : {}), le: 256 };
}

/** The command cut into frames: the first as it is, the rest under INS AF ("additional frame"). */
export function frames(command: Command, most = frameData): readonly Command[] {
  const data = command.data ?? new Uint8Array(0);
  if (data.length <= most) return [command];
  const cut: Command[] = [native(command.ins, data.subarray(0, most))];
  for (let at = most; at < data.length; at += most) cut.push(native(0xaf, data.subarray(at, at + most)));
  return cut;
}

/** Three bytes, least significant first: AIDs, offsets and lengths. Throws CardProblem `bad-value`. */
export function u24le(n: number): Uint8Array {
  if (!Number.isInteger(n) || n < 0 || n > 0xffffff)
    throw new CardProblem("bad-value", "DESFire", `${n} does not fit in three bytes`);
  return Uint8Array.of(n & 0xff, (n >> 8) & 0xff, n >> 16);
}

/** Four bytes, two's complement, least significant first: values of value files. Throws CardProblem `bad-value`. */
export function i32le(n: number): Uint8Array {
  if (!Number.isInteger(n) || n < -0x80000000 || n > 0x7fffffff)
    throw new CardProblem("bad-value", "DESFire", `${n} does not fit in four bytes`);
  return Uint8Array.of(n & 0xff, (n >> 8) & 0xff, (n >> 16) & 0xff, (n >> 24) & 0xff);
}
