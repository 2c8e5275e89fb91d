/** Tracks as characters with parity and as bits (ISO/IEC 7811-2 and -6, clause 10 and 11): start sentinel, text, end sentinel, LRC. */
import type { TrackFault, TrackNumber } from "./port.js";

interface TrackForm {
  /** Data bits of a character; one odd parity bit follows. */
  readonly width: 4 | 6;
  /** Character of value 0. */
  readonly zero: number;
  readonly start: number;
  readonly end: number;
  /** Characters without sentinels and LRC. */
  readonly most: number;
  readonly bitsPerInch: number;
}

export const trackForms: Readonly<Record<TrackNumber, TrackForm>> = {
  1: { width: 6, zero: 0x20, start: 0x05, end: 0x1f, most: 76, bitsPerInch: 210 },
  2: { width: 4, zero: 0x30, start: 0x0b, end: 0x0f, most: 37, bitsPerInch: 75 },
  3: { width: 4, zero: 0x30, start: 0x0b, end: 0x0f, most: 104, bitsPerInch: 210 },
};

/** First data bit from the card's right edge, mm: so long the clock runs before it. */
const leadMm = 7.44;

function withParity(value: number, width: number): number {
  let ones = 0;
  for (let bit = 0; bit < width; bit++) ones += (value >> bit) & 1;
  return ones % 2 === 0 ? value | (1 << width) : value;
}

/**
 * Characters with parity, one a byte. Throws RangeError on a character that the track has no code for, a sentinel inside the text, or
 * more than fits; no text in the message.
 */
export function charactersOf(track: TrackNumber, text: string): Uint8Array {
  const { width, zero, start, end, most } = trackForms[track];
  if (text.length === 0 || text.length > most)
    throw new RangeError(
      `track ${String(track)} holds 1 to ${String(most)} characters, not ${String(text.length)}`,
    );
  const data = [start];
  for (let at = 0; at < text.length; at++) {
    const value = text.charCodeAt(at) - zero;
    if (!(value >= 0 && value < 1 << width) || value === start || value === end)
      throw new RangeError(`track ${String(track)} has no data code for its character ${String(at + 1)}`);
    data.push(value);
  }
  data.push(end);
  // Even over each column of data bits; its parity bit is its own, not the parities' parity.
  const lrc = data.reduce((sum, value) => sum ^ value, 0);
  return Uint8Array.from([...data, lrc], (value) => withParity(value, width));
}

/** Bits along the stripe, one a byte: clock zeros, characters with the least significant bit first and parity last, clock zeros. */
export function bitsOf(track: TrackNumber, characters: Uint8Array): Uint8Array {
  const { width, bitsPerInch } = trackForms[track];
  const lead = Math.round((leadMm / 25.4) * bitsPerInch);
  const bits = new Uint8Array(2 * lead + characters.length * (width + 1));
  for (const [at, character] of characters.entries())
    for (let bit = 0; bit <= width; bit++) bits[lead + at * (width + 1) + bit] = (character >> bit) & 1;
  return bits;
}

export type TrackRead =
  | { readonly ok: true; readonly text: string }
  | {
      readonly ok: false;
      readonly fault: Extract<TrackFault, "blank" | "no-start" | "parity" | "no-end" | "lrc">;
    };

/** Reads a track: the first 1 begins the start sentinel. */
export function readBits(track: TrackNumber, bits: Uint8Array): TrackRead {
  const { width, zero, start, end } = trackForms[track];
  const first = bits.indexOf(1);
  if (first < 0) return { ok: false, fault: "blank" };
  let sum = 0;
  let text = "";
  for (let at = first; ; at += width + 1) {
    if (at + width + 1 > bits.length) return { ok: false, fault: at === first ? "no-start" : "no-end" };
    let value = 0;
    let ones = 0;
    for (let bit = 0; bit <= width; bit++) {
      const one = bits[at + bit] === 1 ? 1 : 0;
      ones += one;
      if (bit < width) value |= one << bit;
    }
    if (at === first && value !== start) return { ok: false, fault: "no-start" };
    if (ones % 2 === 0) return { ok: false, fault: "parity" };
    sum ^= value;
    if (value === end)
      return lrcRight(bits, at + width + 1, width, sum) ? { ok: true, text } : { ok: false, fault: "lrc" };
    if (at !== first) text += String.fromCharCode(zero + value);
  }
}

function lrcRight(bits: Uint8Array, from: number, width: number, sum: number): boolean {
  const expected = withParity(sum, width);
  for (let bit = 0; bit <= width; bit++) if (bits[from + bit] !== ((expected >> bit) & 1)) return false;
  return true;
}
