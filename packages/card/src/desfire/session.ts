/** What the two generations of DESFire sessions have in common for their user. */
import type { Command, Response } from "../apdu/index.js";
import { CardProblem, concat } from "../bytes/index.js";
import { type NativeCommand, statusOf, statusWords } from "./native.js";

/** One authenticated session. Answers are opened in the order of the commands. */
export interface DesfireSession {
  readonly keyNumber: number;
  /** Throws CardProblem `session-closed`, `too-long`. */
  wrap(command: NativeCommand): Command;
  /**
   * The data of the answer to the oldest command without one (all its frames in one). A refusal ends the session, as the card ends its own.
   * Throws CardProblem `desfire-refused`, `desfire-mac`, `out-of-step`.
   */
  unwrap(response: Response): Uint8Array;
  /** Wipes the session keys; may be called again. */
  close(): void;
}

export const none: Uint8Array = new Uint8Array(0);

/** RndA' and RndB': the first byte goes to the end. */
export function rotatedLeft(bytes: Uint8Array): Uint8Array {
  return concat(bytes.subarray(1), bytes.subarray(0, 1));
}

/** The answer's data, or CardProblem `desfire-refused` that names command and status. */
export function accepted(response: Response, what: string, status = 0x00): Uint8Array {
  const is = statusOf(response);
  if (is !== status) throw new CardProblem("desfire-refused", what, `the card answers ${statusWords(is)}`);
  return response.data;
}

export const nameOf = (ins: number): string =>
  `DESFire command ${ins.toString(16).toUpperCase().padStart(2, "0")}`;
