/** An issuer's RSA key: drawn in the module, kept as PKCS#8; its public half and its check value. */
import { createHash, createPrivateKey, type KeyObject } from "node:crypto";
import { hex, unmovedCopy } from "@persoline/card/bytes";
import type { RsaPublicKey } from "@persoline/card/crypto";
import { seededBytes } from "@persoline/card/emv";
import { drawRsaKey, nodeCrypto, rsaPrivateKey, rsaPublicOf } from "@persoline/card/node";
import { random } from "../draw.js";
import type { IssuerPublicKey, KeyDescription } from "../port.js";

export type RsaAlgorithm = Extract<KeyDescription["algorithm"], `RSA-${string}`>;
export const isRsa = (algorithm: KeyDescription["algorithm"]): algorithm is RsaAlgorithm =>
  algorithm.startsWith("RSA-");
export const rsaBits = (algorithm: RsaAlgorithm): number => Number(algorithm.slice(4));

/** PKCS#8, DER. Exponent 3. `seed`: a test key that everybody may draw; without it of chance. */
export function drawIssuerKey(algorithm: RsaAlgorithm, seed?: string): Uint8Array {
  const bytes = seed === undefined ? random : seededBytes(nodeCrypto, seed);
  const { privateKey } = drawRsaKey({ bits: rsaBits(algorithm), exponent: 3, random: bytes });
  const der = rsaPrivateKey(privateKey).export({ format: "der", type: "pkcs8" });
  const { p, q, dp, dq, qInverse } = privateKey;
  for (const part of [p, q, dp, dq, qInverse]) part.fill(0);
  const own = unmovedCopy(der);
  der.fill(0);
  return own;
}

export const issuerKeyObject = (der: Uint8Array): KeyObject =>
  createPrivateKey({
    key: Buffer.from(der.buffer, der.byteOffset, der.length),
    format: "der",
    type: "pkcs8",
  });

/** All numbers of a key, for a token. The caller wipes them. */
export function rsaNumbers(der: Uint8Array) {
  const jwk = issuerKeyObject(der).export({ format: "jwk" });
  const number = (text = ""): Uint8Array => Uint8Array.from(Buffer.from(text, "base64url"));
  const { n, e, d, p, q, dp, dq, qi } = jwk;
  return {
    n: number(n),
    e: number(e),
    d: number(d),
    p: number(p),
    q: number(q),
    dp: number(dp),
    dq: number(dq),
    qi: number(qi),
  };
}

export const publicOf = (der: Uint8Array): RsaPublicKey => rsaPublicOf(issuerKeyObject(der));

/** First three bytes of SHA-256 of the modulus: enough to tell keys apart, and public like it. */
export const rsaCheckValue = ({ modulus }: RsaPublicKey): string =>
  hex(new Uint8Array(createHash("sha256").update(modulus).digest().subarray(0, 3)));

export const toldKey = ({ modulus, exponent }: RsaPublicKey): IssuerPublicKey => ({
  modulus: hex(modulus),
  exponent: hex(exponent),
});
