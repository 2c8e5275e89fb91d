import type { Answer, Apdu } from "../os/command.js";

/** Stands for the identifiers 01 to 03, the keys of a set. */
export const WHOLE_SET = 0x00;

/** The card's side of an open secure channel, whichever its protocol. */
export interface Channel {
  /** What it was opened with: a version alone is no key, for a set and several pairs may have the same one. */
  readonly kvn: number;
  readonly kid: number;
  /** 00: the host is known, but nothing is secured. */
  readonly level: number;
  /** Who the host is has been proved; else it manages no content (SCP11b). */
  readonly knowsHost: boolean;
  /** Plain data, or undefined when the channel must end. */
  unwrap(command: Apdu): Uint8Array | undefined;
  wrap(answer: Answer, pass: (mac: Uint8Array) => Uint8Array): Answer;
  /** What was encrypted for the DEK; undefined when it is not whole blocks. */
  decryptWithDek(data: Uint8Array): Uint8Array | undefined;
}

/** Between INITIALIZE UPDATE and EXTERNAL AUTHENTICATE. */
export interface OpeningChannel extends Channel {
  /** INITIALIZE UPDATE's answer behind KDD and KVN. */
  readonly greeting: Uint8Array;
  /** Bytes that EXTERNAL AUTHENTICATE carries. */
  readonly proofLength: number;
  allows(level: number): boolean;
  authenticate(command: Apdu): boolean;
}
