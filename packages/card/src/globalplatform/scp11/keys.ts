// Elliptic keys and certificates on their way into a card (GPCS 11.8 and 11.11; Amendment F, 4 and 7.6).
import type { Command } from "../../apdu/index.js";
import { CardProblem, concat, unhex } from "../../bytes/index.js";
import { encodeTlv, tlv } from "../../tlv/index.js";
import type { DekEncrypt } from "../put-key.js";

interface Place {
  /** Version to replace; 0 adds one. */
  readonly oldKvn: number;
  readonly newKvn: number;
  /** 10 an authority (CA-KLOC); 11, 13, 15 a pair for a, b, c. */
  readonly kid: number;
}

/** The whole F0 object: P-256. */
const P256 = { tag: 0xf0, value: unhex("00") };

/** PUT KEY of the card's key pair: the private half under the data encryption key. The card answers the new version. */
export function putKeyPair(
  ask: Place & { readonly privateKey: Uint8Array; readonly dekEncrypt: DekEncrypt },
): { readonly command: Command; readonly expected: Uint8Array } {
  const { privateKey, dekEncrypt } = ask;
  if (privateKey.length !== 32)
    throw new CardProblem(
      "bad-key",
      "PUT KEY",
      `a private key of P-256 has 32 bytes, not ${privateKey.length}`,
    );
  return put(ask, encodeTlv([{ tag: 0xb1, value: dekEncrypt(privateKey) }, P256]));
}

/** PUT KEY of the authority that hosts' certificates are under. */
export function putAuthority(ask: Place & { readonly publicKey: Uint8Array }): {
  readonly command: Command;
  readonly expected: Uint8Array;
} {
  const { publicKey } = ask;
  if (publicKey.length !== 65)
    throw new CardProblem("bad-key", "PUT KEY", `a point of P-256 has 65 bytes, not ${publicKey.length}`);
  return put(ask, encodeTlv([{ tag: 0xb0, value: publicKey }, P256]));
}

/** No check value: its length alone, 00. */
function put({ oldKvn, newKvn, kid }: Place, key: Uint8Array) {
  if (!Number.isInteger(newKvn) || newKvn < 0x01 || newKvn > 0x7f)
    throw new CardProblem("bad-value", "PUT KEY", `${newKvn} is not a key version number from 1 to 7F`);
  const expected = Uint8Array.of(newKvn);
  const data = concat(expected, key, Uint8Array.of(0x00));
  return { command: { cla: 0x80, ins: 0xd8, p1: oldKvn, p2: kid, data, le: 256 }, expected };
}

/** The content of STORE DATA (BER-TLV) that gives a pair its certificates, leaf last. */
export const certificatesFor = (
  key: { readonly id: number; readonly kvn: number },
  certificates: readonly Uint8Array[],
): Uint8Array => encodeTlv([named(key), { tag: 0xbf21, value: concat(...certificates) }]);

/** The content of STORE DATA (BER-TLV) that says what certificates call an authority. */
export const identifierFor = (
  key: { readonly id: number; readonly kvn: number },
  identifier: Uint8Array,
): Uint8Array => encodeTlv([named(key), tlv(0x42, identifier)]);

const named = ({ id, kvn }: { readonly id: number; readonly kvn: number }) =>
  tlv(0xa6, tlv(0x83, Uint8Array.of(id, kvn)));
