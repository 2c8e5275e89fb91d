/**
 * Batches of PIN letters on their way to their names. The security module writes B-0000001.letters.part, which nothing prints; the accounts enter
 * the batch; then the file gets its name. So what lies under a batch's name is entered, whenever the program is killed: a draft that is
 * entered gets its name at the next command, one that is not is swept away, and its letters wait for another batch.
 */
import { existsSync, readdirSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { Store } from "../store/store.js";
import type { DataFolder } from "./data-folder.js";
import { orderFolders } from "./order-folders.js";
import { syncFolder } from "./sync-folder.js";

const draftName = /^(B-\d{7,})\.letters\.part$/;

export const draftOf = (file: string): string => `${file}.part`;

/** Its letters are entered: from now on it may be printed. Whoever was quicker has done the same. */
export function nameBatch(folder: string, batch: string): void {
  const file = join(folder, `${batch}.letters`);
  try {
    renameSync(draftOf(file), file);
  } catch (problem) {
    if (!(problem instanceof Error && "code" in problem && problem.code === "ENOENT")) throw problem;
  }
  syncFolder(folder);
}

/** Batches that lie there as drafts, among a folder's files. */
const draftsOf = (files: readonly string[]): readonly string[] =>
  files.flatMap((name) => draftName.exec(name)?.[1] ?? []);

const draftsIn = (folder: string): readonly string[] =>
  existsSync(folder) ? draftsOf(readdirSync(folder)) : [];

/** At the opening of any command, whatever it is for: what was entered when the program was killed is named. */
export async function nameBatches(store: Store, data: Pick<DataFolder, "root">): Promise<void> {
  for (const { order, folder, files } of orderFolders(join(data.root, "letters"))) {
    const drafts = draftsOf(files);
    if (drafts.length === 0) continue;
    const entered = await store.letters.batches(order);
    for (const batch of drafts)
      if (entered.some((one) => one.batch === batch && one.file !== undefined)) nameBatch(folder, batch);
  }
}

/** Drafts of an order that are not entered: no letter of them was told to anybody. One that is written at this moment is then not released. */
export async function sweepDrafts(order: string, store: Store, folder: string): Promise<void> {
  if (draftsIn(folder).length === 0) return;
  await store.letters.sweep(order, (entered) => {
    for (const batch of draftsIn(folder))
      if (!entered.has(batch)) rmSync(draftOf(join(folder, `${batch}.letters`)), { force: true });
  });
}
