/** What the card promised in its own ATR, read back by the card (ISO/IEC 7816-3, 8.2 and 8.3). */
export interface Profile {
  readonly convention: "direct" | "inverse";
  /** Protocols offered, in order; the first runs without PPS. */
  readonly protocols: readonly number[];
  /** TA2: no PPS; the protocol runs at once, with TA1's speed. */
  readonly specific: number | undefined;
  readonly ta1: number;
  readonly shortGuard: boolean;
  readonly wi: number;
  readonly ifsc: number;
  readonly bwi: number;
  readonly cwi: number;
  readonly crc: boolean;
}

const clockRates = [372, 372, 558, 744, 1116, 1488, 1860, 0, 0, 512, 768, 1024, 1536, 2048, 0, 0];
const bitRates = [0, 1, 2, 4, 8, 16, 32, 64, 12, 20, 0, 0, 0, 0, 0, 0];

/** Fi of a TA1; 0 when reserved. */
export const clockRateOf = (ta1: number): number => clockRates[ta1 >> 4] ?? 0;

/** Clock periods of one etu; undefined for reserved codes. */
export function etuOf(ta1: number): number | undefined {
  const f = clockRateOf(ta1);
  const d = bitRates[ta1 & 0x0f] ?? 0;
  return f === 0 || d === 0 ? undefined : f / d;
}

/** An ATR that breaks every rule still gives a profile: its card cannot be spoken with, but it is there. */
export function profileOf(atr: Uint8Array): Profile {
  const seen = new Map<string, number>();
  const protocols: number[] = [];
  let at = 2;
  let indicator = atr[1] ?? 0;
  let owner: number | undefined;
  for (let set = 1; ; set++) {
    let following: number | undefined;
    for (const [place, letter] of ["A", "B", "C", "D"].entries()) {
      if ((indicator & (0x10 << place)) === 0) continue;
      const value = atr[at++];
      if (value === undefined) break;
      // Interface bytes from the third set on belong to the protocol before them; the first of each kind counts.
      const name = set < 3 ? `${letter}${String(set)}` : `${letter} of ${String(owner)}`;
      if (!seen.has(name)) seen.set(name, value);
      if (letter === "D") following = value;
    }
    if (following === undefined) break;
    indicator = following;
    owner = following & 0x0f;
    if (owner !== 15 && !protocols.includes(owner)) protocols.push(owner);
  }
  const block = seen.get("B of 1") ?? 0x4d;
  const specific = seen.get("A2");
  return {
    convention: atr[0] === 0x3f ? "inverse" : "direct",
    protocols: protocols.length === 0 ? [0] : protocols,
    specific: specific === undefined ? undefined : specific & 0x0f,
    ta1: seen.get("A1") ?? 0x11,
    shortGuard: seen.get("C1") === 0xff,
    wi: seen.get("C2") ?? 10,
    ifsc: seen.get("A of 1") ?? 32,
    bwi: block >> 4,
    cwi: block & 0x0f,
    crc: ((seen.get("C of 1") ?? 0) & 1) === 1,
  };
}
