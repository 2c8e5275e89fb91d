// A card without an operating system behind contacts: its answer is a function of the command, and it remembers what it was told.
import type { VirtualCard } from "../src/virtual/index.js";
import { unhex } from "../src/bytes/index.js";

const tck = (digits: string): Uint8Array => {
  const bytes = unhex(digits);
  return Uint8Array.of(
    ...bytes,
    bytes.subarray(1).reduce((all, byte) => all ^ byte, 0),
  );
};

/** Answers to reset by what they offer. */
export const atrs = {
  t0: unhex("3B1096"),
  t0Slow: unhex("3B00"),
  t0Inverse: unhex("3F1096"),
  t1: tck("3B90968131FE45"),
  t1Inverse: tck("3F909681315045"),
  /** IFSC 32, BWI 4, CWI 13, LRC. */
  t1Plain: tck("3B8001"),
  t1Crc: tck("3B90968171FE4501"),
  /** T=0 first, T=1 second. */
  both: tck("3B90968031FE45"),
  specificT1: tck("3B9096910131FE45"),
  shortGuard: tck("3BD096FF8131FE45"),
} as const;

export interface EchoCard extends VirtualCard {
  /** Every command as it came to the card, in order. */
  readonly commands: Uint8Array[];
  workMicros: number;
}

/**
 * Instruction bits: 01 takes data, 02 answers. The answer of Ne bytes counts up from the sum of the command, so that a byte lost or
 * doubled anywhere shows. INS 0C to 0F answer 6A82 without data. P1 times P2 microseconds are worked.
 */
export function echoCard(atr: Uint8Array, longest = 65_536): EchoCard {
  const commands: Uint8Array[] = [];
  return {
    commands,
    workMicros: 0,
    get elapsedMicros() {
      return this.workMicros;
    },
    counters: { apdus: 0, pagesWritten: 0, wireCharacters: 0, aesBlocks: 0 },
    powerOn: () => atr,
    warmReset: () => atr,
    powerOff: () => undefined,
    transmit(apdu) {
      commands.push(apdu.slice());
      this.workMicros += (apdu[2] ?? 0) * (apdu[3] ?? 0);
      return echoed(apdu, longest);
    },
  };
}

export function echoed(apdu: Uint8Array, longest = 65_536): Uint8Array {
  const ins = apdu[1] ?? 0;
  if ((ins & 0x0c) === 0x0c) return Uint8Array.of(0x6a, 0x82);
  // Le is the last one or two bytes; the sum leaves it out, for T=0 does not carry it in case 4.
  const answers = (ins & 2) !== 0;
  const takes = (ins & 1) !== 0;
  const extended = apdu.length > 6 && apdu[4] === 0;
  const size = answers ? (extended ? 2 : 1) : 0;
  const le = answers ? apdu.subarray(apdu.length - size) : new Uint8Array(0);
  const ne = answers ? (extended ? ((le[0] ?? 0) << 8) | (le[1] ?? 0) || 65_536 : (le[0] ?? 0) || 256) : 0;
  const data = takes ? apdu.subarray(extended ? 7 : 5, apdu.length - size) : new Uint8Array(0);
  const sum = [...apdu.subarray(0, 4), ...data].reduce((all, byte) => (all * 31 + byte) % 251, 7);
  const length = Math.min(ne, longest);
  const answer = new Uint8Array(length + 2);
  for (let at = 0; at < length; at++) answer[at] = (sum + at * 7) % 256;
  answer.set([0x90, 0x00], length);
  return answer;
}

/** What the T=0 side of that card knows of its instructions. */
export const echoCases = (header: Uint8Array) => ({
  data: ((header[1] ?? 0) & 1) !== 0,
  answers: ((header[1] ?? 0) & 2) !== 0,
});
