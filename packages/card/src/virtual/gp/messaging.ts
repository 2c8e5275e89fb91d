import { type Answer, answer, type Apdu, join, same } from "../os/command.js";
import type { Channel } from "./channel.js";
import type { Cipher } from "../os/cipher.js";
import { padded, unpadded } from "./ciphers.js";

/** What secures the commands of SCP03 (Amendment D, 6.2) and of SCP11 (Amendment F, 5). */
export interface Secured {
  readonly size: 8 | 16;
  readonly enc: Cipher;
  readonly mac: Cipher;
  readonly rmac: Cipher;
  readonly dek: Cipher;
  /** The first MAC chaining value. */
  readonly chain: Uint8Array;
}

/** Secure messaging with AES keys, once they are there. */
export abstract class AesMessaging implements Channel {
  abstract readonly kvn: number;
  abstract readonly kid: number;
  abstract readonly knowsHost: boolean;
  level = 0;
  readonly #size: 8 | 16;
  readonly #enc: Cipher;
  readonly #mac: Cipher;
  readonly #rmac: Cipher;
  readonly #dek: Cipher;
  #chain: Uint8Array;
  #count = 0;

  constructor({ size, enc, mac, rmac, dek, chain }: Secured) {
    this.#size = size;
    this.#enc = enc;
    this.#mac = mac;
    this.#rmac = rmac;
    this.#dek = dek;
    this.#chain = chain;
  }

  unwrap(command: Apdu): Uint8Array | undefined {
    if (command.data.length < this.#size || !this.verify(command)) return undefined;
    const data = command.data.subarray(0, command.data.length - this.#size);
    this.#count++;
    if ((this.level & 0x02) === 0 || data.length === 0) return data;
    return data.length % 16 === 0 ? unpadded(this.#enc.decrypt(data, this.#icv(0)), 16) : undefined;
  }

  wrap({ data, sw }: Answer, pass: (mac: Uint8Array) => Uint8Array): Answer {
    const bare = (this.level & 0x10) === 0 || (sw !== 0x9000 && sw >> 8 !== 0x62 && sw >> 8 !== 0x63);
    if (bare) return answer(data, sw);
    const hidden = (this.level & 0x20) !== 0 && data.length > 0;
    const body = hidden ? this.#enc.encrypt(this.#icv(0x80), padded(data, 16)) : data;
    const mac = this.#rmac.cmac(this.#chain, body, [sw >> 8, sw & 0xff]).slice(0, this.#size);
    return answer(join(body, pass(mac)), sw);
  }

  decryptWithDek(data: Uint8Array): Uint8Array | undefined {
    return data.length % 16 === 0 ? this.#dek.decrypt(data) : undefined;
  }

  /** Of the last bytes of the data; it chains, right or wrong. */
  protected verify({ ins, p1, p2, cla, data }: Apdu): boolean {
    const end = data.length - this.#size;
    this.#chain = this.#mac.cmac(
      this.#chain,
      [(cla & 0x80) | 0x04, ins, p1, p2, data.length],
      data.subarray(0, end),
    );
    return same(this.#chain.subarray(0, this.#size), data.subarray(end));
  }

  #icv(first: number): Uint8Array {
    const block = new Uint8Array(16);
    new DataView(block.buffer).setUint32(12, this.#count);
    block[0] = first;
    return this.#enc.block(block);
  }
}
