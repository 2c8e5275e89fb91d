import type { Command, Response } from "../apdu/index.js";
import { encodeCommand, encodeResponse } from "../apdu/index.js";
import { hex } from "../bytes/index.js";
import { nativeClass } from "../inspect/index.js";

/** `hidden`: what files and data objects hold is masked too; `kept`: for test cards, whose data are nobody's. */
export type Personal = "hidden" | "kept";

/**
 * Instructions whose data field holds no secret: SELECT, GET DATA, READ, GET CHALLENGE, INITIALIZE UPDATE, GET and SET STATUS, MANAGE
 * CHANNEL, MANAGE SECURITY ENVIRONMENT, and the authentications, whose data are random or made with keys that cannot be found from them.
 * Whatever is not here (VERIFY, CHANGE, RESET, PUT KEY, STORE DATA, UPDATE, unknown ones) is masked.
 */
const openCommands = new Set([
  0xa4, 0xca, 0xcb, 0xb0, 0xb1, 0xb2, 0xb3, 0x84, 0x50, 0xf2, 0xf0, 0x70, 0x22, 0x82, 0x88, 0xc0,
]);
/** Instructions whose answer names the card, not a person. */
const openAnswers = new Set([0xa4, 0x84, 0x50, 0xf2, 0x82, 0x88, 0x70]);
const reading = new Set([0xb0, 0xb1, 0xb2, 0xb3, 0xca, 0xcb]);
/** Data objects of the card itself (GPCS 11.3; docs/card-os.md 2). */
const cardObjects = new Set([
  0x00cf, 0xdf01, 0x9f7f, 0x00e0, 0x0066, 0x0067, 0x00c1, 0x0042, 0x0045, 0xff21, 0xbf21,
]);

/**
 * The native commands of DESFire-style cards, whose class gives instructions another meaning: SelectApplication, GetFileSettings,
 * GetKeyVersion, and the first steps of authentications, which name a key. WriteData, ChangeKey, CreateApplication and frames are masked.
 */
const openNative = new Set([0x5a, 0xf5, 0x64, 0x0a, 0x1a, 0xaa, 0x71, 0x77]);
/** GetVersion, the lists, settings and versions; an authentication's first answer is random and encrypted. */
const openNativeAnswers = new Set([...openNative, 0x60, 0x6a, 0x6f, 0x45, 0x6e]);
/** ReadData, ReadRecords, GetValue. */
const readingNative = new Set([0xbd, 0xad, 0xbb, 0xab, 0x6c]);

const stars = (length: number): string => "**".repeat(length);

/** GENERAL AUTHENTICATE apart, classes with secure messaging carry their data encrypted or in plain: nobody can tell from outside. */
const secured = (cla: number): boolean => (cla & 0x0c) !== 0 && (cla & 0x40) === 0;

/** A further frame of a native command or of its answer: it belongs to the command before. */
export const isFurtherFrame = ({ cla, ins }: Command): boolean => cla === nativeClass && ins === 0xaf;

export function maskedCommand(command: Command): string {
  const text = hex(encodeCommand(command));
  const length = command.data?.length ?? 0;
  if (length === 0) return text;
  const { cla, ins } = command;
  const open =
    cla === nativeClass
      ? openNative.has(ins)
      : // EXTERNAL AUTHENTICATE opens a session with a MAC in it, and holds nothing else.
        ins === 0x82 || (openCommands.has(ins) && !secured(cla));
  if (open) return text;
  const at = length > 255 || text.slice(8, 10) === "00" ? 14 : 10;
  return text.slice(0, at) + stars(length) + text.slice(at + 2 * length);
}

/** Nothing but length and status word. */
export const maskedData = (response: Response): string =>
  stars(response.data.length) + hex(encodeResponse(response)).slice(-4);

/** `command`: the one that began, where the answer is to a further frame of it. */
export function maskedAnswer(command: Command, response: Response, personal: Personal): string {
  const text = hex(encodeResponse(response));
  const { cla, ins, p1, p2 } = command;
  const kept = personal === "kept";
  if (cla === nativeClass) {
    const shown = openNativeAnswers.has(ins) || (kept && readingNative.has(ins));
    return shown ? text : maskedData(response);
  }
  const named = (ins === 0xca && cardObjects.has((p1 << 8) | p2)) || openAnswers.has(ins);
  const open = !secured(cla) && (named || (kept && reading.has(ins)));
  return open || ins === 0x82 ? text : maskedData(response);
}
