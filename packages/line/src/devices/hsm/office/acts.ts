/**
 * The audit of the key office: every act of a ceremony, done or refused, signed and chained; no secret in it. Signed as the audit's heads
 * are, so that "persoline audit verify" proves it by the security module, without the office.
 */
import { createHash } from "node:crypto";
import { type OfficeRefusal } from "./refusal.js";
import {
  type Act,
  type Keep,
  type KeyAction,
  noOffice,
  type OfficeAsk,
  type PendingView,
  type RosterAction,
  type SignedAct,
} from "./types.js";
import { actionText, isRoster } from "./words.js";

/** The words before the text when it is signed: those of the security module's signatures for audits. */
export const actBytes = (text: string): Uint8Array => Buffer.from(`persoline audit\n${text}`);
export const actDigest = (text: string): string => createHash("sha256").update(text).digest("hex");

/** SHA-256 of all that may be told of an office: keys without values, custodians, what waits. */
export const stateDigest = ({ environment, keys, book }: Keep): string =>
  actDigest(
    JSON.stringify({
      environment,
      keys: keys.map(({ name, use, algorithm, published, life, issuer }) => ({
        name,
        use,
        algorithm,
        published,
        life,
        issuer,
      })),
      custodians: book.custodians.map(({ name, key, since, wrong }) => ({ name, key, since, wrong })),
      pending: book.pending.map(({ number, action, needed, sittings }) => ({
        number,
        action,
        needed,
        sittings,
      })),
      ...(book.lists === undefined ? {} : { lists: book.lists }),
    }),
  );

/** What a ceremony is about, in short. */
export const objectOf = ({ number, action }: Pick<PendingView, "number" | "action">): string =>
  `ceremony ${number}: ${actionText(action)}${isOfKeys(action) ? `, key ${"key" in action ? action.key.name : action.name}` : ""}`;

const isOfKeys = (action: KeyAction): action is Exclude<KeyAction, RosterAction> =>
  !isRoster(action) && action.do !== "allow" && action.do !== "forbid";

export function signAct(
  facts: Omit<Act, "sequence" | "previous">,
  before: readonly SignedAct[],
  sign: (bytes: Uint8Array) => Uint8Array,
): SignedAct {
  const last = before.at(-1);
  const act: Act = {
    sequence: before.length + 1,
    ...facts,
    previous: last === undefined ? noOffice.last : actDigest(last.text),
  };
  const text = JSON.stringify(act);
  return { text, signature: Buffer.from(sign(actBytes(text))).toString("base64") };
}

/** How many there are, and the last one's digest. */
export function officeHead(acts: readonly SignedAct[] = []): {
  readonly acts: number;
  readonly last: string;
} {
  const last = acts.at(-1);
  return { acts: acts.length, last: last === undefined ? noOffice.last : actDigest(last.text) };
}

/** The first act that is altered, missing or of another signer, in words. */
export async function brokenAct(
  acts: readonly SignedAct[],
  verify: (text: string, signature: Uint8Array) => boolean | Promise<boolean>,
): Promise<string | undefined> {
  let previous = noOffice.last;
  for (const [at, { text, signature }] of acts.entries()) {
    const act = JSON.parse(text) as Act;
    const number = String(at + 1);
    if (!(await verify(text, new Uint8Array(Buffer.from(signature, "base64")))))
      return `act ${number} of the key office was altered, or signed with another key`;
    if (act.sequence !== at + 1 || act.previous !== previous)
      return `before act ${number} of the key office one is missing, or is another one`;
    previous = actDigest(text);
  }
  return undefined;
}

/** What a call did to the office, with who and how it ended. */
export function actOf(
  ask: Exclude<OfficeAsk, { ask: "list" | "request" }>,
  at: string,
  {
    before,
    after,
    refused,
    number,
    left,
  }: {
    readonly before: Keep;
    readonly after: Keep;
    readonly refused: OfficeRefusal | undefined;
    readonly number: string | undefined;
    readonly left: number | undefined;
  },
): Omit<Act, "sequence" | "previous"> {
  if (ask.ask === "witness")
    return {
      at,
      who: ask.by,
      what: ask.what,
      object: `${ask.object}, with ${ask.witness}`,
      result: refused === undefined ? "ok" : "refused",
      before: stateDigest(before),
      after: stateDigest(after),
      ...(refused === undefined ? {} : { why: refused.message }),
    };
  const known = number ?? (ask.ask === "begin" ? undefined : ask.number);
  const pending = [...before.book.pending, ...after.book.pending].find((one) => one.number === known);
  const action = ask.ask === "begin" ? ask.action : pending?.action;
  return {
    at,
    who: ask.by,
    what: `ceremony.${ask.ask}`,
    object:
      action === undefined
        ? `ceremony ${known ?? "none"}`
        : objectOf({ number: known ?? "not begun", action }),
    result: refused === undefined ? "ok" : "refused",
    before: stateDigest(before),
    after: stateDigest(after),
    ...(refused === undefined ? {} : { why: refused.message }),
    ...(left === undefined ? {} : { left }),
  };
}
