import { CardProblem, concat, equalConstantTime, unsigned } from "../../bytes/index.js";
import { type BlockCipher, type Crypto, cmac, pad80 } from "../../crypto/index.js";

/** Ciphers of ISO secure messaging: two-key triple DES with retail MAC, or AES-128 with CMAC. */
export type SmCipher = "3DES" | "AES";

export interface SmKeys {
  /** 16 bytes each. */
  readonly enc: Uint8Array;
  readonly mac: Uint8Array;
}

export const MAC_LENGTH = 8;

/**
 * Encryption and MAC key of a shared seed of 16 bytes (ICAO Doc 9303-11, 9.7.1; BSI TR-03111 for AES-128):
 * the first 16 bytes of SHA-1(seed ‖ counter), counter 1 and 2; odd parity for triple DES.
 */
export function deriveSmKeys(crypto: Crypto, cipher: SmCipher, seed: Uint8Array): SmKeys {
  if (seed.length !== 16) throw new CardProblem("bad-key", "secure messaging", "a seed has 16 bytes");
  const derive = (counter: number): Uint8Array => {
    const key = crypto.sha1(concat(seed, unsigned(counter, 4))).slice(0, 16);
    return cipher === "3DES" ? key.map(withOddParity) : key;
  };
  return { enc: derive(1), mac: derive(2) };
}

function withOddParity(byte: number): number {
  let ones = 0;
  for (let bits = byte >> 1; bits > 0; bits >>= 1) ones += bits & 1;
  return (byte & 0xfe) | (ones % 2 === 0 ? 1 : 0);
}

/** What a cipher does in secure messaging; both work on whole blocks that are padded here (80 00.., always). */
export interface SmSuite {
  readonly block: 8 | 16;
  /** The MAC, 8 bytes, over messages that are padded one by one and joined. */
  mac(prefix: Uint8Array, ...messages: readonly Uint8Array[]): Uint8Array;
  /** `counter` absent: initialization vector zero, as in the authentication. */
  encrypt(blocks: Uint8Array, counter?: Uint8Array): Uint8Array;
  decrypt(blocks: Uint8Array, counter?: Uint8Array): Uint8Array;
  wipe(): void;
}

export function smSuite(crypto: Crypto, cipher: SmCipher, keys: SmKeys): SmSuite {
  if (keys.enc.length !== 16 || keys.mac.length !== 16)
    throw new CardProblem("bad-key", "secure messaging", "keys have 16 bytes");
  return cipher === "3DES" ? tripleDes(crypto, keys) : aes(crypto, keys);
}

const joined = (prefix: Uint8Array, messages: readonly Uint8Array[], block: number): Uint8Array =>
  concat(prefix, ...messages.map((message) => pad80(message, block)));

function tripleDes(crypto: Crypto, { enc, mac }: SmKeys): SmSuite {
  const cipher = crypto.des3(enc);
  const left = crypto.des3(mac.subarray(0, 8));
  const right = crypto.des3(mac.subarray(8));
  const zeros = new Uint8Array(8);
  return {
    block: 8,
    // ISO/IEC 9797-1 algorithm 3: CBC under the left half; the last block is decrypted under the right one and encrypted again.
    mac: (prefix, ...messages) => {
      const chained = left.cbcEncrypt(zeros, joined(prefix, messages, 8)).slice(-8);
      return left.encrypt(right.decrypt(chained));
    },
    encrypt: (blocks) => cipher.cbcEncrypt(zeros, blocks),
    decrypt: (blocks) => cipher.cbcDecrypt(zeros, blocks),
    wipe: () => wipeAll(cipher, left, right),
  };
}

function aes(crypto: Crypto, { enc, mac }: SmKeys): SmSuite {
  const cipher = crypto.aes(enc);
  const authenticator = crypto.aes(mac);
  // TR-03110-3, F.2: the vector is the encrypted send sequence counter.
  const vector = (counter: Uint8Array | undefined): Uint8Array =>
    counter === undefined ? new Uint8Array(16) : cipher.encrypt(counter);
  return {
    block: 16,
    mac: (prefix, ...messages) => cmac(authenticator, joined(prefix, messages, 16)).slice(0, MAC_LENGTH),
    encrypt: (blocks, counter) => cipher.cbcEncrypt(vector(counter), blocks),
    decrypt: (blocks, counter) => cipher.cbcDecrypt(vector(counter), blocks),
    wipe: () => wipeAll(cipher, authenticator),
  };
}

function wipeAll(...ciphers: readonly BlockCipher[]): void {
  for (const cipher of ciphers) cipher.wipe();
}

export const sameMac = (a: Uint8Array, b: Uint8Array): boolean =>
  a.length === MAC_LENGTH && equalConstantTime(a, b);
