/** Characters as the card's own transceiver puts them on I/O, and what becomes of them on a bad line. Nine levels: bit 0 the first, 1 is H. */

/** Bytes by their levels, for both conventions; -1 where the parity is wrong. */
interface Alphabet {
  readonly levels: Uint16Array;
  readonly bytes: Int16Array;
}

function alphabet(inverse: boolean): Alphabet {
  const levels = new Uint16Array(256);
  const bytes = new Int16Array(512).fill(-1);
  for (let byte = 0; byte < 256; byte++) {
    const ones = byte.toString(2).replaceAll("0", "").length;
    // Moments in the order they are sent, as logical values.
    const moments = Array.from(byte.toString(2).padStart(8, "0"), Number);
    if (!inverse) moments.reverse();
    moments.push(ones % 2);
    const sent = moments.reduce((all, logical, at) => all + ((logical === 1) !== inverse ? 2 ** at : 0), 0);
    levels[byte] = sent;
    bytes[sent] = byte;
  }
  return { levels, bytes };
}

const direct = alphabet(false);
const inverse = alphabet(true);
const of = (convention: "direct" | "inverse"): Alphabet => (convention === "direct" ? direct : inverse);

export const levelsOf = (byte: number, convention: "direct" | "inverse"): number =>
  of(convention).levels[byte] ?? 0;

/** Undefined: the parity is wrong. */
export function byteOf(levels: number, convention: "direct" | "inverse"): number | undefined {
  const byte = of(convention).bytes[levels & 0x1ff] ?? -1;
  return byte < 0 ? undefined : byte;
}

/** How a line misbehaves: chances for each character, in either direction. */
export interface LineErrors {
  /** Numbers from 0 up to 1, seeded. */
  readonly chance: () => number;
  /** One level is seen wrong: the parity tells. */
  readonly garbled?: number;
  /** Two levels are seen wrong: the parity does not tell. */
  readonly doubled?: number;
  /** The character is not seen at all. */
  readonly lost?: number;
  /** Something else is seen before it. */
  readonly noise?: number;
}

const flip = (levels: number, moment: number): number => levels ^ (1 << moment);

/** What the other side sees of one character: none, it, or noise and it. */
export function disturbed(levels: number, errors: LineErrors | undefined): number[] {
  if (errors === undefined) return [levels];
  const { chance, garbled = 0, doubled = 0, lost = 0, noise = 0 } = errors;
  const moment = () => Math.floor(chance() * 9);
  const seen = chance() < noise ? [Math.floor(chance() * 512)] : [];
  const fate = chance();
  if (fate < lost) return seen;
  if (fate < lost + garbled) return [...seen, flip(levels, moment())];
  if (fate < lost + garbled + doubled) {
    const first = moment();
    return [...seen, flip(flip(levels, first), (first + 1 + Math.floor(chance() * 8)) % 9)];
  }
  return [...seen, levels];
}
