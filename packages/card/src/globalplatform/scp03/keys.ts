import { concat } from "../../bytes/index.js";
import type { BlockCipher, Crypto } from "../../crypto/index.js";
import type { KeySet } from "../diversify.js";
import { deriveScp03 } from "../kdf.js";

/** Data derivation constants (Amendment D, table 4-1). */
const CONSTANT = {
  cardCryptogram: 0x00,
  hostCryptogram: 0x01,
  cardChallenge: 0x02,
  sEnc: 0x04,
  sMac: 0x06,
  sRmac: 0x07,
} as const;

export interface Scp03SessionKeys {
  readonly sEnc: Uint8Array;
  readonly sMac: Uint8Array;
  readonly sRmac: Uint8Array;
}

/** S-ENC, S-MAC, S-RMAC, as long as the static keys (Amendment D, 6.2.1). The caller wipes them. */
export function deriveScp03SessionKeys(
  crypto: Crypto,
  keys: Pick<KeySet, "enc" | "mac">,
  hostChallenge: Uint8Array,
  cardChallenge: Uint8Array,
): Scp03SessionKeys {
  const context = concat(hostChallenge, cardChallenge);
  const enc = crypto.aes(keys.enc);
  const mac = crypto.aes(keys.mac);
  const session = {
    sEnc: deriveScp03(enc, CONSTANT.sEnc, context, keys.enc.length),
    sMac: deriveScp03(mac, CONSTANT.sMac, context, keys.mac.length),
    sRmac: deriveScp03(mac, CONSTANT.sRmac, context, keys.mac.length),
  };
  enc.wipe();
  mac.wipe();
  return session;
}

/** Card or host cryptogram under S-MAC, as long as the challenges (Amendment D, 6.2.2). */
export function scp03Cryptogram(
  sMac: BlockCipher,
  side: "card" | "host",
  hostChallenge: Uint8Array,
  cardChallenge: Uint8Array,
): Uint8Array {
  const constant = side === "card" ? CONSTANT.cardCryptogram : CONSTANT.hostCryptogram;
  return deriveScp03(sMac, constant, concat(hostChallenge, cardChallenge), hostChallenge.length);
}

/** The challenge that a card with i bit 10 must give (Amendment D, 6.2.2.1). `aid`: the application that was selected. */
export function pseudoRandomChallenge(
  crypto: Crypto,
  encKey: Uint8Array,
  sequenceCounter: Uint8Array,
  aid: Uint8Array,
  length: number,
): Uint8Array {
  const cipher = crypto.aes(encKey);
  const challenge = deriveScp03(cipher, CONSTANT.cardChallenge, concat(sequenceCounter, aid), length);
  cipher.wipe();
  return challenge;
}
