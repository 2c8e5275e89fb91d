/** AuthenticateEV2First/NonFirst (INS 71, 77) and the secure messaging of DESFire EV2 (NXP AN12196, NTAG 424 DNA alike). */
import type { Command, Response } from "../apdu/index.js";
import { CardProblem, concat, equalConstantTime, xor } from "../bytes/index.js";
import { type BlockCipher, type Crypto, cmac, pad80, unpad80 } from "../crypto/index.js";
import { type NativeCommand, native } from "./native.js";
import { accepted, type DesfireSession, nameOf, none, rotatedLeft } from "./session.js";

const macLength = 8;
const zeroIv = new Uint8Array(16);

export interface Ev2Opening {
  readonly crypto: Crypto;
  /** 16 bytes; copied, the caller wipes its own. */
  readonly key: Uint8Array;
  readonly keyNumber: number;
  /** RndA, 16 random bytes. */
  readonly random: Uint8Array;
  /** Absent: a new transaction (First). Present: the transaction goes on under another key (NonFirst): its TI and counter stay. */
  readonly continues?: Ev2Session;
}

/** The three passes: `first` out, its answer to `answer`, that answer to `finish`. */
export class Ev2Authentication {
  readonly first: Command;
  readonly #opening: Ev2Opening;
  readonly #cipher: BlockCipher;
  readonly #ins: 0x71 | 0x77;
  #rndB: Uint8Array = none;

  constructor(opening: Ev2Opening) {
    if (opening.key.length !== 16 || opening.random.length !== 16)
      throw new CardProblem("bad-key", "AuthenticateEV2", "key and RndA have 16 bytes each");
    this.#opening = opening;
    this.#cipher = opening.crypto.aes(opening.key);
    this.#ins = opening.continues === undefined ? 0x71 : 0x77;
    // First announces the host's capabilities; none of them is asked for: length 0.
    const capabilities = this.#ins === 0x71 ? [0] : [];
    this.first = native(this.#ins, Uint8Array.of(opening.keyNumber, ...capabilities));
  }

  /** Wipes the key of an authentication that is not gone on with. */
  close(): void {
    this.#cipher.wipe();
  }

  answer(response: Response): Command {
    const sealed = accepted(response, nameOf(this.#ins), 0xaf);
    if (sealed.length !== 16)
      throw new CardProblem("bad-response", nameOf(this.#ins), `RndB has 16 bytes, not ${sealed.length}`);
    this.#rndB = this.#cipher.decrypt(sealed);
    return native(
      0xaf,
      this.#cipher.cbcEncrypt(zeroIv, concat(this.#opening.random, rotatedLeft(this.#rndB))),
    );
  }

  /** Throws CardProblem `desfire-refused` (the card does not know the key) or `desfire-proof` (nor do we know this card). */
  finish(response: Response): Ev2Session {
    const { crypto, random, keyNumber, continues } = this.#opening;
    try {
      const sealed = accepted(response, nameOf(this.#ins));
      const length = continues === undefined ? 32 : 16;
      const plain = sealed.length === length ? this.#cipher.cbcDecrypt(zeroIv, sealed) : none;
      const [ti, proof] =
        continues === undefined ? [plain.slice(0, 4), plain.subarray(4, 20)] : [continues.transaction, plain];
      if (!equalConstantTime(proof, rotatedLeft(random)))
        throw new CardProblem("desfire-proof", nameOf(this.#ins), "the card's proof is wrong");
      const keys = deriveEv2SessionKeys(this.#cipher, random, this.#rndB);
      const session = new Ev2Session(
        crypto.aes(keys.enc),
        crypto.aes(keys.mac),
        ti,
        keyNumber,
        continues?.counter ?? 0,
      );
      for (const key of [keys.enc, keys.mac]) key.fill(0);
      continues?.close();
      return session;
    } finally {
      this.#cipher.wipe();
      this.#rndB.fill(0);
    }
  }
}

/** K_SesAuthENC and K_SesAuthMAC: CMAC of SV1 and SV2 under the key that was proved (AN12196, 6.6). */
export function deriveEv2SessionKeys(
  cipher: BlockCipher,
  a: Uint8Array,
  b: Uint8Array,
): { readonly enc: Uint8Array; readonly mac: Uint8Array } {
  const context = concat(
    Uint8Array.of(0x00, 0x01, 0x00, 0x80),
    a.subarray(0, 2),
    xor(a.subarray(2, 8), b.subarray(0, 6)),
    b.subarray(6),
    a.subarray(8),
  );
  return {
    enc: cmac(cipher, concat(Uint8Array.of(0xa5, 0x5a), context)),
    mac: cmac(cipher, concat(Uint8Array.of(0x5a, 0xa5), context)),
  };
}

/** MACt: the bytes with odd index of a CMAC. */
export function truncatedMac(cipher: BlockCipher, message: Uint8Array): Uint8Array {
  const whole = cmac(cipher, message);
  return Uint8Array.from({ length: macLength }, (_, at) => whole[2 * at + 1] ?? 0);
}

/** Commands may be wrapped ahead of their answers: nothing of an answer enters the next command. */
export class Ev2Session implements DesfireSession {
  readonly keyNumber: number;
  /** TI, four bytes, drawn by the card. */
  readonly transaction: Uint8Array;
  readonly #enc: BlockCipher;
  readonly #mac: BlockCipher;
  readonly #waiting: NativeCommand[] = [];
  /** Of the next command to wrap, and of the oldest without an answer. */
  #sent: number;
  #answered: number;
  #open = true;

  constructor(
    enc: BlockCipher,
    mac: BlockCipher,
    transaction: Uint8Array,
    keyNumber: number,
    counter: number,
  ) {
    this.#enc = enc;
    this.#mac = mac;
    this.transaction = transaction;
    this.keyNumber = keyNumber;
    this.#sent = counter;
    this.#answered = counter;
  }

  /** CmdCtr: commands answered since the transaction began. */
  get counter(): number {
    return this.#answered;
  }

  wrap(command: NativeCommand): Command {
    if (!this.#open) throw new CardProblem("session-closed", nameOf(command.ins), "the session is closed");
    // Its answer has the next number, which must be one too.
    if (this.#sent >= 0xffff)
      throw new CardProblem("session-closed", nameOf(command.ins), "its counter has run out");
    const counter = this.#sent++;
    this.#waiting.push(command);
    const { ins, header = none, data = none, trailer = none, send } = command;
    if (send === "plain") return native(ins, concat(header, data));
    const body =
      send === "full" && data.length > 0
        ? this.#enc.cbcEncrypt(this.#iv(0xa5, 0x5a, counter), pad80(concat(data, trailer), 16))
        : data;
    const said = concat(Uint8Array.of(ins), littleEndian(counter), this.transaction, header, body);
    return native(ins, concat(header, body, truncatedMac(this.#mac, said)));
  }

  unwrap(response: Response): Uint8Array {
    const command = this.#waiting.shift();
    if (command === undefined)
      throw new CardProblem("out-of-step", "DESFire", "no command waits for this answer");
    try {
      const data = accepted(response, nameOf(command.ins));
      const counter = ++this.#answered;
      if (command.endsSession === true) {
        this.close();
        return data;
      }
      return command.receive === "plain" ? data : this.#opened(command, data, counter);
    } catch (error) {
      this.close();
      throw error;
    }
  }

  close(): void {
    this.#open = false;
    this.#enc.wipe();
    this.#mac.wipe();
  }

  toJSON(): string {
    return "[DESFire EV2 session]";
  }

  #opened(command: NativeCommand, data: Uint8Array, counter: number): Uint8Array {
    const end = data.length - macLength;
    const body = data.subarray(0, Math.max(end, 0));
    const said = concat(Uint8Array.of(0), littleEndian(counter), this.transaction, body);
    if (end < 0 || !equalConstantTime(truncatedMac(this.#mac, said), data.subarray(end)))
      throw new CardProblem("desfire-mac", nameOf(command.ins), "the MAC of the answer is wrong");
    if (command.receive !== "full" || body.length === 0) return body;
    if (body.length % 16 !== 0)
      throw new CardProblem("desfire-mac", nameOf(command.ins), "the enciphered answer is not whole blocks");
    return unpad80(this.#enc.cbcDecrypt(this.#iv(0x5a, 0xa5, counter), body));
  }

  #iv(first: number, second: number, counter: number): Uint8Array {
    const block = new Uint8Array(16);
    block.set([first, second, ...this.transaction, ...littleEndian(counter)]);
    return this.#enc.encrypt(block);
  }
}

const littleEndian = (counter: number): Uint8Array => Uint8Array.of(counter & 0xff, counter >> 8);
