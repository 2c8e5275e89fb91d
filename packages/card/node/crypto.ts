import { createCipheriv, createDecipheriv, createHash } from "node:crypto";
import { CardProblem, unmoved, unmovedCopy } from "../src/bytes/index.js";
import type { BlockCipher, Crypto } from "../src/crypto/index.js";
import { nodeP256 } from "./p256.js";
import { rsaPrivate, rsaPublic } from "./rsa.js";

/** The crypto port on OpenSSL, by way of Node. */
export const nodeCrypto: Crypto = {
  aes(key) {
    if (key.length !== 16 && key.length !== 24 && key.length !== 32) {
      throw new CardProblem("bad-key", "AES", `a key has 16, 24 or 32 bytes, not ${key.length}`);
    }
    return new NodeCipher(`aes-${key.length * 8}`, unmovedCopy(key), 16);
  },
  des3(key) {
    return new NodeCipher("des-ede3", tripled(key), 8);
  },
  sha1(data) {
    return Uint8Array.from(createHash("sha1").update(data).digest());
  },
  sha256(data) {
    return Uint8Array.from(createHash("sha256").update(data).digest());
  },
  rsaPublic,
  rsaPrivate,
  p256: nodeP256,
};

/** A copy, outside the moving heap. OpenSSL 3 has no single DES: K‖K‖K is the same cipher. */
function tripled(key: Uint8Array): Uint8Array {
  const whole = unmoved(24);
  switch (key.length) {
    case 8:
      for (const at of [0, 8, 16]) whole.set(key, at);
      return whole;
    case 16:
      whole.set(key);
      whole.set(key.subarray(0, 8), 16);
      return whole;
    case 24:
      whole.set(key);
      return whole;
    default:
      throw new CardProblem("bad-key", "DES", `a key has 8, 16 or 24 bytes, not ${key.length}`);
  }
}

type Stream = ReturnType<typeof createCipheriv> | ReturnType<typeof createDecipheriv>;

/**
 * Cipher objects are set up once and fed whole blocks, which they answer at once. One CBC object serves every message:
 * it XORs its last output into the next block, so the first block is given with that output XORed out and the IV in.
 */
class NodeCipher implements BlockCipher {
  readonly blockSize: 8 | 16;
  readonly #algorithm: string;
  readonly #key: Uint8Array;
  #wiped = false;
  #ecbEncrypt: Stream | undefined;
  #ecbDecrypt: Stream | undefined;
  #cbcEncrypt: Stream | undefined;
  readonly #lastOutput: Uint8Array;

  /** `key` is the cipher's own, which it wipes. */
  constructor(algorithm: string, key: Uint8Array, blockSize: 8 | 16) {
    this.#algorithm = algorithm;
    this.#key = key;
    this.blockSize = blockSize;
    this.#lastOutput = new Uint8Array(blockSize);
  }

  encrypt(block: Uint8Array): Uint8Array {
    this.#check(block);
    this.#ecbEncrypt ??= createCipheriv(`${this.#algorithm}-ecb`, this.#key, null).setAutoPadding(false);
    return fed(this.#ecbEncrypt, block);
  }

  decrypt(block: Uint8Array): Uint8Array {
    this.#check(block);
    this.#ecbDecrypt ??= createDecipheriv(`${this.#algorithm}-ecb`, this.#key, null).setAutoPadding(false);
    return fed(this.#ecbDecrypt, block);
  }

  cbcEncrypt(iv: Uint8Array, data: Uint8Array): Uint8Array {
    this.#check(data, iv);
    if (data.length === 0) return new Uint8Array(0);
    this.#cbcEncrypt ??= createCipheriv(
      `${this.#algorithm}-cbc`,
      this.#key,
      new Uint8Array(this.blockSize),
    ).setAutoPadding(false);
    const input = new Uint8Array(data);
    const last = this.#lastOutput;
    for (let at = 0; at < last.length; at++) {
      input[at] = (input[at] ?? 0) ^ (iv[at] ?? 0) ^ (last[at] ?? 0);
    }
    const output = fed(this.#cbcEncrypt, input);
    input.fill(0);
    const from = output.length - last.length;
    for (let at = 0; at < last.length; at++) last[at] = output[from + at] ?? 0;
    return output;
  }

  cbcDecrypt(iv: Uint8Array, data: Uint8Array): Uint8Array {
    this.#check(data, iv);
    const output = this.decrypt(data);
    for (let at = 0; at < output.length; at++) {
      const before = at < this.blockSize ? iv[at] : data[at - this.blockSize];
      output[at] = (output[at] ?? 0) ^ (before ?? 0);
    }
    return output;
  }

  /** What OpenSSL keeps of the key goes when the garbage collector frees the objects; they zero it themselves. */
  wipe(): void {
    this.#wiped = true;
    this.#key.fill(0);
    this.#ecbEncrypt = undefined;
    this.#ecbDecrypt = undefined;
    this.#cbcEncrypt = undefined;
  }

  #check(data: Uint8Array, iv?: Uint8Array): void {
    if (this.#wiped) throw new CardProblem("session-closed", this.#algorithm, "the key has been wiped");
    if (data.length % this.blockSize !== 0) {
      throw new CardProblem("bad-value", this.#algorithm, `${data.length} bytes are not whole blocks`);
    }
    if (iv !== undefined && iv.length !== this.blockSize) {
      throw new CardProblem(
        "bad-value",
        this.#algorithm,
        `an IV has ${this.blockSize} bytes, not ${iv.length}`,
      );
    }
  }
}

/** A plain array in memory of its own, not one of Node's pooled buffers; no other copy of it stays. */
function fed(stream: Stream, blocks: Uint8Array): Uint8Array {
  if (blocks.length === 0) return new Uint8Array(0);
  const out = stream.update(blocks);
  if (out.byteLength === out.buffer.byteLength) return new Uint8Array(out.buffer);
  const own = unmovedCopy(out);
  out.fill(0);
  return own;
}
