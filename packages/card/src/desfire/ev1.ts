/** AuthenticateAES (INS AA) and the secure messaging of DESFire EV1: one chained IV for everything. */
import type { Command, Response } from "../apdu/index.js";
import { CardProblem, concat, equalConstantTime, xor } from "../bytes/index.js";
import type { BlockCipher, Crypto } from "../crypto/index.js";
import { crc32Native } from "./crc.js";
import { type NativeCommand, native } from "./native.js";
import { accepted, type DesfireSession, nameOf, none, rotatedLeft } from "./session.js";

const macLength = 8;

export interface Ev1Opening {
  readonly crypto: Crypto;
  /** 16 bytes; copied, the caller wipes its own. */
  readonly key: Uint8Array;
  readonly keyNumber: number;
  /** RndA, 16 random bytes. */
  readonly random: Uint8Array;
}

/** The three passes: `first` out, its answer to `answer`, that answer to `finish`. A wrong key is told by the card at the second. */
export class Ev1Authentication {
  readonly first: Command;
  readonly #opening: Ev1Opening;
  readonly #cipher: BlockCipher;
  #iv: Uint8Array = new Uint8Array(16);
  #rndB: Uint8Array = none;

  constructor(opening: Ev1Opening) {
    if (opening.key.length !== 16 || opening.random.length !== 16)
      throw new CardProblem("bad-key", "AuthenticateAES", "key and RndA have 16 bytes each");
    this.#opening = opening;
    this.#cipher = opening.crypto.aes(opening.key);
    this.first = native(0xaa, Uint8Array.of(opening.keyNumber));
  }

  /** Wipes the key of an authentication that is not gone on with. */
  close(): void {
    this.#cipher.wipe();
  }

  answer(response: Response): Command {
    const sealed = accepted(response, nameOf(0xaa), 0xaf);
    if (sealed.length !== 16)
      throw new CardProblem("bad-response", nameOf(0xaa), `RndB has 16 bytes, not ${sealed.length}`);
    this.#rndB = this.#cipher.cbcDecrypt(this.#iv, sealed);
    const token = this.#cipher.cbcEncrypt(sealed, concat(this.#opening.random, rotatedLeft(this.#rndB)));
    this.#iv = token.slice(16);
    return native(0xaf, token);
  }

  /** Throws CardProblem `desfire-refused` (the card does not know the key) or `desfire-proof` (nor do we know this card). */
  finish(response: Response): Ev1Session {
    const { crypto, random, keyNumber } = this.#opening;
    try {
      const sealed = accepted(response, nameOf(0xaa));
      const proof = sealed.length === 16 ? this.#cipher.cbcDecrypt(this.#iv, sealed) : none;
      if (!equalConstantTime(proof, rotatedLeft(random)))
        throw new CardProblem("desfire-proof", nameOf(0xaa), "the card's proof is wrong");
      const b = this.#rndB;
      const key = concat(random.subarray(0, 4), b.subarray(0, 4), random.subarray(12), b.subarray(12));
      const session = new Ev1Session(crypto.aes(key), keyNumber);
      key.fill(0);
      return session;
    } finally {
      this.#cipher.wipe();
      this.#rndB.fill(0);
    }
  }
}

interface Waiting {
  readonly command: NativeCommand;
  /** The chain right before the answer. */
  readonly iv: Uint8Array;
  foreseen: boolean;
}

/**
 * One command after the other's answer, since each enters the chain; or several at once, where `foresee` says what each answer will be. One
 * that differs from what was foreseen is still judged rightly; whatever was wrapped behind it is then worthless.
 */
export class Ev1Session implements DesfireSession {
  readonly keyNumber: number;
  readonly #cipher: BlockCipher;
  readonly #k1: Uint8Array;
  readonly #k2: Uint8Array;
  #iv: Uint8Array = new Uint8Array(16);
  readonly #waiting: Waiting[] = [];
  #open = true;

  constructor(cipher: BlockCipher, keyNumber: number) {
    this.#cipher = cipher;
    this.keyNumber = keyNumber;
    this.#k1 = times2(cipher.encrypt(new Uint8Array(16)));
    this.#k2 = times2(this.#k1);
  }

  wrap(command: NativeCommand): Command {
    if (!this.#open) throw new CardProblem("session-closed", nameOf(command.ins), "the session is closed");
    if (this.#waiting.at(-1)?.foreseen === false)
      throw new CardProblem(
        "out-of-step",
        nameOf(command.ins),
        "EV1 takes one command after the other's answer",
      );
    if (command.receive === "full" && command.answerLength === undefined)
      throw new CardProblem(
        "bad-value",
        nameOf(command.ins),
        "say how many bytes to read: EV1 does not tell where they end",
      );
    const wrapped = this.#wrapped(command);
    this.#waiting.push({ command, iv: this.#iv, foreseen: false });
    return wrapped;
  }

  #wrapped({ ins, header = none, data = none, trailer = none, send }: NativeCommand): Command {
    const clear = concat(Uint8Array.of(ins), header);
    if (send === "full") {
      const body = padZeros(concat(data, crc32Native(clear, data), trailer));
      const sealed = this.#cipher.cbcEncrypt(this.#iv, body);
      this.#iv = sealed.slice(-16);
      return native(ins, concat(header, sealed));
    }
    this.#iv = this.#chained(this.#iv, concat(clear, data));
    const mac = this.#iv.subarray(0, macLength);
    return native(ins, send === "mac" ? concat(header, data, mac) : concat(header, data));
  }

  /** What the answer to the last command will say. Throws CardProblem `out-of-step`. */
  foresee(data: Uint8Array): void {
    const last = this.#waiting.at(-1);
    if (last === undefined || last.foreseen)
      throw new CardProblem("out-of-step", "DESFire", "no command's answer is open");
    last.foreseen = true;
    if (last.command.receive === "full") {
      const plain = padZeros(concat(data, crc32Native(data, Uint8Array.of(0))));
      this.#iv = this.#cipher.cbcEncrypt(this.#iv, plain).slice(-16);
    } else this.#iv = this.#chained(this.#iv, concat(data, Uint8Array.of(0)));
  }

  unwrap(response: Response): Uint8Array {
    const waiting = this.#waiting.shift();
    if (waiting === undefined)
      throw new CardProblem("out-of-step", "DESFire", "no command waits for this answer");
    const { command } = waiting;
    try {
      const data = accepted(response, nameOf(command.ins));
      if (command.endsSession === true) {
        this.close();
        return data;
      }
      return command.receive === "full" ? this.#opened(waiting, data) : this.#judged(waiting, data);
    } catch (error) {
      this.close();
      throw error;
    }
  }

  close(): void {
    this.#open = false;
    this.#cipher.wipe();
  }

  toJSON(): string {
    return "[DESFire EV1 session]";
  }

  #judged(waiting: Waiting, data: Uint8Array): Uint8Array {
    const end = data.length - macLength;
    const body = data.subarray(0, Math.max(end, 0));
    const next = this.#chained(waiting.iv, concat(body, Uint8Array.of(0)));
    if (!waiting.foreseen) this.#iv = next;
    if (end < 0 || !equalConstantTime(next.subarray(0, macLength), data.subarray(end)))
      throw new CardProblem("desfire-mac", nameOf(waiting.command.ins), "the MAC of the answer is wrong");
    return body;
  }

  /**
   * Data ‖ CRC-32 of data and status ‖ zeros. The command tells where the data end: this CRC, which is not complemented, may fit one byte
   * too early as well.
   */
  #opened({ command, iv, foreseen }: Waiting, sealed: Uint8Array): Uint8Array {
    const end = command.answerLength ?? -1;
    const where = nameOf(command.ins);
    if (sealed.length === 0 || sealed.length % 16 !== 0 || sealed.length < end + 4)
      throw new CardProblem("desfire-mac", where, "the enciphered answer has a wrong length");
    const plain = this.#cipher.cbcDecrypt(iv, sealed);
    if (!foreseen) this.#iv = sealed.slice(-16);
    const data = plain.subarray(0, end);
    const zeros = plain.subarray(end + 4).every((byte) => byte === 0);
    if (!zeros || !equalConstantTime(crc32Native(data, Uint8Array.of(0)), plain.subarray(end, end + 4)))
      throw new CardProblem("desfire-mac", where, "the CRC of the enciphered answer is wrong");
    return data;
  }

  /** CMAC whose first block is chained to the session's IV; the whole of it is the next IV, eight bytes are sent. */
  #chained(iv: Uint8Array, message: Uint8Array): Uint8Array {
    const whole = message.length > 0 && message.length % 16 === 0;
    const padded = new Uint8Array(whole ? message.length : message.length + 16 - (message.length % 16));
    padded.set(message);
    if (!whole) padded[message.length] = 0x80;
    const last = padded.length - 16;
    padded.set(xor(padded.subarray(last), whole ? this.#k1 : this.#k2), last);
    return this.#cipher.cbcEncrypt(iv, padded).slice(last);
  }
}

function padZeros(bytes: Uint8Array): Uint8Array {
  return concat(bytes, new Uint8Array((16 - (bytes.length % 16)) % 16));
}

function times2(block: Uint8Array): Uint8Array {
  const shifted = block.map((byte, at) => ((byte << 1) | ((block[at + 1] ?? 0) >> 7)) & 0xff);
  if (((block[0] ?? 0) & 0x80) !== 0) shifted[15] = (shifted[15] ?? 0) ^ 0x87;
  return shifted;
}
