import type { Command } from "../../apdu/index.js";
import { CardProblem } from "../../bytes/index.js";

/** S8: 8-byte challenges, cryptograms and MACs; S16: 16 bytes (i bit 01). */
export type Scp03Mode = "S8" | "S16";

/** What the card says of itself in INITIALIZE UPDATE (Amendment D, 7.1.1). All arrays are views of the answer. */
export interface Scp03Answer {
  /** Key diversification data, 10 bytes. */
  readonly kdd: Uint8Array;
  readonly kvn: number;
  /** SCP parameter: 01 S16, 10 pseudo-random challenge, 20 R-MAC, 40 R-ENCRYPTION. */
  readonly i: number;
  readonly mode: Scp03Mode;
  readonly cardChallenge: Uint8Array;
  readonly cardCryptogram: Uint8Array;
  /** 3 bytes, with pseudo-random challenges only. */
  readonly sequenceCounter?: Uint8Array;
}

/** INITIALIZE UPDATE (Amendment D, 7.1.1). `kvn` 0 takes the card's first key set. Throws CardProblem `bad-value`. */
export function initializeUpdate(ask: { readonly kvn: number; readonly hostChallenge: Uint8Array }): Command {
  const { kvn, hostChallenge } = ask;
  const where = "INITIALIZE UPDATE";
  if (!Number.isInteger(kvn) || kvn < 0 || kvn > 0x7f) {
    throw new CardProblem("bad-value", where, `${kvn} is not a key version number from 0 to 7F`);
  }
  if (hostChallenge.length !== 8 && hostChallenge.length !== 16) {
    throw new CardProblem(
      "bad-value",
      where,
      `a host challenge has 8 or 16 bytes, not ${hostChallenge.length}`,
    );
  }
  return { cla: 0x80, ins: 0x50, p1: kvn, p2: 0x00, data: hostChallenge, le: 256 };
}

/**
 * Reads the answer to INITIALIZE UPDATE of 29, 32, 45 or 48 bytes; mode and counter have to agree with i.
 * Throws CardProblem `scp03-answer`.
 */
export function parseInitializeUpdate(data: Uint8Array): Scp03Answer {
  const problem = (hint: string) => new CardProblem("scp03-answer", "INITIALIZE UPDATE", hint);
  const kvn = data[10];
  const scp = data[11];
  const i = data[12];
  if (kvn === undefined || scp === undefined || i === undefined)
    throw problem(`${data.length} bytes are too few`);
  if (scp !== 0x03) throw problem(`the card answers with SCP ${scp.toString(16).padStart(2, "0")}, not 03`);
  const mode: Scp03Mode = (i & 0x01) !== 0 ? "S16" : "S8";
  const size = mode === "S16" ? 16 : 8;
  const counted = (i & 0x10) !== 0;
  const expected = 13 + 2 * size + (counted ? 3 : 0);
  if (data.length !== expected) {
    throw problem(`i = ${i.toString(16).padStart(2, "0")} means ${expected} bytes, ${data.length} are there`);
  }
  if ((i & 0x60) === 0x40) throw problem("i announces R-ENCRYPTION without R-MAC");
  return {
    kdd: data.subarray(0, 10),
    kvn,
    i,
    mode,
    cardChallenge: data.subarray(13, 13 + size),
    cardCryptogram: data.subarray(13 + size, 13 + 2 * size),
    ...(counted ? { sequenceCounter: data.subarray(13 + 2 * size) } : {}),
  };
}
