/**
 * The vault's keys at rest: one file, sealed with AES-256-GCM under a key from a passphrase (argon2id) or from a key file. Only the
 * vault's own process opens it.
 */
import { createCipheriv, createDecipheriv, createHmac } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { hashRawSync } from "@node-rs/argon2";
import { unmovedCopy } from "@persoline/card/bytes";
import { random } from "./draw.js";
import { putDurably, writeDurably } from "./durable.js";
import { parseSections, parseText, sectionsOf } from "./key-section.js";
import { emptyBook, type Keep, type OfficeBook } from "./office/types.js";
import type { Environment, KeyDescription } from "./port.js";

/** How the keystore is opened. */
export type Unlock = { readonly passphrase: string } | { readonly keyFile: string };

/** What one key is; `value` is the AES key, or the private (sign) or public (letter) key as DER: bytes that can be wiped, text never. */
export interface StoredKey extends Omit<KeyDescription, "kcv"> {
  readonly value: Uint8Array;
  /** Of a key whose value is in a token: `value` is empty then. */
  readonly fingerprint?: string;
  /** What else a token's key is found by, as its register has it. */
  readonly witness?: string;
  readonly single?: { readonly kcv: string; readonly fingerprint: string };
  /** Made at its birth, for the one it was made for; ciphertext. */
  readonly block?: string;
}

export class KeystoreProblem extends Error {
  override readonly name = "KeystoreProblem";
  constructor(
    readonly code:
      | "wrong-passphrase"
      | "locked"
      | "not-ours"
      | "newer-version"
      | "environment"
      | "missing"
      | "exists"
      | "busy",
    message: string,
  ) {
    super(message);
  }
}

/**
 * Version of the file's form; a file of a newer one is refused, one of an older is read and has this form after its next change. Since 3,
 * keys' values are bytes beside the text, and custodians have keys, which sign their sittings.
 */
const VERSION = 3;
const SECTIONS_SINCE = 3;
/** Interactive use on one core; the figures stand in the file, so that they may grow. */
const ARGON2ID = { memoryCost: 64 * 1024, timeCost: 3, parallelism: 1 } as const;

interface KeystoreFile {
  readonly format: "persoline-keystore";
  readonly version: number;
  readonly environment: Environment;
  /** Counts the writings; the ceremonies' records name it, so that an older copy is known. Absent in version 1. */
  readonly revision?: number;
  readonly unlock:
    | ({ readonly by: "passphrase"; readonly salt: string } & {
        memoryCost: number;
        timeCost: number;
        parallelism: number;
      })
    | { readonly by: "key-file"; readonly salt: string };
  readonly iv: string;
  readonly tag: string;
  readonly sealed: string;
}

const b64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString("base64");
const unb64 = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, "base64"));

/** Everything that is not secret is bound to what is: a changed environment or salt makes the seal break. */
const associated = (
  head: Pick<KeystoreFile, "format" | "version" | "environment" | "unlock" | "revision">,
): Buffer =>
  Buffer.from(
    JSON.stringify([
      head.format,
      head.version,
      head.environment,
      head.unlock,
      ...(head.version === 1 ? [] : [head.revision]),
    ]),
  );

function sealingKey(unlock: Unlock, head: KeystoreFile["unlock"]): Uint8Array {
  const salt = unb64(head.salt);
  if ("passphrase" in unlock) {
    const costs = head.by === "passphrase" ? head : ARGON2ID;
    const { memoryCost, timeCost, parallelism } = costs;
    // 2 = argon2id (RFC 9106)
    return hashRawSync(unlock.passphrase.normalize("NFC"), {
      algorithm: 2,
      memoryCost,
      timeCost,
      parallelism,
      salt,
      outputLen: 32,
    });
  }
  const secret = readKeyFile(unlock.keyFile);
  const key = oneBlock(secret, salt, "persoline keystore");
  secret.fill(0);
  return key;
}

/**
 * The first 32 bytes of HKDF-SHA-256 (RFC 5869). Not by `hkdfSync`: that keeps a copy of its secret until the garbage is collected, and what
 * opens a keystore must be gone from a process that goes on.
 */
function oneBlock(secret: Uint8Array, salt: Uint8Array, info: string): Uint8Array {
  const extracted = createHmac("sha256", salt).update(secret).digest();
  const block = createHmac("sha256", extracted).update(info).update(Uint8Array.of(1)).digest();
  extracted.fill(0);
  const key = unmovedCopy(block);
  block.fill(0);
  return key;
}

function readKeyFile(file: string): Uint8Array {
  if (!existsSync(file)) {
    throw new KeystoreProblem(
      "missing",
      `${file}: the key file that opens the keystore is not there; put it back`,
    );
  }
  const bytes = readFileSync(file);
  if (bytes.length < 32) throw new KeystoreProblem("not-ours", `${file}: a key file has at least 32 bytes`);
  return bytes;
}

interface KeystoreState {
  readonly revision: number;
  readonly book: OfficeBook;
}
const newborn: KeystoreState = { revision: 1, book: emptyBook };

/** Writes the file anew: a temporary one, synced, then renamed. */
export function sealKeystore(
  file: string,
  environment: Environment,
  keys: readonly StoredKey[],
  unlock: Unlock,
  state: KeystoreState = newborn,
): void {
  writeDurably(file, sealed(environment, keys, unlock, state));
}

/** At its birth. Throws KeystoreProblem ("exists") when another was quicker, which stays as it is. */
export function bearKeystore(
  file: string,
  environment: Environment,
  keys: readonly StoredKey[],
  unlock: Unlock,
): void {
  if (!putDurably(file, sealed(environment, keys, unlock, newborn))) throw keystoreIsThere(file);
}

export const keystoreIsThere = (file: string): KeystoreProblem =>
  new KeystoreProblem("exists", `${file}: there is a keystore already; it is never overwritten`);

function sealed(
  environment: Environment,
  keys: readonly StoredKey[],
  unlock: Unlock,
  { revision, book }: KeystoreState,
): string {
  const salt = b64(random(16));
  const how =
    "passphrase" in unlock
      ? { by: "passphrase" as const, salt, ...ARGON2ID }
      : { by: "key-file" as const, salt };
  const head = {
    format: "persoline-keystore" as const,
    version: VERSION,
    environment,
    revision,
    unlock: how,
  };
  const key = sealingKey(unlock, how);
  const iv = random(12);
  const cipher = createCipheriv("aes-256-gcm", key, iv).setAAD(associated(head));
  const clear = sectionsOf({ keys, book }, key);
  const text = Buffer.concat([cipher.update(clear), cipher.final()]);
  clear.fill(0);
  key.fill(0);
  const content: KeystoreFile = { ...head, iv: b64(iv), tag: b64(cipher.getAuthTag()), sealed: b64(text) };
  return `${JSON.stringify(content, null, 2)}\n`;
}

/** What opens it. Throws KeystoreProblem where there is none, or it is not ours. */
export const openedBy = (file: string): "passphrase" | "key-file" => readKeystore(file).unlock.by;

/** What its cards are. Throws as `openedBy`. */
export const environmentOf = (file: string): Environment => readKeystore(file).environment;

/** Opens the keystore; the caller wipes the keys' values. Throws KeystoreProblem; nothing is ever returned of a file that was altered. */
export function openKeystore(file: string, unlock: Unlock): Keep {
  const content = readKeystore(file);
  const wanted = content.unlock.by;
  if (wanted !== ("passphrase" in unlock ? "passphrase" : "key-file")) {
    throw new KeystoreProblem(
      "wrong-passphrase",
      `${file}: this keystore is opened by a ${wanted.replace("-", " ")}`,
    );
  }
  const key = sealingKey(unlock, content.unlock);
  try {
    const decipher = createDecipheriv("aes-256-gcm", key, unb64(content.iv)).setAAD(associated(content));
    decipher.setAuthTag(unb64(content.tag));
    // GCM gives all of it at once, before it is proved: nobody reads it until it is.
    const clear = decipher.update(unb64(content.sealed));
    try {
      decipher.final();
      const { environment, revision = 0, version } = content;
      return {
        environment,
        revision,
        ...(version < SECTIONS_SINCE ? parseText(clear) : parseSections(clear, key)),
      };
    } finally {
      clear.fill(0);
    }
  } catch {
    throw new KeystoreProblem(
      "wrong-passphrase",
      `${file}: the ${wanted.replace("-", " ")} does not open this keystore (or the file was altered); nothing was changed. Try the right one, or restore the file`,
    );
  } finally {
    key.fill(0);
  }
}

function readKeystore(file: string): KeystoreFile {
  if (!existsSync(file)) throw new KeystoreProblem("missing", `${file}: there is no keystore here`);
  let content: unknown;
  try {
    content = JSON.parse(readFileSync(file, "utf8"));
  } catch {
    content = undefined;
  }
  if (!isKeystore(content))
    throw new KeystoreProblem("not-ours", `${file}: this is not a Persoline keystore`);
  if (content.version > VERSION) {
    throw new KeystoreProblem(
      "newer-version",
      `${file}: the keystore has form ${content.version}, this program knows ${VERSION}; use the newer program`,
    );
  }
  return content;
}

function isKeystore(value: unknown): value is KeystoreFile {
  if (typeof value !== "object" || value === null) return false;
  const file = value as Partial<Record<keyof KeystoreFile, unknown>>;
  return (
    file.format === "persoline-keystore" &&
    typeof file.version === "number" &&
    typeof file.sealed === "string" &&
    typeof file.iv === "string" &&
    typeof file.tag === "string" &&
    typeof file.unlock === "object" &&
    file.unlock !== null
  );
}
