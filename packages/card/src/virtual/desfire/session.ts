/** The session of a DESFire-style card: three passes that begin it, and how commands and answers go through it (docs/desfire-card.md, 4). */
import type { BlockCipher, Crypto } from "../../crypto/index.js";
import { type Channel, Ev1Channel, Ev2Channel, type Mode, rotated, same } from "./channel.js";
import { own } from "./rights.js";
import { refuse, status } from "./status.js";

export interface Chip {
  readonly crypto: Crypto;
  random(length: number): Uint8Array;
  spendAes(blocks: number): void;
  /** Planted: the card's own key is not the one its maker was to leave. */
  readonly hasOtherKey: boolean;
}

/** An answer's data, and after how many bytes its frames end when they are not simply full. */
export interface Answer {
  readonly data: Uint8Array;
  readonly status?: number;
  readonly cuts?: readonly number[];
}

interface Half {
  readonly ins: number;
  readonly key: number;
  readonly cipher: BlockCipher;
  readonly b: Uint8Array;
  readonly iv: Uint8Array;
}

const bytes = (...of: readonly number[]): Uint8Array => Uint8Array.from(of);

export class Session {
  readonly #chip: Chip;
  /** Value and version of a key of what is selected. */
  readonly #keyOf: (number: number) => Uint8Array;
  #channel: Channel | undefined;
  #half: Half | undefined;

  constructor(chip: Chip, keyOf: (number: number) => Uint8Array) {
    this.#chip = chip;
    this.#keyOf = keyOf;
  }

  /** Number of the key that was proved; undefined outside a session. */
  get key(): number | undefined {
    return this.#channel?.key;
  }

  /** Whether the next AF is the second half of an authentication. */
  get awaitsProof(): boolean {
    return this.#half !== undefined;
  }

  end(): void {
    this.#channel?.wipe();
    this.#channel = undefined;
    this.dropHalf();
  }

  /** An authentication that was begun and is not gone on with. */
  dropHalf(): void {
    this.#half?.cipher.wipe();
    this.#half = undefined;
  }

  /** Bytes of a command with so many of data in clear behind `head` of them. */
  length(mode: Mode, head: number, data: number): number {
    return this.#channel?.length(mode, head, data) ?? head + data;
  }

  challenge(ins: number, data: Uint8Array): Answer {
    const before = this.#channel;
    if (ins !== 0x77) {
      before?.wipe();
      this.#channel = undefined;
    } else if (!(before instanceof Ev2Channel)) refuse(status.permission);
    const [key = 0, capabilities = 0] = data;
    const length = ins === 0x71 ? 2 + capabilities : 1;
    if (data.length !== length || capabilities > 6) refuse(status.length);
    const cipher = this.#chip.crypto.aes(this.#keyOf(key).subarray(0, 16));
    const b = this.#chip.random(16);
    const sealed = cipher.encrypt(b);
    this.#half = { ins, key, cipher, b, iv: sealed };
    return { data: sealed, status: status.more };
  }

  prove(data: Uint8Array): Answer {
    const half = this.#half ?? refuse(status.aborted);
    this.#half = undefined;
    const { ins, key, cipher, b } = half;
    try {
      if (data.length !== 32) refuse(status.length);
      // EV1 chains through all three messages, EV2 begins each from zero.
      const plain = cipher.cbcDecrypt(ins === 0xaa ? half.iv : new Uint8Array(16), data);
      const a = plain.slice(0, 16);
      if (!same(plain.subarray(16), rotated(b))) refuse(status.authentication);
      const before = this.#channel;
      if (ins === 0xaa) {
        this.#channel = new Ev1Channel(this.#chip.crypto, key, a, b);
        return { data: cipher.cbcEncrypt(data.slice(16), rotated(a)) };
      }
      const again = ins === 0x77 && before instanceof Ev2Channel ? before : undefined;
      const transaction = again?.transaction ?? this.#chip.random(4);
      this.#channel = new Ev2Channel(
        this.#chip.crypto,
        { key, cipher, a, b },
        transaction,
        again?.counter ?? 0,
      );
      before?.wipe();
      const told =
        again === undefined ? bytes(...transaction, ...rotated(a), ...new Uint8Array(12)) : rotated(a);
      return { data: cipher.cbcEncrypt(new Uint8Array(16), told) };
    } finally {
      cipher.wipe();
      b.fill(0);
    }
  }

  /** A command that is no file's: `length` clear bytes in, something back, both as the session's generation does it. */
  managed(
    ins: number,
    data: Uint8Array,
    length: number,
    work: (clear: Uint8Array) => Iterable<number>,
  ): Answer {
    const clear = this.opened(ins, data, own, 0);
    if (clear.length !== length) refuse(status.length);
    return this.sealed(Uint8Array.from(work(clear)), own);
  }

  /** `length`: clear bytes that follow `head`, which mode 3 needs to know. */
  opened(ins: number, data: Uint8Array, mode: Mode, head: number, length = 0, trailer = 0): Uint8Array {
    if (this.#channel !== undefined) {
      const asSent = mode === "own" ? (this.#channel instanceof Ev2Channel ? 1 : 0) : mode;
      return this.#channel.open(ins, data, asSent, { head, length, trailer });
    }
    if (mode === 1 || mode === 3) refuse(status.authentication);
    return data.subarray(head);
  }

  sealed(data: Uint8Array, mode: Mode, cuts?: readonly number[]): Answer {
    const asSent = mode === "own" ? 1 : mode;
    const out = this.#channel === undefined ? data : this.#channel.seal(data, asSent);
    return { data: out, ...(cuts === undefined ? {} : { cuts }) };
  }
}
