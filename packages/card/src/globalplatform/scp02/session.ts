import type { Command, Response } from "../../apdu/index.js";
import { CardProblem, concat, equalConstantTime } from "../../bytes/index.js";
import { type BlockCipher, type Crypto, pad80 } from "../../crypto/index.js";
import type { KeySet } from "../diversify.js";
import { SCP02_PARAMETERS, type Scp02Answer, type Scp02Parameter } from "./initialize.js";
import { deriveScp02SessionKeys, pseudoRandomChallengeScp02, RetailMac, scp02Cryptogram } from "./keys.js";

/** Security levels of EXTERNAL AUTHENTICATE (GPCS E.5.2): 01 C-MAC, 02 C-DECRYPTION, 10 R-MAC (i bit 20). */
export type Scp02Level = 0x00 | 0x01 | 0x03 | 0x11 | 0x13;

export interface Scp02Opening {
  readonly crypto: Crypto;
  /** Static keys of 16 bytes each (two-key triple DES); copied, the caller wipes its own. */
  readonly keys: KeySet;
  readonly hostChallenge: Uint8Array;
  readonly answer: Scp02Answer;
  readonly i: Scp02Parameter;
  readonly level: Scp02Level;
  /** AID of the application selected before: with it, a pseudo-random card challenge is checked. */
  readonly selectedAid?: Uint8Array;
}

const ZEROS = new Uint8Array(8);
const MAC_LENGTH = 8;
const LEVELS: readonly number[] = [0x00, 0x01, 0x03, 0x11, 0x13];

/**
 * The host's side of an SCP02 session (GPCS annex E). C-MACs chain over commands and R-MACs over answers: commands may be wrapped
 * far ahead, answers are unwrapped in order, none left out.
 */
export class Scp02Session {
  readonly level: Scp02Level;
  /** EXTERNAL AUTHENTICATE, to be sent first, as it stands; its response is bare. */
  readonly externalAuthenticate: Command;
  /** Whether the card challenge was proved to be the one this card must give. */
  readonly challengeChecked: boolean;
  readonly #sEnc: BlockCipher;
  readonly #sMac: RetailMac;
  readonly #sRmac: RetailMac;
  readonly #sDek: BlockCipher;
  /** The last C-MAC, and the last R-MAC; both begin with EXTERNAL AUTHENTICATE's C-MAC. */
  #cMac: Uint8Array = ZEROS;
  #rMac: Uint8Array;
  /** Plain commands whose answers are still to come: header and data as R-MACs take them. */
  readonly #waiting: Uint8Array[] = [];
  #answered = 0;
  #open = true;

  /**
   * Derives the session keys and judges the card's cryptogram, in constant time, before anything is sent that could cost a try.
   * Throws CardProblem `scp02-card-cryptogram`, `scp02-challenge`, `scp02-level`, `scp02-answer`, `bad-key`.
   */
  constructor(opening: Scp02Opening) {
    const { crypto, keys, hostChallenge, answer, level } = opening;
    checkOpening(opening);
    const session = deriveScp02SessionKeys(crypto, keys, answer.sequenceCounter);
    this.#sEnc = crypto.des3(session.sEnc);
    this.#sMac = new RetailMac(crypto, session.sMac);
    this.#sRmac = new RetailMac(crypto, session.sRmac);
    this.#sDek = crypto.des3(session.sDek);
    for (const key of Object.values<Uint8Array>({ ...session })) key.fill(0);
    this.level = level;
    const expected = scp02Cryptogram(this.#sEnc, "card", hostChallenge, answer);
    if (!equalConstantTime(expected, answer.cardCryptogram)) {
      this.close();
      throw new CardProblem(
        "scp02-card-cryptogram",
        "INITIALIZE UPDATE",
        "the card cryptogram does not match",
      );
    }
    this.challengeChecked = this.#checkChallenge(opening);
    const data = scp02Cryptogram(this.#sEnc, "host", hostChallenge, answer);
    this.externalAuthenticate = this.#withMac({ cla: 0x80, ins: 0x82, p1: level, p2: 0x00, data });
    this.#rMac = this.#cMac;
  }

  /** Commands wrapped so far. */
  get wrappedCount(): number {
    return this.#answered + this.#waiting.length;
  }

  /**
   * Secures one command for the session's level. Only short length; the result's data field has at most 255 bytes.
   * Throws CardProblem `too-long`, `bad-apdu` when the class is secured already, `session-closed`.
   */
  wrap(command: Command): Command {
    this.#checkOpen();
    this.#checkFits(command);
    const plain = command.data ?? new Uint8Array(0);
    const { cla, ins, p1, p2 } = command;
    this.#waiting.push(concat(Uint8Array.of(cla & 0x80, ins, p1, p2, plain.length), plain));
    if (this.level === 0x00) return command;
    // The MAC is that of the plain command (GPCS E.4.6): first the MAC, then the encryption.
    const secured = this.#withMac(command);
    if ((this.level & 0x02) === 0 || plain.length === 0) return secured;
    const mac = (secured.data ?? plain).slice(-MAC_LENGTH);
    return { ...secured, data: concat(this.#sEnc.cbcEncrypt(ZEROS, pad80(plain, 8)), mac) };
  }

  /** Secures a batch in advance; nothing is wrapped when one command does not fit. */
  wrapAll(commands: readonly Command[]): Command[] {
    for (const command of commands) this.#checkFits(command);
    return commands.map((command) => this.wrap(command));
  }

  /**
   * Checks and removes the R-MAC of the next answer in order; every answer carries one, errors too.
   * Throws CardProblem `scp02-mac` (and closes the session), `out-of-step`, `session-closed`.
   */
  unwrap(response: Response): Response {
    this.#checkOpen();
    const command = this.#waiting.shift();
    if (command === undefined)
      throw new CardProblem("out-of-step", `response ${this.#answered}`, "no command waits for a response");
    const number = this.#answered++;
    if ((this.level & 0x10) === 0) return response;
    const { data, sw } = response;
    const end = data.length - MAC_LENGTH;
    if (end < 0) throw this.#refused(number, "the response is shorter than its MAC");
    const body = data.subarray(0, end);
    const message = concat(command, Uint8Array.of(body.length), body, Uint8Array.of(sw >> 8, sw & 0xff));
    const expected = this.#sRmac.mac(this.#rMac, message);
    if (!equalConstantTime(expected, data.subarray(end))) {
      throw this.#refused(number, "the response MAC does not match");
    }
    this.#rMac = expected;
    return { data: body, sw };
  }

  /** 3DES-ECB under the session's data encryption key: keys and secrets into the card (GPCS E.4.7). Whole blocks; the caller pads. */
  encryptWithDek(data: Uint8Array): Uint8Array {
    this.#checkOpen();
    return this.#sDek.encrypt(data);
  }

  /** Wipes all keys; may be called again. */
  close(): void {
    this.#open = false;
    for (const cipher of [this.#sEnc, this.#sMac, this.#sRmac, this.#sDek]) cipher.wipe();
    this.#waiting.length = 0;
  }

  /** Never the keys. */
  toJSON(): string {
    return `[SCP02 session, level ${this.level.toString(16).padStart(2, "0")}]`;
  }

  /** C-MAC over header ‖ Lc with MAC ‖ plain data (GPCS E.4.4); the logical channel does not enter. */
  #withMac(command: Command): Command {
    const data = command.data ?? new Uint8Array(0);
    const { cla, ins, p1, p2 } = command;
    const icv = this.#cMac === ZEROS ? ZEROS : this.#sMac.encryptIcv(this.#cMac);
    const header = Uint8Array.of((cla & 0x80) | 0x04, ins, p1, p2, data.length + MAC_LENGTH);
    this.#cMac = this.#sMac.mac(icv, concat(header, data));
    return { ...command, cla: cla | 0x04, data: concat(data, this.#cMac) };
  }

  #checkFits({ cla, ins, data, le }: Command): void {
    const where = `command INS ${ins.toString(16).toUpperCase()}`;
    if ((cla & 0x7c) !== 0)
      throw new CardProblem("bad-apdu", where, "SCP02 secures plain commands of the channels 0 to 3 only");
    const length = data?.length ?? 0;
    const padded = (this.level & 0x02) !== 0 && length > 0 ? length + 8 - (length % 8) : length;
    const whole = this.level === 0x00 ? length : padded + MAC_LENGTH;
    if (whole > 255 || (le ?? 0) > 256) {
      throw new CardProblem(
        "too-long",
        where,
        `${length} bytes become ${whole} under the secure channel (255 at most)`,
      );
    }
  }

  #checkChallenge({ i, selectedAid, answer }: Scp02Opening): boolean {
    if ((i & 0x40) === 0 || selectedAid === undefined) return false;
    if (equalConstantTime(pseudoRandomChallengeScp02(this.#sMac, selectedAid), answer.cardChallenge))
      return true;
    this.close();
    throw new CardProblem(
      "scp02-challenge",
      "INITIALIZE UPDATE",
      "the card challenge is not the pseudo-random one",
    );
  }

  #refused(number: number, hint: string): CardProblem {
    this.close();
    return new CardProblem("scp02-mac", `response ${number}`, hint);
  }

  #checkOpen(): void {
    if (!this.#open) throw new CardProblem("session-closed", "SCP02", "the session is closed");
  }
}

/** Judges the card and gives the session with its EXTERNAL AUTHENTICATE; throws as the constructor does. */
export function openScp02(opening: Scp02Opening): Scp02Session {
  return new Scp02Session(opening);
}

function checkOpening({ keys, hostChallenge, level, i }: Scp02Opening): void {
  if ([keys.enc, keys.mac, keys.dek].some(({ length }) => length !== 16))
    throw new CardProblem("bad-key", "SCP02", "the three static keys have 16 bytes each");
  if (hostChallenge.length !== 8)
    throw new CardProblem("scp02-answer", "INITIALIZE UPDATE", "a host challenge of SCP02 has 8 bytes");
  const [name, has] = [level, i].map((byte) => byte.toString(16).padStart(2, "0"));
  if (!SCP02_PARAMETERS.includes(i))
    throw new CardProblem("scp02-level", "SCP02", `i = ${has} is not supported (15, 35, 55, 75 are)`);
  if (!LEVELS.includes(level))
    throw new CardProblem("scp02-level", "SCP02", `${name} is not a security level`);
  if ((level & 0x10) !== 0 && (i & 0x20) === 0)
    throw new CardProblem("scp02-level", "SCP02", `security level ${name} is not possible with i = ${has}`);
}
