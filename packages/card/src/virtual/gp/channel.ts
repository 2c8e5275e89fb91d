import type { Answer, Apdu } from "../os/command.js";

/** The card's side of an open secure channel, whichever its protocol. */
export interface Channel {
  /** Version of the keys it was opened with. */
  readonly kvn: number;
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
