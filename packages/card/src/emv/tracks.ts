import { CardProblem, fromUtf8, hex, unhex, utf8 } from "../bytes/index.js";

/** What both tracks and the chip say of a card. */
export interface StripeData {
  /** 8 to 19 digits. */
  readonly pan: string;
  /** YYMM. */
  readonly expiry: string;
  /** Three digits (ISO/IEC 7813). */
  readonly serviceCode: string;
  readonly discretionary: string;
}

/** Most characters with sentinels and LRC (ISO/IEC 7813). */
const MOST = { 1: 79, 2: 40 } as const;
/** Track 1: six bits from 20 up; track 2: four from 30 up. */
const CODES = {
  1: { first: 0x20, bits: 6, start: "%", end: "?" },
  2: { first: 0x30, bits: 4, start: ";", end: "?" },
} as const;

const problem = (track: string, hint: string): CardProblem => new CardProblem("bad-value", track, hint);

function check({ pan, expiry, serviceCode }: StripeData, where: string): void {
  if (!/^[0-9]{8,19}$/.test(pan)) throw problem(where, "the PAN has 8 to 19 digits");
  if (!/^[0-9]{2}(?:0[1-9]|1[0-2])$/.test(expiry)) throw problem(where, "the expiry date is YYMM");
  if (!/^[0-9]{3}$/.test(serviceCode)) throw problem(where, "the service code has three digits");
}

/** `;PAN=YYMMSSSdiscretionary?` (ISO/IEC 7813). Throws CardProblem `bad-value`; so do all of these. */
export function track2(data: StripeData): string {
  check(data, "track 2");
  if (!/^[0-9]*$/.test(data.discretionary))
    throw problem("track 2", "discretionary data of track 2 are digits");
  return fitting(2, `;${data.pan}=${data.expiry}${data.serviceCode}${data.discretionary}?`);
}

/** `%BPAN^NAME^YYMMSSSdiscretionary?`; the name as `SURNAME/FIRST`, 2 to 26 characters. */
export function track1(data: StripeData & { readonly name: string }): string {
  check(data, "track 1");
  if (!/^[A-Z .'/-]{2,26}$/.test(data.name))
    throw problem("track 1", "the name has 2 to 26 characters of A-Z, space and . ' / -");
  if (!/^[0-9A-Z ]*$/.test(data.discretionary))
    throw problem("track 1", "discretionary data are digits, capitals and spaces");
  return fitting(1, `%B${data.pan}^${data.name}^${data.expiry}${data.serviceCode}${data.discretionary}?`);
}

function fitting(track: 1 | 2, text: string): string {
  if (text.length + 1 > MOST[track])
    throw problem(`track ${track}`, `${text.length} characters and an LRC are more than ${MOST[track]}`);
  return text;
}

export function parseTrack2(text: string): StripeData {
  const found = /^;([0-9]{8,19})=([0-9]{4})([0-9]{3})([0-9]*)\?$/.exec(text);
  if (found === null) throw problem("track 2", "it is not ;PAN=YYMMSSS...?");
  const [, pan = "", expiry = "", serviceCode = "", discretionary = ""] = found;
  return { pan, expiry, serviceCode, discretionary };
}

/** Track 2 equivalent data (tag 57; EMV Book 3, annex A): as track 2 without sentinels and LRC, D for the separator, F to a whole byte. */
export function track2Equivalent(data: StripeData): Uint8Array {
  const text = track2(data).slice(1, -1).replace("=", "D");
  return unhex(text.length % 2 === 0 ? text : `${text}F`);
}

export function parseTrack2Equivalent(bytes: Uint8Array): StripeData {
  if (bytes.length > 19) throw problem("track 2 equivalent", `${bytes.length} bytes are more than 19`);
  const text = hex(bytes).replace(/F$/, "");
  if (!/^[0-9]{8,19}D[0-9]{7,}$/.test(text))
    throw problem("track 2 equivalent", "it is not PAN D YYMMSSS...");
  return parseTrack2(`;${text.replace("D", "=")}?`);
}

/** Characters as they are written: data bits and an odd parity bit above them, and the LRC the same way (ISO/IEC 7811-2, 7811-6). */
export function encodeTrack(
  track: 1 | 2,
  text: string,
): { readonly characters: Uint8Array; readonly lrc: number } {
  const { first, bits, start, end } = CODES[track];
  if (!text.startsWith(start) || !text.endsWith(end))
    throw problem(`track ${track}`, `it begins with ${start} and ends with ${end}`);
  fitting(track, text);
  const codes = utf8(text).map((character) => character - first);
  if (codes.length !== text.length || codes.some((code) => code >= 1 << bits))
    throw problem(`track ${track}`, "a character cannot be written on this track");
  const odd = (code: number): number => (ones(code) % 2 === 0 ? code | (1 << bits) : code);
  return { characters: codes.map(odd), lrc: odd(codes.reduce((sum, code) => sum ^ code, 0)) };
}

/** Reverse of `encodeTrack`: refuses a wrong parity, a wrong LRC and missing sentinels. */
export function decodeTrack(track: 1 | 2, characters: Uint8Array, lrc: number): string {
  const { first, bits, start, end } = CODES[track];
  if ([...characters, lrc].some((one) => ones(one) % 2 === 0 || one >> (bits + 1) !== 0))
    throw problem(`track ${track}`, "a character's parity is wrong");
  const mask = (1 << bits) - 1;
  const codes = characters.map((one) => one & mask);
  if (codes.reduce((sum, code) => sum ^ code, 0) !== (lrc & mask))
    throw problem(`track ${track}`, "the LRC is wrong");
  const text = fromUtf8(codes.map((code) => code + first));
  if (!text.startsWith(start) || text.indexOf(end) !== text.length - 1)
    throw problem(`track ${track}`, "the sentinels are missing");
  return text;
}

function ones(n: number): number {
  let count = 0;
  for (let rest = n; rest > 0; rest >>= 1) count += rest & 1;
  return count;
}
