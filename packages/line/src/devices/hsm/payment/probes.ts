/** Known answers of payment cards: published vectors, through whatever keeps the masters. */
import { createHash } from "node:crypto";
import { concat, equal, hex, unhex } from "@persoline/card/bytes";
import {
  cardVerificationValue,
  iccMasterKey,
  judgeByCardKey,
  naturalPin,
  pinBlock2,
  pinOffset,
  pinVerificationValue,
  ScriptSession,
  seededBytes,
} from "@persoline/card/emv";
import { drawRsaKey, nodeCrypto, type RsaKeyPair, rsaPrivateKey, rsaPrivateWith } from "@persoline/card/node";
import { random } from "../draw.js";
import type { KeyRef } from "@persoline/card/program";
import type { PaymentMaster, PinKey } from "../keyring.js";
import { must } from "../known.js";
import { issuersPin } from "./pin-source.js";

/** A throw-away master of this value, where the provider keeps masters. */
export type MasterOf = <T>(value: Uint8Array, work: (master: PaymentMaster) => T) => T;

/** In this process. */
export const masterHere: MasterOf = (key, work) => work({ crypto: nodeCrypto, key });

const IMK = unhex("0123456789ABCDEFFEDCBA9876543210");

/** Card keys, PVV, offset (packages/card/vectors/emv-crypto.json optA-psn45, pin-verification.json pvv-1 and ibm-5). */
export function probePaymentKeys(masterOf: MasterOf): void {
  const key = masterOf(IMK, (master) =>
    iccMasterKey(master.crypto, master.key, { pan: "12345678901234567", psn: "45", option: "A" }),
  );
  must(equal(key, unhex("946DC1A8C78A624519BC4645CB073737")), "a card's key by option A");
  const pvv = masterOf(IMK, (master) =>
    pinVerificationValue(master.crypto, master.key, {
      pan: "1122334455667788",
      keyIndex: 1,
      pin: Uint8Array.of(4, 5, 2, 4),
    }),
  );
  must(pvv === "8523", "a PIN verification value");
  const form = { table: "1234567890123456", pad: "F", from: 0, to: 16 };
  const natural = masterOf(IMK, (master) =>
    naturalPin(master.crypto, master.key, { pan: "1122334455667788", length: 4, form }),
  );
  must(pinOffset(natural, Uint8Array.of(1, 2, 3, 4)) === "7710", "an offset");
}

/** A throw-away key of PIN blocks of this value, where the provider keeps them. */
export type PinKeyOf = <T>(value: Uint8Array, isDes: boolean, work: (key: PinKey) => T) => T;

export const pinKeyHere: PinKeyOf = (key, isDes, work) => work({ crypto: nodeCrypto, key, isDes });

/** pin-blocks.json: iso4-ep2, and iso0-4 enciphered by OpenSSL's command line. */
export function probePinBlocks(pinKeyOf: PinKeyOf): void {
  const keys = "probe" as KeyRef;
  for (const { key, ...by } of [
    {
      key: "C1D0F8FB4958670DBA40AB1F3752EF0D",
      format: 4,
      pan: "432198765432109870",
      block: "CC17F65586BFD0953010226C4FC5B3CA",
    },
    { key: hex(IMK), format: 0, pan: "5555555551234567", block: "230B4C43B8BA2C5C" },
  ] as const) {
    const pin = pinKeyOf(unhex(key), by.format === 0, (kept) =>
      issuersPin(kept, { ...by, keys, block: unhex(by.block) }),
    );
    must(equal(pin, Uint8Array.of(1, 2, 3, 4)), `a PIN block of format ${by.format}`);
  }
}

/** pin-verification.json, cvv-1: two keys, for the first is used alone too. */
export function probeVerificationValue(masterOf: MasterOf): void {
  const cvv = masterOf(unhex("99999999999999998888888888888888"), (master) =>
    cardVerificationValue(master.crypto, master.key, {
      pan: "2222222222222222",
      expiry: "3333",
      serviceCode: "111",
    }),
  );
  must(cvv === "361", "a card verification value");
}

/** emv-crypto.json, visa-cvn10: the card's cryptogram, and the issuer's answer for "00". */
export function probeCryptogram(masterOf: MasterOf): void {
  const card = { pan: "1234567890123456", psn: "00" };
  const key = masterOf(IMK, ({ crypto, key: master }) =>
    iccMasterKey(crypto, master, { ...card, option: "A" }),
  );
  const request = {
    ...card,
    version: 10 as const,
    cryptogram: unhex("29CCA15AE665FA2E"),
    data: {
      terminal: unhex("0000000040000000000000000124800004800001241911050152BF4585"),
      aip: unhex("1800"),
      atc: unhex("001C"),
      issuerApplicationData: unhex("06010A03A06010"),
    },
  };
  const said = judgeByCardKey(nodeCrypto, key, request, "00");
  must(said.verdict === "right", "a cryptogram");
  must(
    said.verdict === "right" && equal(said.authentication, concat(unhex("28993816AFAE4AEB"), unhex("3030"))),
    "the issuer's answer",
  );
  const altered = { ...request, cryptogram: unhex("29CCA15AE665FA2F") };
  must(judgeByCardKey(nodeCrypto, key, altered, "00").verdict === "wrong", "a wrong cryptogram");
  probeScripts(masterOf);
}

/** emv-scripts.json, pin-change-9999: the PIN in confidence and its MAC, then a MAC that is chained to it. */
function probeScripts(masterOf: MasterOf): void {
  const whose = { pan: "1234567890123456", psn: "01", option: "A" } as const;
  const cardKey = (value: Uint8Array): Uint8Array =>
    masterOf(value, ({ crypto, key }) => iccMasterKey(crypto, key, whose));
  const keys = {
    integrity: cardKey(IMK),
    confidentiality: cardKey(unhex("11111111111111112222222222222222")),
  };
  const script = new ScriptSession(nodeCrypto, keys, unhex("ABCDEF1234567890"));
  const said = [script.pinChange(pinBlock2(Uint8Array.of(9, 9, 9, 9))), script.pinUnblock()];
  script.wipe();
  must(
    said.map(({ data }) => hex(data ?? new Uint8Array(0))).join(" ") ===
      "28367E05DE3381C29D30A6055A8DEB865E52A8B07DC8557B 4404FD28535BE337",
    "issuer scripts",
  );
}

const digestOf = (bytes: Uint8Array): string =>
  hex(new Uint8Array(createHash("sha256").update(bytes).digest().subarray(0, 16)));

let pair: RsaKeyPair | undefined;
/** A test key of 512 bits, for short starts, that a seed decides; drawn once in a process. */
export function probePair(): RsaKeyPair {
  pair ??= drawRsaKey({ bits: 512, exponent: 3, random: seededBytes(nodeCrypto, "persoline probe") });
  return pair;
}

/** Drawing by the seed gives the one key; drawing by chance never the same. */
export function probeDrawing(): void {
  must(digestOf(probePair().publicKey.modulus) === PROBE_MODULUS, "an RSA key of a seed");
  must(!equal(random(48), random(48)), "random bytes for primes");
}

/** Raw RSA over 00 01 02 .. 3F; the answer computed with another program's integers. */
export function probeIssuerSignature(sign: (block: Uint8Array) => Uint8Array): void {
  const signature = sign(Uint8Array.from({ length: 64 }, (_, at) => at));
  must(digestOf(signature) === PROBE_SIGNATURE, "raw RSA");
}

export function probeIssuerSignatureHere(): void {
  const key = rsaPrivateKey(probePair().privateKey);
  probeIssuerSignature((block) => rsaPrivateWith(key, block));
}

/** First sixteen bytes of SHA-256. */
const PROBE_MODULUS = "92AF540974030F5736CE3AFAC7083FDD";
const PROBE_SIGNATURE = "B75EC67A54720D7417071D765F07FDFC";
