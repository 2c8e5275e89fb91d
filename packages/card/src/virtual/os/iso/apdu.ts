import { type Answer, type Apdu, SW, answer, status } from "../command.js";

const nothing = new Uint8Array(0);
/** Most bytes of data in a command and in an answer (docs/card-os.md 10.1). */
export const MOST_DATA = 1024;
const SHORT = 256;
const EXTENDED = 65536;

/** All cases, short and extended (ISO/IEC 7816-3, 12.1.3); undefined when the lengths contradict each other. */
export function decode(bytes: Uint8Array): Apdu | undefined {
  const [cla = 0, ins = 0, p1 = 0, p2 = 0, lc] = bytes;
  const header = { cla, ins, p1, p2 };
  if (lc === undefined) return { ...header, data: nothing, le: undefined };
  if (bytes.length === 5) return { ...header, data: nothing, le: lc || SHORT };
  if (lc !== 0) {
    const data = bytes.subarray(5, 5 + lc);
    if (bytes.length === 5 + lc) return { ...header, data, le: undefined };
    return bytes.length === 6 + lc ? { ...header, data, le: bytes[5 + lc] || SHORT } : undefined;
  }
  if (bytes.length < 7) return undefined;
  const extended = true;
  const length = ((bytes[5] ?? 0) << 8) | (bytes[6] ?? 0);
  if (bytes.length === 7) return { ...header, extended, data: nothing, le: length || EXTENDED };
  const data = bytes.subarray(7, 7 + length);
  if (length === 0 || (bytes.length !== 7 + length && bytes.length !== 9 + length)) return undefined;
  if (bytes.length === 7 + length) return { ...header, extended, data, le: undefined };
  const le = ((bytes[7 + length] ?? 0) << 8) | (bytes[8 + length] ?? 0);
  return { ...header, extended, data, le: le || EXTENDED };
}

/** Le was given as 00 or 0000: all there is. */
export const wantsAll = ({ le, extended }: Apdu): boolean => le === (extended === true ? EXTENDED : SHORT);

/** 6CXX: what an answer of this length gets that is longer than Ne, before anything has changed; FREE (0) when it is not. */
export function tooShort({ le }: Apdu, length: number): number {
  if (le === undefined || le >= length) return 0;
  return length > SHORT ? SW.wrongLength : SW.wrongLe | (length & 0xff);
}

/** Data for the one who asked for any. */
export const answerIfAsked = (data: Uint8Array, { le }: Apdu, sw: number = SW.ok): Answer =>
  le === undefined ? status(sw) : answer(data, sw);
