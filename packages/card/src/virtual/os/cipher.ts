import { type BlockCipher, cmac } from "../../crypto/index.js";
import type { Chip } from "../chip.js";
import { join, same } from "./command.js";

const zeros = new Uint8Array(16);
const ones = new Uint8Array(16).fill(0x01);

/** One AES key at work, of any length; every block is put on the chip's clock (docs/card-os.md 8). */
export class Cipher {
  readonly #aes: BlockCipher;
  readonly #chip: Pick<Chip, "spendAes">;

  constructor(chip: Pick<Chip, "crypto" | "spendAes">, key: Uint8Array) {
    this.#aes = chip.crypto.aes(key);
    this.#chip = chip;
  }

  /** AES-CMAC (SP 800-38B), 16 bytes. */
  cmac(...parts: readonly (Uint8Array | readonly number[])[]): Uint8Array {
    const message = join(...parts);
    // The subkeys count once each time: real silicon does not keep them.
    this.#chip.spendAes(Math.max(1, Math.ceil(message.length / 16)) + 1);
    return cmac(this.#aes, message);
  }

  block(block: Uint8Array): Uint8Array {
    this.#chip.spendAes(1);
    return this.#aes.encrypt(block);
  }

  encrypt(iv: Uint8Array, data: Uint8Array): Uint8Array {
    this.#chip.spendAes(data.length / 16);
    return this.#aes.cbcEncrypt(iv, data);
  }

  decrypt(data: Uint8Array, iv: Uint8Array = zeros): Uint8Array {
    this.#chip.spendAes(data.length / 16);
    return this.#aes.cbcDecrypt(iv, data);
  }
}

/** A key as PUT KEY brings it: `88 11 10` AES-CBC(DEK, IV 0, key) ‖ `03` KCV; undefined when the form or the KCV is wrong. */
export function unwrapKey(
  chip: Pick<Chip, "crypto" | "spendAes">,
  dek: Cipher,
  bytes: Uint8Array,
): { readonly key: Uint8Array; readonly kcv: Uint8Array } | undefined {
  if (bytes.length !== 23 || bytes[0] !== 0x88 || bytes[1] !== 0x11 || bytes[2] !== 0x10 || bytes[19] !== 3) {
    return undefined;
  }
  const key = dek.decrypt(bytes.subarray(3, 19));
  const kcv = new Cipher(chip, key).block(ones).subarray(0, 3);
  return same(kcv, bytes.subarray(20)) ? { key, kcv } : undefined;
}
