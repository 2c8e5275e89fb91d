import { concat, unsigned } from "../bytes/index.js";
import { type BlockCipher, cmac } from "../crypto/index.js";

/**
 * Key derivation in counter mode, PRF CMAC, counter before the fixed input (NIST SP 800-108, 5.1):
 * block i = CMAC(K, i ‖ fixed), i from 1; concatenated and cut to `length` bytes.
 */
export function kdfCounterFirst(
  cipher: BlockCipher,
  fixed: Uint8Array,
  length: number,
  counterBytes: 1 | 2 | 4 = 1,
): Uint8Array {
  return blocks(cipher, length, (i) => concat(unsigned(i, counterBytes), fixed));
}

/**
 * SCP03's data derivation, counter in the middle (Amendment D, 4.1.5):
 * CMAC(K, 00 × 11 ‖ constant ‖ 00 ‖ L in bits (2) ‖ i ‖ context).
 */
export function deriveScp03(
  cipher: BlockCipher,
  constant: number,
  context: Uint8Array,
  length: number,
): Uint8Array {
  return blocks(cipher, length, (i) => scp03Input(constant, context, length, i));
}

/** What SCP03's data derivation is the CMAC of, block `i` from 1. */
export function scp03Input(constant: number, context: Uint8Array, length: number, i: number): Uint8Array {
  const label = new Uint8Array(15);
  label[11] = constant;
  label.set(unsigned(length * 8, 2), 13);
  return concat(label, Uint8Array.of(i), context);
}

function blocks(cipher: BlockCipher, length: number, input: (i: number) => Uint8Array): Uint8Array {
  const result = new Uint8Array(length);
  for (let i = 1, at = 0; at < length; i++) {
    const block = cmac(cipher, input(i));
    result.set(block.subarray(0, length - at), at);
    at += block.length;
  }
  return result;
}
