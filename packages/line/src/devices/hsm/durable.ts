/** Files that are whole or not there, whenever the power goes, and that nobody else's draft is mistaken for. */
import { randomBytes } from "node:crypto";
import { closeSync, fsyncSync, openSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { linkNew } from "../hard-link.js";

/** Written under another name, synced, renamed: after a power failure the file is whole or not there. */
export function writeDurably(file: string, content: string | Uint8Array): void {
  drafted(file, content, (draft) => renameSync(draft, file));
}

/** Made at its birth: false, and nothing changed, when one is there, however short a time. */
export const putDurably = (file: string, content: string | Uint8Array): boolean =>
  drafted(file, content, (draft) => linkNew(draft, file));

function drafted<T>(file: string, content: string | Uint8Array, name: (draft: string) => T): T {
  // Of this call alone: another process may be writing the same file.
  const draft = `${file}.${randomBytes(8).toString("hex")}.new`;
  try {
    writeWhole(file, draft, content);
    const named = name(draft);
    syncFolder(dirname(file));
    return named;
  } finally {
    rmSync(draft, { force: true });
  }
}

function writeWhole(file: string, draft: string, content: string | Uint8Array): void {
  const handle = openSync(draft, "wx", 0o600);
  try {
    // All of it or an error: a single write on a full disk may end in the middle and call that a success.
    writeFileSync(handle, content);
    fsyncSync(handle);
  } catch (problem) {
    throw new Error(
      `${file} could not be written (${problem instanceof Error ? problem.message : "no reason"}): it is as it was before, and nothing was done. Make room on the disk, then run the same command again`,
      { cause: problem },
    );
  } finally {
    closeSync(handle);
  }
}

export function syncFolder(folder: string): void {
  const handle = openSync(folder, "r");
  try {
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
}
