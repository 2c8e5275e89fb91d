/** What a ceremony does to the keys once all its custodians have sat. */
import { createPublicKey } from "node:crypto";
import { CardProblem, concat } from "@persoline/card/bytes";
import { desWeakness, oddParity, openKeyBlock, paddingLength, wrapKeyBlock } from "@persoline/card/keyblock";
import { random } from "../draw.js";
import { checkValueOf } from "../keyring.js";
import type { StoredKey } from "../keystore.js";
import type { Environment } from "../port.js";
import { headerFor, judgeHeader } from "./block-uses.js";
import { certified } from "./issuer-certificates.js";
import { isKnownKey } from "./known-keys.js";
import { keyLength } from "./key-length.js";
import { entered, type KeyLife, whyNot } from "./life.js";
import { allowed, forbidden } from "./lists.js";
import { checkValue, drawKey, fromComponents, fromShares, readShare } from "./pieces.js";
import { keyOf } from "./named-key.js";
import { OfficeRefusal } from "./refusal.js";
import type { KeyRoom } from "./room.js";
import type { AllowedList, KeyAction, KeyPlan, Pending } from "./types.js";

const LONGEST_KEY = 32;

export interface Performed {
  readonly keys: readonly StoredKey[];
  /** The key that the record tells of. */
  readonly told?: StoredKey;
  readonly block?: string;
  /** The lists as they are then, and the one that the record tells of. */
  readonly lists?: readonly AllowedList[];
  readonly list?: AllowedList;
}

interface Ask {
  readonly pending: Pending;
  readonly keys: readonly StoredKey[];
  readonly lists?: readonly AllowedList[] | undefined;
  readonly environment: Environment;
  readonly room: KeyRoom;
  /** ISO 8601. */
  readonly at: string;
}

/** Keys of before the ceremonies have no life of their own: they are active. */
export function lifeOf(key: StoredKey): KeyLife {
  if (key.life !== undefined) return key.life;
  const kcv = checkValueOf(key.algorithm, key.value);
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
      const done = born(ask, action.key, undefined, "drawn", { replaces: action.old });
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
      const key =
        action.state === "destroyed" ? { ...rest, value: new Uint8Array(0), life } : { ...old, life };
      return { keys: replaced(keys, key), told: key };
    }
    case "export-block": {
      const key = keyOf(keys, action.name);
      return { keys, told: key, block: bornBlock(key) };
    }
    case "allow":
      return { keys, ...allowed(action, ask.lists, { number: pending.number, at }) };
    case "forbid":
      return { keys, ...forbidden(action, ask.lists, at) };
    case "custodian":
    case "custodian-renew":
    case "custodian-remove":
      return { keys };
  }
}

/**
 * What can be seen before anything waits for the next custodian: whether a block or a public key is one that could come in. Makes nothing.
 * Throws OfficeRefusal.
 */
export function rehearse(ask: Ask): void {
  const { action } = ask.pending;
  if (action.do === "import-public") publicKey(ask, action);
  if (action.do !== "import-block") return;
  const value = openedBlock(ask, action);
  try {
    judgeValue(ask, action.key, value);
  } finally {
    value.fill(0);
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

/** Throws OfficeRefusal where the key's life has no such way. */
export function moved(key: StoredKey, state: KeyLife["state"], at: string, reason: string): KeyLife {
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
    const shares = pieces.map((piece) => readShare(piece, keyLength(key)));
    return born(ask, key, await fromShares(key.algorithm, shares.slice(0, leaves.needed)), "split");
  }
  if (leaves === undefined) return born(ask, key, undefined, "drawn");
  const value = drawKey(key.algorithm, keyLength(key));
  const block = wrapped(ask, key, value, leaves.under);
  const done = born(ask, key, value, "wrapped", { block });
  return { ...done, block };
}

const bytesOf = (digits: string): Uint8Array => new Uint8Array(Buffer.from(digits, "hex"));

async function gathered(
  action: Extract<KeyAction, { do: "import" }>,
  pieces: readonly string[],
): Promise<Uint8Array> {
  const { algorithm } = action.key;
  if (action.form === "components") return fromComponents(algorithm, pieces.map(bytesOf));
  return fromShares(
    algorithm,
    pieces.map((piece) => readShare(piece, keyLength(action.key))),
  );
}

/** The protection key; it must be one, and active. The caller wipes it. */
function protection({ keys, at, room }: Ask, name: string) {
  const key = keyOf(keys, name);
  if (key.use !== "key-block")
    throw new OfficeRefusal(`key ${name} is for ${key.use}, not for key-block: a key has one purpose`);
  const why = whyNot(name, lifeOf(key), "make", Date.parse(at));
  if (why !== undefined) throw new OfficeRefusal(why);
  return { ...room.protection(key), version: key.algorithm === "3DES" ? ("B" as const) : ("D" as const) };
}

function wrapped(ask: Ask, key: KeyPlan, value: Uint8Array, under: string): string {
  const { crypto, kbpk, version } = protection(ask, under);
  const maskTo = version === "B" ? 24 : LONGEST_KEY;
  try {
    const header = headerFor(key, version, ask.environment);
    const padding = random(paddingLength(version, value.length, maskTo));
    return wrapKeyBlock({ crypto, kbpk, header, key: value, random: padding, maskTo });
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
  const { crypto, kbpk, version } = protection(ask, under);
  try {
    const opened = openKeyBlock({ crypto, kbpk, block: block.trim() });
    try {
      judgeHeader(opened.header, key, ask.environment);
      if (opened.header.version !== version || opened.key.length !== keyLength(key))
        throw new OfficeRefusal(
          `the block holds a key of ${opened.key.length * 8} bits, ${key.name} is to be ${key.algorithm}`,
        );
    } catch (problem) {
      opened.key.fill(0);
      throw problem;
    }
    return fitForDes(key, opened.key);
  } catch (problem) {
    throw told(problem);
  } finally {
    kbpk.fill(0);
  }
}

/** As for keys in pieces: no block brings in a triple DES key that is none in truth; its parity is made odd, so that one value looks one way. */
function fitForDes({ name, algorithm }: KeyPlan, key: Uint8Array): Uint8Array {
  if (algorithm !== "3DES") return key;
  const weak = desWeakness(key);
  const adjusted = oddParity(key);
  key.fill(0);
  if (weak === undefined) return adjusted;
  adjusted.fill(0);
  throw new OfficeRefusal(`key ${name}: ${weak}; nothing was made`);
}

const told = (problem: unknown): unknown =>
  problem instanceof CardProblem ? new OfficeRefusal(`${problem.message}; nothing was made`) : problem;

/** Throws OfficeRefusal for a value that everybody may know, where cards are live, and for one that is here already. */
function judgeValue(
  { keys, environment, room }: Pick<Ask, "keys" | "environment" | "room">,
  plan: KeyPlan,
  value: Uint8Array,
): void {
  if (isKnownKey(value) && environment === "live")
    throw new OfficeRefusal(
      "this is a published test key: everybody may know it, and it makes no live cards; nothing was made",
    );
  const same = room.same(keys, plan, value);
  if (same !== undefined)
    throw new OfficeRefusal(
      `this is the value of key ${same.name}: a key has one purpose and one name; nothing was made`,
    );
}

function born(
  { keys, environment, pending, at, room }: Ask,
  plan: KeyPlan,
  value: Uint8Array | undefined,
  source: KeyLife["source"],
  more: { readonly replaces?: string; readonly block?: string } = {},
): Performed {
  const { name, use, algorithm, from, until } = plan;
  const published = value !== undefined && isKnownKey(value);
  try {
    if (value !== undefined) judgeValue({ keys, environment, room }, plan, value);
  } catch (problem) {
    value?.fill(0);
    throw problem;
  }
  const { kcv, ...kept } = room.take(plan, value);
  value?.fill(0);
  const key: StoredKey = {
    name: name as StoredKey["name"],
    use,
    algorithm,
    environment,
    published,
    ...kept,
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
  return { keys: [...keys, key], told: key };
}

function publicKey(
  { keys, environment, pending, at }: Ask,
  { key, pem }: Extract<KeyAction, { do: "import-public" }>,
): Performed {
  const value = key.use === "card-authority" ? authorityPoint(pem) : spkiOf(key, pem);
  const { name, use, algorithm, from, until } = key;
  const published = isKnownKey(value);
  if (published && environment === "live")
    throw new OfficeRefusal(
      "this authority's private half is published: everybody may certify cards with it; nothing was made",
    );
  const life: KeyLife = {
    state: "active",
    since: at,
    source: "public",
    ...(from === undefined ? {} : { from }),
    ...(until === undefined ? {} : { until }),
    ceremony: pending.number,
    kcv: checkValueOf(algorithm, value),
  };
  const stored: StoredKey = {
    name: name as StoredKey["name"],
    use,
    algorithm,
    environment,
    published,
    value,
    life,
  };
  return { keys: [...keys, stored], told: stored };
}

/** As DER. */
function spkiOf({ use, algorithm }: KeyPlan, pem: string): Uint8Array {
  try {
    const open = createPublicKey(pem);
    if (open.asymmetricKeyType !== algorithm.toLowerCase()) throw new Error("another kind");
    return new Uint8Array(open.export({ format: "der", type: "spki" }));
  } catch {
    throw new OfficeRefusal(`a public key for ${use} is ${algorithm}, as SPKI in PEM; nothing was made`);
  }
}

/** The point, 04 ‖ x ‖ y. */
function authorityPoint(pem: string): Uint8Array {
  try {
    const { kty, crv, x = "", y = "" } = createPublicKey(pem).export({ format: "jwk" });
    if (kty !== "EC" || crv !== "P-256") throw new Error("another kind");
    return concat(Uint8Array.of(0x04), Buffer.from(x, "base64url"), Buffer.from(y, "base64url"));
  } catch {
    throw new OfficeRefusal("a card authority's public key is P-256, as SPKI in PEM; nothing was made");
  }
}
