import type { Chip } from "../chip.js";
import { Cipher } from "./cipher.js";
import { type Answer, type Apdu, answer, join, same } from "./command.js";

/** GlobalPlatform Card Specification Amendment D, S8 mode, i = 70, AES-128: the card's side. */
export interface KeySet {
  readonly kvn: number;
  readonly enc: Uint8Array;
  readonly mac: Uint8Array;
  readonly dek: Uint8Array;
}

export const I_PARAMETER = 0x70;
const LEVELS = [0x01, 0x03, 0x11, 0x13, 0x33];
const C_DECRYPTION = 0x02;
const R_MAC = 0x10;
const R_ENCRYPTION = 0x20;
const zeros = new Uint8Array(11);

/** Data derivation of 6.2.1 (SP 800-108, counter mode, one block): the first `bits` of the block. */
const derive = (key: Cipher, constant: number, bits: 64 | 128, context: Uint8Array): Uint8Array =>
  key.cmac(zeros, [constant, 0, 0, bits, 1], context).subarray(0, bits / 8);

export const isLevel = (level: number): boolean => LEVELS.includes(level);

export class SecureChannel {
  /** INITIALIZE UPDATE's answer after KDD, KVN and SCP identifier: challenge ‖ cryptogram ‖ sequence counter. */
  readonly proof: Uint8Array;
  /** Static key of the set the session was opened with. */
  readonly dek: Cipher;
  readonly kvn: number;
  readonly #enc: Cipher;
  readonly #mac: Cipher;
  readonly #rmac: Cipher;
  readonly #context: Uint8Array;
  #chaining: Uint8Array = new Uint8Array(16);
  #counter = 0;
  #level = 0;

  constructor(
    chip: Pick<Chip, "crypto" | "spendAes">,
    keys: KeySet,
    sequence: Uint8Array,
    aid: Uint8Array,
    hostChallenge: Uint8Array,
  ) {
    const enc = new Cipher(chip, keys.enc);
    const mac = new Cipher(chip, keys.mac);
    const challenge = derive(enc, 0x02, 64, join(sequence, aid));
    this.#context = join(hostChallenge, challenge);
    this.#enc = new Cipher(chip, derive(enc, 0x04, 128, this.#context));
    this.#mac = new Cipher(chip, derive(mac, 0x06, 128, this.#context));
    this.#rmac = new Cipher(chip, derive(mac, 0x07, 128, this.#context));
    this.dek = new Cipher(chip, keys.dek);
    this.kvn = keys.kvn;
    this.proof = join(challenge, derive(this.#mac, 0x00, 64, this.#context), sequence);
  }

  /** Security level once EXTERNAL AUTHENTICATE was right; 00 before. */
  get level(): number {
    return this.#level;
  }

  /** EXTERNAL AUTHENTICATE: host cryptogram (8) ‖ C-MAC (8), P1 the level. */
  authenticate(command: Apdu): boolean {
    const cryptogram = derive(this.#mac, 0x01, 64, this.#context);
    const right = same(cryptogram, command.data.subarray(0, 8));
    const proven = this.#verify(command);
    if (!right || !proven) return false;
    this.#level = command.p1;
    return true;
  }

  /** Checks the C-MAC and decrypts: the plain data, or undefined when the session must end. */
  unwrap(command: Apdu): Uint8Array | undefined {
    if (command.data.length < 8 || !this.#verify(command)) return undefined;
    const data = command.data.subarray(0, command.data.length - 8);
    // Counts every command, with data or without (6.2.6).
    this.#counter++;
    if (!(this.#level & C_DECRYPTION) || data.length === 0) return data;
    if (data.length % 16 !== 0) return undefined;
    return unpad(this.#enc.decrypt(data, this.#icv(0x00)));
  }

  /** R-MAC over what is sent; errors go bare (6.2.5, 6.2.7). */
  wrap({ data, sw }: Answer, pass: (mac: Uint8Array) => Uint8Array): Answer {
    const warning = sw >> 8;
    if (!(this.#level & R_MAC) || (sw !== 0x9000 && warning !== 0x62 && warning !== 0x63))
      return answer(data, sw);
    const sent =
      this.#level & R_ENCRYPTION && data.length > 0 ? this.#enc.encrypt(this.#icv(0x80), pad(data)) : data;
    const mac = this.#rmac.cmac(this.#chaining, sent, [sw >> 8, sw & 0xff]).subarray(0, 8);
    return answer(join(sent, pass(mac)), sw);
  }

  /** Most plain bytes an answer can carry within 256. */
  get room(): number {
    if (this.#level & R_ENCRYPTION) return 239;
    return this.#level & R_MAC ? 248 : 256;
  }

  #verify(command: Apdu): boolean {
    const { cla, ins, p1, p2, data } = command;
    const end = data.length - 8;
    this.#chaining = this.#mac.cmac(this.#chaining, [cla, ins, p1, p2, data.length], data.subarray(0, end));
    return same(this.#chaining.subarray(0, 8), data.subarray(end));
  }

  #icv(first: number): Uint8Array {
    const block = new Uint8Array(16);
    block[0] = first;
    for (let at = 15, rest = this.#counter; rest > 0; at--, rest = Math.floor(rest / 256))
      block[at] = rest % 256;
    return this.#enc.block(block);
  }
}

function pad(data: Uint8Array): Uint8Array {
  const padded = new Uint8Array((Math.floor(data.length / 16) + 1) * 16);
  padded.set(data);
  padded[data.length] = 0x80;
  return padded;
}

function unpad(data: Uint8Array): Uint8Array | undefined {
  let end = data.length - 1;
  while (end > 0 && data[end] === 0) end--;
  return data[end] === 0x80 && data.length - end <= 16 ? data.subarray(0, end) : undefined;
}
