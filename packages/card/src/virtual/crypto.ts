/** One key ready for use. Lengths are the caller's promise: whole blocks, no padding here. */
export interface BlockCipher {
  readonly blockSize: number;
  encrypt(block: Uint8Array): Uint8Array;
  decrypt(block: Uint8Array): Uint8Array;
  cbcEncrypt(iv: Uint8Array, data: Uint8Array): Uint8Array;
  cbcDecrypt(iv: Uint8Array, data: Uint8Array): Uint8Array;
}

/** The primitives the chip has in silicon; the only thing it shares with the host side. */
export interface Crypto {
  aes(key: Uint8Array): BlockCipher;
  sha256(data: Uint8Array): Uint8Array;
}
