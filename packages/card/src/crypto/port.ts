/** One key under one block cipher. All calls take whole blocks; wrong lengths throw CardProblem `bad-value`. */
export interface BlockCipher {
  /** Bytes: 16 for AES, 8 for (triple) DES. */
  readonly blockSize: 8 | 16;
  /** ECB of one or more whole blocks. */
  encrypt(block: Uint8Array): Uint8Array;
  decrypt(block: Uint8Array): Uint8Array;
  /** CBC without padding; the result is a new array. */
  cbcEncrypt(iv: Uint8Array, data: Uint8Array): Uint8Array;
  cbcDecrypt(iv: Uint8Array, data: Uint8Array): Uint8Array;
  /** CMAC where the key is; absent: `cmac` computes it from the blocks. */
  cmac?(message: Uint8Array): Uint8Array;
  /** Forgets the key; every later call throws CardProblem `session-closed`. */
  wipe(): void;
}

/** What a kept key may do, and nothing else: it is made for one purpose. `to-card`: to be wrapped into a card, and checked there. */
export type KeyPurpose = "derive" | "mac" | "cipher" | "key-encryption" | "to-card";

/**
 * An AES key that works where it is kept (inside a security token): nobody on this side has its bytes. A call it was not made for
 * throws CardProblem `bad-key`.
 */
export interface KeptKey extends BlockCipher {
  readonly keyLength: 16 | 24 | 32;
  cmac(message: Uint8Array): Uint8Array;
  /** The key CMAC(this, message), 16 bytes, kept in the same place. The caller wipes it. */
  derive(message: Uint8Array, purpose: KeyPurpose): KeptKey;
  /** The bytes of another key of the same place under this one (AES-CBC, IV 0), as cards take their keys. */
  wrapKey(key: KeptKey): Uint8Array;
  /** GlobalPlatform check value, three bytes. */
  checkValue(): Uint8Array;
}

/** What this package asks of a cryptographic library. */
export interface Crypto {
  /** 16, 24 or 32 bytes, else CardProblem `bad-key`. The key is copied. */
  aes(key: Uint8Array): BlockCipher;
  /** 8 bytes (single DES), 16 (two keys) or 24, else CardProblem `bad-key`. The key is copied. Parity bits are ignored. */
  des3(key: Uint8Array): BlockCipher;
  /** For the key derivation of ICAO Doc 9303-11 and the signatures and derivations of EMV only. */
  sha1(data: Uint8Array): Uint8Array;
  sha256(data: Uint8Array): Uint8Array;
  /**
   * RSA without padding: a block as long as the modulus and below it, to one of that length. Throws CardProblem `bad-key` for what is no
   * key, `bad-value` for a block that does not fit.
   */
  rsaPublic(key: RsaPublicKey, block: Uint8Array): Uint8Array;
  rsaPrivate(key: RsaCrt, block: Uint8Array): Uint8Array;
  readonly p256: EllipticCurve;
}

/** Numbers, most significant byte first; the modulus without leading zeros. */
export interface RsaPublicKey {
  readonly modulus: Uint8Array;
  readonly exponent: Uint8Array;
}

/** A private key as smart cards keep it: primes, d mod (p − 1), d mod (q − 1), q⁻¹ mod p; each as long as a prime. */
export interface RsaCrt {
  readonly p: Uint8Array;
  readonly q: Uint8Array;
  readonly dp: Uint8Array;
  readonly dq: Uint8Array;
  readonly qInverse: Uint8Array;
}

/** An elliptic curve of keys that two sides agree upon (ECKA; NIST P-256). Points are 04 ‖ x ‖ y. */
export interface KeyAgreement {
  /** A new ephemeral pair. The caller wipes the private key. */
  generate(): { readonly privateKey: Uint8Array; readonly publicKey: Uint8Array };
  /** The x coordinate of the common point. Throws CardProblem `bad-key` for what is no point of the curve, or no private key. */
  agree(privateKey: Uint8Array, publicKey: Uint8Array): Uint8Array;
}

/** The same curve, with the signatures that its certificates have. Private keys have 32 bytes, signatures 64: r ‖ s. */
export interface EllipticCurve extends KeyAgreement {
  /** Throws CardProblem `bad-key` for what is no private key. */
  publicKeyOf(privateKey: Uint8Array): Uint8Array;
  /** ECDSA with SHA-256. Throws CardProblem `bad-key`. */
  sign(privateKey: Uint8Array, message: Uint8Array): Uint8Array;
  /** False for a wrong signature, and for a key that is no point of the curve. */
  verify(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean;
}
