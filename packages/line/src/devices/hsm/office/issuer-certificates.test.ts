/** An issuer's RSA key from its birth in a ceremony to the authority's certificate, and payment masters in key blocks. */
import { createPublicKey, verify } from "node:crypto";
import { hex, unhex } from "@persoline/card/bytes";
import { seededBytes, signIssuerCertificate } from "@persoline/card/emv";
import { drawRsaKey, nodeCrypto } from "@persoline/card/node";
import type { KeyRef } from "@persoline/card/program";
import { beforeAll, describe, expect, test } from "vitest";
import { Keyring } from "../keyring.js";
import { certificateRequest } from "./issuer-certificates.js";
import { at, type Desk, opened, plan } from "./office.test.data.js";
import type { CertificateFile, KeyAction } from "./types.js";

const authority = drawRsaKey({
  bits: 1536,
  exponent: 3,
  random: seededBytes(nodeCrypto, "an authority of tests"),
});

let desk: Desk;
beforeAll(async () => {
  desk = await opened();
  const key = plan("pay-issuer", { use: "emv-issuer", algorithm: "RSA-1408" });
  await desk.both({ do: "generate", key });
});

/** As the authority makes it, for the key that the desk has or for another. */
function certificate(
  publicKey = keyOf("pay-issuer"),
  { expiry = "1235" }: { readonly expiry?: string } = {},
): CertificateFile {
  const made = signIssuerCertificate(
    nodeCrypto,
    {
      modulus: authority.publicKey.modulus,
      sign: (block) => nodeCrypto.rsaPrivate(authority.privateKey, block),
    },
    { issuer: "999901", expiry, serial: unhex("000001"), publicKey },
  );
  return {
    authorityIndex: 0xf1,
    authority: {
      modulus: hex(authority.publicKey.modulus),
      exponent: hex(authority.publicKey.exponent),
    },
    certificate: hex(made.certificate),
    remainder: hex(made.remainder),
    exponent: hex(made.exponent),
  };
}
function keyOf(name: string) {
  const { modulus = "", exponent = "" } = desk.key(name).issuer ?? {};
  return { modulus: unhex(modulus), exponent: unhex(exponent) };
}
const taking = (file: CertificateFile, name = "pay-issuer"): KeyAction => ({ do: "certificate", name, file });

/** Its last byte but one is another, whatever it was. */
const altered = (digits: string): string =>
  hex(unhex(digits).map((byte, at, all) => (at === all.length - 2 ? byte ^ 0x01 : byte)));

describe("an issuer's RSA key", () => {
  test("is drawn by two custodians, 1,408 bits, and goes nowhere", async () => {
    const { issuer, life } = desk.key("pay-issuer");
    expect([issuer?.modulus.length, issuer?.exponent, life?.state]).toEqual([2 * 176, "03", "active"]);
    for (const leaves of [{ as: "components", count: 2 } as const, { as: "block", under: "x" } as const]) {
      const key = plan("other", { use: "emv-issuer", algorithm: "RSA-1408" });
      await expect(desk.begin({ do: "generate", key, leaves })).rejects.toThrow("never leaves");
    }
    await expect(desk.begin({ do: "export-block", name: "pay-issuer" })).rejects.toThrow("cannot leave");
    const wrong = plan("other", { use: "emv-issuer", algorithm: "3DES" });
    await expect(desk.begin({ do: "generate", key: wrong })).rejects.toThrow("is RSA-1408 or RSA-1152");
  });

  test("its request proves that who asks has it, and holds nothing of its private half", () => {
    const text = certificateRequest(desk.keep.keys, "pay-issuer");
    const { proof, ...request } = JSON.parse(text) as Record<string, string>;
    const jwk = {
      kty: "RSA",
      n: Buffer.from(request["modulus"] ?? "", "hex").toString("base64url"),
      e: Buffer.from(request["exponent"] ?? "", "hex").toString("base64url"),
    };
    const open = createPublicKey({ key: jwk, format: "jwk" });
    const proved = (told: object): boolean =>
      verify("sha256", Buffer.from(JSON.stringify(told)), open, Buffer.from(proof ?? "", "hex"));
    expect([proved(request), proved({ ...request, key: "another" })]).toEqual([true, false]);
    const der = Buffer.from(desk.key("pay-issuer").value);
    // Past the public numbers, which come first in PKCS#8.
    expect(text.toLowerCase()).not.toContain(der.subarray(-72).toString("hex"));
    expect(() => certificateRequest(desk.keep.keys, "line-signature")).toThrow("only an issuer's RSA key");
  });

  test.each<[string, () => KeyAction, string]>([
    ["of another key", () => taking(certificate(drawn().publicKey)), "of another key than pay-issuer"],
    ["that has ended", () => taking(certificate(undefined, { expiry: "0227" })), "ended 02/2027"],
    [
      "by another authority",
      () =>
        taking({
          ...certificate(),
          authority: { modulus: altered(hex(authority.publicKey.modulus)), exponent: "03" },
        }),
      "issuer certificate",
    ],
    [
      "altered",
      () => {
        const file = certificate();
        return taking({ ...file, certificate: altered(file.certificate) });
      },
      "issuer certificate",
    ],
    ["for a key of another use", () => taking(certificate(), "line-signature"), "only an issuer's RSA key"],
  ])("refuses a certificate %s, and asks no custodian", async (_, action, why) => {
    const before = desk.keep.book.next;
    await expect(desk.begin(action())).rejects.toThrow(why);
    expect(desk.keep.book.next).toBe(before);
  });

  test("takes in the authority's certificate by two custodians, and the module knows it from then on", async () => {
    const file = certificate();
    await desk.both(taking(file));
    const told = new Keyring("test", desk.keep.keys).describe().find(({ name }) => name === "pay-issuer");
    expect(told?.issuer?.certificate).toEqual({
      authorityIndex: 0xf1,
      certificate: file.certificate,
      remainder: file.remainder,
      exponent: "03",
    });
    const ring = new Keyring("test", desk.keep.keys, () => Date.parse(at));
    expect(ring.issuerSigner("pay-issuer" as KeyRef).certificate?.authorityIndex).toBe(0xf1);
    expect(desk.keep.book.records.at(-1)?.text).toContain("take in the authority's certificate (index F1)");
  });

  test("is rotated: the new one has no certificate yet", async () => {
    const key = plan("pay-issuer-2", { use: "emv-issuer", algorithm: "RSA-1408" });
    await desk.both({ do: "rotate", old: "pay-issuer", key });
    expect(desk.key("pay-issuer").life?.state).toBe("deactivated");
    expect(desk.key("pay-issuer-2").issuer?.certificate).toBeUndefined();
    expect(desk.key("pay-issuer-2").issuer?.modulus).not.toBe(desk.key("pay-issuer").issuer?.modulus);
  });
});

const drawn = () => drawRsaKey({ bits: 1408, exponent: 3, random: seededBytes(nodeCrypto, "another key") });

test("payment masters come and go in key blocks of their own usage, and none for another's", async () => {
  const keeper = await opened();
  await keeper.both({
    do: "generate",
    key: plan("kbpk", { use: "key-block", algorithm: "AES-256" }),
  });
  for (const [use, usage] of [
    ["emv-ac", "E0"],
    ["emv-smc", "E1"],
    ["emv-smi", "E2"],
    ["emv-cvk", "C0"],
    ["emv-pvk", "V2"],
    ["ibm-3624", "V1"],
    ["pin-transport", "P0"],
  ] as const) {
    const key = plan(use, { use, algorithm: "3DES" });
    await keeper.both({ do: "generate", key, leaves: { as: "block", under: "kbpk" } });
    const block = keeper.block ?? "";
    expect(block.slice(5, 7)).toBe(usage);
    const other = use === "emv-pvk" ? "ibm-3624" : "emv-pvk";
    const wrong: KeyAction = {
      do: "import-block",
      key: plan(`${use}-wrong`, { use: other, algorithm: "3DES" }),
      under: "kbpk",
      block,
    };
    await expect(keeper.begin(wrong)).rejects.toThrow(`the block's key usage is ${usage}`);
  }
});

test("the stripe encoder's public key comes in by two custodians; the newest in life is used", async () => {
  const keeper = await opened();
  const pem = (n: number): string => {
    const der = Buffer.concat([Buffer.from("302a300506032b656e032100", "hex"), Buffer.alloc(32, n)]);
    return `-----BEGIN PUBLIC KEY-----\n${der.toString("base64")}\n-----END PUBLIC KEY-----\n`;
  };
  const ring = () => new Keyring("test", keeper.keep.keys, () => Date.parse(at));
  expect(() => ring().stripeEncoder()).toThrow("no public key of a stripe encoder");
  for (const n of [9, 11]) {
    const key = plan(`encoder-${n}`, { use: "stripe-encoder", algorithm: "X25519" });
    await keeper.both({ do: "import-public", key, pem: pem(n) });
  }
  const used = () => ring().stripeEncoder().export({ format: "pem", type: "spki" });
  expect(used()).toBe(pem(11));
  await keeper.both({ do: "state", name: "encoder-11", state: "compromised", reason: "test" });
  expect(used()).toBe(pem(9));
  const issuer = plan("issuer", { use: "issuer-signature", algorithm: "Ed25519" });
  await expect(keeper.begin({ do: "import-public", key: issuer, pem: pem(9) })).rejects.toThrow(
    "a public key for issuer-signature is Ed25519",
  );
});
