/** Makes the keys of an installation inside a token, where they stay, and writes the register of them. */
import { createPublicKey, type KeyObject } from "node:crypto";
import { existsSync } from "node:fs";
import { unhex } from "@persoline/card/bytes";
import {
  algorithmOf,
  type Ceremony,
  isGiven,
  isPublished,
  machineKeys,
  sameTwice,
  type NewKey,
} from "../ceremony.js";
import { KeystoreProblem } from "../keystore.js";
import type { KeyDescription } from "../port.js";
import type { Secret } from "../secret.js";
import { madeKey } from "./made-key.js";
import { ed25519Of } from "../ed25519-seed.js";
import { Master, ownNumbers, singleName, spkiOf } from "./masters.js";
import type { Missing, TokenReport } from "./probes.js";
import { type RegisteredKey, writeRegister } from "./register.js";
import { begin, ended, sweepBegun } from "./begun.js";
import { type Token, type TokenAccess, TokenLost } from "./token.js";

/** `file`: the register, written at the end. */
export interface TokenCeremony extends Omit<Ceremony, "unlock"> {
  readonly unlock: TokenUnlock;
}

/** Which token, and where its PIN comes from. */
export interface TokenUnlock extends Omit<TokenAccess, "pin"> {
  readonly pin: Secret;
  readonly missing?: readonly Missing[];
}

const STORE_SEAL = "store-seal";
const SIGNATURE = "line-signature";

/** Never overwrites: neither a register nor a key of the token. Throws KeystoreProblem, VaultRefusal. */
export function makeTokenKeys(
  token: Token,
  ceremony: Omit<TokenCeremony, "unlock">,
  report: TokenReport,
): void {
  const { file, environment, keys } = ceremony;
  if (existsSync(file))
    throw new KeystoreProblem(
      "exists",
      `${file}: there is a register of token keys already; it is never overwritten`,
    );
  if (environment === "live" && keys.some(isPublished))
    throw new KeystoreProblem("environment", "published test keys are refused in a live token");
  for (const key of keys) judgeKept(key);
  sweepBegun(token, file);
  const names = [...keys.map(({ name }) => name), STORE_SEAL];
  const labels = [...names.flatMap((name) => [name, singleName(name)]), SIGNATURE];
  const taken = labels.find(
    (label) => token.find(label, "secret").length + token.find(label, "private").length > 0,
  );
  if (taken !== undefined) {
    throw new KeystoreProblem(
      "exists",
      `token ${token.name}: a key ${taken} is there already, and is never overwritten: name another token, or put its register back`,
    );
  }
  begin(token, file, labels);
  try {
    makeAll(token, ceremony, report);
    ended(token, file);
  } catch (problem) {
    try {
      sweepBegun(token, file);
    } catch (further) {
      // With the token gone they stay there, and the next attempt sweeps them; what went wrong before is what people must hear.
      if (!(further instanceof TokenLost)) throw further;
    }
    throw problem;
  }
}

function makeAll(token: Token, ceremony: Omit<TokenCeremony, "unlock">, report: TokenReport): void {
  const { file, environment, keys } = ceremony;
  const named = (name: string) => name as KeyDescription["name"];
  const made = keys.map((key) => {
    const { name, use, published, seed } = key;
    const value = published === undefined ? undefined : unhex(published);
    const described = { use, algorithm: algorithmOf(key), environment, published: isPublished(key) };
    try {
      return madeKey(token, { ...described, name: named(name) }, { value, seed });
    } finally {
      value?.fill(0);
    }
  });
  for (const [at, { key }] of made.entries()) {
    const asked = keys[at];
    const same = made.slice(0, at).find((one) => isAlike(one.key, key));
    if (same !== undefined && !(asked !== undefined && isGiven(asked) && same.key.published))
      throw sameTwice(same.key.name, key.name);
  }
  const store = madeKey(token, {
    name: named(STORE_SEAL),
    use: "seal",
    algorithm: "AES-256",
    environment,
    published: false,
  });
  const master = new Master(token, store.key, store.handle);
  const other = { environment, published: false, kcv: "", fingerprint: "" } as const;
  const signature = signatureOf(token, master, report);
  const machines = machineKeys(ceremony, openKey(signature.open));
  const { letterPrinter, stripeEncoder } = machines;
  const macKey = master.own(ownNumbers.register);
  try {
    writeRegister(
      file,
      {
        format: "persoline-token",
        version: 1,
        environment,
        token: token.name,
        serial: token.serial,
        keys: [
          ...[...made, store].map(({ key }) => key),
          { ...other, name: named(SIGNATURE), use: "sign", algorithm: "Ed25519" },
          { ...other, name: named("letter-printer"), use: "letter", algorithm: "X25519" },
          ...(stripeEncoder === undefined
            ? []
            : [
                {
                  ...other,
                  name: named("stripe-encoder"),
                  use: "stripe-encoder",
                  algorithm: "X25519",
                } as const,
              ]),
        ],
        signature,
        letterPrinter,
        ...(stripeEncoder === undefined ? {} : { stripeEncoder }),
      },
      macKey,
    );
  } catch (problem) {
    machines.unmake();
    throw problem;
  } finally {
    macKey.fill(0);
  }
}

/** SPKI, base64. */
const openKey = (spki: string): KeyObject =>
  createPublicKey({ key: Buffer.from(spki, "base64"), format: "der", type: "spki" });

const isAlike = (one: RegisteredKey, other: RegisteredKey): boolean =>
  one.kcv === other.kcv &&
  one.fingerprint === other.fingerprint &&
  one.issuer?.modulus === other.issuer?.modulus;

/** Before any key is made. Throws KeystoreProblem. */
function judgeKept(key: NewKey): void {
  if (algorithmOf(key) === "P-256")
    throw new KeystoreProblem(
      "not-ours",
      `key ${key.name}: keys for ${key.use} are kept in the vault only; use it, or leave the key out of the list`,
    );
}

function signatureOf(token: Token, store: Master, { signs }: TokenReport) {
  if (signs) {
    const { open } = token.makeSigningPair(SIGNATURE);
    return { by: "token" as const, open: Buffer.from(spkiOf(open)).toString("base64") };
  }
  const seed = store.own(ownNumbers.signature);
  const open = ed25519Of(seed).open.export({ format: "der", type: "spki" });
  seed.fill(0);
  return { by: "module-process" as const, open: open.toString("base64") };
}
