/** Is what a ceremony is to do possible at all? Asked when it begins, and again when it ends. */
import type { StoredKey } from "../keystore.js";
import { isRsa } from "../payment/issuer-key.js";
import { named, othersThan, samePerson, tooFew } from "./custodians.js";
import { headerFor } from "./block-uses.js";
import { judgeCertificate } from "./issuer-certificates.js";
import { whyNot } from "./life.js";
import { keyLength } from "./key-length.js";
import { judgeAllow, meant } from "./lists.js";
import { keyOf } from "./named-key.js";
import { bornBlock, lifeOf } from "./perform.js";
import { OfficeRefusal } from "./refusal.js";
import type { KeyRoom } from "./room.js";
import { isFormer } from "./roster.js";
import type { Keep, KeyAction, KeyPlan } from "./types.js";

const ALGORITHMS: Readonly<Partial<Record<KeyPlan["use"], readonly KeyPlan["algorithm"][]>>> = {
  loader: ["AES-128"],
  application: ["AES-128"],
  desfire: ["AES-128"],
  scp02: ["3DES"],
  scp03: ["AES-128", "AES-192", "AES-256"],
  transport: ["AES-128", "AES-192", "AES-256", "3DES"],
  "pin-transport": ["AES-128", "AES-192", "AES-256", "3DES"],
  "file-mac": ["AES-128", "AES-192", "AES-256"],
  "key-block": ["AES-128", "AES-192", "AES-256", "3DES"],
  "issuer-signature": ["Ed25519"],
  scp11: ["P-256"],
  "card-authority": ["P-256"],
  "emv-ac": ["3DES"],
  "emv-smi": ["3DES"],
  "emv-smc": ["3DES"],
  "emv-cvk": ["3DES"],
  "emv-pvk": ["3DES"],
  "ibm-3624": ["3DES"],
  "emv-issuer": ["RSA-1408", "RSA-1152"],
  "stripe-encoder": ["X25519"],
};
/** Of these the public half comes in, and no other half is ever here. */
const PUBLIC_USES: readonly KeyPlan["use"][] = ["issuer-signature", "card-authority", "stripe-encoder"];

/** The uses that people bring keys in for; the others are the vault's own. */
export const keyUses = Object.keys(ALGORITHMS);

function judgePlan(
  { name, use, algorithm, from, until }: KeyPlan,
  keys: readonly StoredKey[],
  now: number,
): void {
  if (!/^[a-z][a-z0-9-]{0,31}$/.test(name))
    throw new OfficeRefusal("a key's name has 1 to 32 small letters, digits and dashes, a letter first");
  if (keys.some((key) => key.name === name))
    throw new OfficeRefusal(`there is, or was, a key ${name}: a name is used once. Choose another`);
  const allowed = ALGORITHMS[use];
  if (allowed === undefined) throw new OfficeRefusal(`keys are for ${keyUses.join(", ")}; not for ${use}`);
  if (!allowed.includes(algorithm))
    throw new OfficeRefusal(`a key for ${use} is ${allowed.join(" or ")}, not ${algorithm}`);
  for (const [what, text] of [
    ["from", from],
    ["until", until],
  ] as const)
    if (text !== undefined && Number.isNaN(Date.parse(text)))
      throw new OfficeRefusal(`--${what}: ${text} is no date; write 2027-01-01 or 2027-01-01T00:00:00Z`);
  if (until !== undefined && Date.parse(until) <= (from === undefined ? now : Date.parse(from)))
    throw new OfficeRefusal("the cryptoperiod ends before it begins");
}

function judgeCount(count: number, needed: number, what: string): void {
  if (!Number.isInteger(count) || count < 2 || count > 16)
    throw new OfficeRefusal(`a key has 2 to 16 ${what}, not ${count}`);
  if (!Number.isInteger(needed) || needed < 2 || needed > count)
    throw new OfficeRefusal(`of ${count} shares 2 to ${count} can be needed, not ${needed}`);
}

/** The action itself. Throws OfficeRefusal. */
export function checkAction(
  action: KeyAction,
  { keys, environment, book }: Keep,
  { at, room }: { readonly at: string; readonly room: KeyRoom },
): KeyAction {
  const now = Date.parse(at);
  const why = "key" in action ? room.whyNot(action.key) : undefined;
  if (why !== undefined) throw new OfficeRefusal(why);
  switch (action.do) {
    case "generate": {
      judgePlan(action.key, keys, now);
      const { leaves } = action;
      judgeDrawn(action.key);
      judgeStays(action.key, leaves !== undefined);
      if (leaves?.as === "components") judgeCount(leaves.count, leaves.count, "components");
      if (leaves?.as === "shares") judgeCount(leaves.count, leaves.needed, "shares");
      if (leaves?.as === "block") judgeCarrier(keys, leaves.under, action.key, now, environment);
      return action;
    }
    case "import":
      judgePlan(action.key, keys, now);
      keyLength(action.key);
      judgeStays(action.key, true);
      judgeCount(action.count, action.count, action.form);
      if (!/^(?:[0-9A-F]{6}|[0-9A-F]{10})$/.test(action.kcv))
        throw new OfficeRefusal(
          "the check value of the whole key has 6 hexadecimal digits (by CMAC of AES: 10); give it with --kcv",
        );
      return action;
    case "import-block":
      judgePlan(action.key, keys, now);
      judgeCarrier(keys, action.under, action.key, now, environment);
      return action;
    case "import-public":
      judgePlan(action.key, keys, now);
      if (!PUBLIC_USES.includes(action.key.use))
        throw new OfficeRefusal(`a public key is for ${PUBLIC_USES.join(" or ")}, not for ${action.key.use}`);
      return action;
    case "rotate": {
      const old = keyOf(keys, action.old);
      judgePlan(action.key, keys, now);
      if (PUBLIC_USES.includes(old.use))
        throw new OfficeRefusal(
          `key ${action.old} has its private half elsewhere: bring the public half of its successor in with "keys import --public"`,
        );
      if (old.use !== action.key.use)
        throw new OfficeRefusal(`key ${action.old} is for ${old.use}: its successor is too`);
      judgeOurs(old);
      judgeDrawn(action.key);
      return action;
    }
    case "certificate":
      judgeCertificate(keys, action.name, action.file, at);
      return action;
    case "state":
      judgeOurs(keyOf(keys, action.name));
      if (action.reason.trim() === "")
        throw new OfficeRefusal("say why with --reason: it stands in the record");
      return action;
    case "export-block":
      bornBlock(keyOf(keys, action.name));
      return action;
    case "allow":
      judgeAllow(action, book.lists);
      return action;
    case "forbid":
      meant(action, book.lists);
      if (action.reason.trim() === "")
        throw new OfficeRefusal("say why with --reason: it stands in the record");
      return action;
    case "custodian":
      if (book.custodians.some(({ name }) => samePerson(name, action.name)))
        throw new OfficeRefusal(`there is a custodian ${action.name} already`);
      if (isFormer(book.records, action.name))
        throw new OfficeRefusal(
          `a custodian ${action.name} was removed, and in the records a name stands for one person: take another form of it`,
        );
      if (book.custodians.length >= 2) judgeOthers(book, action.name);
      return action;
    case "custodian-renew":
    case "custodian-remove": {
      const { name } = named(book.custodians, action.name);
      judgeOthers(book, name);
      if (action.reason.trim() === "")
        throw new OfficeRefusal("say why with --reason: it stands in the record");
      return { ...action, name };
    }
  }
}

/** Custodians come and go by two others: whoever is alone cannot bring a friend in. */
function judgeOthers({ custodians }: Keep["book"], name: string): void {
  const others = othersThan(custodians, name);
  if (others.length < 2) throw new OfficeRefusal(tooFew(name, others));
}

/** A key pair is drawn where it works: in pieces it would have no certificate that anybody could believe. */
function judgeStays({ name, algorithm }: KeyPlan, moves: boolean): void {
  if (moves && algorithm === "P-256")
    throw new OfficeRefusal(
      `key ${name}: a P-256 key is drawn in the vault and stays there; what leaves is its public half, to be certified`,
    );
  if (moves && isRsa(algorithm))
    throw new OfficeRefusal(
      `key ${name}: an issuer's RSA key never leaves; its public half does, with "keys request"`,
    );
}

/** Can it be drawn here at all? Public keys of others cannot. */
function judgeDrawn(key: KeyPlan): void {
  if (PUBLIC_USES.includes(key.use))
    throw new OfficeRefusal(
      `a key for ${key.use} is not drawn here: its private half is elsewhere. Bring its public half in with "keys import --public"`,
    );
  if (!isRsa(key.algorithm)) keyLength(key);
}

/** The keys that seal, sign and write letters live as long as the keystore: what they protect would be lost with them. */
function judgeOurs({ name, use }: StoredKey): void {
  if (ALGORITHMS[use] === undefined)
    throw new OfficeRefusal(
      `key ${name} is the keystore's own, for ${use}: it lives as long as the keystore`,
    );
}

function judgeCarrier(
  keys: readonly StoredKey[],
  under: string,
  key: KeyPlan,
  now: number,
  environment: Keep["environment"],
): void {
  const carrier = keyOf(keys, under);
  if (carrier.use !== "key-block")
    throw new OfficeRefusal(`key ${under} is for ${carrier.use}, not for key-block: a key has one purpose`);
  const why = whyNot(under, lifeOf(carrier), "make", now);
  if (why !== undefined) throw new OfficeRefusal(why);
  if (carrier.published && environment === "live")
    throw new OfficeRefusal(`key ${under} is published: it protects nothing`);
  headerFor(key, carrier.algorithm === "3DES" ? "B" : "D", environment);
}
