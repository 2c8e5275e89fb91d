/** The card's side of a session, EV1 and EV2, written for the card alone (docs/desfire-card.md, 4). */
import type { BlockCipher, Crypto } from "../../crypto/index.js";
import { crc32 } from "../crc32.js";
import { refuse, status } from "./status.js";

/** 0 plain, 1 MAC, 3 full, as file settings say it; "own": what this generation does for commands that are no file's. */
export type Mode = 0 | 1 | 3 | "own";

/**
 * Bytes that come in clear, bytes of data behind them, bytes behind EV1's CRC. Only the command knows where enciphered data end: a CRC that
 * is not complemented may fit one byte too early as well.
 */
export interface Shape {
  readonly head: number;
  readonly length: number;
  readonly trailer: number;
}

export interface Channel {
  readonly key: number;
  /** What a command of `data` clear bytes behind `head` of them becomes on the air. */
  length(mode: Mode, head: number, data: number): number;
  /** Judges and opens what follows INS. Refuses with 1E, 7E or AE. */
  open(ins: number, received: Uint8Array, mode: Mode, shape: Shape): Uint8Array;
  /** Secures an answer with status 00. */
  seal(data: Uint8Array, mode: Mode): Uint8Array;
  wipe(): void;
}

/** Rotated by one byte, to the left. */
export function rotated(bytes: Uint8Array): Uint8Array {
  return Uint8Array.of(...bytes.subarray(1), bytes[0] ?? 0);
}

export function same(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, at) => byte === b[at]);
}

/** CRC-32 as the card reckons it: not complemented at the end, low byte first. */
export function cardCrc(bytes: Uint8Array): Uint8Array {
  const c = ~crc32(bytes) >>> 0;
  return Uint8Array.of(c & 0xff, (c >>> 8) & 0xff, (c >>> 16) & 0xff, c >>> 24);
}

const joined = (...parts: readonly (Uint8Array | readonly number[])[]): Uint8Array =>
  Uint8Array.from(parts.flatMap((part) => [...part]));

/** Subkeys of SP 800-38B, shifted bit by bit through a number. */
function subkeys(cipher: BlockCipher): readonly [Uint8Array, Uint8Array] {
  const double = (block: Uint8Array): Uint8Array => {
    let n = 0n;
    for (const byte of block) n = (n << 8n) | BigInt(byte);
    n <<= 1n;
    if (n >> 128n) n = (n & ((1n << 128n) - 1n)) ^ 0x87n;
    return Uint8Array.from({ length: 16 }, (_, at) => Number((n >> BigInt(8 * (15 - at))) & 0xffn));
  };
  const first = double(cipher.encrypt(new Uint8Array(16)));
  return [first, double(first)];
}

/** CBC-MAC with the last block masked, from a given start: CMAC when the start is zero. */
function maskedCbc(cipher: BlockCipher, start: Uint8Array, message: Uint8Array): Uint8Array {
  const [whole, cut] = subkeys(cipher);
  let state = start;
  const blocks = Math.max(Math.ceil(message.length / 16), 1);
  for (let n = 0; n < blocks; n++) {
    const piece = message.subarray(16 * n, 16 * n + 16);
    const block = new Uint8Array(16);
    block.set(piece);
    if (piece.length < 16) block[piece.length] = 0x80;
    const mask = n === blocks - 1 ? (piece.length === 16 ? whole : cut) : undefined;
    state = cipher.encrypt(block.map((byte, at) => byte ^ (state[at] ?? 0) ^ (mask?.[at] ?? 0)));
  }
  return state;
}

const toBlocks = (length: number): number => 16 * Math.ceil(length / 16);

export class Ev1Channel implements Channel {
  readonly key: number;
  readonly #cipher: BlockCipher;
  #chain: Uint8Array = new Uint8Array(16);

  constructor(crypto: Crypto, key: number, a: Uint8Array, b: Uint8Array) {
    this.key = key;
    this.#cipher = crypto.aes(joined(a.subarray(0, 4), b.subarray(0, 4), a.subarray(12), b.subarray(12)));
  }

  length(mode: Mode, head: number, data: number): number {
    if (mode === 3) return head + toBlocks(data + 4);
    return head + data + (mode === 1 ? 8 : 0);
  }

  open(ins: number, received: Uint8Array, mode: Mode, { head, length, trailer }: Shape): Uint8Array {
    if (mode !== 3) {
      const end = received.length - (mode === 1 ? 8 : 0);
      if (end < head) refuse(status.length);
      this.#chain = maskedCbc(this.#cipher, this.#chain, joined([ins], received.subarray(0, end)));
      if (mode === 1 && !same(this.#chain.subarray(0, 8), received.subarray(end))) refuse(status.integrity);
      return received.subarray(head, end);
    }
    const sealed = received.subarray(head);
    if (sealed.length !== toBlocks(length + 4 + trailer)) refuse(status.length);
    const plain = this.#cipher.cbcDecrypt(this.#chain, sealed);
    this.#chain = sealed.slice(-16);
    const data = plain.subarray(0, length);
    const behind = plain.subarray(length + 4, length + 4 + trailer);
    const crc = cardCrc(joined([ins], received.subarray(0, head), data));
    const zeros = plain.subarray(length + 4 + trailer).every((byte) => byte === 0);
    if (!zeros || !same(crc, plain.subarray(length, length + 4))) refuse(status.integrity);
    return joined(data, behind);
  }

  seal(data: Uint8Array, mode: Mode): Uint8Array {
    if (mode !== 3) {
      this.#chain = maskedCbc(this.#cipher, this.#chain, joined(data, [status.ok]));
      return joined(data, this.#chain.subarray(0, 8));
    }
    const crc = cardCrc(joined(data, [status.ok]));
    const padded = new Uint8Array(toBlocks(data.length + 4));
    padded.set(joined(data, crc));
    const sealed = this.#cipher.cbcEncrypt(this.#chain, padded);
    this.#chain = sealed.slice(-16);
    return sealed;
  }

  wipe(): void {
    this.#cipher.wipe();
  }
}

export class Ev2Channel implements Channel {
  readonly key: number;
  readonly #enc: BlockCipher;
  readonly #mac: BlockCipher;
  readonly transaction: Uint8Array;
  counter: number;

  constructor(
    crypto: Crypto,
    proved: {
      readonly key: number;
      readonly cipher: BlockCipher;
      readonly a: Uint8Array;
      readonly b: Uint8Array;
    },
    transaction: Uint8Array,
    counter: number,
  ) {
    this.key = proved.key;
    const { a, b, cipher } = proved;
    const middle = [0, 1, 2, 3, 4, 5].map((at) => (a[at + 2] ?? 0) ^ (b[at] ?? 0));
    const context = joined([0, 1, 0, 0x80], a.subarray(0, 2), middle, b.subarray(6, 16), a.subarray(8, 16));
    const derived = (label: readonly number[]) =>
      maskedCbc(cipher, new Uint8Array(16), joined(label, context));
    this.#enc = crypto.aes(derived([0xa5, 0x5a]));
    this.#mac = crypto.aes(derived([0x5a, 0xa5]));
    this.transaction = transaction;
    this.counter = counter;
  }

  length(mode: Mode, head: number, data: number): number {
    if (mode === 0) return head + data;
    return head + (mode === 3 && data > 0 ? toBlocks(data + 1) : data) + 8;
  }

  open(ins: number, received: Uint8Array, mode: Mode, { head }: Shape): Uint8Array {
    if (mode === 0) return this.#counted(received.subarray(head));
    const end = received.length - 8;
    if (end < head) refuse(status.length);
    const said = this.#tag(ins, received.subarray(0, end));
    if (!same(said, received.subarray(end))) refuse(status.integrity);
    const body = received.subarray(head, end);
    if (mode !== 3 || body.length === 0) return this.#counted(body);
    if (body.length % 16 !== 0) refuse(status.length);
    const plain = this.#enc.cbcDecrypt(this.#start(0xa5, 0x5a), body);
    const mark = plain.lastIndexOf(0x80);
    if (mark < plain.length - 16 || plain.subarray(mark + 1).some((byte) => byte !== 0))
      refuse(status.integrity);
    return this.#counted(plain.slice(0, mark));
  }

  seal(data: Uint8Array, mode: Mode): Uint8Array {
    if (mode === 0) return data;
    let body = data;
    if (mode === 3 && data.length > 0) {
      const padded = new Uint8Array(toBlocks(data.length + 1));
      padded.set(data);
      padded[data.length] = 0x80;
      body = this.#enc.cbcEncrypt(this.#start(0x5a, 0xa5), padded);
    }
    return joined(body, this.#tag(status.ok, body));
  }

  wipe(): void {
    this.#enc.wipe();
    this.#mac.wipe();
  }

  /** The answer already belongs to the next number. */
  #counted(data: Uint8Array): Uint8Array {
    this.counter++;
    return data;
  }

  #tag(first: number, message: Uint8Array): Uint8Array {
    const number = [this.counter & 0xff, this.counter >> 8];
    const whole = maskedCbc(
      this.#mac,
      new Uint8Array(16),
      joined([first], number, this.transaction, message),
    );
    return whole.filter((_, at) => at % 2 === 1);
  }

  #start(first: number, second: number): Uint8Array {
    const number = [this.counter & 0xff, this.counter >> 8];
    return this.#enc.encrypt(joined([first, second], this.transaction, number, new Uint8Array(8)));
  }
}
