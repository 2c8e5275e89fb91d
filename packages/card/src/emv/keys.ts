import { CardProblem, concat, xor } from "../bytes/index.js";
import type { Crypto } from "../crypto/index.js";
import { packNumeric } from "./digits.js";
import { panAndSequence } from "./pan.js";

export type DerivationOption = "A" | "B";
/** Everything here is double-length triple DES: 16 bytes, odd parity. */
const KEY = 16;

/**
 * The card's own master key from an issuer master key (EMV Book 2, A1.4): option A takes the 16 rightmost digits of PAN ‖ sequence number,
 * option B for longer PANs sixteen digits of their SHA-1. The caller wipes the result. Throws CardProblem `bad-key`, `bad-value`.
 */
export function iccMasterKey(
  crypto: Crypto,
  master: Uint8Array,
  card: { readonly pan: string; readonly psn: string; readonly option: DerivationOption },
): Uint8Array {
  const digits = panAndSequence(card.pan, card.psn);
  const long = card.option === "B" && card.pan.length > 16;
  const y = packNumeric(long ? hashedDigits(crypto, digits) : digits.slice(-16), 8);
  return twoHalves(crypto, master, y, xor(y, new Uint8Array(8).fill(0xff)));
}

/** First sixteen decimal digits of the hash; what is missing comes from its letters, A as 0 to F as 5. */
function hashedDigits(crypto: Crypto, digits: string): string {
  const hash = crypto.sha1(packNumeric(digits, Math.ceil(digits.length / 2)));
  const nibbles = Array.from(hash).flatMap((byte) => [byte >> 4, byte & 0x0f]);
  const decimal = nibbles.filter((nibble) => nibble < 10);
  const letters = nibbles.filter((nibble) => nibble >= 10).map((nibble) => nibble - 10);
  return [...decimal, ...letters].slice(0, 16).join("");
}

/** Common session key derivation for application cryptograms (EMV Book 2, A1.3.1): diversified by the ATC (2 bytes). */
export function sessionKey(crypto: Crypto, masterKey: Uint8Array, atc: Uint8Array): Uint8Array {
  if (atc.length !== 2) throw new CardProblem("bad-value", "ATC", `it has 2 bytes, not ${atc.length}`);
  return commonSessionKey(crypto, masterKey, concat(atc, new Uint8Array(6)));
}

/** For scripts: diversified by the first application cryptogram of the transaction (8 bytes). */
export function commonSessionKey(crypto: Crypto, masterKey: Uint8Array, r: Uint8Array): Uint8Array {
  if (r.length !== 8)
    throw new CardProblem("bad-value", "session key", `it is derived from 8 bytes, not ${r.length}`);
  const [left, right] = [r.slice(), r.slice()];
  left[2] = 0xf0;
  right[2] = 0x0f;
  return twoHalves(crypto, masterKey, left, right);
}

function twoHalves(crypto: Crypto, key: Uint8Array, left: Uint8Array, right: Uint8Array): Uint8Array {
  if (key.length !== KEY)
    throw new CardProblem("bad-key", "EMV", `a key has ${KEY} bytes, not ${key.length}`);
  const cipher = crypto.des3(key);
  const made = oddParity(cipher.encrypt(concat(left, right)));
  cipher.wipe();
  return made;
}

/** The same key with the lowest bit of each byte set so that its ones are odd. */
export function oddParity(key: Uint8Array): Uint8Array {
  return key.map((byte) => {
    let ones = 0;
    for (let rest = byte >> 1; rest > 0; rest >>= 1) ones += rest & 1;
    return (byte & 0xfe) | (ones % 2 === 0 ? 1 : 0);
  });
}
