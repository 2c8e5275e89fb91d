// The host's half of the loader's conversation, written from docs/card-os.md (section 2) and from nothing else: it shares no
// code with the virtual card, not even CMAC. Vectors and tests are made with it.
import { createCipheriv } from "node:crypto";

export function encrypt(algorithm: "aes-128-ecb" | "aes-128-cbc", key: Uint8Array, data: Uint8Array): Buffer {
  const cipher = createCipheriv(algorithm, key, algorithm === "aes-128-cbc" ? Buffer.alloc(16) : null);
  cipher.setAutoPadding(false);
  return Buffer.concat([cipher.update(data), cipher.final()]);
}

/** One bit to the left; the bit that falls out comes back as 87 (NIST SP 800-38B, 6.1). */
function twice(block: Buffer): Buffer {
  const n = BigInt(`0x${block.toString("hex")}`) << 1n;
  const reduced = n >> 128n ? (n ^ 0x87n) & ((1n << 128n) - 1n) : n;
  return Buffer.from(reduced.toString(16).padStart(32, "0"), "hex");
}

/** AES-CMAC (NIST SP 800-38B, 6.2). */
export function aesCmac(key: Uint8Array, message: Uint8Array): Buffer {
  const k1 = twice(encrypt("aes-128-ecb", key, Buffer.alloc(16)));
  const whole = message.length > 0 && message.length % 16 === 0;
  const blocks = Math.max(1, Math.ceil(message.length / 16));
  const padded = Buffer.alloc(blocks * 16);
  padded.set(message);
  if (!whole) padded[message.length] = 0x80;
  const mask = whole ? k1 : twice(k1);
  for (const [i, byte] of mask.entries()) {
    const at = padded.length - 16 + i;
    padded[at] = (padded[at] ?? 0) ^ byte;
  }
  return encrypt("aes-128-cbc", key, padded).subarray(-16);
}

/** First three bytes of AES(key, 01×16). */
export const checkValue = (key: Uint8Array): Buffer =>
  encrypt("aes-128-ecb", key, Buffer.alloc(16, 1)).subarray(0, 3);

const two = (n: number): number[] => [n >> 8, n & 0xff];

/** One loader session: makes commands from what the card answered; sends nothing itself. */
export class LoaderHost {
  readonly #key: Uint8Array;
  readonly #challenge: Uint8Array;
  #context: Uint8Array = new Uint8Array(0);
  #chain: Uint8Array = Buffer.alloc(16);

  constructor(key: Uint8Array, challenge: Uint8Array) {
    this.#key = key;
    this.#challenge = challenge;
  }

  initialize(): Uint8Array {
    return Uint8Array.of(0x80, 0x50, 0, 0, 16, ...this.#challenge, 0);
  }

  /** Takes the data of the answer to `initialize`; whether the card proved itself. */
  accepts(answer: Uint8Array): boolean {
    const [chipNumber, challenge] = [answer.subarray(0, 10), answer.subarray(10, 26)];
    this.#context = Buffer.concat([chipNumber, this.#challenge, challenge]);
    return this.#derive(1).equals(answer.subarray(26, 42));
  }

  /** What a card with this number, this challenge and the right key answers. */
  cardAnswer(chipNumber: Uint8Array, challenge: Uint8Array): Uint8Array {
    const context = Buffer.concat([Uint8Array.of(1), chipNumber, this.#challenge, challenge]);
    return Buffer.concat([chipNumber, challenge, aesCmac(this.#key, context)]);
  }

  authenticate(): Uint8Array {
    return Uint8Array.of(0x80, 0x82, 0, 0, 16, ...this.#derive(2));
  }

  loadBlock(address: number, bytes: Uint8Array): Uint8Array {
    return this.secured(0xd6, address, bytes);
  }

  loadKeys(version: number, keys: readonly Uint8Array[]): Uint8Array {
    return this.secured(0xd8, version, this.wrapKeys(keys));
  }

  wrapKeys(keys: readonly Uint8Array[]): Uint8Array {
    const dek = this.#derive(4);
    return Uint8Array.from(keys.flatMap((key) => [...encrypt("aes-128-cbc", dek, key), ...checkValue(key)]));
  }

  activate(start: number, length: number, crc: Uint8Array): Uint8Array {
    return this.secured(0x44, 0, Uint8Array.of(...two(start), ...two(length), ...crc));
  }

  secured(ins: number, p1p2: number, data: Uint8Array): Uint8Array {
    const header = Uint8Array.of(0x84, ins, ...two(p1p2), data.length + 8);
    this.#chain = aesCmac(this.#derive(3), Buffer.concat([this.#chain, header, data]));
    return Uint8Array.of(...header, ...data, ...this.#chain.subarray(0, 8));
  }

  #derive(purpose: number): Buffer {
    return aesCmac(this.#key, Buffer.concat([Uint8Array.of(purpose), this.#context]));
  }
}
