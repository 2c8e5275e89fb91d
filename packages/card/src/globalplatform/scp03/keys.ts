import { concat } from "../../bytes/index.js";
import type { BlockCipher, Crypto, KeptKey, KeyPurpose } from "../../crypto/index.js";
import type { KeptKeySet, KeySet } from "../diversify.js";
import { deriveScp03, scp03Input } from "../kdf.js";

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

/** The same from keys of 16 bytes that stay where they are kept. The caller wipes them. */
export function deriveKeptSessionKeys(
  { enc, mac }: Pick<KeptKeySet, "enc" | "mac">,
  hostChallenge: Uint8Array,
  cardChallenge: Uint8Array,
): { readonly sEnc: KeptKey; readonly sMac: KeptKey; readonly sRmac: KeptKey } {
  const context = concat(hostChallenge, cardChallenge);
  const input = (constant: number) => scp03Input(constant, context, 16, 1);
  const made: KeptKey[] = [];
  const derive = (from: KeptKey, constant: number, purpose: KeyPurpose): KeptKey => {
    const key = from.derive(input(constant), purpose);
    made.push(key);
    return key;
  };
  try {
    return {
      sEnc: derive(enc, CONSTANT.sEnc, "cipher"),
      sMac: derive(mac, CONSTANT.sMac, "mac"),
      sRmac: derive(mac, CONSTANT.sRmac, "mac"),
    };
  } catch (error) {
    for (const key of made) key.wipe();
    throw error;
  }
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
  encKey: Uint8Array | KeptKey,
  sequenceCounter: Uint8Array,
  aid: Uint8Array,
  length: number,
): Uint8Array {
  const isBytes = encKey instanceof Uint8Array;
  const cipher = isBytes ? crypto.aes(encKey) : encKey;
  const challenge = deriveScp03(cipher, CONSTANT.cardChallenge, concat(sequenceCounter, aid), length);
  if (isBytes) cipher.wipe();
  return challenge;
}
