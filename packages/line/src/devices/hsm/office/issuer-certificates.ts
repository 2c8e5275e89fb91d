/** An issuer's RSA key and the scheme's authority: the request that goes out, the certificate that comes in. Both are public. */
import { createHash } from "node:crypto";
import { CardProblem, equal, hex, unhex } from "@persoline/card/bytes";
import { recoverIssuerCertificate } from "@persoline/card/emv";
import { nodeCrypto } from "@persoline/card/node";
import type { StoredKey } from "../keystore.js";
import type { IssuerPublicKey } from "../port.js";
import { keyOf } from "./named-key.js";
import { OfficeRefusal } from "./refusal.js";
import { type KeyRoom, keystoreRoom } from "./room.js";
import type { CertificateFile } from "./types.js";

function issuerOf(
  keys: readonly StoredKey[],
  name: string,
): StoredKey & { readonly issuer: IssuerPublicKey } {
  const key = keyOf(keys, name);
  const { issuer } = key;
  if (key.use !== "emv-issuer" || issuer === undefined)
    throw new OfficeRefusal(
      `key ${name} is for ${key.use}: only an issuer's RSA key (emv-issuer) is certified`,
    );
  return { ...key, issuer };
}

/**
 * What the authority certifies, as JSON. `proof`: PKCS#1 v1.5 with SHA-256 over the JSON of all other fields by the key itself, hexadecimal:
 * whoever asks has it. `fingerprint`: SHA-256 of the modulus, to be read out over another way.
 */
export function certificateRequest(
  keys: readonly StoredKey[],
  name: string,
  room: Pick<KeyRoom, "signRsa"> = keystoreRoom(keys),
): string {
  const stored = issuerOf(keys, name);
  const { algorithm, issuer, life } = stored;
  if (life?.state === "destroyed")
    throw new OfficeRefusal(`key ${name} is destroyed: there is nothing to certify`);
  const { modulus, exponent } = issuer;
  const request = {
    format: "persoline-issuer-key-request",
    version: 1,
    key: name,
    algorithm,
    modulus,
    exponent,
    fingerprint: createHash("sha256").update(unhex(modulus)).digest("hex").toUpperCase(),
  };
  const proof = room.signRsa(stored, Buffer.from(JSON.stringify(request)));
  return JSON.stringify({ ...request, proof: hex(proof) }, null, 2);
}

/** Throws OfficeRefusal when it is not the authority's certificate for this very key, or has ended. */
export function judgeCertificate(
  keys: readonly StoredKey[],
  name: string,
  file: CertificateFile,
  at: string,
): void {
  const { issuer } = issuerOf(keys, name);
  if (!Number.isInteger(file.authorityIndex) || file.authorityIndex < 0 || file.authorityIndex > 0xff)
    throw new OfficeRefusal("the authority's key index is one byte, 0 to 255");
  try {
    const authority = { modulus: unhex(file.authority.modulus), exponent: unhex(file.authority.exponent) };
    const found = recoverIssuerCertificate(nodeCrypto, authority, {
      certificate: unhex(file.certificate),
      remainder: unhex(file.remainder),
      exponent: unhex(file.exponent),
    });
    const { modulus, exponent } = found.publicKey;
    if (!equal(modulus, unhex(issuer.modulus)) || !equal(exponent, unhex(issuer.exponent)))
      throw new OfficeRefusal(`this is the certificate of another key than ${name}`);
    // MMYY, to the end of that month.
    const yymm = `${found.expiry.slice(2)}${found.expiry.slice(0, 2)}`;
    if (yymm < `${at.slice(2, 4)}${at.slice(5, 7)}`)
      throw new OfficeRefusal(
        `this certificate ended ${found.expiry.slice(0, 2)}/20${found.expiry.slice(2)}`,
      );
  } catch (problem) {
    if (problem instanceof CardProblem) throw new OfficeRefusal(`${problem.message}; nothing was taken in`);
    throw problem;
  }
}

export function certified(keys: readonly StoredKey[], name: string, file: CertificateFile): StoredKey {
  const key = issuerOf(keys, name);
  const { authorityIndex, certificate, remainder, exponent } = file;
  return {
    ...key,
    issuer: { ...key.issuer, certificate: { authorityIndex, certificate, remainder, exponent } },
  };
}
