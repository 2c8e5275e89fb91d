/** Known answers at start (FIPS 140-3 in spirit): a broken crypto library must not make cards. Published vectors, never keys in use. */
import { createCipheriv, randomBytes } from "node:crypto";
import { equal, unhex } from "@persoline/card/bytes";
import { cmac } from "@persoline/card/crypto";
import { diversifyAn10922 } from "@persoline/card/desfire";
import { diversifyKeyKdf3 } from "@persoline/card/globalplatform";
import { nodeCrypto } from "@persoline/card/node";

/** Throws, naming the test that failed. */
export function selfTest(): void {
  // NIST SP 800-38B, AES-128, example 2
  const mac = cmac(
    nodeCrypto.aes(unhex("2B7E151628AED2A6ABF7158809CF4F3C")),
    unhex("6BC1BEE22E409F96E93D7E117393172A"),
  );
  check("AES-CMAC", mac, "070A16B46B4D4144F79BDD9DD04A287C");
  // NIST SP 800-38A, F.2.1
  const cbc = nodeCrypto
    .aes(unhex("2B7E151628AED2A6ABF7158809CF4F3C"))
    .cbcEncrypt(unhex("000102030405060708090A0B0C0D0E0F"), unhex("6BC1BEE22E409F96E93D7E117393172A"));
  check("AES-CBC", cbc, "7649ABAC8119B246CEE98E9B12E9197D");
  // KDF3 under that same published key, computed with an independent implementation of SP 800-108
  const derived = diversifyKeyKdf3(
    nodeCrypto,
    unhex("2B7E151628AED2A6ABF7158809CF4F3C"),
    unhex("00010203040506070809"),
    1,
  );
  check("KDF3", derived, KDF3_ANSWER);
  // NXP AN10922, 2.2.1
  const diversified = diversifyAn10922(
    nodeCrypto,
    "AES-128",
    unhex("00112233445566778899AABBCCDDEEFF"),
    unhex("04782E21801D803042F54E585020416275"),
  );
  check("AN10922", diversified, "A8DD63A3B89D54B37CA802473FDA9175");
  // McGrew and Viega, test case 14 (AES-256-GCM)
  const gcm = createCipheriv("aes-256-gcm", new Uint8Array(32), new Uint8Array(12));
  const sealed = new Uint8Array(gcm.update(new Uint8Array(16)));
  gcm.final();
  check("AES-256-GCM", sealed, "CEA7403D4D606B6E074EC5D3BAF39D18");
  check("AES-256-GCM tag", new Uint8Array(gcm.getAuthTag()), "D0D1C8A799996BF0265B98B5D48AB919");
  // A stuck generator gives the same twice.
  if (randomBytes(16).equals(randomBytes(16)))
    throw new Error("self-test: the random generator repeats itself");
}

const KDF3_ANSWER = "80A9FDC77A90B29492E21E7E42E525E9";

function check(name: string, got: Uint8Array, expected: string): void {
  if (!equal(got, unhex(expected))) throw new Error(`self-test: ${name} gives a wrong answer`);
}
