import { type Atr, DI, FI } from "../atr/index.js";
import { CardProblem } from "../bytes/index.js";

/** How characters pass between reader and card after the reset. Times in clock periods unless they say etu. */
export interface Transmission {
  readonly protocol: 0 | 1;
  readonly etu: number;
  /** Least time between leading edges of two characters of the reader (7.2, 11.4.1: GT, CGT). */
  readonly guard: number;
  /** Least time between leading edges of characters in opposite directions. T=1: BGT (11.4.3). */
  readonly turn: number;
  /** T=0: work waiting time WT (10.2). */
  readonly wt: number;
  /** T=1: character and block waiting time (11.4.3). */
  readonly cwt: number;
  readonly bwt: number;
  readonly ifsc: number;
  readonly edc: "LRC" | "CRC";
}

/** During the ATR and PPS: F 372, D 1, 12 etu, at most 9600 etu to the next character (8.1). */
export const initialEtu = 372;
export const initialWaitingEtu = 9600;
export const initialGuardEtu = 12;

/**
 * The transmission that ATR and PPS result in. `ta1`: the codes of F and D in use, 11 without PPS.
 * Throws CardProblem `bad-value` for reserved codes, `line-protocol` for an ATR that does not offer the protocol or breaks its rules.
 */
export function transmissionOf(atr: Atr, protocol: 0 | 1, ta1: number): Transmission {
  const [f, d] = [FI[ta1 >> 4], DI[ta1 & 0x0f]];
  if (f === undefined || d === undefined)
    throw new CardProblem("bad-value", "F and D", "the codes are reserved");
  if (!atr.protocols.includes(protocol))
    throw new CardProblem("line-protocol", "ATR", `T=${protocol} is not offered`);
  const etu = f / d;
  const t1 = atr.t1 ?? { ifsc: 32, bwi: 4, cwi: 13, edc: "LRC" as const };
  if (t1.bwi > 9) throw new CardProblem("line-protocol", "ATR", `BWI ${t1.bwi} is reserved`);
  const shortest = protocol === 1 ? 11 : 12;
  return {
    protocol,
    etu,
    guard: atr.n === 255 ? shortest * etu : 12 * etu + extra(atr, etu) * atr.n,
    // EMV asks 16 etu in T=0; ISO/IEC 7816-3, 10.2 only where D is 64.
    turn: (protocol === 1 ? 22 : 16) * etu,
    wt: (atr.t0?.wi ?? 10) * 960 * (atr.fi ?? 372),
    cwt: (11 + 2 ** t1.cwi) * etu,
    bwt: 11 * etu + 2 ** t1.bwi * 960 * 372,
    ifsc: t1.ifsc === 0 || t1.ifsc === 255 ? 32 : t1.ifsc,
    edc: t1.edc,
  };
}

/** Clock periods of one unit of N: F/D in use, or Fi/Di of TA1 where T=15 is there (8.3). */
function extra(atr: Atr, etu: number): number {
  return atr.t15 !== undefined && atr.fi !== undefined && atr.di !== undefined ? atr.fi / atr.di : etu;
}
