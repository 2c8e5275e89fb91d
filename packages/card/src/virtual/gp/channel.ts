import type { Answer, Apdu } from "../os/command.js";

/** The card's side of a secure channel, whichever its protocol. */
export interface Channel {
  readonly kvn: number;
  /** INITIALIZE UPDATE's answer behind KDD and KVN. */
  readonly greeting: Uint8Array;
  /** 00 until EXTERNAL AUTHENTICATE was right. */
  readonly level: number;
  readonly authenticated: boolean;
  /** Bytes that EXTERNAL AUTHENTICATE carries. */
  readonly proofLength: number;
  allows(level: number): boolean;
  authenticate(command: Apdu): boolean;
  /** Plain data, or undefined when the channel must end. */
  unwrap(command: Apdu): Uint8Array | undefined;
  wrap(answer: Answer, pass: (mac: Uint8Array) => Uint8Array): Answer;
  /** What was encrypted for the DEK; undefined when it is not whole blocks. */
  decryptWithDek(data: Uint8Array): Uint8Array | undefined;
}
