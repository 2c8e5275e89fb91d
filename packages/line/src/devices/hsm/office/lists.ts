/** What orders may have done with their secrets: lists that two custodians allow, and forbid again (order-policy.ts). */
import { listed, policyDigest, type ApprovedPolicy } from "../order-policy.js";
import { OfficeRefusal } from "./refusal.js";
import type { AllowedList, KeyAction } from "./types.js";

type Allow = Extract<KeyAction, { do: "allow" }>;
type Forbid = Extract<KeyAction, { do: "forbid" }>;

/** Those that count, as the module heeds them. */
export const inForce = (lists: readonly AllowedList[] = []): readonly ApprovedPolicy[] =>
  lists.filter(({ ended }) => ended === undefined).map(({ name, digest }) => ({ name, digest }));

/** Throws OfficeRefusal. */
export function judgeAllow({ name, sentences }: Allow, lists: readonly AllowedList[] = []): void {
  if (!/^[a-z0-9][a-z0-9-]{0,63}$/.test(name))
    throw new OfficeRefusal("a list bears the name of its product");
  if (sentences.length === 0)
    throw new OfficeRefusal(`product ${name} puts no secret anywhere: there is nothing to allow`);
  if (inForce(lists).some(({ digest }) => digest === policyDigest(sentences)))
    throw new OfficeRefusal(`this list of ${name} is allowed already`);
}

/** The list that is meant. Throws OfficeRefusal. */
export function meant({ name }: Pick<Forbid, "name">, lists: readonly AllowedList[] = []): AllowedList {
  const found = lists.filter(
    ({ digest, ended }) => ended === undefined && name.length >= 8 && digest.startsWith(name.toLowerCase()),
  );
  const [list, second] = found;
  if (list === undefined || second !== undefined)
    throw new OfficeRefusal(
      `no list in force begins with ${name}: give eight digits or more; "persoline keys allowed" shows them`,
    );
  return list;
}

export const allowed = (
  { name, sentences }: Allow,
  lists: readonly AllowedList[] = [],
  { number, at }: { readonly number: string; readonly at: string },
): { readonly lists: readonly AllowedList[]; readonly list: AllowedList } => {
  const list = {
    name,
    digest: policyDigest(sentences),
    sentences: listed(sentences),
    ceremony: number,
    since: at,
  };
  return { lists: [...lists, list], list };
};

export function forbidden(
  action: Forbid,
  lists: readonly AllowedList[] = [],
  at: string,
): { readonly lists: readonly AllowedList[]; readonly list: AllowedList } {
  const list = { ...meant(action, lists), ended: at };
  return {
    list,
    lists: lists.map((one) => (one.digest === list.digest && one.ended === undefined ? list : one)),
  };
}
