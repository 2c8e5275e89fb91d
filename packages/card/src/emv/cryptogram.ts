import { CardProblem, concat, xor } from "../bytes/index.js";
import { type Crypto, pad80 } from "../crypto/index.js";
import { sessionKey } from "./keys.js";

/** ISO/IEC 9797-1 algorithm 3 over whole blocks, 8 bytes: single DES with the left half, the last block under both. */
export function macOverBlocks(
  crypto: Crypto,
  key: Uint8Array,
  blocks: Uint8Array,
  icv: Uint8Array = new Uint8Array(8),
): Uint8Array {
  if (key.length !== 16) throw new CardProblem("bad-key", "MAC", `a key has 16 bytes, not ${key.length}`);
  if (blocks.length === 0) throw new CardProblem("bad-value", "MAC", "there is nothing to authenticate");
  const [left, right] = [crypto.des3(key.slice(0, 8)), crypto.des3(key.slice(8))];
  const chain = left.cbcEncrypt(icv, blocks).slice(-8);
  const mac = left.encrypt(right.decrypt(chain));
  left.wipe();
  right.wipe();
  return mac;
}

/** How the message is brought to whole blocks (ISO/IEC 9797-1): method 1 zeros where needed, method 2 always 80 and zeros. */
export type MacPadding = 1 | 2;

export function retailMac(
  crypto: Crypto,
  key: Uint8Array,
  message: Uint8Array,
  padding: MacPadding,
): Uint8Array {
  const zeros = new Uint8Array(Math.max(8, Math.ceil(message.length / 8) * 8));
  zeros.set(message);
  return macOverBlocks(crypto, key, padding === 2 ? pad80(message, 8) : zeros);
}

/**
 * How a card makes its cryptogram, by the number in its issuer application data: 10 (0A) under the card's master key over a fixed list,
 * padded with zeros, ARPC by method 1; 18 (12) under the session key, over the same list and all issuer application data, padded with 80,
 * ARPC by method 2.
 */
export type CryptogramVersion = 10 | 18;

/** What the cryptogram speaks of. */
export interface CryptogramData {
  /** 9F02 9F03 9F1A 95 5F2A 9A 9C 9F37, one after the other: 29 bytes. */
  readonly terminal: Uint8Array;
  /** 82, 2 bytes. */
  readonly aip: Uint8Array;
  /** 9F36, 2 bytes. */
  readonly atc: Uint8Array;
  /** 9F10: length ‖ key index ‖ version ‖ card verification results (4). */
  readonly issuerApplicationData: Uint8Array;
}

/** The tags whose values `CryptogramData.terminal` holds, in order. */
export const CRYPTOGRAM_TAGS = [0x9f02, 0x9f03, 0x9f1a, 0x95, 0x5f2a, 0x9a, 0x9c, 0x9f37] as const;

export function applicationCryptogram(
  crypto: Crypto,
  masterKey: Uint8Array,
  version: CryptogramVersion,
  { terminal, aip, atc, issuerApplicationData: iad }: CryptogramData,
): Uint8Array {
  if (terminal.length !== 29 || aip.length !== 2 || iad.length < 7)
    throw new CardProblem("bad-value", "application cryptogram", "a value it speaks of has a wrong length");
  const key = versionKey(crypto, masterKey, version, atc);
  const tail = version === 10 ? iad.subarray(3, 7) : iad;
  const mac = retailMac(crypto, key, concat(terminal, aip, atc, tail), version === 10 ? 1 : 2);
  key.fill(0);
  return mac;
}

/** A copy of the master key (10), or the session key (18): the caller wipes it. */
function versionKey(
  crypto: Crypto,
  masterKey: Uint8Array,
  version: CryptogramVersion,
  atc: Uint8Array,
): Uint8Array {
  return version === 10 ? masterKey.slice() : sessionKey(crypto, masterKey, atc);
}

/** Method 1 (EMV Book 2, 8.2.1): the cryptogram ⊕ (response code ‖ 00..), enciphered; 8 bytes. */
export function arpcMethod1(
  crypto: Crypto,
  key: Uint8Array,
  cryptogram: Uint8Array,
  responseCode: Uint8Array,
): Uint8Array {
  if (responseCode.length !== 2)
    throw new CardProblem("bad-value", "ARPC", `a response code has 2 bytes, not ${responseCode.length}`);
  const cipher = crypto.des3(key);
  const arpc = cipher.encrypt(xor(cryptogram, concat(responseCode, new Uint8Array(6))));
  cipher.wipe();
  return arpc;
}

/** Method 2 (EMV Book 2, 8.2.2): MAC over cryptogram ‖ card status update (4) ‖ proprietary data (0 to 8), its first 4 bytes. */
export function arpcMethod2(
  crypto: Crypto,
  key: Uint8Array,
  cryptogram: Uint8Array,
  statusUpdate: Uint8Array,
  proprietary: Uint8Array = new Uint8Array(0),
): Uint8Array {
  if (statusUpdate.length !== 4 || proprietary.length > 8)
    throw new CardProblem("bad-value", "ARPC", "the status update has 4 bytes, proprietary data at most 8");
  return retailMac(crypto, key, concat(cryptogram, statusUpdate, proprietary), 2).slice(0, 4);
}

/**
 * Card status update (EMV Book 3, annex C10) for a response code: bit 8 of its second byte is "issuer approves online transaction", without
 * which a card gives no TC (10.11.1.1). All else is left as it is: no block, no counter, no try. The bit's place is told by three public
 * implementations that quote the annex; the annex itself was not read.
 */
export const statusUpdateFor = (responseCode: string): Uint8Array =>
  Uint8Array.of(0x00, responseCode === "00" ? 0x80 : 0x00, 0x00, 0x00);

/** Issuer authentication data (91) for a cryptogram: ARPC ‖ response code, or ARPC ‖ status update. */
export function issuerAuthenticationData(
  crypto: Crypto,
  masterKey: Uint8Array,
  ask: {
    readonly version: CryptogramVersion;
    readonly atc: Uint8Array;
    readonly cryptogram: Uint8Array;
    /** 8A, two characters. */
    readonly responseCode: Uint8Array;
    /** Of version 18; version 10 has none. */
    readonly statusUpdate: Uint8Array;
  },
): Uint8Array {
  const key = versionKey(crypto, masterKey, ask.version, ask.atc);
  const { cryptogram, responseCode, statusUpdate } = ask;
  const data =
    ask.version === 10
      ? concat(arpcMethod1(crypto, key, cryptogram, responseCode), responseCode)
      : concat(arpcMethod2(crypto, key, cryptogram, statusUpdate), statusUpdate);
  key.fill(0);
  return data;
}
