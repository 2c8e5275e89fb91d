/** Keys that nobody published, of an issuer of payment cards of its own: in a keystore, or in a token, as a ceremony leaves them there. */
import { createPublicKey, generateKeyPairSync, randomBytes } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { hex, unhex } from "@persoline/card/bytes";
import { luhnDigit, signIssuerCertificate } from "@persoline/card/emv";
import { oddParity } from "@persoline/card/keyblock";
import { drawRsaKey, nodeCrypto, random } from "@persoline/card/node";
import { vi } from "vitest";
import { writeDurably } from "../devices/hsm/durable.js";
import { type StoredKey, sealKeystore, type Unlock } from "../devices/hsm/keystore.js";
import { lineKeyFile, pemOf } from "../devices/hsm/line-key.js";
import { drawIssuerKey, publicOf, rsaNumbers, toldKey } from "../devices/hsm/payment/issuer-key.js";
import { createTokenKeys } from "../devices/hsm/pkcs11/pkcs11.js";
import type { SoftToken } from "../devices/hsm/pkcs11/softhsm.test.data.js";
import { openTokenOffice } from "../devices/hsm/pkcs11/token-office.js";
import { forms } from "./leak.test.data.js";

type Master = Pick<StoredKey, "use"> & { readonly name: string; readonly algorithm: "AES-128" | "3DES" };

export const emvMasters = ["ac", "smi", "smc", "cvk", "pvk"] as const;
/** The chip maker's and the issuer's for sessions of this protocol, and the issuer's for payments. */
const mastersFor = (protocol: "scp02" | "scp03"): readonly Master[] => [
  ...["pay-fab", "pay-issuer"].map(
    (name) => ({ name, use: protocol, algorithm: protocol === "scp02" ? "3DES" : "AES-128" }) as const,
  ),
  ...emvMasters.map((own) => ({ name: `pay-${own}`, use: `emv-${own}`, algorithm: "3DES" }) as const),
];

export class Canaries {
  readonly masters: readonly (Master & { readonly value: Uint8Array })[];
  /** What an issuer's RSA key is drawn from, so that a token can have the same. */
  readonly #seed = randomBytes(24).toString("hex");
  readonly #issuer = drawIssuerKey("RSA-1408", this.#seed);
  readonly #sealing = new Uint8Array(randomBytes(32));
  readonly #signing = generateKeyPairSync("ed25519").privateKey;

  /** `published`: masters that virtual blanks are made with, hexadecimal. */
  constructor(protocol: "scp02" | "scp03", published: Readonly<Record<string, string>> = {}) {
    this.masters = mastersFor(protocol).map((one) => {
      const drawn = new Uint8Array(randomBytes(16));
      const known = published[one.name];
      return {
        ...one,
        value: known === undefined ? (one.algorithm === "3DES" ? oddParity(drawn) : drawn) : unhex(known),
      };
    });
    this.#published = published;
  }
  readonly #published: Readonly<Record<string, string>>;

  value(name: string): Uint8Array {
    const found = this.masters.find((one) => one.name === name);
    if (found === undefined) throw new Error(`there is no canary ${name}`);
    return found.value;
  }

  /** Secrets of the module by name. A token draws what it seals and signs with itself. */
  needles(kept: "vault" | "token"): Map<string, Buffer[]> {
    const { d, p, q, dp, dq, qi } = rsaNumbers(this.#issuer);
    const issuer = Object.entries({ d, p, q, dp, dq, qi });
    // The 32 secret bytes at the end of PKCS#8 (RFC 8410).
    const signing = this.#signing.export({ format: "der", type: "pkcs8" }).subarray(-32);
    return new Map([
      ...this.masters
        .filter(({ name }) => !(name in this.#published))
        .map(({ name, value }) => [name, forms(value)] as const),
      ...issuer.map(([part, bytes]) => [`${part} of pay-rsa`, forms(bytes)] as const),
      ...(kept === "vault"
        ? ([
            ["store-seal", forms(this.#sealing)],
            ["line-signature", forms(signing)],
          ] as const)
        : []),
    ]);
  }

  /** The list that an order names: which keys there must be, and the value of none but the published. */
  writeList(folder: string): string {
    const file = join(folder, "keys.yaml");
    const rows = this.masters.map(({ name, use }) => {
      const known = this.#published[name];
      return `  - { name: ${name}, use: ${use}${known === undefined ? "" : `, published: "${known}"`} }\n`;
    });
    writeFileSync(file, `environment: test\nkeys:\n${rows.join("")}  - { name: pay-rsa, use: emv-issuer }\n`);
    return file;
  }

  /** An authority of its own, and its certificate of this issuer's key; the product's text that names both. */
  certified(folder: string, product: string): string {
    const authority = drawRsaKey({ bits: 1536, exponent: 3, random });
    const known = { index: "F1", ...authority.publicKey };
    const made = signIssuerCertificate(
      nodeCrypto,
      {
        modulus: known.modulus,
        sign: (block) => nodeCrypto.rsaPrivate(authority.privateKey, block),
      },
      { issuer: "999901", expiry: "1239", serial: unhex("000002"), publicKey: publicOf(this.#issuer) },
    );
    const files = {
      authority: {
        provider: "F050534C50",
        index: "F1",
        exponent: hex(known.exponent),
        modulus: hex(known.modulus),
      },
      certificate: {
        authority: "F1",
        certificate: hex(made.certificate),
        remainder: hex(made.remainder),
        exponent: hex(made.exponent),
      },
    };
    let text = product;
    for (const [name, fields] of Object.entries(files)) {
      const file = join(folder, `${name}.yaml`);
      const rows = Object.entries(fields).map(([field, value]) => `${field}: "${value}"\n`);
      writeFileSync(file, rows.join(""));
      text = text.replace(new RegExp(`^( +${name}:) .*$`, "m"), `$1 ${file}`);
    }
    return text;
  }

  makeKeystore(data: string, unlock: Unlock): void {
    const machine = (name: string): Uint8Array => {
      const { privateKey, publicKey } = generateKeyPairSync("x25519");
      writeFileSync(join(data, `${name}.pem`), privateKey.export({ format: "pem", type: "pkcs8" }));
      return publicKey.export({ format: "der", type: "spki" });
    };
    writeFileSync(join(data, lineKeyFile), pemOf(createPublicKey(this.#signing)));
    const key = (name: string, use: string, algorithm: string, value: Uint8Array) =>
      ({ name, use, algorithm, environment: "test", published: name in this.#published, value }) as StoredKey;
    if ("keyFile" in unlock) writeDurably(unlock.keyFile, randomBytes(32));
    sealKeystore(
      join(data, "keystore.json"),
      "test",
      [
        ...this.masters.map(({ name, use, algorithm, value }) => key(name, use, algorithm, value)),
        {
          ...key("pay-rsa", "emv-issuer", "RSA-1408", this.#issuer),
          issuer: toldKey(publicOf(this.#issuer)),
        },
        key("store-seal", "seal", "AES-256", this.#sealing),
        key("line-signature", "sign", "Ed25519", this.#signing.export({ format: "der", type: "pkcs8" })),
        key("letter-printer", "letter", "X25519", machine("letter-printer")),
        key("stripe-encoder", "stripe-encoder", "X25519", machine("stripe-encoder")),
      ],
      unlock,
    );
  }

  /** Brought in as components are: each value by its ceremony, and then never out again. */
  async fillToken(data: string, { access, environment }: SoftToken): Promise<void> {
    const file = join(data, "token-keys.json");
    await createTokenKeys(
      {
        file,
        unlock: access,
        environment: "test",
        // No component makes an RSA key: it is drawn from a seed, and called by what nobody knows of it below.
        keys: [
          { name: "pay-rsa", use: "emv-issuer", seed: this.#seed },
          ...Object.entries(this.#published).map(([name, published]) => ({
            name,
            use: this.masters.find((one) => one.name === name)?.use as "scp03",
            published,
          })),
        ],
        letterPrinter: { writePrivateKeyTo: join(data, "letter-printer.pem") },
        stripeEncoder: { writePrivateKeyTo: join(data, "stripe-encoder.pem") },
      },
      { environment },
    );
    for (const [name, value] of Object.entries(environment)) vi.stubEnv(name, value);
    try {
      const office = await openTokenOffice(file, access);
      const { keep, room } = office;
      const taken = this.masters
        .filter(({ name }) => !(name in this.#published))
        .map(({ name, use, algorithm, value }): StoredKey => {
          const plan = { name: name as StoredKey["name"], use, algorithm };
          const { kcv, ...kept } = room.take(plan, value);
          const life = {
            state: "active",
            since: new Date().toISOString(),
            source: "components",
            ceremony: "C-0001",
            kcv,
          } as const;
          return { ...plan, environment: "test", published: false, ...kept, life };
        });
      const unpublished = keep.keys.map((key) =>
        key.name === "pay-rsa" ? { ...key, published: false } : key,
      );
      office.write({ ...keep, revision: keep.revision + 1, keys: [...unpublished, ...taken] });
      office.close();
    } finally {
      vi.unstubAllEnvs();
    }
  }
}

/** Numbers that no example has. */
export const canaryPan = (at: number): string => {
  const payload = `999901${String(700_000_000 + 7_919_513 * (at + 1)).padStart(9, "0")}`;
  return payload + luhnDigit(payload);
};
export const canaryName = (at: number): string => `LEAKANA/ZWOELFTER${"ABCDEFGH"[at] ?? ""}`;
