/** One AES key of a card inside the token, for as long as its card session lasts. */
import { concat, xor } from "@persoline/card/bytes";
import type { KeptKey, KeyPurpose } from "@persoline/card/crypto";
import { VaultRefusal } from "../vault-refusal.js";
import { type Handle, type Token, TokenLost } from "./token.js";

const ZEROS = new Uint8Array(16);
/** GlobalPlatform check values are over 16 × 01 (GPCS annex B). */
export const ONES = new Uint8Array(16).fill(0x01);

/** Multiplication by x in GF(2^128) (SP 800-38B, 6.1): K1 from E(K, 0), K2 from K1. */
export function doubled(block: Uint8Array): Uint8Array {
  const result = block.map((byte, at) => ((byte << 1) & 0xff) | ((block[at + 1] ?? 0) >> 7));
  if (((block[0] ?? 0) & 0x80) !== 0) result[15] = (result[15] ?? 0) ^ 0x87;
  return result;
}

export class TokenKey implements KeptKey {
  readonly blockSize = 16;
  readonly keyLength = 16;
  readonly #token: Token;
  readonly #purpose: KeyPurpose;
  readonly #generation: number;
  #handle: Handle | undefined;
  #zero: Uint8Array | undefined;

  /** Bytes that the value has at most, for what is no key of 16. */
  readonly #length: number;

  constructor(token: Token, handle: Handle, purpose: KeyPurpose, length = 16) {
    this.#length = length;
    this.#token = token;
    this.#handle = handle;
    this.#purpose = purpose;
    this.#generation = token.generation;
  }

  encrypt(block: Uint8Array): Uint8Array {
    return this.#token.encryptEcb(this.#for("cipher", "derive", "key-encryption"), block);
  }

  decrypt(): Uint8Array {
    throw new VaultRefusal("single blocks are not decrypted with keys of the token");
  }

  cbcEncrypt(iv: Uint8Array, data: Uint8Array): Uint8Array {
    return this.#token.encryptCbc(this.#for("cipher", "derive", "key-encryption"), iv, data);
  }

  cbcDecrypt(iv: Uint8Array, data: Uint8Array): Uint8Array {
    return this.#token.decryptCbc(this.#for("cipher"), iv, data);
  }

  cmac(message: Uint8Array): Uint8Array {
    if (this.#purpose === "mac") return this.#token.cmac(this.#for("mac"), message);
    const { state, last } = this.#cmacInput(message);
    return this.encrypt(xor(state, last));
  }

  derive(message: Uint8Array, purpose: KeyPurpose): KeptKey {
    const { state, last } = this.#cmacInput(message);
    return new TokenKey(this.#token, this.#token.derive(this.#for("derive"), state, last, purpose), purpose);
  }

  wrapKey(key: KeptKey): Uint8Array {
    if (!(key instanceof TokenKey)) throw new VaultRefusal("that key is not in this token");
    return this.#token.wrap(this.#for("key-encryption"), key.#for("to-card"), key.#length);
  }

  checkValue(): Uint8Array {
    return this.#token.encryptEcb(this.#for("to-card", "cipher", "derive"), ONES).slice(0, 3);
  }

  wipe(): void {
    const handle = this.#handle;
    this.#handle = undefined;
    if (handle !== undefined && this.#generation === this.#token.generation) this.#token.destroy(handle);
  }

  /** CMAC up to its last encryption: the state before it, and the last block with its subkey (SP 800-38B, 6.2). */
  #cmacInput(message: Uint8Array): { readonly state: Uint8Array; readonly last: Uint8Array } {
    const rest = message.length % 16;
    const whole = message.length > 0 && rest === 0;
    const padded = whole ? message : concat(message, Uint8Array.of(0x80), new Uint8Array(15 - rest));
    const end = padded.length - 16;
    const { zero, state } = this.#chained(padded.subarray(0, end));
    const first = doubled(zero);
    return { state, last: xor(padded.subarray(end), whole ? first : doubled(first)) };
  }

  /** E(K, 0), and the last block of `blocks` chained from 0: by one asking where they are one at most, as in SCP03's derivations. */
  #chained(blocks: Uint8Array): { readonly zero: Uint8Array; readonly state: Uint8Array } {
    if (this.#zero === undefined && blocks.length === 16) {
      const both = this.encrypt(concat(ZEROS, blocks));
      this.#zero = both.slice(0, 16);
      return { zero: this.#zero, state: both.slice(16) };
    }
    this.#zero ??= this.encrypt(ZEROS);
    return {
      zero: this.#zero,
      state: blocks.length === 0 ? ZEROS : this.cbcEncrypt(ZEROS, blocks).slice(-16),
    };
  }

  /** The handle, if it may do that and is one of the present connection: after a reconnect it might name another key. */
  #for(...purposes: readonly KeyPurpose[]): Handle {
    if (!purposes.includes(this.#purpose))
      throw new VaultRefusal(`a key for "${this.#purpose}" does not do this`);
    if (this.#generation !== this.#token.generation)
      throw new TokenLost("this card's keys went with the token's last connection");
    if (this.#handle === undefined) throw new VaultRefusal("the key has been wiped");
    return this.#handle;
  }
}
