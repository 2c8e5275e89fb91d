import type { Command } from "../apdu/index.js";
import { CardProblem, concat, equal, u16 } from "../bytes/index.js";
import { type Crypto, kcvAes, kcvDes } from "../crypto/index.js";
import { encodeDgi, encodeTlv, tlv } from "../tlv/index.js";

/** A key on its way into a card. */
export type NewKey =
  | { readonly type: "aes" | "3des"; readonly key: Uint8Array }
  /** An AES key whose bytes are kept elsewhere, already under the data encryption key. */
  | {
      readonly type: "wrapped-aes";
      readonly length: 16 | 24 | 32;
      readonly wrapped: Uint8Array;
      readonly kcv: Uint8Array;
    };

/** Encrypts whole blocks under the data encryption key: SCP03 `session.encryptWithDek`, SCP02 3DES-ECB under S-DEK. */
export type DekEncrypt = (data: Uint8Array) => Uint8Array;

export interface PutKey {
  /** Key version to replace; 0 adds a new set. */
  readonly oldKvn: number;
  readonly newKvn: number;
  /** Identifier of the first key; the others follow. */
  readonly firstKeyId: number;
  readonly keys: readonly NewKey[];
  readonly crypto: Crypto;
  readonly dekEncrypt: DekEncrypt;
}

/**
 * PUT KEY for one key or several at once (GPCS 11.8; AES: Amendment D, 7.2), and the answer that the card must give:
 * new key version and the check values. Throws CardProblem `bad-key`, `bad-value`.
 */
export function putKey(ask: PutKey): { readonly command: Command; readonly expected: Uint8Array } {
  const { oldKvn, newKvn, firstKeyId, keys, crypto } = ask;
  const where = "PUT KEY";
  if (keys.length === 0) throw new CardProblem("bad-value", where, "there is no key");
  if (!Number.isInteger(newKvn) || newKvn < 1 || newKvn > 0x7f) {
    throw new CardProblem("bad-value", where, `${newKvn} is not a key version number from 1 to 7F`);
  }
  if (!Number.isInteger(firstKeyId) || firstKeyId < 0 || firstKeyId + keys.length > 0x80) {
    throw new CardProblem("bad-value", where, `${firstKeyId} is not a key identifier from 0 to 7F`);
  }
  const kcvs = keys.map((key) => checkValue(crypto, key));
  const fields = keys.map((key, at) => keyField(key, kcvs[at] ?? checkValue(crypto, key), ask.dekEncrypt));
  const data = concat(Uint8Array.of(newKvn), ...fields);
  const p2 = keys.length > 1 ? firstKeyId | 0x80 : firstKeyId;
  return {
    command: { cla: 0x80, ins: 0xd8, p1: oldKvn, p2, data, le: 256 },
    expected: concat(Uint8Array.of(newKvn), ...kcvs),
  };
}

/** Throws CardProblem `kcv-mismatch` unless the card answered what it must (the texts tell no check value). */
export function checkPutKeyAnswer(expected: Uint8Array, answer: Uint8Array): void {
  if (!equal(expected, answer)) {
    throw new CardProblem(
      "kcv-mismatch",
      "PUT KEY",
      "the card answers another key version or other check values",
    );
  }
}

function checkValue(crypto: Crypto, key: NewKey): Uint8Array {
  if (key.type === "wrapped-aes") return key.kcv;
  return key.type === "aes" ? kcvAes(crypto, key.key) : kcvDes(crypto, key.key);
}

/** Type, length, encrypted key, 03, check value; AES with its own length in front, for 24 bytes are padded to 32. */
function keyField(newKey: NewKey, kcv: Uint8Array, dekEncrypt: DekEncrypt): Uint8Array {
  const check = concat(Uint8Array.of(kcv.length), kcv);
  if (newKey.type === "wrapped-aes") {
    const { wrapped, length } = newKey;
    return concat(Uint8Array.of(0x88, wrapped.length + 1, length), wrapped, check);
  }
  const { type, key } = newKey;
  if (type === "3des") {
    if (key.length !== 16)
      throw new CardProblem("bad-key", "PUT KEY", `a 3DES key has 16 bytes, not ${key.length}`);
    return concat(Uint8Array.of(0x80, key.length), dekEncrypt(key), check);
  }
  const wrapped = encryptPadded(key, dekEncrypt);
  return concat(Uint8Array.of(0x88, wrapped.length + 1, key.length), wrapped, check);
}

function encryptPadded(key: Uint8Array, dekEncrypt: DekEncrypt): Uint8Array {
  const whole = new Uint8Array(Math.ceil(key.length / 16) * 16);
  whole.set(key);
  const wrapped = dekEncrypt(whole);
  whole.fill(0);
  return wrapped;
}

export interface KeyDgis {
  readonly kvn: number;
  /** AES keys of one length; identifiers 1, 2, 3.. in order. */
  readonly keys: readonly Uint8Array[];
  /** Purpose, two bytes: 0003 SCP03 (default), 0010 SCP10, 0011 SCP11. */
  readonly usage?: number;
  /** 00 the security domain and its applications, 01 the security domain only (default), 02 applications only. */
  readonly access?: number;
  readonly crypto: Crypto;
  readonly dekEncrypt: DekEncrypt;
}

/** AES keys as data groupings for STORE DATA: 00B9 describes them, an 8113 each carries one under the DEK (GPCS 11.11). */
export function keyDgis(ask: KeyDgis): Uint8Array {
  const { kvn, keys, crypto } = ask;
  const length = keys[0]?.length ?? 0;
  if (length === 0 || keys.some((key) => key.length !== length)) {
    throw new CardProblem("bad-key", "DGI 00B9", "the keys of one set have one length");
  }
  const attributes = tlv(
    0xb7,
    tlv(0x80, Uint8Array.of(0x88)),
    tlv(0x81, Uint8Array.of(length)),
    tlv(0x83, Uint8Array.of(kvn)),
    tlv(0x96, Uint8Array.of(ask.access ?? 0x01)),
    tlv(0x97, u16(ask.usage ?? 0x0003)),
  );
  const references = keys.map((key, at) =>
    tlv(0xb9, tlv(0x82, Uint8Array.of(at + 1)), tlv(0x84, kcvAes(crypto, key))),
  );
  const values = keys.map((key) => encodeDgi(0x8113, encryptPadded(key, ask.dekEncrypt)));
  return concat(encodeDgi(0x00b9, encodeTlv([attributes, ...references])), ...values);
}
