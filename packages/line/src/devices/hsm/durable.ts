/** Files that are whole or not there, whenever the power goes, and that nobody else's draft is mistaken for. */
import { randomBytes } from "node:crypto";
import {
  closeSync,
  fsyncSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { basename, dirname, join } from "node:path";
import { linkNew } from "../hard-link.js";

/** No draft takes so long, milliseconds: its process was killed. */
const LONGEST_DRAFT_MS = 3_600_000;

/** Drafts of this file, and of no other: this program's, or another process's. */
export function draftsOf(file: string): readonly string[] {
  const begin = `${basename(file)}.`;
  return readdirSync(dirname(file))
    .filter((name) => name.startsWith(begin) && /^([0-9a-f]{16}\.)?new$/.test(name.slice(begin.length)))
    .map((name) => join(dirname(file), name));
}

/** Written under another name, synced, renamed: after a power failure the file is whole or not there. */
export function writeDurably(file: string, content: string | Uint8Array): void {
  drafted(file, content, (draft) => renameSync(draft, file));
  const begun = Date.now() - LONGEST_DRAFT_MS;
  for (const draft of draftsOf(file)) {
    const left = statSync(draft, { throwIfNoEntry: false });
    if (left?.isFile() === true && left.mtimeMs < begun) rmSync(draft, { force: true });
  }
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
