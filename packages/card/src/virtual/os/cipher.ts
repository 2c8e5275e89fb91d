import type { Chip } from "../chip.js";
import { join, same } from "./command.js";

const zeros = new Uint8Array(16);
const ones = new Uint8Array(16).fill(0x01);

/** One AES-128 key at work; every block is put on the chip's clock (docs/card-os.md 8). */
export class Cipher {
  readonly #aes: ReturnType<Chip["crypto"]["aes"]>;
  readonly #chip: Pick<Chip, "spendAes">;
  #subkeys: readonly [Uint8Array, Uint8Array] | undefined;

  constructor(chip: Pick<Chip, "crypto" | "spendAes">, key: Uint8Array) {
    this.#aes = chip.crypto.aes(key);
    this.#chip = chip;
  }

  /** AES-CMAC (SP 800-38B), 16 bytes. */
  cmac(...parts: readonly (Uint8Array | readonly number[])[]): Uint8Array {
    const message = join(...parts);
    const blocks = Math.max(1, Math.ceil(message.length / 16));
    this.#chip.spendAes(blocks + 1);
    this.#subkeys ??= subkeys(this.#aes.encrypt(zeros));
    const whole = message.length === blocks * 16;
    const padded = new Uint8Array(blocks * 16);
    padded.set(message);
    if (!whole) padded[message.length] = 0x80;
    const subkey = this.#subkeys[whole ? 0 : 1];
    const last = padded.length - 16;
    for (let at = 0; at < 16; at++) padded[last + at] = (padded[last + at] ?? 0) ^ (subkey[at] ?? 0);
    return this.#aes.cbcEncrypt(zeros, padded).slice(last);
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

function subkeys(l: Uint8Array): readonly [Uint8Array, Uint8Array] {
  const k1 = double(l);
  return [k1, double(k1)];
}

function double(block: Uint8Array): Uint8Array {
  const shifted = new Uint8Array(16);
  for (let at = 0; at < 16; at++) shifted[at] = ((block[at] ?? 0) << 1) | ((block[at + 1] ?? 0) >> 7);
  if ((block[0] ?? 0) & 0x80) shifted[15] = (shifted[15] ?? 0) ^ 0x87;
  return shifted;
}
