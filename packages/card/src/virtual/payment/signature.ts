import type { RsaCrt } from "../../crypto/index.js";
import type { Chip } from "../chip.js";
import { join } from "../os/command.js";

/** A private operation in the coprocessor; a block of SHA-1. */
const rsaMicros = 60_000;
const hashMicros = 10;

/** Raw RSA with the private key. */
export function decipher(chip: Chip, key: RsaCrt, block: Uint8Array): Uint8Array {
  chip.spendMicros(rsaMicros);
  return chip.crypto.rsaPrivate(key, block);
}

export function hashOf(chip: Chip, message: Uint8Array): Uint8Array {
  chip.spendMicros(hashMicros * (1 + Math.floor(message.length / 64)));
  return chip.crypto.sha1(message);
}

/** `6A 05 01 ‖ length ‖ dynamic data ‖ BB.. ‖ hash ‖ BC` under the card's key (EMV Book 2, 6.5.2). */
export function signedDynamicData(
  chip: Chip,
  key: RsaCrt,
  dynamic: Uint8Array,
  terminal: Uint8Array,
): Uint8Array {
  const size = 2 * key.p.length;
  const block = new Uint8Array(size).fill(0xbb);
  block.set(join([0x6a, 0x05, 0x01, dynamic.length], dynamic));
  const hash = hashOf(chip, join(block.subarray(1, size - 21), terminal));
  block.set(hash, size - 21);
  block[size - 1] = 0xbc;
  return decipher(chip, key, block);
}
