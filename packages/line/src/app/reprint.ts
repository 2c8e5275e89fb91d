/** PIN letters that two people have printed again: it is tried first, for what is void cannot be taken back, nor a batch that was taken away. */
import type { LetterBatch } from "../store/letter-batches.js";
import type { Hsm } from "../devices/hsm/port.js";
import type { Store } from "../store/store.js";
import type { DataFolder } from "./data-folder.js";
import { refuseFormerFiles } from "./former-files.js";
import { asked, releaseLetters, replacedBy } from "./letters.js";
import { problemText, Refusal } from "./problem.js";

interface Reprinting {
  readonly order: string;
  /** A letter, or a batch: all its letters that are not void. */
  readonly number: string;
  readonly reason: string;
  readonly by: string;
  readonly witness: string;
  readonly store: Store;
  readonly hsm: Hsm;
  readonly data: DataFolder;
}

export interface Reprinted {
  readonly pairs: readonly { readonly replaces: string; readonly letter: string }[];
  readonly batches: readonly LetterBatch[];
}

/**
 * Until the security module has opened every PIN that is to be printed, no letter is void and no file gone; whoever refuses says why. When it
 * fails after that, what was done is told with what to do. Throws Refusal, AccountsProblem ("two-people", "wrong-state", "no-pin",
 * "unknown-letter"), DeviceFault.
 */
export async function reprintLetters(ask: Reprinting): Promise<Reprinted> {
  const { order, number, reason, by, witness, store, hsm, data } = ask;
  const old = number.startsWith("B-") ? await inForceOf(order, number, store) : [number];
  const found = await store.letters.reprintable({ letters: old, by, witness });
  const { referenceField } = (await store.orders.find(order)) ?? {};
  const letters = await Promise.all(found.map((letter) => asked(store, letter, referenceField)));
  await hsm.tryLetters({ order, letters });
  refuseFormerFiles(data, "letters", order);
  const anew = await store.letters.reprint({ letters: old, reason, by, witness });
  const only = anew.map(({ letter }) => letter);
  const pairs = anew.map(({ letter }, at) => ({ replaces: old[at] ?? "", letter }));
  try {
    return { pairs, batches: await releaseLetters({ order, store, hsm, data, by, witness, only }) };
  } catch (problem) {
    throw new Refusal(
      `${problemText(problem, false)}. What was done before: ${doneTo(pairs)}, and no batch stays that holds a void letter. When the reason is put right, two people have what waits printed: "persoline letters release ${order}"`,
      { cause: problem },
    );
  }
}

function doneTo(pairs: Reprinted["pairs"]): string {
  const first = pairs
    .slice(0, 10)
    .map(({ replaces, letter }) => `letter ${replaces} is void and ${letter} takes its place`)
    .join(", ");
  return pairs.length > 10 ? `${first}, and so on to ${pairs.at(-1)?.replaces ?? ""}` : first;
}

/** Void letters of good cards that no other takes the place of: they hold the delivery back until two people have them printed again. */
export async function toReprint(order: string, store: Store): Promise<readonly string[]> {
  const letters = await store.letters.list(order);
  const replaced = replacedBy(letters);
  const without = letters.filter(({ letter, state }) => state === "void" && !replaced.has(letter));
  if (without.length === 0) return [];
  const good = new Set<number>();
  for await (const { record, status } of store.reports.result(order)) if (status === "good") good.add(record);
  return without.flatMap(({ letter, record }) => (good.has(record) ? [letter] : []));
}

async function inForceOf(order: string, number: string, store: Store): Promise<readonly string[]> {
  const old = (await store.letters.list(order))
    .filter(({ batch, state }) => batch === number && state !== "void")
    .toSorted((a, b) => (a.page ?? 0) - (b.page ?? 0))
    .map(({ letter }) => letter);
  if (old.length === 0)
    throw new Refusal(`all letters of batch ${number} are void: there is nothing to print again`);
  return old;
}
