import type { BlockCipher } from "../../crypto/index.js";
import type { Chip } from "../chip.js";
import { Cipher } from "../os/cipher.js";

type Work = Pick<Chip, "crypto" | "spendAes" | "spendMicros">;
/** One DES block through the coprocessor three times. */
const desMicros = 15;

const zeros = new Uint8Array(8);

/** Two-key triple DES, and single DES with its left half. */
export class TripleDes {
  readonly #whole: BlockCipher;
  readonly #left: BlockCipher;
  readonly #chip: Work;

  constructor(chip: Work, key: Uint8Array) {
    this.#whole = chip.crypto.des3(key);
    this.#left = chip.crypto.des3(key.slice(0, 8));
    this.#chip = chip;
  }

  encryptEcb(data: Uint8Array): Uint8Array {
    this.#spend(data.length);
    return this.#whole.encrypt(data);
  }

  decryptEcb(data: Uint8Array): Uint8Array {
    this.#spend(data.length);
    return this.#whole.decrypt(data);
  }

  encryptCbc(data: Uint8Array): Uint8Array {
    this.#spend(data.length);
    return this.#whole.cbcEncrypt(zeros, data);
  }

  decryptCbc(data: Uint8Array): Uint8Array {
    this.#spend(data.length);
    return this.#whole.cbcDecrypt(zeros, data);
  }

  /** The last block of the whole chain under triple DES (ISO/IEC 9797-1, algorithm 1). */
  chainMac(message: Uint8Array): Uint8Array {
    return this.encryptCbc(padded(message, 8)).slice(-8);
  }

  /** ISO/IEC 9797-1, algorithm 3, written block by block. */
  retailMac(icv: Uint8Array, message: Uint8Array): Uint8Array {
    const data = padded(message, 8);
    this.#spend(data.length);
    let chain = icv;
    for (let at = 0; at < data.length; at += 8) {
      const block = data.slice(at, at + 8);
      for (let i = 0; i < 8; i++) block[i] = (block[i] ?? 0) ^ (chain[i] ?? 0);
      chain = at + 8 < data.length ? this.#left.encrypt(block) : this.#whole.encrypt(block);
    }
    return chain;
  }

  single(block: Uint8Array): Uint8Array {
    this.#spend(8);
    return this.#left.encrypt(block);
  }

  #spend(bytes: number): void {
    this.#chip.spendMicros((bytes / 8) * desMicros);
  }
}

/** 80 and zeros up to whole blocks. */
export function padded(data: Uint8Array, block: number): Uint8Array {
  const whole = new Uint8Array((Math.floor(data.length / block) + 1) * block);
  whole.set(data);
  whole[data.length] = 0x80;
  return whole;
}

/** Without its padding; undefined when there is none in the last block. */
export function unpadded(data: Uint8Array, block: number): Uint8Array | undefined {
  let end = data.length - 1;
  while (end > 0 && data[end] === 0) end--;
  return data[end] === 0x80 && data.length - end <= block ? data.subarray(0, end) : undefined;
}

/** First three bytes of a known block under the key: AES over 01s, DES over zeros (GPCS annex B). */
export function checkValue(chip: Work, type: 0x80 | 0x88, key: Uint8Array): Uint8Array {
  return type === 0x88
    ? new Cipher(chip, key).block(new Uint8Array(16).fill(1)).slice(0, 3)
    : new TripleDes(chip, key).encryptEcb(zeros).slice(0, 3);
}
