/** Short command APDU as it came (ISO/IEC 7816-3, 12.1.3). */
export interface Apdu {
  readonly cla: number;
  readonly ins: number;
  readonly p1: number;
  readonly p2: number;
  readonly data: Uint8Array;
  /** Ne, 1 to 256 (65,536 in extended length); undefined: no answer expected. */
  readonly le: number | undefined;
  /** Image 2.0: lengths came in extended form. */
  readonly extended?: boolean;
}

export interface Answer {
  readonly data: Uint8Array;
  readonly sw: number;
}

const nothing = new Uint8Array(0);

/** Undefined when the lengths contradict each other or are extended ones: 6700. */
export function decodeApdu(bytes: Uint8Array): Apdu | undefined {
  if (bytes.length < 4) return undefined;
  if (bytes.length === 4) return apdu(bytes, nothing, undefined);
  const lc = bytes[4] ?? 0;
  if (bytes.length === 5) return apdu(bytes, nothing, lc);
  const end = 5 + lc;
  if (lc === 0 || bytes.length < end || bytes.length > end + 1) return undefined;
  return apdu(bytes, bytes.subarray(5, end), bytes[end]);
}

const apdu = (header: Uint8Array, data: Uint8Array, le: number | undefined): Apdu => ({
  cla: header[0] ?? 0,
  ins: header[1] ?? 0,
  p1: header[2] ?? 0,
  p2: header[3] ?? 0,
  data,
  le: le === 0 ? 256 : le,
});

export const encodeAnswer = ({ data, sw }: Answer): Uint8Array => {
  const bytes = new Uint8Array(data.length + 2);
  bytes.set(data);
  bytes[data.length] = sw >> 8;
  bytes[data.length + 1] = sw & 0xff;
  return bytes;
};

export const decodeAnswer = (bytes: Uint8Array): Answer => ({
  data: bytes.subarray(0, bytes.length - 2),
  sw: ((bytes[bytes.length - 2] ?? 0) << 8) | (bytes[bytes.length - 1] ?? 0),
});

export const answer = (data: Uint8Array, sw: number = SW.ok): Answer => ({ data, sw });
export const status = (sw: number): Answer => ({ data: nothing, sw });
/** 63CX */
export const triesLeft = (tries: number): Answer => status(0x63c0 | tries);

export const join = (...parts: readonly (Uint8Array | readonly number[])[]): Uint8Array => {
  let length = 0;
  for (const part of parts) length += part.length;
  const all = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
};

export const u16 = (bytes: Uint8Array, at: number): number => ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0);

/** Same time for any content of one length. */
export function same(a: Uint8Array, b: Uint8Array): boolean {
  let difference = a.length ^ b.length;
  for (let at = 0; at < a.length; at++) difference |= (a[at] ?? 0) ^ (b[at] ?? 0);
  return difference === 0;
}

/** Status words that this operating system gives (ISO/IEC 7816-4, 5.1.3; docs/card-os.md 4). */
export const SW = {
  ok: 0x9000,
  endOfFile: 0x6282,
  deactivated: 0x6283,
  terminated: 0x6285,
  authenticationFailed: 0x6300,
  executionError: 0x6400,
  wrongLength: 0x6700,
  noChannel: 0x6881,
  noSecureMessaging: 0x6882,
  lastOfChainExpected: 0x6883,
  noChaining: 0x6884,
  wrongStructure: 0x6981,
  securityNotSatisfied: 0x6982,
  blocked: 0x6983,
  conditionsNotSatisfied: 0x6985,
  noCurrentFile: 0x6986,
  objectsMissing: 0x6987,
  objectsWrong: 0x6988,
  wrongData: 0x6a80,
  notSupported: 0x6a81,
  fileNotFound: 0x6a82,
  recordNotFound: 0x6a83,
  noMemory: 0x6a84,
  wrongP1P2: 0x6a86,
  referenceNotFound: 0x6a88,
  fileExists: 0x6a89,
  nameExists: 0x6a8a,
  wrongOffset: 0x6b00,
  wrongLe: 0x6c00,
  wrongInstruction: 0x6d00,
  wrongClass: 0x6e00,
} as const;
