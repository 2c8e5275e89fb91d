/** Pieces of a key as custodians hold them: XOR components, and shares of which some are enough (Shamir). Written and read as text. */
import { createHash } from "node:crypto";
import { hex, unhex } from "@persoline/card/bytes";
import { type Crypto, cmac, kcvAes, kcvDes } from "@persoline/card/crypto";
import { combineComponents, desWeakness, oddParity } from "@persoline/card/keyblock";
import { nodeCrypto } from "@persoline/card/node";
import { combine, split } from "shamir-secret-sharing";
import { random } from "../draw.js";
import type { KeyDescription } from "../port.js";
import { OfficeRefusal } from "./refusal.js";
import type { KcvMethod } from "./types.js";

type Algorithm = KeyDescription["algorithm"];

/** Hexadecimal; for 3DES "gp" and "zeros" are one. */
export function checkValue(algorithm: Algorithm, key: Uint8Array, method: KcvMethod): string {
  const crypto: Crypto = nodeCrypto;
  if (method === "cmac") {
    const cipher = algorithm === "3DES" ? crypto.des3(key) : crypto.aes(key);
    const value = hex(cmac(cipher, new Uint8Array(cipher.blockSize)).slice(0, algorithm === "3DES" ? 3 : 5));
    cipher.wipe();
    return value;
  }
  if (algorithm === "3DES") return hex(kcvDes(crypto, key));
  if (method === "gp") return hex(kcvAes(crypto, key));
  const cipher = crypto.aes(key);
  const value = hex(cipher.encrypt(new Uint8Array(16)).slice(0, 3));
  cipher.wipe();
  return value;
}

/** A component as a person types it: hexadecimal, spaces and dashes as one likes. The text itself is never told. */
export function readComponent(text: string, length: number): Uint8Array {
  const digits = text.replaceAll(/[\s-]/g, "");
  if (!/^[0-9a-fA-F]*$/.test(digits))
    throw new OfficeRefusal("a component has hexadecimal digits only; enter it again");
  if (digits.length !== 2 * length)
    throw new OfficeRefusal(
      `a component of this key has ${2 * length} digits, ${digits.length} were entered; enter it again`,
    );
  return unhex(digits);
}

export const writeComponent = (component: Uint8Array): string =>
  (hex(component).match(/.{1,4}/g) ?? []).join(" ");

/** The key of all components. Throws OfficeRefusal for those that must not be. */
export function fromComponents(algorithm: Algorithm, components: readonly Uint8Array[]): Uint8Array {
  return judged(algorithm, () => combineComponents(components));
}

function judged(algorithm: Algorithm, make: () => Uint8Array): Uint8Array {
  let key: Uint8Array;
  try {
    key = make();
  } catch (problem) {
    throw new OfficeRefusal(
      `${problem instanceof Error ? problem.message : "the pieces do not fit"}; nothing was made`,
    );
  }
  if (algorithm !== "3DES") return key;
  const weak = desWeakness(key);
  if (weak !== undefined) {
    key.fill(0);
    throw new OfficeRefusal(`${weak}; nothing was made`);
  }
  const adjusted = oddParity(key);
  key.fill(0);
  return adjusted;
}

/** A sound generator makes none of these in a lifetime. */
const DRAWS_AT_MOST = 4;
const weakGenerator = (): OfficeRefusal =>
  new OfficeRefusal(
    `the random generator gave ${DRAWS_AT_MOST} weak triple DES keys in a row: it is not random. No key was made; look at the machine or the token`,
  );

/** Draws again, a few times, as long as what comes is weak; `forget` is called with what is. Throws OfficeRefusal. */
export function drawnSound<T>(draw: () => T, isWeak: (one: T) => boolean, forget: (one: T) => void): T {
  for (let left = DRAWS_AT_MOST; left > 0; left--) {
    const one = draw();
    if (!isWeak(one)) return one;
    forget(one);
  }
  throw weakGenerator();
}

/** A new key that may be used as what it is for; a triple DES key of odd parity. The caller wipes it. Throws OfficeRefusal. */
export function drawKey(
  algorithm: Algorithm,
  length: number,
  from: (length: number) => Uint8Array = random,
): Uint8Array {
  const wipe = (key: Uint8Array): void => {
    key.fill(0);
  };
  if (algorithm !== "3DES") return from(length);
  const draw = (): Uint8Array => {
    const drawn = from(length);
    const key = oddParity(drawn);
    drawn.fill(0);
    return key;
  };
  return drawnSound(draw, (key) => desWeakness(key) !== undefined, wipe);
}

/** One share: which set it is of, how many are needed, its number in it. */
export interface Share {
  /** Eight hexadecimal digits, drawn for the set. */
  readonly set: string;
  readonly needed: number;
  readonly number: number;
  /** As long as the key. */
  readonly value: Uint8Array;
}

/** Shares over GF(2^8), polynomial 11B, byte by byte; any `needed` of them give the key back, fewer tell nothing. */
export async function splitKey(key: Uint8Array, shares: number, needed: number): Promise<Share[]> {
  const set = hex(random(4));
  // The library gives the value, then the x it stands at: 1 to 255.
  const parts = await split(key, shares, needed);
  return parts.map((part) => {
    const value = part.slice(0, -1);
    const number = part[part.length - 1] ?? 0;
    part.fill(0);
    return { set, needed, number, value };
  });
}

/** Throws OfficeRefusal for shares of several sets, the same one twice, or too few. */
export async function fromShares(algorithm: Algorithm, shares: readonly Share[]): Promise<Uint8Array> {
  const [first] = shares;
  if (first === undefined || shares.length < first.needed)
    throw new OfficeRefusal(
      `${first?.needed ?? 2} shares are needed, ${shares.length} were entered; nothing was made`,
    );
  if (shares.some(({ set, needed }) => set !== first.set || needed !== first.needed))
    throw new OfficeRefusal("the shares belong to different keys; nothing was made");
  if (new Set(shares.map(({ number }) => number)).size !== shares.length)
    throw new OfficeRefusal("the same share was entered twice; nothing was made");
  const parts = shares.map(({ value, number }) => Uint8Array.of(...value, number));
  try {
    const key = await combine(parts);
    return judged(algorithm, () => key);
  } finally {
    for (const part of parts) part.fill(0);
  }
}

const check = (text: string): string =>
  createHash("sha256").update(text).digest("hex").slice(0, 4).toUpperCase();

/** `PLS1-set-needed-number-value-check`; the check, two bytes of SHA-256 of all before it, finds a slip of the pen and tells nothing new. */
export function writeShare({ set, needed, number, value }: Share): string {
  const text = ["PLS1", set, needed, number, hex(value)].join("-");
  return `${text}-${check(text)}`;
}

export function readShare(text: string, length: number): Share {
  const entered = text.replaceAll(/\s/g, "").toUpperCase();
  const found = /^(PLS1-([0-9A-F]{8})-(\d{1,3})-(\d{1,3})-([0-9A-F]+))-([0-9A-F]{4})$/.exec(entered);
  const [, body = "", set = "", needed = "", number = "", value = "", sum = ""] = found ?? [];
  if (found === null || check(body) !== sum)
    throw new OfficeRefusal("this is no share, or a character of it is wrong; enter it again");
  const share = { set, needed: Number(needed), number: Number(number), value: unhex(value) };
  if (share.value.length !== length || share.number < 1 || share.number > 255 || share.needed < 2)
    throw new OfficeRefusal("this share is of another kind of key; enter the right one");
  return share;
}
