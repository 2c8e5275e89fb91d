import type { Chip } from "../chip.js";
import { type Answer, answer, type Apdu, join, same } from "../os/command.js";
import { Cipher } from "../os/cipher.js";
import { padded, unpadded } from "./ciphers.js";
import type { Channel } from "./channel.js";
import type { KeySet } from "./state.js";

const S16 = 0x01;
const PSEUDO_RANDOM = 0x10;
const R_MAC = 0x20;
const R_ENCRYPTION = 0x40;
const zeros = new Uint8Array(16);

/** SCP03 (Amendment D) of the card, S8 and S16, any i and key length. */
export class Scp03Channel implements Channel {
  readonly kvn: number;
  readonly greeting: Uint8Array;
  readonly proofLength: number;
  level = 0;
  authenticated = false;
  readonly #i: number;
  readonly #size: 8 | 16;
  readonly #enc: Cipher;
  readonly #mac: Cipher;
  readonly #rmac: Cipher;
  readonly #dek: Cipher;
  readonly #context: Uint8Array;
  #chain: Uint8Array = zeros;
  #count = 0;

  constructor(
    chip: Chip,
    set: KeySet,
    open: {
      readonly i: number;
      readonly sequence: number;
      readonly aid: Uint8Array;
      readonly host: Uint8Array;
    },
  ) {
    const [encKey = zeros, macKey = zeros, dekKey = zeros] = set.keys;
    const enc = new Cipher(chip, encKey);
    const mac = new Cipher(chip, macKey);
    this.#i = open.i;
    this.#size = (open.i & S16) !== 0 ? 16 : 8;
    this.proofLength = 2 * this.#size;
    const sequence = Uint8Array.of(open.sequence >> 16, open.sequence >> 8, open.sequence);
    const counted = (open.i & PSEUDO_RANDOM) !== 0;
    const challenge = counted
      ? derive(enc, 0x02, this.#size, join(sequence, open.aid))
      : chip.random(this.#size);
    this.#context = join(open.host, challenge);
    this.#enc = new Cipher(chip, derive(enc, 0x04, encKey.length, this.#context));
    this.#mac = new Cipher(chip, derive(mac, 0x06, macKey.length, this.#context));
    this.#rmac = new Cipher(chip, derive(mac, 0x07, macKey.length, this.#context));
    this.#dek = new Cipher(chip, dekKey);
    this.kvn = set.kvn;
    const cryptogram = derive(this.#mac, 0x00, this.#size, this.#context);
    this.greeting = join([0x03, open.i], challenge, cryptogram, counted ? sequence : []);
  }

  allows(level: number): boolean {
    if (![0x00, 0x01, 0x03, 0x11, 0x13, 0x33].includes(level)) return false;
    if ((level & 0x10) !== 0 && (this.#i & R_MAC) === 0) return false;
    return (level & 0x20) === 0 || (this.#i & R_ENCRYPTION) !== 0;
  }

  authenticate(command: Apdu): boolean {
    const expected = derive(this.#mac, 0x01, this.#size, this.#context);
    const right = same(expected, command.data.subarray(0, this.#size));
    const proven = this.#verify(command);
    if (!right || !proven) return false;
    this.level = command.p1;
    this.authenticated = true;
    return true;
  }

  unwrap(command: Apdu): Uint8Array | undefined {
    if (command.data.length < this.#size || !this.#verify(command)) return undefined;
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
    return data.length % 16 === 0 ? this.#dek.decrypt(data, zeros) : undefined;
  }

  #verify({ ins, p1, p2, cla, data }: Apdu): boolean {
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

/** Data derivation of Amendment D, 4.1.5: as many blocks as `length` bytes need. */
function derive(key: Cipher, constant: number, length: number, context: Uint8Array): Uint8Array {
  const bits = length * 8;
  const label = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, constant, 0, bits >> 8, bits & 0xff];
  const first = key.cmac(label, [1], context);
  return length <= 16 ? first.slice(0, length) : join(first, key.cmac(label, [2], context)).slice(0, length);
}
