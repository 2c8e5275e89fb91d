import { CardProblem } from "../../bytes/index.js";

/**
 * SCP02's parameter i (GPCS annex E.1.1) as far as cards of today use it: three keys, explicit initiation, C-MAC on the modified
 * command, ICV encryption (15); 20 adds R-MAC, 40 the pseudo-random card challenge. INITIALIZE UPDATE does not tell it: card data
 * (GET DATA 66) or the card's profile does.
 */
export type Scp02Parameter = 0x15 | 0x35 | 0x55 | 0x75;
export const SCP02_PARAMETERS: readonly number[] = [0x15, 0x35, 0x55, 0x75];

/** What the card says of itself in INITIALIZE UPDATE (GPCS E.5.1). All arrays are views of the answer. */
export interface Scp02Answer {
  /** Key diversification data, 10 bytes. */
  readonly kdd: Uint8Array;
  readonly kvn: number;
  /** 2 bytes; what the session keys are derived from. */
  readonly sequenceCounter: Uint8Array;
  /** 6 bytes. */
  readonly cardChallenge: Uint8Array;
  /** 8 bytes. */
  readonly cardCryptogram: Uint8Array;
}

/** Reads the 28 bytes that answer INITIALIZE UPDATE. Throws CardProblem `scp02-answer`. */
export function parseInitializeUpdateScp02(data: Uint8Array): Scp02Answer {
  const problem = (hint: string) => new CardProblem("scp02-answer", "INITIALIZE UPDATE", hint);
  const kvn = data[10];
  const scp = data[11];
  if (kvn === undefined || scp === undefined) throw problem(`${data.length} bytes are too few`);
  if (scp !== 0x02) throw problem(`the card answers with SCP ${scp.toString(16).padStart(2, "0")}, not 02`);
  if (data.length !== 28) throw problem(`it has 28 bytes, not ${data.length}`);
  return {
    kdd: data.subarray(0, 10),
    kvn,
    sequenceCounter: data.subarray(12, 14),
    cardChallenge: data.subarray(14, 20),
    cardCryptogram: data.subarray(20),
  };
}

/** Which secure channel protocol the card answered INITIALIZE UPDATE with; undefined when the answer is too short to say. */
export const scpOf = (answer: Uint8Array): number | undefined => answer[11];
