import type { BlockCipher } from "./port.js";

const ZEROS = { 8: new Uint8Array(8), 16: new Uint8Array(16) } as const;

/** Subkeys live as long as their cipher. */
const SUBKEYS = new WeakMap<BlockCipher, { readonly k1: Uint8Array; readonly k2: Uint8Array }>();

/** CMAC of any message, a whole block long (NIST SP 800-38B; AES or triple DES). */
export function cmac(cipher: BlockCipher, message: Uint8Array): Uint8Array {
  if (cipher.cmac !== undefined) return cipher.cmac(message);
  const size = cipher.blockSize;
  let keys = SUBKEYS.get(cipher);
  if (keys === undefined) {
    const k1 = doubled(cipher.encrypt(ZEROS[size]));
    keys = { k1, k2: doubled(k1) };
    SUBKEYS.set(cipher, keys);
  }
  const whole = message.length > 0 && message.length % size === 0;
  const padded = new Uint8Array(whole ? message.length : message.length + size - (message.length % size));
  padded.set(message);
  if (!whole) padded[message.length] = 0x80;
  const key = whole ? keys.k1 : keys.k2;
  const last = padded.length - size;
  for (let at = 0; at < size; at++) padded[last + at] = (padded[last + at] ?? 0) ^ (key[at] ?? 0);
  return cipher.cbcEncrypt(ZEROS[size], padded).slice(last);
}

/** Multiplication by x in GF(2^n), n = 64 or 128 (SP 800-38B, 6.1). */
function doubled(block: Uint8Array): Uint8Array {
  const result = new Uint8Array(block.length);
  let carry = 0;
  for (let at = block.length - 1; at >= 0; at--) {
    const byte = block[at] ?? 0;
    result[at] = ((byte << 1) | carry) & 0xff;
    carry = byte >> 7;
  }
  const last = block.length - 1;
  if (carry === 1) result[last] = (result[last] ?? 0) ^ (block.length === 16 ? 0x87 : 0x1b);
  return result;
}
