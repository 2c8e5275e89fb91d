/** Custodians prove who they are by passphrases of their own; what is kept of them opens nothing (argon2id, RFC 9106). */
import { randomBytes, timingSafeEqual } from "node:crypto";
import { hashRawSync } from "@node-rs/argon2";
import { OfficeRefusal } from "./refusal.js";

export interface ProofCosts {
  readonly memoryCost: number;
  readonly timeCost: number;
}
const usual: ProofCosts = { memoryCost: 64 * 1024, timeCost: 3 };

export interface Custodian {
  readonly name: string;
  readonly salt: string;
  readonly proof: string;
  /** argon2id's costs (KiB, passes): they stand with the proof, so that they may grow. */
  readonly costs: ProofCosts;
  /** ISO 8601. */
  readonly since: string;
  /** Wrong passphrases since the last right one. */
  readonly wrong: number;
}

/** After so many wrong passphrases in a row a custodian is locked out; two others enrol them anew. */
export const wrongAtMost = 5;
const shortest = 12;

const samePerson = (name: string): string =>
  name.trim().replaceAll(/\s+/g, " ").normalize("NFC").toLowerCase();

function proofOf(passphrase: string, salt: Uint8Array, costs: ProofCosts): Buffer {
  const options = { algorithm: 2, ...costs, parallelism: 1, salt, outputLen: 32 };
  return hashRawSync(passphrase.normalize("NFC"), options);
}

const matches = (custodian: Custodian, passphrase: string): boolean =>
  timingSafeEqual(
    proofOf(passphrase, Buffer.from(custodian.salt, "base64"), custodian.costs),
    Buffer.from(custodian.proof, "base64"),
  );

/** A new custodian. Two of one name, or of one passphrase, would be one person with two hats: refused. */
export function enrol(ask: {
  readonly name: string;
  readonly passphrase: string;
  readonly known: readonly Custodian[];
  readonly at: string;
  readonly costs?: ProofCosts;
}): Custodian {
  const { name, passphrase, known, at, costs = usual } = ask;
  if (!/^[^\p{C}\p{Zl}\p{Zp}]{2,60}$/u.test(name))
    throw new OfficeRefusal("a custodian's name has 2 to 60 printable characters");
  if (known.some((other) => samePerson(other.name) === samePerson(name)))
    throw new OfficeRefusal(`there is a custodian ${name} already`);
  if (Array.from(passphrase).length < shortest)
    throw new OfficeRefusal(`a custodian's passphrase has at least ${shortest} characters; choose another`);
  if (known.some((other) => matches(other, passphrase)))
    throw new OfficeRefusal(
      "another custodian has this passphrase: a person is one custodian only. Choose another passphrase",
    );
  const salt = randomBytes(16);
  const proof = proofOf(passphrase, salt, costs);
  return {
    name: name.trim().normalize("NFC"),
    salt: salt.toString("base64"),
    proof: proof.toString("base64"),
    costs,
    since: at,
    wrong: 0,
  };
}

/** Throws OfficeRefusal for a name that is nobody's and for one that is locked out. */
export function custodianOf(known: readonly Custodian[], name: string): Custodian {
  const found = known.find((one) => samePerson(one.name) === samePerson(name));
  if (found === undefined)
    throw new OfficeRefusal(`${name} is no custodian; "persoline keys custodian" enrols one`);
  if (found.wrong >= wrongAtMost)
    throw new OfficeRefusal(
      `${found.name} is locked out after ${wrongAtMost} wrong passphrases; two others enrol another name${known.filter(({ wrong }) => wrong < wrongAtMost).length < 2 ? ", and there are not two: new keys are made in a new keystore (docs/keys.md)" : ""}`,
    );
  return found;
}

/** For the one who was wrong. */
export const triesLeft = ({ name, wrong }: Custodian): string => {
  const left = wrongAtMost - wrong;
  return left > 0 ? `${left} ${left === 1 ? "try is" : "tries are"} left` : `${name} is locked out now`;
};

/** The custodian with the count of wrong passphrases as it is now. */
export function judgedPassphrase(
  custodian: Custodian,
  passphrase: string,
): { readonly right: boolean; readonly now: Custodian } {
  const right = matches(custodian, passphrase);
  return { right, now: { ...custodian, wrong: right ? 0 : custodian.wrong + 1 } };
}
