/** PIN letters of an order: numbered, written by the security module, kept apart from the cards. */
import { rmSync } from "node:fs";
import { join, relative } from "node:path";
import type { Hsm } from "../devices/hsm/port.js";
import type { PlannedProduct } from "../plan/types.js";
import type { Store } from "../store/store.js";
import type { DataFolder } from "./data-folder.js";
import type { ImportProgress } from "./import.js";

/** Writes the letters that good cards of the order still lack. Answers how many are written now. */
export async function writeLetters(ask: {
  readonly order: string;
  readonly store: Store;
  readonly hsm: Hsm;
  readonly data: DataFolder;
  readonly pins: PlannedProduct["pins"];
  readonly onProgress?: (progress: ImportProgress) => void;
}): Promise<number> {
  const { order, store, hsm, data } = ask;
  const names = ask.pins.filter(({ letter }) => letter).map(({ name }) => name);
  if (names.length === 0) return 0;
  let written = 0;
  for await (const { record, status, reference } of store.reports.result(order)) {
    if (status !== "good") continue;
    for (const name of names) {
      const letter = await store.letters.number({ order, record, pin: name });
      if (letter.state !== "numbered") continue;
      const sealed = (await store.orders.pins(order, record))[name];
      if (sealed === undefined) continue;
      const file = join(data.letters(order), `${letter.letter}.letter`);
      // Left by an interruption between its writing and its entry: nobody has had it.
      rmSync(file, { force: true });
      const { fields } = await store.orders.record(order, record);
      const addressee = typeof fields["name"] === "string" ? fields["name"] : reference;
      await hsm.writeLetter({ order, record, name, sealed, letter: letter.letter, addressee, file });
      await store.letters.written(letter.letter, relative(data.root, file));
      written++;
    }
  }
  return written;
}
