import { type Command, type Response, statusWord } from "../../apdu/index.js";
import { CardProblem, concat, equal, hex, readU16, u16 } from "../../bytes/index.js";
import { type Crypto, pad80, unpad80 } from "../../crypto/index.js";
import { encodeTlv, parseTlv, type Tlv, tlv } from "../../tlv/index.js";
import { sameMac, type SmCipher, type SmKeys, type SmSuite, smSuite } from "./suite.js";

export interface SmOpening {
  readonly crypto: Crypto;
  readonly cipher: SmCipher;
  /** Session keys; copied. */
  readonly keys: SmKeys;
  /** Send sequence counter as the authentication left it: 8 bytes (3DES) or 16 (AES). */
  readonly counter: Uint8Array;
}

/** Padding indicator in front of a cryptogram: 80 00.. (ISO/IEC 7816-4, 6.2). */
const PADDED = 0x01;

/**
 * The host's side of ISO secure messaging (ISO/IEC 7816-4, clause 6; ICAO Doc 9303-11, 9.8): class 0C with the header
 * authenticated, data in DO 87 (85 with an odd INS), Ne in DO 97, MAC in DO 8E; answers with DO 99. One command at a time.
 */
export class SecureMessaging {
  readonly #suite: SmSuite;
  readonly #counter: Uint8Array;
  /** INS of the command that waits for its response. */
  #waiting: number | undefined;
  #open = true;

  /** Throws CardProblem `bad-key`, `bad-value`. */
  constructor({ crypto, cipher, keys, counter }: SmOpening) {
    this.#suite = smSuite(crypto, cipher, keys);
    if (counter.length !== this.#suite.block) {
      throw new CardProblem(
        "bad-value",
        "secure messaging",
        `a send sequence counter has ${this.#suite.block} bytes, not ${counter.length}`,
      );
    }
    this.#counter = counter.slice();
  }

  /**
   * Secures one plain interindustry command. Extended lengths only when the plain command, or what becomes of it, needs them.
   * Throws CardProblem `bad-apdu` (class not 00), `too-long`, `out-of-step`, `session-closed`.
   */
  wrap(command: Command): Command {
    this.#checkOpen();
    const { cla, ins, p1, p2, le } = command;
    const where = `command ${hex(Uint8Array.of(cla, ins, p1, p2))}`;
    if (cla !== 0x00) throw new CardProblem("bad-apdu", where, "only class 00 can be secured");
    if (this.#waiting !== undefined)
      throw new CardProblem("out-of-step", where, "the response before this one was not unwrapped");
    const data = command.data ?? new Uint8Array(0);
    if (data.length > 65000 || (le ?? 0) > 65536)
      throw new CardProblem("too-long", where, `${data.length} data bytes are too many`);
    this.#count();
    const extended = data.length > 255 || (le ?? 0) > 256;
    const body = [
      ...(data.length === 0 ? [] : [this.#cryptogram(ins, data)]),
      ...(le === undefined ? [] : [tlv(0x97, extended ? u16(le & 0xffff) : Uint8Array.of(le & 0xff))]),
    ];
    const header = Uint8Array.of(0x0c, ins, p1, p2);
    const covered = encodeTlv(body);
    const mac = this.#suite.mac(this.#counter, header, ...(covered.length === 0 ? [] : [covered]));
    this.#waiting = ins;
    const secured = concat(covered, encodeTlv(tlv(0x8e, mac)));
    return { cla: 0x0c, ins, p1, p2, data: secured, le: extended || secured.length > 255 ? 65536 : 256 };
  }

  /**
   * Checks and opens the response to the last command. A bare error of the card (69 87, 69 88 and others) closes the session and
   * is given as it is. Throws CardProblem `sm-answer` (and closes the session), `out-of-step`, `session-closed`.
   */
  unwrap(response: Response): Response {
    this.#checkOpen();
    const ins = this.#waiting;
    if (ins === undefined)
      throw new CardProblem("out-of-step", "response", "no command waits for a response");
    this.#waiting = undefined;
    this.#count();
    const { data, sw } = response;
    if (data.length === 0) {
      if (sw === 0x9000) throw this.#refused("the card answers without secure messaging");
      this.close();
      return response;
    }
    const objects = this.#parsed(data);
    const last = objects.at(-1);
    const state = objects.at(-2);
    const content = objects.length === 3 ? objects[0] : undefined;
    if (last?.tag !== 0x8e || state?.tag !== 0x99 || objects.length > 3)
      throw this.#refused("its objects are not 87, 99 and 8E");
    const covered = data.subarray(0, data.length - encodeTlv(last).length);
    if (!sameMac(last.value, this.#suite.mac(this.#counter, covered)))
      throw this.#refused("the MAC does not match");
    if (state.value.length !== 2 || !equal(state.value, u16(sw)))
      throw this.#refused("the status word is not the one that was authenticated");
    const status = statusWord(readU16(state.value));
    return {
      data: content === undefined ? new Uint8Array(0) : this.#opened(ins, content),
      sw: status,
    };
  }

  /** Wipes the keys; may be called again. */
  close(): void {
    this.#open = false;
    this.#suite.wipe();
  }

  /** Never the keys. */
  toJSON(): string {
    return "[ISO secure messaging]";
  }

  #cryptogram(ins: number, data: Uint8Array): Tlv {
    const blocks = this.#suite.encrypt(pad80(data, this.#suite.block), this.#counter);
    return (ins & 1) === 0 ? tlv(0x87, concat(Uint8Array.of(PADDED), blocks)) : tlv(0x85, blocks);
  }

  #opened(ins: number, { tag, value }: Tlv): Uint8Array {
    const odd = (ins & 1) !== 0;
    if (tag !== (odd ? 0x85 : 0x87)) throw this.#refused("its data are not in the object they belong into");
    if (!odd && value[0] !== PADDED) throw this.#refused("its padding indicator is not 01");
    const blocks = odd ? value : value.subarray(1);
    const { block } = this.#suite;
    if (blocks.length === 0 || blocks.length % block !== 0)
      throw this.#refused("its cryptogram is not whole blocks");
    try {
      return unpad80(this.#suite.decrypt(blocks, this.#counter), block);
    } catch (error) {
      this.close();
      throw error;
    }
  }

  #parsed(data: Uint8Array): Tlv[] {
    try {
      return parseTlv(data);
    } catch (error) {
      if (error instanceof CardProblem) throw this.#refused("its objects are damaged");
      throw error;
    }
  }

  /** Before each command and each response. */
  #count(): void {
    const counter = this.#counter;
    let at = counter.length - 1;
    while (at >= 0 && counter[at] === 0xff) counter[at--] = 0;
    if (at >= 0) counter[at] = (counter[at] ?? 0) + 1;
  }

  #refused(hint: string): CardProblem {
    this.close();
    return new CardProblem("sm-answer", "response", hint);
  }

  #checkOpen(): void {
    if (!this.#open) throw new CardProblem("session-closed", "secure messaging", "the session is closed");
  }
}
