/** PIN letters of an order: numbered, written by the security module, kept apart from the cards. */
import { existsSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join, relative } from "node:path";
import { type Hsm, type LetterAsk, lettersAtOnce } from "../devices/hsm/port.js";
import type { PlannedProduct } from "../plan/types.js";
import type { Store } from "../store/store.js";
import type { DataFolder } from "./data-folder.js";
import type { ImportProgress } from "./import.js";
import { Refusal } from "./problem.js";

interface WriteLetters {
  readonly order: string;
  readonly store: Store;
  readonly hsm: Hsm;
  readonly data: DataFolder;
  readonly pins: readonly Pick<PlannedProduct["pins"][number], "name" | "letter">[];
  readonly onProgress?: (progress: ImportProgress) => void;
}

interface Due {
  readonly record: number;
  readonly reference: string;
  readonly name: string;
}

/**
 * Writes the letters that good cards of the order still lack, in groups. Answers how many are written now. Throws Refusal, when all others
 * are written, for good cards whose PIN is not kept: their holders would never learn it.
 */
export async function writeLetters(ask: WriteLetters): Promise<number> {
  const { order, store, onProgress } = ask;
  const names = ask.pins.filter(({ letter }) => letter).map(({ name }) => name);
  if (names.length === 0) return 0;
  const { produced } = await store.accounts.progress(order);
  let seen = 0;
  let written = 0;
  let group: Due[] = [];
  const pinless: number[] = [];
  const writeOut = async (): Promise<void> => {
    written += await writeGroup(ask, group, pinless);
    seen += group.length;
    group = [];
    onProgress?.({ doing: "writing PIN letters", done: seen, of: produced * names.length });
  };
  for await (const { record, status, reference } of store.reports.result(order)) {
    if (status !== "good") continue;
    for (const name of names) {
      group.push({ record, reference, name });
      if (group.length === lettersAtOnce) await writeOut();
    }
  }
  if (group.length > 0) await writeOut();
  if (pinless.length > 0)
    throw new Refusal(
      `the accounts keep no PIN of the good cards of ${pinless.length === 1 ? "record" : "records"} ${pinless.slice(0, 10).join(", ")}${pinless.length > 10 ? ", …" : ""} of order ${order}, so no letter can tell it: restore the database from a backup, or withdraw these cards ("persoline stock withdraw") and run the order again`,
    );
  return written;
}

/** Takes the files of void letters away: the printer's folder holds only what may be printed. Answers how many there were. */
export async function takeAwayVoid(order: string, store: Store, data: DataFolder): Promise<number> {
  const gone = (await store.letters.list(order)).filter(({ state }) => state === "void");
  const files = gone
    .map(({ letter }) => join(data.letters(order), `${letter}.letter`))
    .filter((file) => existsSync(file));
  await Promise.all(files.map((file) => rm(file)));
  return files.length;
}

/** Numbered, written and entered together: after an interruption in between they are still only numbered, and nobody has had them. */
async function writeGroup(
  { order, store, hsm, data }: WriteLetters,
  group: readonly Due[],
  pinless: number[],
): Promise<number> {
  const folder = data.letters(order);
  const numbered = await Promise.all(
    group.map(({ record, name }) => store.letters.number({ order, record, pin: name })),
  );
  const asks: LetterAsk[] = [];
  for (const [at, { record, reference, name }] of group.entries()) {
    const letter = numbered[at];
    if (letter?.state !== "numbered") continue;
    const sealed = (await store.orders.pins(order, record))[name];
    if (sealed === undefined) {
      pinless.push(record);
      continue;
    }
    const { fields } = await store.orders.record(order, record);
    const addressee = typeof fields["name"] === "string" ? fields["name"] : reference;
    const file = join(folder, `${letter.letter}.letter`);
    asks.push({ order, record, name, sealed, letter: letter.letter, addressee, file });
  }
  if (asks.length === 0) return 0;
  // Left by an interruption between their writing and their entry.
  await Promise.all(asks.map(({ file }) => rm(file, { force: true })));
  await hsm.writeLetters(asks);
  await Promise.all(asks.map(({ letter, file }) => store.letters.written(letter, relative(data.root, file))));
  return asks.length;
}
