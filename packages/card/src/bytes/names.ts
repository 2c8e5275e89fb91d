import type { Brand } from "./brand.js";
import { CardProblem } from "./problem.js";

/** Application identifier or DF name, 5 to 16 bytes (ISO/IEC 7816-4, 8.2.1.2). */
export type Aid = Brand<Uint8Array, "Aid">;
/** File identifier, 0..FFFF (ISO/IEC 7816-4, 5.3.1). */
export type Fid = Brand<number, "Fid">;
/** Short EF identifier, 1..30 (ISO/IEC 7816-4, 5.3.1). */
export type Sfi = Brand<number, "Sfi">;
/** Key check value, 3 bytes. */
export type Kcv = Brand<Uint8Array, "Kcv">;

/** Throws CardProblem `bad-value` unless there are 5 to 16 bytes. The bytes are not copied. */
export function aid(bytes: Uint8Array): Aid {
  if (bytes.length < 5 || bytes.length > 16) {
    throw new CardProblem("bad-value", "AID", `an AID has 5 to 16 bytes, not ${bytes.length}`);
  }
  return bytes as Aid;
}

/** Throws CardProblem `bad-value` outside 0..FFFF. */
export function fid(n: number): Fid {
  if (!Number.isInteger(n) || n < 0 || n > 0xffff) {
    throw new CardProblem("bad-value", "file identifier", `${n} is not a number from 0 to FFFF`);
  }
  return n as Fid;
}

/** Throws CardProblem `bad-value` outside 1..30. */
export function sfi(n: number): Sfi {
  if (!Number.isInteger(n) || n < 1 || n > 30) {
    throw new CardProblem("bad-value", "short file identifier", `${n} is not a number from 1 to 30`);
  }
  return n as Sfi;
}

/** Throws CardProblem `bad-value` unless there are 3 bytes. */
export function kcv(bytes: Uint8Array): Kcv {
  if (bytes.length !== 3)
    throw new CardProblem("bad-value", "KCV", `a key check value has 3 bytes, not ${bytes.length}`);
  return bytes as Kcv;
}

export const MF: Fid = fid(0x3f00);
