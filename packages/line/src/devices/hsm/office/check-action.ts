/** Is what a ceremony is to do possible at all? Asked when it begins, before anybody's secret is heard, and again at each later sitting. */
import type { StoredKey } from "../keystore.js";
import { ALGORITHMS, judgeWords, PUBLIC_USES } from "./action-words.js";
import { named, othersThan, samePerson, tooFew } from "./custodians.js";
import { headerFor } from "./block-uses.js";
import { judgeCertificate } from "./issuer-certificates.js";
import { whyNot } from "./life.js";
import { judgeAllow, meant } from "./lists.js";
import { keyOf } from "./named-key.js";
import { bornBlock, lifeOf, moved } from "./perform.js";
import { OfficeRefusal } from "./refusal.js";
import type { KeyRoom } from "./room.js";
import { isFormer } from "./roster.js";
import type { Keep, KeyAction, KeyPlan } from "./types.js";
import { deedText } from "./words.js";

/** A name that is free, and a cryptoperiod that is not over. */
function judgePlan({ name, from, until }: KeyPlan, keys: readonly StoredKey[], now: number): void {
  if (keys.some((key) => key.name === name))
    throw new OfficeRefusal(`there is, or was, a key ${name}: a name is used once. Choose another`);
  if (until !== undefined && from === undefined && Date.parse(until) <= now)
    throw new OfficeRefusal("the cryptoperiod ends before it begins");
}

/** The deed without its reason; nothing of births, whose name says as much. */
function same(action: KeyAction): string | undefined {
  if ("key" in action && action.do !== "rotate") return undefined;
  switch (action.do) {
    case "state":
      return `state ${action.name} ${action.state}`;
    case "rotate":
      return `rotate ${action.old}`;
    case "allow":
      return `allow ${JSON.stringify(action.sentences.toSorted())}`;
    case "export-block":
    case "certificate":
    case "forbid":
    case "custodian-remove":
      return `${action.do} ${action.name.toLowerCase()}`;
    default:
      return undefined;
  }
}

/** When a ceremony begins: another one that waits may be about to do the same, or to give a key the same name. Throws OfficeRefusal. */
export function judgeWaiting(action: KeyAction, { book }: Pick<Keep, "book">): void {
  const deed = same(action);
  const twin = book.pending.find((one) => deed !== undefined && same(one.action) === deed);
  if (twin !== undefined)
    throw new OfficeRefusal(
      `ceremony ${twin.number} (${deedText(twin.action)}) waits for the same already: "persoline keys confirm ${twin.number} --by NAME" goes on with it, "persoline keys cancel ${twin.number} --by NAME" ends it`,
    );
  if (!("key" in action)) return;
  const { name } = action.key;
  const other = book.pending.find((one) => "key" in one.action && one.action.key.name === name);
  if (other !== undefined)
    throw new OfficeRefusal(
      `ceremony ${other.number} is to make a key ${name} already: a name is used once. Choose another, or end that one with "persoline keys cancel ${other.number}"`,
    );
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
  judgeWords(action);
  switch (action.do) {
    case "generate": {
      judgePlan(action.key, keys, now);
      const { leaves } = action;
      if (leaves?.as === "block") judgeCarrier(keys, leaves.under, action.key, now, environment);
      return action;
    }
    case "import":
    case "import-public":
      judgePlan(action.key, keys, now);
      return action;
    case "import-block":
      judgePlan(action.key, keys, now);
      judgeCarrier(keys, action.under, action.key, now, environment);
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
      moved(old, "deactivated", at, "");
      return action;
    }
    case "certificate":
      judgeCertificate(keys, action.name, action.file, at);
      return action;
    case "state": {
      const old = keyOf(keys, action.name);
      judgeOurs(old);
      moved(old, action.state, at, action.reason);
      return action;
    }
    case "export-block":
      bornBlock(keyOf(keys, action.name));
      return action;
    case "allow":
      judgeAllow(action, book.lists);
      return action;
    case "forbid":
      meant(action, book.lists);
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
      return { ...action, name };
    }
  }
}

/** Custodians come and go by two others: whoever is alone cannot bring a friend in. */
function judgeOthers({ custodians }: Keep["book"], name: string): void {
  const others = othersThan(custodians, name);
  if (others.length < 2) throw new OfficeRefusal(tooFew(name, others));
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
