import { type Kcv, kcv } from "../bytes/index.js";
import type { BlockCipher, Crypto } from "./port.js";

/** Key check value of an AES key as GlobalPlatform has it: over 16 × 01 (GPCS annex B; PKCS#11 takes zeros instead). */
export function kcvAes(crypto: Crypto, key: Uint8Array): Kcv {
  return firstBytes(crypto.aes(key), new Uint8Array(16).fill(0x01));
}

/** Key check value of a DES key: over 8 × 00 (GPCS annex B). */
export function kcvDes(crypto: Crypto, key: Uint8Array): Kcv {
  return firstBytes(crypto.des3(key), new Uint8Array(8));
}

function firstBytes(cipher: BlockCipher, block: Uint8Array): Kcv {
  const value = kcv(cipher.encrypt(block).slice(0, 3));
  cipher.wipe();
  return value;
}
