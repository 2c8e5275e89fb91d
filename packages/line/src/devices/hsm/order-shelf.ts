/**
 * Where orders' secrets lie: one small file each, in a folder beside the keystore or the token's register. A file is made once, whole or not
 * at all, and goes one way: what was destroyed leaves a note in its place, and is never made again. So processes that work on one data folder
 * at the same time lose nothing of each other's.
 */
import {
  closeSync,
  existsSync,
  fstatSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  writeSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { NoHardLinks } from "../hard-link.js";
import { draftsOf, putDurably, syncFolder, writeDurably } from "./durable.js";

export interface Shelf {
  /** As people are told of it. */
  placeOf(name: string): string;
  read(name: string): Uint8Array | undefined;
  /** Another one for another content; undefined: there is none. Much cheaper than reading. */
  stamp(name: string): string | undefined;
  /** Durable, and whole or not there at all; what is there already stays as it is. */
  put(name: string, content: Uint8Array): void;
  /** Overwrites what is there, and leaves the note in its place, durably. After an interruption what is read is the old content, zeros, or the note. */
  destroy(name: string, note: Uint8Array): void;
}

/** The folder beside a keystore or a register of a token's keys. */
export const ordersBeside = (kept: string): string => `${kept}.orders`;

export const shelfOf = (kept: string): Shelf => folderShelf(ordersBeside(kept));

function folderShelf(folder: string): Shelf {
  const fileOf = (name: string): string => join(folder, name);
  return {
    placeOf: fileOf,
    read: (name) => {
      try {
        return readFileSync(fileOf(name));
      } catch (problem) {
        if (isCoded(problem, "ENOENT")) return undefined;
        throw problem;
      }
    },
    stamp: (name) => {
      const found = statSync(fileOf(name), { bigint: true, throwIfNoEntry: false });
      // What takes a file's place has a number of its own, within whatever time of the clock.
      return found && [found.ino, found.size, found.mtimeNs, found.ctimeNs].join(" ");
    },
    put: (name, content) => {
      makeFolder(folder);
      const file = fileOf(name);
      try {
        putDurably(file, content);
      } catch (problem) {
        // Whoever destroyed it in this moment swept the draft away, and left the note before.
        if (!isCoded(problem, "ENOENT") || !existsSync(file)) throw unwritten(file, problem);
      }
    },
    destroy: (name, note) => {
      makeFolder(folder);
      const file = fileOf(name);
      try {
        overwrite(file, note);
        writeDurably(file, note);
        // Left by a process that was killed while it made the file: the second name of the same bytes, or of a secret that was never used.
        for (const draft of draftsOf(file)) if (!isBegun(draft, note)) rmSync(draft, { force: true });
      } catch (problem) {
        throw unwritten(file, problem);
      }
      syncFolder(folder);
    },
  };
}

/** For keys whose orders end with the process: nothing that was sealed is kept anywhere. */
export function memoryShelf(): Shelf {
  const all = new Map<string, Uint8Array>();
  return {
    placeOf: (name) => `${name} of this process`,
    read: (name) => all.get(name),
    stamp: (name) => all.get(name)?.toString(),
    put: (name, content) => {
      if (!all.has(name)) all.set(name, content);
    },
    destroy: (name, note) => {
      all.get(name)?.fill(0);
      all.set(name, note);
    },
  };
}

const isCoded = (problem: unknown, code: string): boolean =>
  problem instanceof Error && "code" in problem && problem.code === code;

function unwritten(file: string, problem: unknown): unknown {
  if (!(problem instanceof Error) || problem instanceof NoHardLinks) return problem;
  const { message } = problem.cause instanceof Error ? problem.cause : problem;
  const isFull = /\b(?:ENOSPC|EDQUOT|EFBIG)\b/.test(message);
  return new Error(
    `${file} could not be written (${message}): ${isFull ? "make room on the disk" : "see to that"}, then run the same command again, and it does the rest`,
    { cause: problem },
  );
}

function makeFolder(folder: string): void {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  // Also when another process made it just now.
  syncFolder(dirname(folder));
}

/** What another process that destroys the same file is writing, or has written: it holds nothing, and is that process's. */
function isBegun(draft: string, note: Uint8Array): boolean {
  try {
    const content = readFileSync(draft);
    return content.equals(note.subarray(0, content.length));
  } catch (problem) {
    if (isCoded(problem, "ENOENT")) return true;
    throw problem;
  }
}

/**
 * In its own place on the disk, before the name goes; what a disk keeps underneath (flash, snapshots) is beyond a program's reach. Nothing to do
 * where there is none, or another process's note by now.
 */
function overwrite(file: string, note: Uint8Array): void {
  let handle: number;
  try {
    handle = openSync(file, "r+");
  } catch (problem) {
    if (isCoded(problem, "ENOENT")) return;
    throw problem;
  }
  try {
    if (readFileSync(handle).equals(note)) return;
    const nothing = new Uint8Array(fstatSync(handle).size);
    for (let at = 0; at < nothing.length; ) at += writeSync(handle, nothing, at, nothing.length - at, at);
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
}
