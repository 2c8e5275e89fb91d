import { CardProblem, concat } from "../bytes/index.js";
import type { Crypto, KeptKey } from "../crypto/index.js";
import { kdfCounterFirst } from "./kdf.js";

/** The three static keys of a secure channel key set. Whoever holds the object wipes it (`wipeKeySet`). */
export interface KeySet {
  readonly enc: Uint8Array;
  readonly mac: Uint8Array;
  readonly dek: Uint8Array;
}

/** The same for keys that stay where they are kept: ENC and MAC derive, DEK encrypts keys. */
export interface KeptKeySet {
  readonly enc: KeptKey;
  readonly mac: KeptKey;
  readonly dek: KeptKey;
}

export const isKept = (keys: KeySet | KeptKeySet): keys is KeptKeySet => !(keys.enc instanceof Uint8Array);

export function wipeKeySet(keys: KeySet): void {
  for (const key of [keys.enc, keys.mac, keys.dek]) key.fill(0);
}

/**
 * One key diversified by KDF3 from an AES master of the same length: SP 800-108 counter mode,
 * CMAC(master, i ‖ 00 00 00 ‖ k ‖ 00 ‖ KDD). k is 1 ENC, 2 MAC, 3 DEK, or a number of the application's.
 * `kdd`: the ten key diversification bytes (INITIALIZE UPDATE; GET DATA CF), all of them. Throws CardProblem `bad-value`.
 */
export function diversifyKeyKdf3(crypto: Crypto, master: Uint8Array, kdd: Uint8Array, k: number): Uint8Array {
  const fixed = kdf3Fixed(kdd, k);
  const cipher = crypto.aes(master);
  try {
    return kdfCounterFirst(cipher, fixed, master.length);
  } finally {
    cipher.wipe();
  }
}

function kdf3Fixed(kdd: Uint8Array, k: number): Uint8Array {
  checkKdd(kdd);
  if (!Number.isInteger(k) || k < 0 || k > 0xff)
    throw new CardProblem("bad-value", "KDF3", `${k} is not a key number`);
  return concat(Uint8Array.of(0, 0, 0, k, 0), kdd);
}

/** What block `i` (from 1) of a KDF3 key is the CMAC of. Throws CardProblem `bad-value`. */
export function kdf3Input(kdd: Uint8Array, k: number, i: number): Uint8Array {
  return concat(Uint8Array.of(i), kdf3Fixed(kdd, k));
}

/** A key set diversified by KDF3. */
export function diversifyKdf3(crypto: Crypto, master: Uint8Array, kdd: Uint8Array): KeySet {
  return {
    enc: diversifyKeyKdf3(crypto, master, kdd, 1),
    mac: diversifyKeyKdf3(crypto, master, kdd, 2),
    dek: diversifyKeyKdf3(crypto, master, kdd, 3),
  };
}

/** Which bytes of the KDD fill each half of the block that is encrypted, by method. */
const TEMPLATES = {
  "emv-cps": [4, 5, 6, 7, 8, 9],
  visa2: [0, 1, 4, 5, 6, 7],
  visa: [0, 1, 2, 3, 8, 9],
} as const;

/**
 * A 3DES key set from a double-length master: 3DES-ECB(master, part ‖ F0 k ‖ part ‖ 0F k), no parity adjustment
 * (EMV CPS 1.1, 4.1; Visa). Throws CardProblem `bad-value` or `bad-key`.
 */
export function diversify3des(
  crypto: Crypto,
  master: Uint8Array,
  kdd: Uint8Array,
  method: keyof typeof TEMPLATES,
): KeySet {
  if (master.length !== 16)
    throw new CardProblem("bad-key", "3DES master", `it has 16 bytes, not ${master.length}`);
  const cipher = crypto.des3(master);
  try {
    return diversify3desWith((blocks) => cipher.encrypt(blocks), kdd, method);
  } finally {
    cipher.wipe();
  }
}

/** The six bytes of the KDD that a method makes keys of: cards in which they are alike have the same keys. Throws CardProblem `bad-value`. */
export function diversifyingBytes(kdd: Uint8Array, method: keyof typeof TEMPLATES): Uint8Array {
  checkKdd(kdd);
  return Uint8Array.from(TEMPLATES[method], (at) => kdd[at] ?? 0);
}

/** The same where the master is elsewhere: `encrypt` is 3DES-ECB of whole blocks under it. Throws CardProblem `bad-value`. */
export function diversify3desWith(
  encrypt: (blocks: Uint8Array) => Uint8Array,
  kdd: Uint8Array,
  method: keyof typeof TEMPLATES,
): KeySet {
  const part = diversifyingBytes(kdd, method);
  const key = (k: number) => encrypt(concat(part, Uint8Array.of(0xf0, k), part, Uint8Array.of(0x0f, k)));
  return { enc: key(1), mac: key(2), dek: key(3) };
}

function checkKdd(kdd: Uint8Array): void {
  if (kdd.length !== 10) {
    throw new CardProblem("bad-value", "KDD", `key diversification data has 10 bytes, not ${kdd.length}`);
  }
}
