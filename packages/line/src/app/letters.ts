/** PIN letters of an order: numbered when its cards are made, released in batches that the security module writes, kept apart from the cards. */
import { existsSync, mkdirSync, readdirSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join, relative } from "node:path";
import { hasAccountNumber } from "../devices/hsm/letters/account-number.js";
import { take } from "../devices/hold.js";
import { type Hsm, type LetterAsk, lettersABatch } from "../devices/hsm/port.js";
import { type Unsure, unsureAmong } from "../ledger/hand-over.js";
import type { PlannedProduct } from "../plan/types.js";
import type { LetterBatch } from "../store/letter-batches.js";
import type { Letter } from "../store/letters.js";
import type { Store } from "../store/store.js";
import type { DataFolder } from "./data-folder.js";
import type { ImportProgress } from "./import.js";
import { refuseFormerFiles } from "./former-files.js";
import { draftOf, nameBatch, nameBatches, sweepDrafts } from "./letter-drafts.js";
import { Refusal } from "./problem.js";

interface OfOrder {
  readonly order: string;
  readonly store: Store;
}

interface Numbering extends OfOrder {
  readonly pins: readonly Pick<PlannedProduct["pins"][number], "name" | "letter">[];
  readonly onProgress?: (progress: ImportProgress) => void;
}

/** So many numbers share the database's syncs. */
const together = 64;

/**
 * Gives letters to good cards of the order that lack theirs; they wait for their release. Answers how many. Throws Refusal, when all others
 * are numbered, for good cards whose PIN is not kept: their holders would never learn it.
 */
export async function numberLetters({ order, store, pins, onProgress }: Numbering): Promise<number> {
  const names = pins.filter(({ letter }) => letter).map(({ name }) => name);
  if (names.length === 0) return 0;
  const { produced } = await store.accounts.progress(order);
  const known = new Set((await store.letters.list(order)).map(({ letter }) => letter));
  let seen = 0;
  let given = 0;
  let group: { readonly record: number; readonly pin: string }[] = [];
  const pinless: number[] = [];
  const numberGroup = async (): Promise<void> => {
    const letters = await Promise.all(group.map((one) => store.letters.number({ order, ...one })));
    for (const { letter, state, record, pin } of letters) {
      if (!known.has(letter)) given++;
      if (state !== "numbered") continue;
      if ((await store.orders.pins(order, record))[pin] === undefined) pinless.push(record);
    }
    seen += group.length;
    group = [];
    onProgress?.({ doing: "numbering PIN letters", done: seen, of: produced * names.length });
  };
  for await (const { record, status } of store.reports.result(order)) {
    if (status !== "good") continue;
    for (const pin of names) {
      group.push({ record, pin });
      if (group.length === together) await numberGroup();
    }
  }
  if (group.length > 0) await numberGroup();
  if (pinless.length > 0)
    throw new Refusal(
      `the accounts keep no PIN of the good cards of ${pinless.length === 1 ? "record" : "records"} ${pinless.slice(0, 10).join(", ")}${pinless.length > 10 ? ", …" : ""} of order ${order}, so no letter can tell it: restore the database from a backup, or withdraw these cards ("persoline stock withdraw") and run the order again`,
    );
  return given;
}

interface Releasing extends OfOrder {
  readonly hsm: Hsm;
  readonly data: DataFolder;
  readonly by: string;
  readonly witness: string;
  /** These letters alone, at most `lettersABatch`: those that are printed again. */
  readonly only?: readonly string[];
}

/**
 * Two people release the letters that wait: the security module writes them, batch by batch in the order of their numbers, and each batch is
 * entered when its draft is durable, and has its name when it is entered. After an interruption before its entry its letters still wait, and
 * nobody has had them; after it the next command names it. One at a time in a data folder: two orders' releases would each find no batch of the
 * other's yet. Throws Refusal, AccountsProblem ("two-people", "wrong-state"), DeviceFault.
 */
export async function releaseLetters(ask: Releasing): Promise<readonly LetterBatch[]> {
  const all = join(ask.data.root, "letters");
  mkdirSync(all, { recursive: true });
  const held = take(join(all, "release.json"));
  if ("heldBy" in held)
    throw new Refusal(
      `PIN letters are being released already, by ${held.heldBy}: no others are before it has ended; then give this command again`,
    );
  try {
    return await releaseAlone(ask);
  } finally {
    held.release();
  }
}

async function releaseAlone(ask: Releasing): Promise<readonly LetterBatch[]> {
  const { order, store, data, by, witness, only } = ask;
  if (only === undefined) await store.letters.releaseWritten({ order, by, witness });
  await tidyLetters(order, store, data);
  const before = new Set((await store.letters.batches(order)).map(({ batch }) => batch));
  for (;;) {
    const due = await store.letters.due(order, lettersABatch, only);
    if (due.length === 0) break;
    refuseFormerFiles(data, "letters", order);
    await releaseBatch(ask, due);
  }
  // Files of letters that had one of their own, by a former version.
  await tidyLetters(order, store, data);
  return (await store.letters.batches(order)).filter(({ batch }) => !before.has(batch));
}

async function releaseBatch(ask: Releasing, due: readonly Letter[]): Promise<void> {
  const { order, store, hsm, data, by, witness } = ask;
  const batch = await store.letters.batchNumber();
  const folder = data.letters(order);
  const file = join(folder, `${batch}.letters`);
  const { referenceField } = (await store.orders.find(order)) ?? {};
  const letters = await Promise.all(due.map((letter) => asked(store, letter, referenceField)));
  await hsm.writeLetters({ order, batch, letters, file: draftOf(file) });
  await store.letters.released({
    order,
    batch,
    file: relative(data.root, file),
    isWritten: () => existsSync(draftOf(file)),
    letters: letters.map(({ letter }) => letter),
    by,
    witness,
  });
  nameBatch(folder, batch);
}

/** What the security module is asked to print for a letter. Throws Refusal when its PIN is not kept. */
export async function asked(
  store: Store,
  { order, record, pin: name, letter }: Letter,
  referenceField: string | undefined,
): Promise<LetterAsk> {
  const sealed = (await store.orders.pins(order, record))[name];
  if (sealed === undefined) throw new Refusal(`the PIN of letter ${letter} is not kept any more`);
  const { fields } = await store.orders.record(order, record);
  const told = [fields["name"], referenceField === undefined ? undefined : fields[referenceField]];
  // A number of an account has no place in a letter (the security module refuses one): the record's own says as much.
  const addressee = told.find((text) => typeof text === "string" && !hasAccountNumber(text));
  return {
    record,
    name,
    sealed,
    letter,
    addressee: typeof addressee === "string" ? addressee : String(record),
  };
}

/** Which letter took the place of each void one: the next of the same record's PIN, printed again or of the remade card. */
export function replacedBy(letters: readonly Letter[]): ReadonlyMap<string, string> {
  const last = new Map<string, string>();
  const found = new Map<string, string>();
  for (const { letter, record, pin } of letters) {
    const which = `${String(record)} ${pin}`;
    const before = last.get(which);
    if (before !== undefined) found.set(before, letter);
    last.set(which, letter);
  }
  return found;
}

/** Empty of a delivered order: its PINs have died, and nothing can be done. */
export async function unsureBatches(order: string, store: Store): Promise<readonly Unsure[]> {
  const stored = await store.orders.find(order);
  if (stored === undefined || stored.deliveredAt !== undefined) return [];
  return unsureAmong(await store.letters.list(order), await store.letters.batches(order));
}

/** What to do about its other letters. */
export const ifNotPrinted = ({ batch, letters }: Unsure): string =>
  letters === 1
    ? `If its other letter was not printed yet, two people have it printed again: "persoline letters reprint ${batch}".`
    : `If its ${String(letters)} other letters were not printed yet, two people have them printed again: "persoline letters reprint ${batch}".`;

/** What is said of batches whose files were taken away. */
export async function takenAway(
  order: string,
  store: Store,
  batches: readonly string[],
): Promise<readonly string[]> {
  const unsure = await unsureBatches(order, store);
  return batches.map((batch) => {
    const said = `Batch ${batch} holds a letter that is void now: its file is taken away.`;
    const others = unsure.find((one) => one.batch === batch);
    return others === undefined ? said : `${said} ${ifNotPrinted(others)}`;
  });
}

const ours = /^(?:L-\d{7,}\.letter|B-\d{7,}\.letters)$/;

/**
 * The printer's folder holds only what may be printed: named are batches that were entered as drafts; taken away are batches with a void letter in
 * them, files of void letters, and what an interruption left between its writing and its entry. Batches of a delivered order stay, for their other letters cannot be printed again.
 * Answers the batches that were taken away now.
 */
export async function tidyLetters(order: string, store: Store, data: DataFolder): Promise<readonly string[]> {
  const letters = await store.letters.list(order);
  const folder = join(data.root, "letters", order);
  if (letters.length === 0 || !existsSync(folder)) return [];
  await nameBatches(store, data);
  await sweepDrafts(order, store, folder);
  const spoilt = new Set(letters.flatMap(({ state, batch }) => (state === "void" ? (batch ?? []) : [])));
  const batches = await store.letters.batches(order);
  const gone: string[] = [];
  for (const { batch, file } of batches)
    if (file !== undefined && spoilt.has(batch) && (await store.letters.takenAway(batch))) gone.push(batch);
  const kept = new Set([
    ...letters.flatMap(({ state, file }) => (state === "void" ? [] : (file ?? []))),
    ...batches.flatMap(({ batch, file }) => (gone.includes(batch) ? [] : (file ?? []))),
  ]);
  const files = readdirSync(folder).filter((name) => ours.test(name));
  for (const name of files) {
    const file = join(folder, name);
    if (!kept.has(relative(data.root, file))) await rm(file);
  }
  return gone;
}
