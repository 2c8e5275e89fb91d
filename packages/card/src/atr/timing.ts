import { CardProblem } from "../bytes/index.js";

/** Elementary time unit in seconds: F / (D × f) (ISO/IEC 7816-3, 7.1). */
export function etuSeconds(f: number, d: number, clockHz: number): number {
  return f / (d * clockHz);
}

/** Bits per second on the line: one bit an etu. */
export function bitRate(f: number, d: number, clockHz: number): number {
  return (d * clockHz) / f;
}

/** Work waiting time of T=0 in seconds: WI × 960 × Fi / f (10.2). */
export function workWaitingTime(wi: number, fi: number, clockHz: number): number {
  return (wi * 960 * fi) / clockHz;
}

/** Character waiting time of T=1 in etu: 11 + 2^CWI (11.4.3). */
export function characterWaitingEtu(cwi: number): number {
  return 11 + 2 ** cwi;
}

/** Block waiting time of T=1 in seconds: 11 etu + 2^BWI × 960 × 372 / f; always 372, not Fi (11.4.3). Throws CardProblem `bad-value` for BWI > 9. */
export function blockWaitingTime(bwi: number, etu: number, clockHz: number): number {
  if (!Number.isInteger(bwi) || bwi < 0 || bwi > 9)
    throw new CardProblem("bad-value", "BWI", `${bwi} is reserved`);
  return 11 * etu + (2 ** bwi * 960 * 372) / clockHz;
}

/** The line between a reader and a card, for the shortest time that an exchange can take on it. */
export interface LineParameters {
  readonly protocol: 0 | 1;
  readonly clockHz: number;
  readonly f: number;
  readonly d: number;
  /** Extra guard time integer N, 0..255. Default 0. */
  readonly n?: number;
  /** Largest information fields of T=1. Default 254. */
  readonly ifsc?: number;
  readonly ifsd?: number;
}

/** One command by its lengths: `nc` data bytes sent, `ne` data bytes answered (without SW1 SW2), and whether Le is sent. */
export interface ExchangeLengths {
  readonly nc: number;
  readonly ne: number;
  /** Default: when `ne` is not 0. */
  readonly le?: boolean;
}

/** A lower bound in seconds: nothing but the characters, their guard times and turn-arounds (no card work, no reader delay). */
export function minTransmissionSeconds(line: LineParameters, lengths: ExchangeLengths): number {
  const etu = etuSeconds(line.f, line.d, line.clockHz);
  return etu * (line.protocol === 0 ? t0Etu(line.n ?? 0, lengths) : t1Etu(line, lengths));
}

/** Header, one ACK for all data, data, SW1 SW2 (10.3); case 4 adds 61XX and GET RESPONSE (12.2.1). */
function t0Etu(n: number, { nc, ne }: ExchangeLengths): number {
  const sent = n === 255 ? 12 : 12 + n;
  const caseFour = nc > 0 && ne > 0 ? 2 * 12 + 5 * sent + 12 : 0;
  return (5 + nc) * sent + (1 + ne + 2) * 12 + caseFour;
}

/** Blocks of prologue (3), information field and LRC (1), 22 etu between directions, an R-block for each block but the last (11). */
function t1Etu(line: LineParameters, { nc, ne, le = ne > 0 }: ExchangeLengths): number {
  const n = line.n ?? 0;
  const reader = n === 255 ? 11 : 12 + n;
  const card = n === 255 ? 11 : 12;
  const lc = nc === 0 ? 0 : nc > 255 || ne > 256 ? 3 : 1;
  const leBytes = le ? (lc === 3 ? 2 : nc === 0 && ne > 256 ? 3 : 1) : 0;
  const command = pieces(4 + lc + nc + leBytes, line.ifsc ?? 254);
  const response = pieces(ne + 2, line.ifsd ?? 254);
  const sent = command.reduce((sum, length) => sum + (length + 4) * reader, 0);
  const received = response.reduce((sum, length) => sum + (22 - reader) + (length + 4) * card, 0);
  const cardAcknowledges = (command.length - 1) * (44 - reader - card + 4 * card);
  const readerAcknowledges = (response.length - 1) * (22 - card + 4 * reader);
  return sent + cardAcknowledges + received + readerAcknowledges;
}

function pieces(length: number, most: number): number[] {
  const lengths: number[] = [];
  for (let rest = length; rest > 0; rest -= most) lengths.push(Math.min(rest, most));
  return lengths;
}
