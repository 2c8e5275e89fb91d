/**
 * Which keys of a token are ours: a small file beside the database, without any secret. A key is known by its label, its check value and a
 * fingerprint (a known block under the key), never by a handle; the whole is under a MAC whose key the token alone can make.
 */
import { createHmac, timingSafeEqual } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { writeDurably } from "../durable.js";
import { KeystoreProblem } from "../keystore.js";
import type { ApprovedPolicy } from "../order-policy.js";
import type { Environment, KeyDescription } from "../port.js";
import { shownAs } from "./pick-token.js";
import { VaultRefusal } from "../vault-refusal.js";

/** `standing`: what the token said when the key was made; absent of keys that were made before this was asked. */
export interface RegisteredKey extends KeyDescription {
  /**
   * Hexadecimal, eight bytes: of masters of E(key, `fingerprinted`), of keys of MACs of CMAC(key, `fingerprinted`), of triple DES transport
   * keys and those of PIN blocks of D(key, `fingerprinted`), of AES ones of SHA-256 of what `witness` opens to; of RSA keys nothing: their public half tells.
   */
  readonly fingerprint: string;
  /** Sixteen bytes of chance wrapped under an AES transport key, which can do nothing but unwrap. */
  readonly witness?: string;
  /** Of a key for card verification values: what its left half alone, a key of its own, is known by. */
  readonly single?: Pick<RegisteredKey, "kcv" | "fingerprint">;
  /** A public key of somebody else (SPKI, base64): it stands here, under the register's MAC, and in no object of the token. */
  readonly open?: string;
}

/** Keys of others, of which only the public half is ever here. */
export const isOpen = ({ use }: Pick<KeyDescription, "use">): boolean =>
  use === "issuer-signature" || use === "stripe-encoder";

/** Without what only its finding needs. */
export const descriptionOf = ({
  name,
  use,
  algorithm,
  kcv,
  environment,
  published,
  life,
  issuer,
  standing,
}: RegisteredKey): KeyDescription => ({
  name,
  use,
  algorithm,
  kcv,
  environment,
  published,
  ...(life === undefined ? {} : { life }),
  ...(issuer === undefined ? {} : { issuer }),
  ...(standing === undefined ? {} : { standing }),
});

export interface Register {
  readonly format: "persoline-token";
  /** 3 once a ceremony was held: older programs would not heed the keys' states (1), or know the custodians (2). */
  readonly version: 1 | 2 | 3;
  readonly environment: Environment;
  /** Label of the token. */
  readonly token: string;
  /** Its maker's number, for whoever has another token of this label; absent where it was not kept yet. Keys are known by what they are. */
  readonly serial?: string;
  readonly keys: readonly RegisteredKey[];
  /** Public keys (SPKI, base64): of signatures, of the letter printer. `by`: where the signing key is. */
  readonly signature: { readonly by: "token" | "module-process"; readonly open: string };
  readonly letterPrinter: string;
  /** The same of the stripe's encoder that the first order of the test environment made. */
  readonly stripeEncoder?: string;
  /** Counts the writings; the ceremonies' records name it. Absent in version 1. */
  readonly revision?: number;
  /** How far its acts go. Absent in version 1. */
  readonly office?: { readonly acts: number; readonly last: string };
  /** Lists of what orders may have done with their secrets, as two custodians allowed them. Absent where none was. */
  readonly policies?: readonly ApprovedPolicy[];
  /** What the key office keeps, sealed under a key of the token, base64. Absent in version 1. */
  readonly book?: string;
  /** HMAC-SHA-256 over all that is above, base64. */
  readonly mac: string;
}

/** The newest form of the file that this program knows. */
const VERSION = 3;

/** What fingerprints are made over: 16 bytes. */
export const fingerprinted = new Uint8Array(Buffer.from("persoline key id"));

const macOf = (register: Register, key: Uint8Array): Buffer =>
  createHmac("sha256", key)
    .update(JSON.stringify({ ...register, mac: "" }))
    .digest();

export function writeRegister(file: string, register: Omit<Register, "mac">, macKey: Uint8Array): void {
  const unsealed = { ...register, mac: "" };
  const mac = macOf(unsealed, macKey).toString("base64");
  writeDurably(file, `${JSON.stringify({ ...register, mac }, null, 2)}\n`);
}

/** Throws KeystoreProblem. Its MAC is judged by `judgeRegister`, once the token is open. */
export function readRegister(file: string): Register {
  if (!existsSync(file))
    throw new KeystoreProblem("missing", `${file}: there is no register of token keys here`);
  let content: unknown;
  try {
    content = JSON.parse(readFileSync(file, "utf8"));
  } catch {
    content = undefined;
  }
  if (!isRegister(content))
    throw new KeystoreProblem(
      "not-ours",
      `${file}: this is no register of token keys; restore it from a backup`,
    );
  if (content.version > VERSION) {
    throw new KeystoreProblem(
      "newer-version",
      `${file}: the register has form ${String(content.version)}, this program knows ${VERSION}; use the newer program`,
    );
  }
  return content;
}

/**
 * `work`: finds the register's keys in a token. What it does not find may be in another token of the same label: that is told with both
 * serials. Throws KeystoreProblem.
 */
export function inTheToken<T>(
  file: string,
  { serial: expected, token: label }: Pick<Register, "serial" | "token">,
  token: { readonly name: string; readonly serial: string },
  work: () => T,
): T {
  try {
    return work();
  } catch (problem) {
    const notFound =
      problem instanceof VaultRefusal || (problem instanceof KeystoreProblem && problem.code === "not-ours");
    if (!notFound) throw problem;
    const name = token.name;
    const found = shownAs(token.serial);
    const remedy =
      expected === token.serial
        ? `It is the token that they were made in (serial ${found}): look with its own tools what was deleted or changed there, and restore its backup`
        : expected === undefined
          ? `The token that is there has serial ${found}; which one they were made in was not kept. If there is another token ${label}, put that one in, or pick it with --token-serial`
          : `Its keys were made in token ${label} with serial ${expected}, and token ${name} with serial ${found} is there: put the right one in, or pick it with --token-serial ${expected}. If this one was to take its place, restore the other's backup into it`;
    throw new KeystoreProblem("not-ours", `${problem.message}. ${remedy} (${file})`);
  }
}

/** Throws KeystoreProblem when a byte of it was altered since the token's keys were made. */
export function judgeRegister(file: string, register: Register, macKey: Uint8Array): void {
  const given = Buffer.from(register.mac, "base64");
  const expected = macOf(register, macKey);
  if (given.length !== expected.length || !timingSafeEqual(given, expected))
    throw new KeystoreProblem(
      "not-ours",
      `${file}: the register of token keys was altered, or is another token's; restore it from a backup`,
    );
}

function isRegister(value: unknown): value is Register {
  if (typeof value !== "object" || value === null) return false;
  const file = value as Partial<Record<keyof Register, unknown>>;
  return (
    file.format === "persoline-token" &&
    typeof file.version === "number" &&
    typeof file.token === "string" &&
    typeof file.mac === "string" &&
    typeof file.letterPrinter === "string" &&
    typeof file.signature === "object" &&
    Array.isArray(file.keys)
  );
}
