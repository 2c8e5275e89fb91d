import { CardProblem, equal, hex, unhex } from "@persoline/card/bytes";
import type { Crypto, RsaPublicKey } from "@persoline/card/crypto";
import { type PaymentProfile, recoverIssuerCertificate } from "@persoline/card/emv";
import type { z } from "zod";
import { type FileProblem, strictYaml } from "../../../orders/yaml.js";
import type { PaymentModel } from "./model.js";
import { authoritySchema, certificateSchema } from "./schema.js";

/** Public keys that a card of this issuer is believed by. */
export interface Scheme {
  readonly issuerKey: NonNullable<PaymentProfile["issuerKey"]>;
  /** The issuer's public key, as its certificate says it: the security module must have the other half. */
  readonly issuer: RsaPublicKey;
  /** Last month of the issuer's certificate, YYMM: no card outlives it. */
  readonly expiry: string;
  /** The scheme's: first five bytes of the AID, index, key. */
  readonly authority: { readonly provider: Uint8Array; readonly index: number; readonly key: RsaPublicKey };
}

interface Source {
  readonly text: string;
  readonly file: string;
}

/**
 * The issuer's certificate, judged with the scheme's key that made it: a card with a wrong one would be refused by every terminal. Every
 * problem is told with its place in its file.
 */
export function readScheme(
  crypto: Crypto,
  sources: { readonly authority: Source; readonly certificate: Source },
  { profile, iccModulusBytes }: Pick<PaymentModel, "profile" | "iccModulusBytes">,
):
  | { readonly ok: true; readonly scheme: Scheme }
  | { readonly ok: false; readonly problems: readonly FileProblem[] } {
  const authority = strictYaml(authoritySchema, sources.authority.text, sources.authority.file);
  const certificate = strictYaml(certificateSchema, sources.certificate.text, sources.certificate.file);
  const unread = [authority, certificate].flatMap((read) => (read.ok ? [] : read.problems));
  if (!authority.ok || !certificate.ok) return { ok: false, problems: unread };
  const { provider, key, index } = authorityOf(authority.value);
  const found: FileProblem[] = [];
  if (!equal(provider, profile.aid.subarray(0, 5)))
    found.push(
      authority.problem(
        ["provider"],
        "other-scheme",
        `this is not the scheme of the application ${hex(profile.aid)}`,
        `name the authority of ${hex(profile.aid.subarray(0, 5))}, or correct the application's AID`,
      ),
    );
  const own = certificate.value;
  if (unhex(own.authority)[0] !== index)
    found.push(
      certificate.problem(
        ["authority"],
        "other-authority",
        `it was made with the scheme's key ${own.authority.toUpperCase()}, and the authority file has ${hex(Uint8Array.of(index))}`,
        "name the file of that key",
      ),
    );
  if (found.length > 0) return { ok: false, problems: found };
  const wrong = (message: string, remedy: string): FileProblem[] => [
    certificate.problem(["certificate"], "certificate", message, remedy),
  ];
  try {
    const [certified, remainder, exponent] = [own.certificate, own.remainder, own.exponent].map(unhex);
    const given = {
      certificate: certified ?? new Uint8Array(0),
      remainder: remainder ?? new Uint8Array(0),
      exponent: exponent ?? new Uint8Array(0),
    };
    const { issuer, expiry, publicKey } = recoverIssuerCertificate(crypto, key, given);
    const modulusBytes = publicKey.modulus.length;
    const problems = [
      ...(profile.issuer.startsWith(issuer)
        ? []
        : wrong(
            `it is of issuer ${issuer}, the product's is ${profile.issuer}`,
            "name the right certificate",
          )),
      ...(iccModulusBytes <= modulusBytes
        ? []
        : wrong(
            `its key has ${modulusBytes * 8} bits, the cards' have ${iccModulusBytes * 8}, which it could not certify`,
            "give the cards shorter keys (icc-key)",
          )),
    ];
    if (problems.length > 0) return { ok: false, problems };
    return {
      ok: true,
      scheme: {
        issuerKey: { authorityIndex: index, certificate: given, modulusBytes, iccModulusBytes },
        issuer: publicKey,
        expiry: `${expiry.slice(2)}${expiry.slice(0, 2)}`,
        authority: { provider, index, key },
      },
    };
  } catch (problem) {
    if (!(problem instanceof CardProblem)) throw problem;
    return {
      ok: false,
      problems: wrong(problem.message, "name the certificate that the authority made with this key"),
    };
  }
}

const authorityOf = ({ provider, index, modulus, exponent }: z.output<typeof authoritySchema>) => ({
  provider: unhex(provider),
  index: unhex(index)[0] ?? 0,
  key: { modulus: unhex(modulus), exponent: unhex(exponent) },
});
