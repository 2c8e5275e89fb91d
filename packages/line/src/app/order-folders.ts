/** Folders of the data folder that have a folder an order, and that people look into with programs of their own. */
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { warn } from "./answer.js";

export interface OrderFolder {
  readonly order: string;
  readonly folder: string;
  /** Names of what lies in it. */
  readonly files: readonly string[];
}

/**
 * In the order of their names. What file managers and file systems leave beside orders' folders (.DS_Store, lost+found) is none: a file is
 * passed over, and a folder that cannot be read is too, with a word, for it ends no command that has other work.
 */
export const orderFolders = (all: string): readonly OrderFolder[] =>
  existsSync(all)
    ? readdirSync(all)
        .toSorted()
        .flatMap((order) => {
          const folder = join(all, order);
          const files = filesIn(folder);
          return files === undefined ? [] : [{ order, folder, files }];
        })
    : [];

function filesIn(folder: string): readonly string[] | undefined {
  try {
    return readdirSync(folder);
  } catch (problem) {
    const { code } = problem as NodeJS.ErrnoException;
    // No folder, or one that is gone meanwhile.
    if (code !== "ENOTDIR" && code !== "ENOENT")
      warn(
        `${folder} cannot be read (${code ?? "no reason"}) and is passed over: if it is an order's, let this user read it`,
      );
    return undefined;
  }
}
