import { concat, unhex, utf8 } from "../../bytes/index.js";
import type { Crypto } from "../../crypto/index.js";
import { luhnDigit } from "../basics.js";
import type { IssuerMasterKeys } from "./issue.js";
import type { PaymentProfile, PaymentRecord } from "./types.js";

/** A stream of bytes that a seed decides: for test data only, never for keys that guard anything. SHA-256 of seed and a counter. */
export function seededBytes(crypto: Pick<Crypto, "sha256">, seed: string): (length: number) => Uint8Array {
  let count = 0;
  let rest = new Uint8Array(0);
  return (length) => {
    const blocks = [rest];
    for (let had = rest.length; had < length; had += 32)
      blocks.push(new Uint8Array(crypto.sha256(utf8(`persoline test data/${seed}/${count++}`))));
    const all = concat(...blocks);
    rest = all.slice(length);
    return all.slice(0, length);
  };
}

/** The fictional scheme's application: proprietary range of ISO/IEC 7816-5, so that no real scheme is meant. */
export const SAMPLE_AID = unhex("F050534C501010");
const SURNAMES = ["EXAMPLE", "SAMPLE", "SPECIMEN", "MUSTER", "VOORBEELD", "PRUEBA"];
const FIRST = ["ALEX", "KIM", "ROBIN", "SASHA", "NOOR", "LUCA"];

/** The sample product: online and offline, DDA and CDA, enciphered PIN first, no verification below 20.00. */
export const samplePayment = (
  issuerKey: PaymentProfile["issuerKey"],
  change: Partial<PaymentProfile> = {},
): PaymentProfile => ({
  aid: SAMPLE_AID,
  label: "PERSOLINE PAY",
  language: "en",
  issuer: "999901",
  country: "276",
  currency: "978",
  currencyExponent: 2,
  serviceCode: "201",
  proof: issuerKey === undefined ? "none" : "cda",
  cvm: {
    x: 2000,
    y: 0,
    rules: [
      { method: "none", orNext: false, when: "underX" },
      { method: "encipheredPin", orNext: true, when: "ifSupported" },
      { method: "plainPin", orNext: true, when: "ifSupported" },
      { method: "signature", orNext: false, when: "ifSupported" },
    ],
  },
  actions: {
    default: unhex("FC78FC8800"),
    denial: unhex("0010000000"),
    online: unhex("FC78FC9800"),
  },
  usage: unhex("FF00"),
  applicationVersion: unhex("0001"),
  offlineLimits: { lower: 3, upper: 5 },
  pinTries: 3,
  cryptogram: { version: 18, keyIndex: 1, option: "B" },
  pinVerification: { by: "pvv", keyIndex: 1 },
  ...(issuerKey === undefined ? {} : { issuerKey }),
  ...change,
});

/** The n-th card of a seed; the same each time. */
export function sampleRecord(
  crypto: Pick<Crypto, "sha256">,
  seed: string,
  n: number,
  issuer = "999901",
): PaymentRecord & { readonly pin: Uint8Array } {
  const bytes = seededBytes(crypto, `${seed}/card/${n}`)(32);
  const digits = Array.from(bytes, (byte) => String(byte % 10)).join("");
  const payload = `${issuer}${digits.slice(0, 15 - issuer.length)}`;
  const pick = (list: readonly string[], at: number): string => list[(bytes[at] ?? 0) % list.length] ?? "";
  return {
    pan: payload + luhnDigit(payload),
    psn: "01",
    expiry: `31${String(((bytes[20] ?? 0) % 12) + 1).padStart(2, "0")}`,
    effective: "2601",
    name: `${pick(SURNAMES, 21)}/${pick(FIRST, 22)}`,
    pin: bytes.slice(24, 28).map((byte) => byte % 10),
  };
}

/** Test keys of a seed: for environment `test` only. */
export function sampleKeys(crypto: Pick<Crypto, "sha256">, seed: string): IssuerMasterKeys {
  const bytes = seededBytes(crypto, `${seed}/issuer keys`);
  return { ac: bytes(16), smi: bytes(16), smc: bytes(16), cvk: bytes(16), pvk: bytes(16) };
}
