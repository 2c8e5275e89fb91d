import type { Command, Response } from "../../apdu/index.js";
import { CardProblem, concat, equalConstantTime } from "../../bytes/index.js";
import { type BlockCipher, type Crypto, cmac, type KeptKey, pad80, unpad80 } from "../../crypto/index.js";

/** Security levels of EXTERNAL AUTHENTICATE (Amendment D, 7.1.2): 01 C-MAC, 02 C-DECRYPTION, 10 R-MAC, 20 R-ENCRYPTION. */
export type Scp03Level = 0x00 | 0x01 | 0x03 | 0x11 | 0x13 | 0x33;

/** Keys and state that a session begins with, however they were agreed upon. */
export interface Scp03Start {
  readonly crypto: Crypto;
  /** Bytes are copied, the caller wipes its own; keys kept elsewhere are the session's from now on, `close` wipes them. */
  readonly sEnc: Uint8Array | KeptKey;
  readonly sMac: Uint8Array | KeptKey;
  readonly sRmac: Uint8Array | KeptKey;
  readonly dek: Uint8Array | KeptKey;
  readonly level: Scp03Level;
  readonly macLength: 8 | 16;
  /** The first MAC chaining value, 16 bytes. */
  readonly chaining: Uint8Array;
  readonly counts: "all" | "with-data";
  /** For messages: "SCP03", "SCP11". */
  readonly name: string;
}

interface Counted {
  readonly counter: number;
}

/** What one wrapped command leaves behind for its response. */
interface Wrapped extends Counted {
  readonly chaining: Uint8Array;
}

/**
 * SCP03's secure messaging (GlobalPlatform Amendment D), which SCP11 uses too. Commands may be wrapped far ahead of their responses,
 * since C-MACs chain over commands only; responses are unwrapped in order.
 */
export class Scp03Messaging {
  readonly level: Scp03Level;
  readonly #name: string;
  readonly #macLength: 8 | 16;
  readonly #counts: "all" | "with-data";
  readonly #sEnc: BlockCipher;
  readonly #sMac: BlockCipher;
  readonly #sRmac: BlockCipher;
  readonly #dek: BlockCipher;
  readonly #keptDek: KeptKey | undefined;
  #chaining: Uint8Array;
  #counter = 0;
  /** Number of the next command to wrap, and of the next response in order. */
  #nextCommand = 0;
  #nextResponse = 0;
  /** By number; −1 is EXTERNAL AUTHENTICATE, to which `rewind` may go back. */
  readonly #wrapped = new Map<number, Wrapped>();
  #open = true;

  constructor(start: Scp03Start) {
    const { crypto } = start;
    this.level = start.level;
    this.#name = start.name;
    this.#macLength = start.macLength;
    this.#counts = start.counts;
    const cipher = (key: Uint8Array | KeptKey) => (key instanceof Uint8Array ? crypto.aes(key) : key);
    this.#sEnc = cipher(start.sEnc);
    this.#sMac = cipher(start.sMac);
    this.#sRmac = cipher(start.sRmac);
    this.#dek = cipher(start.dek);
    this.#keptDek = start.dek instanceof Uint8Array ? undefined : start.dek;
    this.#chaining = start.chaining.slice();
    this.#wrapped.set(-1, { chaining: this.#chaining, counter: 0 });
  }

  /** The command that opens the session, with its C-MAC: it is not encrypted, not counted, and its response is bare. */
  protected opening(command: Command): Command {
    const secured = this.#withMac(command);
    this.#wrapped.set(-1, { chaining: this.#chaining, counter: 0 });
    return secured;
  }

  /** Commands wrapped so far; the next one gets this number. */
  get wrappedCount(): number {
    return this.#nextCommand;
  }

  /**
   * Secures one command for the session's level. Only short length; the result's data field has at most 255 bytes.
   * Throws CardProblem `too-long`, `bad-apdu` when the class is secured already, `session-closed`.
   */
  wrap(command: Command): Command {
    const [secured = command] = this.wrapAll([command]);
    return secured;
  }

  /** Secures a batch in advance; nothing is wrapped when one command does not fit. */
  wrapAll(commands: readonly Command[]): Command[] {
    this.#checkOpen();
    for (const command of commands) this.#checkFits(command, command.data?.length ?? 0);
    let counter = this.#counter;
    const counted = commands.map((command) => {
      const plain = command.data ?? new Uint8Array(0);
      if (plain.length > 0 || this.#counts === "all") counter++;
      const encrypts = (this.level & 0x02) !== 0 && plain.length > 0;
      return { command, plain, counter, encrypts };
    });
    // Of all commands at once: where the keys are in a token, each asking costs more than its block.
    const vectors = this.#icvs(
      counted.filter(({ encrypts }) => encrypts),
      0x00,
    );
    return counted.map((one) => this.#wrap(one, one.encrypts ? vectors.shift() : undefined));
  }

  /** `vector`: of a command whose data are encrypted. */
  #wrap(
    { command, plain, counter }: { readonly command: Command; readonly plain: Uint8Array } & Counted,
    vector: Uint8Array | undefined,
  ): Command {
    const data = vector === undefined ? plain : this.#sEnc.cbcEncrypt(vector, pad80(plain, 16));
    const secured = this.level === 0x00 ? command : this.#withMac({ ...command, data });
    this.#counter = counter;
    this.#wrapped.set(this.#nextCommand++, { chaining: this.#chaining, counter });
    return secured;
  }

  /**
   * Checks and removes the security of a response: that of the next command in order, or of command number `index`.
   * Throws CardProblem `scp03-mac` (and closes the session), `out-of-step`, `session-closed`.
   */
  unwrap(response: Response, index?: number): Response {
    this.#checkOpen();
    const number = index ?? this.#nextResponse;
    const wrapped = this.#wrapped.get(number);
    if (wrapped === undefined || number < this.#nextResponse) {
      throw new CardProblem(
        "out-of-step",
        `response ${number}`,
        "no command of that number waits for a response",
      );
    }
    const plain = this.#opened(response, wrapped, number);
    // The newest one stays, so that `rewind` finds what was chained last.
    for (const earlier of this.#wrapped.keys()) if (earlier < number) this.#wrapped.delete(earlier);
    this.#nextResponse = number + 1;
    return plain;
  }

  /**
   * Forgets all commands from number `index` on, which must never have left for the card (a batch that stopped early):
   * the next command wrapped is number `index` again. Throws CardProblem `out-of-step`.
   */
  rewind(index: number): void {
    this.#checkOpen();
    if (index === this.#nextCommand) return;
    const last = this.#wrapped.get(index - 1);
    if (index < this.#nextResponse || index > this.#nextCommand || last === undefined) {
      throw new CardProblem("out-of-step", `command ${index}`, "the session cannot go back to it");
    }
    for (const later of this.#wrapped.keys()) if (later >= index) this.#wrapped.delete(later);
    this.#chaining = last.chaining;
    this.#counter = last.counter;
    this.#nextCommand = index;
  }

  /** AES-CBC, IV 0, under the static K-DEK: keys and secrets into the card (Amendment D, 6.2.8). Whole blocks; the caller pads. */
  encryptWithDek(data: Uint8Array): Uint8Array {
    this.#checkOpen();
    return this.#dek.cbcEncrypt(new Uint8Array(16), data);
  }

  /** Whether its keys stay where they are kept (`wrapWithDek`). */
  get isKept(): boolean {
    return this.#keptDek !== undefined;
  }

  /** A key that is kept where this session's keys are, under K-DEK. Throws CardProblem `bad-key` when they are bytes here. */
  wrapWithDek(key: KeptKey): Uint8Array {
    this.#checkOpen();
    if (this.#keptDek === undefined)
      throw new CardProblem("bad-key", this.#name, "the session's keys are not where this key is kept");
    return this.#keptDek.wrapKey(key);
  }

  /** Wipes all keys; may be called again. */
  close(): void {
    this.#open = false;
    for (const cipher of [this.#sEnc, this.#sMac, this.#sRmac, this.#dek]) cipher.wipe();
    this.#wrapped.clear();
  }

  /** Never the keys. */
  toJSON(): string {
    return `[${this.#name} session, level ${this.level.toString(16).padStart(2, "0")}]`;
  }

  /** C-MAC over chaining value ‖ header ‖ Lc with MAC ‖ data (Amendment D, 6.2.4); the logical channel does not enter. */
  #withMac(command: Command): Command {
    const data = command.data ?? new Uint8Array(0);
    const { cla, ins, p1, p2 } = command;
    const header = Uint8Array.of((cla & 0x80) | 0x04, ins, p1, p2, data.length + this.#macLength);
    this.#chaining = cmac(this.#sMac, concat(this.#chaining, header, data));
    const secured = (cla & 0x40) === 0 ? cla | 0x04 : cla | 0x20;
    return { ...command, cla: secured, data: concat(data, this.#chaining.subarray(0, this.#macLength)) };
  }

  #opened(response: Response, wrapped: Wrapped, number: number): Response {
    const { data, sw } = response;
    if ((this.level & 0x10) === 0) return response;
    const sw1 = sw >> 8;
    // Errors come bare (Amendment D, 6.2.5).
    if (sw !== 0x9000 && sw1 !== 0x62 && sw1 !== 0x63) {
      if (data.length === 0) return response;
      throw this.#refused(number, "an error response carries data");
    }
    const end = data.length - this.#macLength;
    if (end < 0) throw this.#refused(number, "the response is shorter than its MAC");
    const body = data.subarray(0, end);
    const expected = cmac(this.#sRmac, concat(wrapped.chaining, body, Uint8Array.of(sw1, sw & 0xff)));
    if (!equalConstantTime(expected.subarray(0, this.#macLength), data.subarray(end))) {
      throw this.#refused(number, "the response MAC does not match");
    }
    if ((this.level & 0x20) === 0 || body.length === 0) return { data: body, sw };
    if (body.length % 16 !== 0) throw this.#refused(number, "the encrypted response is not whole blocks");
    try {
      const [vector = new Uint8Array(16)] = this.#icvs([wrapped], 0x80);
      const padded = this.#sEnc.cbcDecrypt(vector, body);
      return { data: unpad80(padded), sw };
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /** Initial chaining vectors: the counters, 16 bytes, encrypted; 80 in front for responses (Amendment D, 6.2.6 and 6.2.7). */
  #icvs(of: readonly Counted[], first: 0x00 | 0x80): Uint8Array[] {
    if (of.length === 0) return [];
    const blocks = new Uint8Array(16 * of.length);
    for (const [number, { counter }] of of.entries()) {
      blocks[16 * number] = first;
      for (let at = 16 * number + 15, rest = counter; rest > 0; at--, rest = Math.floor(rest / 256))
        blocks[at] = rest % 256;
    }
    const encrypted = this.#sEnc.encrypt(blocks);
    return of.map((_, number) => encrypted.subarray(16 * number, 16 * number + 16));
  }

  #checkFits(command: Command, length: number): void {
    const { cla, le } = command;
    const where = `command INS ${command.ins.toString(16).toUpperCase()}`;
    if ((cla & 0x40) === 0 ? (cla & 0x0c) !== 0 : (cla & 0x20) !== 0) {
      throw new CardProblem("bad-apdu", where, "the class byte says that the command is secured already");
    }
    const padded = (this.level & 0x02) !== 0 && length > 0 ? length + 16 - (length % 16) : length;
    const whole = this.level === 0x00 ? length : padded + this.#macLength;
    if (whole > 255 || (le ?? 0) > 256) {
      throw new CardProblem(
        "too-long",
        where,
        `${length} bytes become ${whole} under the secure channel (255 at most)`,
      );
    }
  }

  #refused(number: number, hint: string): CardProblem {
    this.close();
    return new CardProblem("scp03-mac", `response ${number}`, hint);
  }

  #checkOpen(): void {
    if (!this.#open) throw new CardProblem("session-closed", this.#name, "the session is closed");
  }
}
