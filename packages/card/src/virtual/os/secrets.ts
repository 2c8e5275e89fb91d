import type { Chip } from "../chip.js";
import type { File } from "./directory.js";
import { join } from "./command.js";

/** Keys and PIN of a DF, in its page pair: limit ‖ tries ‖ PIN block (8), then twice KID ‖ KVN ‖ tries ‖ key (16). KID or limit 00: none. */
export interface Pin {
  readonly limit: number;
  readonly tries: number;
  readonly block: Uint8Array;
}

export interface DfKey {
  readonly kid: number;
  readonly kvn: number;
  readonly tries: number;
  readonly key: Uint8Array;
}

export interface Secrets {
  readonly pin: Pin | undefined;
  readonly keys: readonly DfKey[];
}

export const KEYS = 2;
const PIN_LENGTH = 10;
const KEY_LENGTH = 19;

export function readSecrets(chip: Chip, df: File): Secrets {
  const bytes = chip.readPair(df.body) ?? new Uint8Array(0);
  const [limit = 0, tries = 0] = bytes;
  const keys: DfKey[] = [];
  for (let at = PIN_LENGTH; at + KEY_LENGTH <= bytes.length; at += KEY_LENGTH) {
    const [kid = 0, kvn = 0, left = 0] = bytes.subarray(at);
    if (kid !== 0) keys.push({ kid, kvn, tries: left, key: bytes.slice(at + 3, at + KEY_LENGTH) });
  }
  return { pin: limit === 0 ? undefined : { limit, tries, block: bytes.slice(2, PIN_LENGTH) }, keys };
}

function content({ pin, keys }: Secrets): Uint8Array {
  const first = pin === undefined ? new Uint8Array(PIN_LENGTH) : join([pin.limit, pin.tries], pin.block);
  return join(first, ...keys.map(({ kid, kvn, tries, key }) => join([kid, kvn, tries], key)));
}

/** Counters only: keys and PIN are those that are there. One page write, atomic. */
export const writeTries = (chip: Chip, df: File, secrets: Secrets): void =>
  chip.writePair(df.body, content(secrets));

/** Another key or PIN, atomic; nothing of the one before stays. Two page writes. */
export const replaceSecrets = (chip: Chip, df: File, secrets: Secrets): void =>
  chip.replacePair(df.body, content(secrets));

/** With this key in place of the one of its KID; undefined: no room. */
export function withKey(secrets: Secrets, key: DfKey): Secrets | undefined {
  const there = secrets.keys.some(({ kid }) => kid === key.kid);
  if (!there && secrets.keys.length >= KEYS) return undefined;
  const keys = there ? secrets.keys.map((old) => (old.kid === key.kid ? key : old)) : [...secrets.keys, key];
  return { ...secrets, keys };
}
