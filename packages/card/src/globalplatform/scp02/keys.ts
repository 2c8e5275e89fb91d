import { concat } from "../../bytes/index.js";
import { type BlockCipher, type Crypto, pad80 } from "../../crypto/index.js";
import type { KeySet } from "../diversify.js";

const ZEROS = new Uint8Array(8);

/** Derivation constants of the session keys (GPCS E.4.1). */
const CONSTANT = { sMac: 0x0101, sRmac: 0x0102, sDek: 0x0181, sEnc: 0x0182 } as const;

export interface Scp02SessionKeys {
  readonly sEnc: Uint8Array;
  readonly sMac: Uint8Array;
  readonly sRmac: Uint8Array;
  readonly sDek: Uint8Array;
}

/** Four session keys of 16 bytes: 3DES-CBC(static key, IV 0, constant ‖ counter ‖ 00 × 12) (GPCS E.4.1). The caller wipes them. */
export function deriveScp02SessionKeys(
  crypto: Crypto,
  keys: KeySet,
  sequenceCounter: Uint8Array,
): Scp02SessionKeys {
  const derive = (key: Uint8Array, constant: number): Uint8Array => {
    const block = new Uint8Array(16);
    block[0] = constant >> 8;
    block[1] = constant & 0xff;
    block.set(sequenceCounter, 2);
    const cipher = crypto.des3(key);
    const derived = cipher.cbcEncrypt(ZEROS, block);
    cipher.wipe();
    return derived;
  };
  return {
    sEnc: derive(keys.enc, CONSTANT.sEnc),
    sMac: derive(keys.mac, CONSTANT.sMac),
    sRmac: derive(keys.mac, CONSTANT.sRmac),
    sDek: derive(keys.dek, CONSTANT.sDek),
  };
}

/** Card or host cryptogram: last block of 3DES-CBC under S-ENC, padding 80 00.. (GPCS E.4.2). */
export function scp02Cryptogram(
  sEnc: BlockCipher,
  side: "card" | "host",
  hostChallenge: Uint8Array,
  answer: { readonly sequenceCounter: Uint8Array; readonly cardChallenge: Uint8Array },
): Uint8Array {
  const card = concat(answer.sequenceCounter, answer.cardChallenge);
  const message = side === "card" ? concat(hostChallenge, card) : concat(card, hostChallenge);
  return sEnc.cbcEncrypt(ZEROS, pad80(message, 8)).slice(-8);
}

/** A double-length key as MACs use it: single DES with its left half for all blocks but the last (ISO/IEC 9797-1, algorithm 3). */
export class RetailMac {
  readonly #single: BlockCipher;
  readonly #whole: BlockCipher;

  constructor(crypto: Crypto, key: Uint8Array) {
    this.#single = crypto.des3(key.subarray(0, 8));
    this.#whole = crypto.des3(key);
  }

  /** Eight bytes over the message with padding 80 00... */
  mac(icv: Uint8Array, message: Uint8Array): Uint8Array {
    const padded = pad80(message, 8);
    const last = padded.length - 8;
    const before = last === 0 ? icv : this.#single.cbcEncrypt(icv, padded.subarray(0, last)).slice(-8);
    return this.#whole.cbcEncrypt(before, padded.subarray(last));
  }

  /** The next initial chaining vector: the last MAC under single DES (GPCS E.3.4, i bit 10). */
  encryptIcv(mac: Uint8Array): Uint8Array {
    return this.#single.encrypt(mac);
  }

  wipe(): void {
    this.#single.wipe();
    this.#whole.wipe();
  }
}

/** The challenge that a card with i bit 40 must give: six bytes of the MAC over the AID of the selected application (GPCS E.4.2.3). */
export function pseudoRandomChallengeScp02(sMac: RetailMac, selectedAid: Uint8Array): Uint8Array {
  return sMac.mac(ZEROS, selectedAid).slice(0, 6);
}
