/** What a ceremony does to the keys once all its custodians have sat. */
import { createPublicKey, randomBytes } from "node:crypto";
import { CardProblem } from "@persoline/card/bytes";
import { openKeyBlock, paddingLength, wrapKeyBlock } from "@persoline/card/keyblock";
import { nodeCrypto } from "@persoline/card/node";
import { keyBytes } from "../ceremony.js";
import { checkValueOf } from "../keyring.js";
import type { StoredKey } from "../keystore.js";
import type { Environment } from "../port.js";
import { drawIssuerKey, isRsa, publicOf, toldKey } from "../payment/issuer-key.js";
import { headerFor, judgeHeader } from "./block-uses.js";
import { certified } from "./issuer-certificates.js";
import { isKnownKey } from "./known-keys.js";
import { entered, type KeyLife, whyNot } from "./life.js";
import { checkValue, drawKey, fromComponents, fromShares, readShare } from "./pieces.js";
import { keyOf } from "./named-key.js";
import { OfficeRefusal } from "./refusal.js";
import type { KeyAction, KeyPlan, Pending } from "./types.js";

const LONGEST_KEY = 32;

export interface Performed {
  readonly keys: readonly StoredKey[];
  /** The key that the record tells of. */
  readonly told?: StoredKey;
  readonly block?: string;
}

interface Ask {
  readonly pending: Pending;
  readonly keys: readonly StoredKey[];
  readonly environment: Environment;
  /** ISO 8601. */
  readonly at: string;
}

export const sizeOf = ({ algorithm, name }: KeyPlan): number => {
  if (
    algorithm === "Ed25519" ||
    algorithm === "X25519" ||
    algorithm === "RSA-1152" ||
    algorithm === "RSA-1408"
  )
    throw new OfficeRefusal(`key ${name}: ${algorithm} keys do not come in pieces, and leave in none`);
  return keyBytes[algorithm];
};

/** Keys of before the ceremonies have no life of their own: they are active. */
export function lifeOf(key: StoredKey): KeyLife {
  if (key.life !== undefined) return key.life;
  const bytes = new Uint8Array(Buffer.from(key.value, "base64"));
  const kcv = checkValueOf(key.algorithm, bytes);
  bytes.fill(0);
  return { state: "active", since: new Date(0).toISOString(), source: "drawn", ceremony: "none", kcv };
}

const replaced = (keys: readonly StoredKey[], key: StoredKey): StoredKey[] =>
  keys.map((one) => (one.name === key.name ? key : one));

/** Throws OfficeRefusal; the caller keeps nothing of a ceremony that failed. */
export async function perform(ask: Ask): Promise<Performed> {
  const { pending, keys, at } = ask;
  const { action } = pending;
  switch (action.do) {
    case "generate":
      return generated(ask, action);
    case "import": {
      const value = await gathered(action, pending.pieces);
      const got = checkValue(action.key.algorithm, value, action.method);
      if (got !== action.kcv) {
        value.fill(0);
        throw new OfficeRefusal(
          `the pieces give a key with check value ${got}, the ceremony was to give ${action.kcv}: a piece is wrong. Nothing was made; the ceremony is over`,
        );
      }
      return born(ask, action.key, value, action.form);
    }
    case "import-block":
      return born(ask, action.key, openedBlock(ask, action), "key-block");
    case "import-public":
      return publicKey(ask, action);
    case "rotate": {
      const old = keyOf(keys, action.old);
      const done = born(ask, action.key, drawn(action.key), "drawn", {
        replaces: action.old,
      });
      const life = {
        ...moved(old, "deactivated", at, `replaced by ${action.key.name}`),
        replacedBy: action.key.name,
      };
      return { ...done, keys: replaced(done.keys, { ...old, life }) };
    }
    case "certificate": {
      const key = certified(keys, action.name, action.file);
      return { keys: replaced(keys, key), told: key };
    }
    case "state": {
      const old = keyOf(keys, action.name);
      const life = moved(old, action.state, at, action.reason);
      const { block: _, ...rest } = old;
      const key = action.state === "destroyed" ? { ...rest, value: "", life } : { ...old, life };
      return { keys: replaced(keys, key), told: key };
    }
    case "export-block": {
      const key = keyOf(keys, action.name);
      return { keys, told: key, block: bornBlock(key) };
    }
    case "custodian":
      return { keys };
  }
}

/** Only a block made at the key's birth can leave. Throws OfficeRefusal for every other key. */
export function bornBlock({ name, block, life }: StoredKey): string {
  if (block === undefined)
    throw new OfficeRefusal(
      `key ${name} cannot leave: only a key that was wrapped at its birth ("keys generate --under") has a block, and no other is ever made`,
    );
  const { state = "active" } = life ?? {};
  if (state === "compromised" || state === "destroyed")
    throw new OfficeRefusal(`key ${name} is ${state}: it goes nowhere any more`);
  return block;
}

function moved(key: StoredKey, state: KeyLife["state"], at: string, reason: string): KeyLife {
  try {
    return entered(key.name, lifeOf(key), state, { at, reason });
  } catch (problem) {
    if (problem instanceof RangeError) throw new OfficeRefusal(problem.message);
    throw problem;
  }
}

async function generated(ask: Ask, action: Extract<KeyAction, { do: "generate" }>): Promise<Performed> {
  const { key, leaves } = action;
  const { pieces } = ask.pending;
  if (leaves?.as === "components")
    return born(ask, key, fromComponents(key.algorithm, pieces.map(bytesOf)), "split");
  if (leaves?.as === "shares") {
    // All shares are handed out; so many as are needed give the key that they were made of.
    const shares = pieces.map((piece) => readShare(piece, sizeOf(key)));
    return born(ask, key, await fromShares(key.algorithm, shares.slice(0, leaves.needed)), "split");
  }
  const value = drawn(key);
  if (leaves === undefined) return born(ask, key, value, "drawn");
  const block = wrapped(ask, key, value, leaves.under);
  const done = born(ask, key, value, "wrapped", { block });
  return { ...done, block };
}

const drawn = (key: KeyPlan): Uint8Array =>
  isRsa(key.algorithm) ? drawIssuerKey(key.algorithm) : drawKey(key.algorithm, sizeOf(key));

const bytesOf = (digits: string): Uint8Array => new Uint8Array(Buffer.from(digits, "hex"));

async function gathered(
  action: Extract<KeyAction, { do: "import" }>,
  pieces: readonly string[],
): Promise<Uint8Array> {
  const { algorithm } = action.key;
  if (action.form === "components") return fromComponents(algorithm, pieces.map(bytesOf));
  return fromShares(
    algorithm,
    pieces.map((piece) => readShare(piece, sizeOf(action.key))),
  );
}

/** The protection key's value; it must be one, and active. The caller wipes it. */
function protection({ keys, at }: Ask, name: string): { value: Uint8Array; version: "B" | "D" } {
  const key = keyOf(keys, name);
  if (key.use !== "key-block")
    throw new OfficeRefusal(`key ${name} is for ${key.use}, not for key-block: a key has one purpose`);
  const why = whyNot(name, lifeOf(key), "make", Date.parse(at));
  if (why !== undefined) throw new OfficeRefusal(why);
  const value = new Uint8Array(Buffer.from(key.value, "base64"));
  return { value, version: key.algorithm === "3DES" ? "B" : "D" };
}

function wrapped(ask: Ask, key: KeyPlan, value: Uint8Array, under: string): string {
  const { value: kbpk, version } = protection(ask, under);
  const maskTo = version === "B" ? 24 : LONGEST_KEY;
  try {
    const header = headerFor(key, version, ask.environment);
    const random = new Uint8Array(randomBytes(paddingLength(version, value.length, maskTo)));
    return wrapKeyBlock({ crypto: nodeCrypto, kbpk, header, key: value, random, maskTo });
  } catch (problem) {
    value.fill(0);
    throw told(problem);
  } finally {
    kbpk.fill(0);
  }
}

function openedBlock(
  ask: Ask,
  { key, under, block }: Extract<KeyAction, { do: "import-block" }>,
): Uint8Array {
  const { value: kbpk, version } = protection(ask, under);
  try {
    const opened = openKeyBlock({ crypto: nodeCrypto, kbpk, block: block.trim() });
    try {
      judgeHeader(opened.header, key, ask.environment);
      if (opened.header.version !== version || opened.key.length !== sizeOf(key))
        throw new OfficeRefusal(
          `the block holds a key of ${opened.key.length * 8} bits, ${key.name} is to be ${key.algorithm}`,
        );
    } catch (problem) {
      opened.key.fill(0);
      throw problem;
    }
    return opened.key;
  } catch (problem) {
    throw told(problem);
  } finally {
    kbpk.fill(0);
  }
}

const told = (problem: unknown): unknown =>
  problem instanceof CardProblem ? new OfficeRefusal(`${problem.message}; nothing was made`) : problem;

function born(
  { keys, environment, pending, at }: Ask,
  { name, use, algorithm, from, until }: KeyPlan,
  value: Uint8Array,
  source: KeyLife["source"],
  more: { readonly replaces?: string; readonly block?: string } = {},
): Performed {
  const published = isKnownKey(value);
  if (published && environment === "live") {
    value.fill(0);
    throw new OfficeRefusal(
      "this is a published test key: everybody may know it, and it makes no live cards; nothing was made",
    );
  }
  const kcv = checkValueOf(algorithm, value);
  const same = keys.find(
    (key) => key.life?.state !== "destroyed" && key.value === Buffer.from(value).toString("base64"),
  );
  if (same !== undefined) {
    value.fill(0);
    throw new OfficeRefusal(
      `this is the value of key ${same.name}: a key has one purpose and one name; nothing was made`,
    );
  }
  const key: StoredKey = {
    name: name as StoredKey["name"],
    use,
    algorithm,
    environment,
    published,
    value: Buffer.from(value).toString("base64"),
    ...(isRsa(algorithm) ? { issuer: toldKey(publicOf(value)) } : {}),
    ...(more.block === undefined ? {} : { block: more.block }),
    life: {
      state: "active",
      since: at,
      source,
      ...(from === undefined ? {} : { from }),
      ...(until === undefined ? {} : { until }),
      ...(more.replaces === undefined ? {} : { replaces: more.replaces }),
      ceremony: pending.number,
      kcv,
    },
  };
  value.fill(0);
  return { keys: [...keys, key], told: key };
}

function publicKey(
  { keys, environment, pending, at }: Ask,
  { key, pem }: Extract<KeyAction, { do: "import-public" }>,
): Performed {
  let value: string;
  try {
    const open = createPublicKey(pem);
    if (open.asymmetricKeyType !== key.algorithm.toLowerCase()) throw new Error("another kind");
    value = open.export({ format: "der", type: "spki" }).toString("base64");
  } catch {
    throw new OfficeRefusal(
      `a public key for ${key.use} is ${key.algorithm}, as SPKI in PEM; nothing was made`,
    );
  }
  const { name, use, algorithm, from, until } = key;
  const life: KeyLife = {
    state: "active",
    since: at,
    source: "public",
    ...(from === undefined ? {} : { from }),
    ...(until === undefined ? {} : { until }),
    ceremony: pending.number,
    kcv: "",
  };
  const stored: StoredKey = {
    name: name as StoredKey["name"],
    use,
    algorithm,
    environment,
    published: false,
    value,
    life,
  };
  return { keys: [...keys, stored], told: stored };
}
