// Makes the public keys and the hundred cardholders of the payment example: `npm run build && node tools/make-payment-example.mjs`. The
// same bytes each time; the result is committed. Scheme and issuer are fictional, and their private keys are drawn from published seeds.
import { writeFileSync } from "node:fs";
import { hex, unhex } from "@persoline/card/bytes";
import { luhnDigit, seededBytes, signIssuerCertificate } from "@persoline/card/emv";
import { drawRsaKey, nodeCrypto } from "@persoline/card/node";

/** @param {string} path */
const example = (path) => new URL(`../examples/${path}`, import.meta.url);
/** @param {string} seed @param {number} bits */
const drawn = (seed, bits) => drawRsaKey({ bits, exponent: 3, random: seededBytes(nodeCrypto, seed) });

const authority = drawn("persoline example scheme authority F1", 1536);
// The key `pay-rsa` of examples/keys/payment-test-keys.yaml, which the security module draws from this seed.
const issuer = drawn("persoline example issuer 999901", 1408);
/** @param {Uint8Array} bytes */
const quoted = (bytes) => `"${hex(bytes)}"`;

writeFileSync(
  example("products/payment/authority.yaml"),
  `# Public key of the fictional scheme's authority: terminals know it.
provider: ${quoted(unhex("F050534C50"))}
index: "F1"
exponent: ${quoted(authority.publicKey.exponent)}
modulus: ${quoted(authority.publicKey.modulus)}
`,
);
const certificate = signIssuerCertificate(
  nodeCrypto,
  {
    modulus: authority.publicKey.modulus,
    sign: (block) => nodeCrypto.rsaPrivate(authority.privateKey, block),
  },
  { issuer: "999901", expiry: "1239", serial: unhex("000001"), publicKey: issuer.publicKey },
);
writeFileSync(
  example("products/payment/issuer-certificate.yaml"),
  `# Certificate of the issuer's key, made by the scheme's authority (EMV Book 2, 5.1): valid until 12/39.
authority: "F1"
certificate: ${quoted(certificate.certificate)}
remainder: ${quoted(certificate.remainder)}
exponent: ${quoted(certificate.exponent)}
`,
);

const surnames =
  "EXAMPLE SAMPLE SPECIMEN MUSTER VOORBEELD PRUEBA MODELLO PRZYKLAD PRIKLAD EKSEMPEL O'SAMPLE".split(" ");
const names = ["ALEX", "KIM", "ROBIN", "SASHA", "NOOR", "LUCA", "MARIA-JOSE", "JO", "CHRIS", "ANDREA"];
/** @param {readonly string[]} list @param {number | undefined} at */
const pick = (list, at = 0) => list[at % list.length] ?? "";
const people = Array.from({ length: 100 }, (_, n) => {
  const bytes = seededBytes(nodeCrypto, `persoline example cardholder ${n + 1}`)(32);
  const payload = `999901${Array.from(bytes.slice(0, 9), (byte) => byte % 10).join("")}`;
  const surname = pick(surnames, bytes[9]);
  const month = String(((bytes[10] ?? 0) % 12) + 1).padStart(2, "0");
  return [
    `C-${String(n + 1).padStart(5, "0")}`,
    payload + luhnDigit(payload),
    "01",
    n % 2 === 0 ? `${month}/31` : `31${month}`,
    "11/26",
    `${surname}/${pick(names, bytes[11])}`,
  ].join(",");
});
if (new Set(people.map((line) => line.split(",")[1])).size !== people.length)
  throw new Error("a PAN comes twice");
writeFileSync(
  example("payment/cardholders.csv"),
  `Customer,PAN,Sequence,Valid thru,Valid from,Embossed name\n${people.join("\n")}\n`,
);
