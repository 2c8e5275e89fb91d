/** Making a keystore: keys are born inside the vault's process and leave it only sealed. */
import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject } from "node:crypto";
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { equalConstantTime, hex, unhex } from "@persoline/card/bytes";
import { nodeCrypto } from "@persoline/card/node";
import { random } from "./draw.js";
import { putDurably } from "./durable.js";
import { ed25519Of } from "./ed25519-seed.js";
import { isKnownKey } from "./office/known-keys.js";
import { drawKey } from "./office/pieces.js";
import { wipeValues } from "./key-section.js";
import { bearKeystore, KeystoreProblem, keystoreIsThere, type StoredKey, type Unlock } from "./keystore.js";
import type { PaymentUse } from "./keyring.js";
import { lineKeyFile, pemOf } from "./line-key.js";
import { mustBeLong } from "./office/passphrase.js";
import { drawIssuerKey, isRsa, publicOf, type RsaAlgorithm, toldKey } from "./payment/issuer-key.js";
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
    | "pin-transport"
    | "file-mac"
    | PaymentUse
    | "emv-issuer";
  /**
   * Default AES-128; keys for SCP02 and payment masters are 3DES (two keys), those for SCP11 and authorities P-256, and no others; an issuer's
   * RSA key RSA-1408.
   */
  readonly algorithm?: "AES-128" | "AES-192" | "AES-256" | "3DES" | "P-256" | RsaAlgorithm;
  readonly published?: string;
  readonly open?: string;
  /** Of an issuer's RSA key: a test key that everybody may draw; without it the key is one of chance. */
  readonly seed?: string;
}

export interface Ceremony {
  readonly file: string;
  readonly environment: Environment;
  readonly unlock: Unlock;
  readonly keys: readonly NewKey[];
  /** Letters are encrypted for this printer: its public key (SPKI, PEM). Without it a pair is made and the private half written here. */
  readonly letterPrinter: OtherMachine;
  /** The same for the stripe's encoder; without it no stripe is made. */
  readonly stripeEncoder?: OtherMachine;
}

type OtherMachine = { readonly publicKeyPem: string } | { readonly writePrivateKeyTo: string };

/** A key that everybody may know; of an authority whose private half everybody knows, the point is as bad. */
export const isPublished = ({
  published,
  seed,
  open,
}: Pick<NewKey, "published" | "seed" | "open">): boolean =>
  published !== undefined || seed !== undefined || (open !== undefined && isKnownKey(unhex(open)));
const DES_USES: readonly NewKey["use"][] = [
  "scp02",
  "emv-ac",
  "emv-smi",
  "emv-smc",
  "emv-cvk",
  "emv-pvk",
  "ibm-3624",
];

export const algorithmOf = ({ use, algorithm }: NewKey): NonNullable<NewKey["algorithm"]> =>
  algorithm ?? usualAlgorithm(use);
function usualAlgorithm(use: NewKey["use"]): NonNullable<NewKey["algorithm"]> {
  if (DES_USES.includes(use)) return "3DES";
  if (isElliptic(use)) return "P-256";
  return use === "emv-issuer" ? "RSA-1408" : "AES-128";
}
export const isElliptic = (use: KeyDescription["use"]): boolean =>
  use === "scp11" || use === "card-authority";
export const keyBytes = { "AES-128": 16, "AES-192": 24, "AES-256": 32, "3DES": 16, "P-256": 32 } as const;

/** Throws KeystoreProblem ("exists"): before anybody types a passphrase for it. */
export function mustBeNew(file: string): void {
  if (existsSync(file)) throw keystoreIsThere(file);
}

/** Makes the key file (if it is opened by one and there is none yet) and the keystore. Never overwrites. Throws KeystoreProblem, OfficeRefusal for a passphrase that is too short. */
export function makeKeystore(ceremony: Ceremony): void {
  const { file, environment, unlock, keys } = ceremony;
  mustBeNew(file);
  if ("passphrase" in unlock) mustBeLong("a keystore's", unlock.passphrase);
  if (environment === "live" && keys.some(isPublished)) {
    throw new KeystoreProblem("environment", "published test keys are refused in a live keystore");
  }
  const stored: StoredKey[] = keys.map((key) => {
    const algorithm = algorithmOf(key);
    const described = description(key.name, key.use, algorithm, environment, isPublished(key));
    if (isRsa(algorithm)) return { ...described, ...issuerKeyOf(algorithm, key.seed) };
    if (isElliptic(key.use)) return { ...described, value: ellipticValue(key) };
    const { published } = key;
    const value = published === undefined ? drawKey(algorithm, keyBytes[algorithm]) : unhex(published);
    return { ...described, value };
  });
  allDifferent(keys, stored);
  const seed = random(32);
  const line = ed25519Of(seed);
  seed.fill(0);
  const machines = machineKeys(ceremony, line.open);
  const signing = line.secret.export({ format: "der", type: "pkcs8" });
  stored.push(
    { ...description("store-seal", "seal", "AES-256", environment, false), value: random(32) },
    {
      ...description("line-signature", "sign", "Ed25519", environment, false),
      value: signing,
    },
    {
      ...description("letter-printer", "letter", "X25519", environment, false),
      value: Buffer.from(machines.letterPrinter, "base64"),
    },
  );
  if (machines.stripeEncoder !== undefined)
    stored.push({
      ...description("stripe-encoder", "stripe-encoder", "X25519", environment, false),
      value: Buffer.from(machines.stripeEncoder, "base64"),
    });
  try {
    // Where another made one just now, that one opens this keystore too.
    if ("keyFile" in unlock && !existsSync(unlock.keyFile)) putDurably(unlock.keyFile, random(32));
    bearKeystore(file, environment, stored, unlock);
  } catch (problem) {
    machines.unmake();
    throw problem;
  } finally {
    wipeValues(stored);
  }
}

/** A key that was drawn is like no other; published ones may be. Throws KeystoreProblem. */
function allDifferent(keys: readonly NewKey[], stored: readonly StoredKey[]): void {
  for (const [at, { name, value }] of stored.entries()) {
    const same = stored.slice(0, at).findIndex((one) => equalConstantTime(one.value, value));
    const pair = [keys[at], keys[same]];
    if (same < 0 || pair.every((key) => key !== undefined && isGiven(key))) continue;
    wipeValues(stored);
    throw sameTwice(stored[same]?.name ?? "", name);
  }
}

/** Not drawn here. */
export const isGiven = ({ published, seed, open }: Pick<NewKey, "published" | "seed" | "open">): boolean =>
  published !== undefined || seed !== undefined || open !== undefined;

export const sameTwice = (one: string, other: string): KeystoreProblem =>
  new KeystoreProblem(
    "not-ours",
    `keys ${one} and ${other} are one and the same, and were to be drawn: the random generator repeats itself. Nothing was made; look at the machine or the token, then run the same command again`,
  );

/** A host's private half; of an authority the point alone, whatever is known of it. Throws KeystoreProblem. */
function ellipticValue({ name, use, published, open }: NewKey): Uint8Array {
  const secret = published === undefined ? undefined : unhex(published);
  if (use === "scp11") {
    const made = secret ?? nodeCrypto.p256.generate().privateKey;
    nodeCrypto.p256.publicKeyOf(made);
    return made;
  }
  const point = secret === undefined ? open : hex(nodeCrypto.p256.publicKeyOf(secret));
  if (point === undefined)
    throw new KeystoreProblem(
      "not-ours",
      `key ${name}: an authority's private half is not drawn here; give its public half`,
    );
  return unhex(point);
}

const description = (
  name: string,
  use: KeyDescription["use"],
  algorithm: KeyDescription["algorithm"],
  environment: Environment,
  published: boolean,
): Omit<StoredKey, "value"> => ({ name: name as StoredKey["name"], use, algorithm, environment, published });

/** An RSA key for the keystore, with its public half beside it. */
export function issuerKeyOf(
  algorithm: RsaAlgorithm,
  seed?: string,
): Pick<StoredKey, "value"> & Required<Pick<StoredKey, "issuer">> {
  const value = drawIssuerKey(algorithm, seed);
  return { value, issuer: toldKey(publicOf(value)) };
}

/** Public keys of the other machines, SPKI, base64. */
interface MachineKeys {
  readonly letterPrinter: string;
  readonly stripeEncoder?: string;
  /** Takes the pairs away again that were made, for keys that did not come to be. */
  readonly unmake: () => void;
}

/**
 * Makes the pairs that the ceremony says, all or none, and never over a file; beside each private half the public half of the line's signature,
 * by which its machine knows the line. Throws KeystoreProblem ("exists").
 */
export function machineKeys(
  { letterPrinter, stripeEncoder }: Pick<Ceremony, "letterPrinter" | "stripeEncoder">,
  line: KeyObject,
): MachineKeys {
  const made: string[] = [];
  const enrolled = new Map<string, string | undefined>();
  const unmake = (): void => {
    for (const file of made) rmSync(file, { force: true });
    for (const [file, before] of enrolled)
      if (before === undefined) rmSync(file, { force: true });
      else writeFileSync(file, before);
  };
  const enrol = (file: string): void => {
    if (enrolled.has(file)) return;
    const before = existsSync(file) ? readFileSync(file, "utf8") : undefined;
    enrolled.set(file, before);
    writeFileSync(file, `${before ?? ""}${pemOf(line)}`);
  };
  const machineKey = (machine: OtherMachine): string => {
    if ("publicKeyPem" in machine)
      return createPublicKey(machine.publicKeyPem).export({ format: "der", type: "spki" }).toString("base64");
    const { privateKey } = generateKeyPairSync("x25519");
    const pem = privateKey.export({ format: "pem", type: "pkcs8" }).toString();
    writeNew(machine.writePrivateKeyTo, pem);
    made.push(machine.writePrivateKeyTo);
    enrol(join(dirname(machine.writePrivateKeyTo), lineKeyFile));
    return createPublicKey(createPrivateKey(pem)).export({ format: "der", type: "spki" }).toString("base64");
  };
  try {
    return {
      letterPrinter: machineKey(letterPrinter),
      ...(stripeEncoder === undefined ? {} : { stripeEncoder: machineKey(stripeEncoder) }),
      unmake,
    };
  } catch (problem) {
    unmake();
    throw problem;
  }
}

/** What was encrypted for the private half that is there could be opened by nothing else. */
function writeNew(file: string, pem: string): void {
  if (existsSync(file) || !putDurably(file, pem))
    throw new KeystoreProblem(
      "exists",
      `${file}: there is a private key already, and it is never overwritten: put the keystore back that belongs to it, or move it away if nothing was encrypted for it`,
    );
}
