/**
 * Custodians prove who they are by passphrases of their own. A passphrase gives an Ed25519 key (argon2id, RFC 9106, is its seed); what is
 * kept is the public half, which opens nothing and signs nothing: each sitting is signed by who sat, and no other can have done it.
 */
import { sign, timingSafeEqual } from "node:crypto";
import { hashRawSync } from "@node-rs/argon2";
import { random } from "../draw.js";
import { ed25519Of } from "../ed25519-seed.js";
import { mustBeLong } from "./passphrase.js";
import { OfficeRefusal } from "./refusal.js";

export interface ProofCosts {
  readonly memoryCost: number;
  readonly timeCost: number;
}
const usual: ProofCosts = { memoryCost: 64 * 1024, timeCost: 3 };

export interface Custodian {
  readonly name: string;
  readonly salt: string;
  /** Ed25519, the public half, 32 bytes, base64. Absent of those who have not sat since sittings are signed. */
  readonly key?: string;
  /** Of these only: what argon2id gives, itself. A key takes its place at their next right passphrase. */
  readonly proof?: string;
  /** argon2id's costs (KiB, passes): they stand with the key, so that they may grow. */
  readonly costs: ProofCosts;
  /** ISO 8601. */
  readonly since: string;
  /** Wrong passphrases since the last right one. */
  readonly wrong: number;
}

/** Signs as the custodian who gave the passphrase, as long as this call lives. */
export type Hand = (bytes: Uint8Array) => Uint8Array;

/** After so many wrong passphrases in a row a custodian is locked out; two others let them back in. */
export const wrongAtMost = 5;

export const samePerson = (one: string, other: string): boolean => plainName(one) === plainName(other);
const plainName = (name: string): string =>
  name.trim().replaceAll(/\s+/g, " ").normalize("NFC").toLowerCase();

export const isLocked = ({ wrong }: Pick<Custodian, "wrong">): boolean => wrong >= wrongAtMost;

/** Those besides this one who can sit. */
export const othersThan = (known: readonly Custodian[], name: string): readonly Custodian[] =>
  known.filter((one) => !isLocked(one) && !samePerson(one.name, name));

function stretched(passphrase: string, salt: Uint8Array, costs: ProofCosts): Buffer {
  const options = { algorithm: 2, ...costs, parallelism: 1, salt, outputLen: 32 };
  return hashRawSync(passphrase.normalize("NFC"), options);
}

function keyOf(passphrase: string, salt: Uint8Array, costs: ProofCosts): { key: string; hand: Hand } {
  const seed = stretched(passphrase, salt, costs);
  const { secret, open } = ed25519Of(seed);
  seed.fill(0);
  const { x = "" } = open.export({ format: "jwk" });
  return {
    key: Buffer.from(x, "base64url").toString("base64"),
    hand: (bytes) => new Uint8Array(sign(null, bytes, secret)),
  };
}

/** Draws the salt anew. */
function freshKey(passphrase: string, costs: ProofCosts) {
  const salt = Buffer.from(random(16));
  const { key, hand } = keyOf(passphrase, salt, costs);
  return { kept: { salt: salt.toString("base64"), key, costs }, hand };
}

const same = (one: string, other: string): boolean =>
  timingSafeEqual(Buffer.from(one, "base64"), Buffer.from(other, "base64"));

interface Heard {
  /** What is new of the custodian, who had no key. */
  readonly kept: Partial<Pick<Custodian, "salt" | "key" | "costs">>;
  readonly hand: Hand;
}

/** Nothing when the passphrase is not this one's. */
function heard(custodian: Custodian, passphrase: string): Heard | undefined {
  const { salt, costs, key, proof = "" } = custodian;
  const bytes = Buffer.from(salt, "base64");
  if (key !== undefined) {
    const got = keyOf(passphrase, bytes, costs);
    return same(got.key, key) ? { kept: {}, hand: got.hand } : undefined;
  }
  const got = stretched(passphrase, bytes, costs);
  const right = same(got.toString("base64"), proof);
  got.fill(0);
  return right ? freshKey(passphrase, costs) : undefined;
}

export interface Enrolled {
  readonly custodian: Custodian & { readonly key: string };
  readonly hand: Hand;
}

/** A new custodian. Two of one name, or of one passphrase, would be one person with two hats: refused. */
export function enrol(ask: {
  readonly name: string;
  readonly passphrase: string;
  readonly known: readonly Custodian[];
  readonly at: string;
  readonly costs?: ProofCosts;
}): Enrolled {
  const { name, passphrase, known, at, costs = usual } = ask;
  if (!/^[^\p{C}\p{Zl}\p{Zp}]{2,60}$/u.test(name))
    throw new OfficeRefusal("a custodian's name has 2 to 60 printable characters");
  if (known.some((other) => samePerson(other.name, name)))
    throw new OfficeRefusal(`there is a custodian ${name} already, or one waits to be let in`);
  mustBeLong("a custodian's", passphrase);
  if (known.some((other) => heard(other, passphrase) !== undefined))
    throw new OfficeRefusal(
      "another custodian has this passphrase: a person is one custodian only. Choose another passphrase",
    );
  const { kept, hand } = freshKey(passphrase, costs);
  return { custodian: { name: name.trim().normalize("NFC"), ...kept, since: at, wrong: 0 }, hand };
}

/** The one of this name, locked out or not. Throws OfficeRefusal for a name that is nobody's. */
export function named(known: readonly Custodian[], name: string): Custodian {
  const found = known.find((one) => samePerson(one.name, name));
  if (found === undefined)
    throw new OfficeRefusal(`${name} is no custodian; "persoline keys custodians add" enrols one`);
  return found;
}

/** The one of this name, to sit. Throws OfficeRefusal for a name that is nobody's and for one that is locked out. */
export function custodianOf(known: readonly Custodian[], name: string): Custodian {
  const found = named(known, name);
  if (!isLocked(found)) return found;
  const others = othersThan(known, found.name);
  throw new OfficeRefusal(
    `${found.name} is locked out after ${wrongAtMost} wrong passphrases; ${others.length < 2 ? tooFew(found.name, others) : '"persoline keys custodians unlock" sets a new passphrase, which two others confirm'}`,
  );
}

/** Why nobody can be let in, out or back: there are not two to do it. */
export const tooFew = (name: string, others: readonly Custodian[]): string =>
  `it takes two custodians besides ${name} who are not locked out, and there is ${others[0]?.name ?? "none"}${others.length === 1 ? " alone" : ""}. One alone lets nobody in, out or back: docs/keys.md ("When there are not two") tells what remains`;

/** For the one who was wrong. */
export const triesLeft = ({ name, wrong }: Custodian): string => {
  const left = wrongAtMost - wrong;
  return left > 0 ? `${left} ${left === 1 ? "try is" : "tries are"} left` : `${name} is locked out now`;
};

/** The custodian with the count of wrong passphrases as it is now, and their hand when it was right. */
export function judgedPassphrase(
  custodian: Custodian,
  passphrase: string,
): { readonly now: Custodian; readonly hand?: Hand } {
  const right = heard(custodian, passphrase);
  if (right === undefined) return { now: { ...custodian, wrong: custodian.wrong + 1 } };
  const { proof: _, ...known } = custodian;
  return { now: { ...known, ...right.kept, wrong: 0 }, hand: right.hand };
}
