/** Making a keystore: keys are born inside the vault's process and leave it only sealed. */
import { createPrivateKey, createPublicKey, generateKeyPairSync, randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { hex, unhex } from "@persoline/card/bytes";
import { nodeCrypto } from "@persoline/card/node";
import { isKnownKey } from "./office/known-keys.js";
import { KeystoreProblem, type StoredKey, sealKeystore, type Unlock, writeDurably } from "./keystore.js";
import type { Environment, KeyDescription } from "./port.js";

/**
 * One key to make. `published`: the value of a test key that everybody may know, hexadecimal (P-256: its private half); without it the key
 * is drawn. `open`: the point of an authority whose private half is elsewhere.
 */
export interface NewKey {
  readonly name: string;
  readonly use:
    | "loader"
    | "scp02"
    | "scp03"
    | "scp11"
    | "card-authority"
    | "desfire"
    | "application"
    | "transport"
    | "file-mac";
  /** Default AES-128; keys for SCP02 are 3DES (two keys), those for SCP11 and authorities P-256, and no others. */
  readonly algorithm?: "AES-128" | "AES-192" | "AES-256" | "3DES" | "P-256";
  readonly published?: string;
  readonly open?: string;
}

export interface Ceremony {
  readonly file: string;
  readonly environment: Environment;
  readonly unlock: Unlock;
  readonly keys: readonly NewKey[];
  /** Letters are encrypted for this printer: its public key (SPKI, PEM). Without it a pair is made and the private half written here. */
  readonly letterPrinter: { readonly publicKeyPem: string } | { readonly writePrivateKeyTo: string };
}

export const algorithmOf = ({ use, algorithm }: NewKey): NonNullable<NewKey["algorithm"]> =>
  algorithm ?? (use === "scp02" ? "3DES" : isElliptic(use) ? "P-256" : "AES-128");
export const isElliptic = (use: KeyDescription["use"]): boolean =>
  use === "scp11" || use === "card-authority";
export const keyBytes = { "AES-128": 16, "AES-192": 24, "AES-256": 32, "3DES": 16, "P-256": 32 } as const;

/** Of an authority whose private half everybody knows, the point is as bad. */
const isPublished = ({ published, open }: NewKey): boolean =>
  published !== undefined || (open !== undefined && isKnownKey(unhex(open)));

const random64 = (length: number): string => randomBytes(length).toString("base64");

/** Makes the key file (if it is opened by one and there is none yet) and the keystore. Never overwrites. Throws KeystoreProblem. */
export function makeKeystore(ceremony: Ceremony): void {
  const { file, environment, unlock, keys } = ceremony;
  if (existsSync(file))
    throw new KeystoreProblem("exists", `${file}: there is a keystore already; it is never overwritten`);
  if (environment === "live" && keys.some(isPublished)) {
    throw new KeystoreProblem("environment", "published test keys are refused in a live keystore");
  }
  const stored: StoredKey[] = keys.map((key) => ({
    ...description(key.name, key.use, algorithmOf(key), environment, key.published !== undefined),
    value: isElliptic(key.use)
      ? ellipticValue(key)
      : key.published === undefined
        ? random64(keyBytes[algorithmOf(key)])
        : Buffer.from(unhex(key.published)).toString("base64"),
  }));
  const signing = generateKeyPairSync("ed25519").privateKey.export({ format: "der", type: "pkcs8" });
  stored.push(
    { ...description("store-seal", "seal", "AES-256", environment, false), value: random64(32) },
    {
      ...description("line-signature", "sign", "Ed25519", environment, false),
      value: signing.toString("base64"),
    },
    { ...description("letter-printer", "letter", "X25519", environment, false), value: printerKey(ceremony) },
  );
  if ("keyFile" in unlock && !existsSync(unlock.keyFile)) {
    writeDurably(unlock.keyFile, randomBytes(32));
  }
  sealKeystore(file, environment, stored, unlock);
}

/** A host's private half; of an authority the point alone, whatever is known of it. Throws KeystoreProblem. */
function ellipticValue({ name, use, published, open }: NewKey): string {
  const secret = published === undefined ? undefined : unhex(published);
  if (use === "scp11") {
    const made = secret ?? nodeCrypto.p256.generate().privateKey;
    nodeCrypto.p256.publicKeyOf(made);
    const value = Buffer.from(made).toString("base64");
    made.fill(0);
    return value;
  }
  const point = secret === undefined ? open : hex(nodeCrypto.p256.publicKeyOf(secret));
  if (point === undefined)
    throw new KeystoreProblem(
      "not-ours",
      `key ${name}: an authority's private half is not drawn here; give its public half`,
    );
  return Buffer.from(unhex(point)).toString("base64");
}

const description = (
  name: string,
  use: KeyDescription["use"],
  algorithm: KeyDescription["algorithm"],
  environment: Environment,
  published: boolean,
): Omit<StoredKey, "value"> => ({ name: name as StoredKey["name"], use, algorithm, environment, published });

/** The letter printer's public key (SPKI, base64); makes the pair where the ceremony says so. */
export function printerKey({ letterPrinter }: Pick<Ceremony, "letterPrinter">): string {
  if ("publicKeyPem" in letterPrinter) {
    return createPublicKey(letterPrinter.publicKeyPem)
      .export({ format: "der", type: "spki" })
      .toString("base64");
  }
  const { privateKey } = generateKeyPairSync("x25519");
  const pem = privateKey.export({ format: "pem", type: "pkcs8" }).toString();
  writeDurably(letterPrinter.writePrivateKeyTo, pem);
  return createPublicKey(createPrivateKey(pem)).export({ format: "der", type: "spki" }).toString("base64");
}
