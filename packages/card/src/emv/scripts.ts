import type { Command } from "../apdu/index.js";
import { CardProblem, concat } from "../bytes/index.js";
import { type Crypto, pad80, pad80Secret } from "../crypto/index.js";
import { macOverBlocks } from "./cryptogram.js";
import { commonSessionKey } from "./keys.js";

/** Secure messaging of one transaction's scripts: keys from the first cryptogram, MACs chained from it (EMV Book 2, 9.2, 9.3 and A1.3.1). */
export class ScriptSession {
  readonly #crypto: Crypto;
  readonly #integrity: Uint8Array;
  readonly #confidentiality: Uint8Array;
  #chain: Uint8Array;

  /** `integrity` and `confidentiality`: the card's own master keys; `cryptogram`: of the first GENERATE AC. */
  constructor(
    crypto: Crypto,
    keys: { readonly integrity: Uint8Array; readonly confidentiality: Uint8Array },
    cryptogram: Uint8Array,
  ) {
    this.#crypto = crypto;
    this.#integrity = commonSessionKey(crypto, keys.integrity, cryptogram);
    this.#confidentiality = commonSessionKey(crypto, keys.confidentiality, cryptogram);
    this.#chain = cryptogram.slice();
  }

  /**
   * The command with its MAC of 8 bytes over header (with the final Lc) and data, padded with 80; the MAC before it, or the cryptogram, is
   * the initial value. Throws CardProblem `bad-apdu` for a class without secure messaging.
   */
  secure({ cla, ins, p1, p2, data = new Uint8Array(0) }: Command): Command {
    if ((cla & 0x0c) !== 0x04)
      throw new CardProblem("bad-apdu", "issuer script", "the class byte does not say secure messaging (X4)");
    const header = Uint8Array.of(cla, ins, p1, p2, data.length + 8);
    this.#chain = macOverBlocks(this.#crypto, this.#integrity, pad80(concat(header, data), 8), this.#chain);
    return { cla, ins, p1, p2, data: concat(data, this.#chain) };
  }

  /** PIN CHANGE/UNBLOCK with a new PIN (P2 02): the block, padded with 80, in CBC with a zero initial value. */
  pinChange(pinBlock: Uint8Array): Command {
    const cipher = this.#crypto.des3(this.#confidentiality);
    const padded = pad80Secret(pinBlock, 8);
    const data = cipher.cbcEncrypt(new Uint8Array(8), padded);
    cipher.wipe();
    padded.fill(0);
    return this.secure({ cla: 0x84, ins: 0x24, p1: 0x00, p2: 0x02, data });
  }

  /** PIN CHANGE/UNBLOCK that only gives the tries back (P2 00). */
  pinUnblock(): Command {
    return this.secure({ cla: 0x84, ins: 0x24, p1: 0x00, p2: 0x00 });
  }

  /** PUT DATA of a primitive object with a two-byte tag. */
  putData(tag: number, value: Uint8Array): Command {
    return this.secure({ cla: 0x04, ins: 0xda, p1: tag >> 8, p2: tag & 0xff, data: value });
  }

  applicationBlock(): Command {
    return this.secure({ cla: 0x84, ins: 0x1e, p1: 0x00, p2: 0x00 });
  }

  applicationUnblock(): Command {
    return this.secure({ cla: 0x84, ins: 0x18, p1: 0x00, p2: 0x00 });
  }

  cardBlock(): Command {
    return this.secure({ cla: 0x84, ins: 0x16, p1: 0x00, p2: 0x00 });
  }

  wipe(): void {
    this.#integrity.fill(0);
    this.#confidentiality.fill(0);
  }
}
