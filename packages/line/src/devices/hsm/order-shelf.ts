/**
 * Where orders' secrets lie: one small file each, in a folder beside the keystore or the token's register. A file is made once, whole or not
 * at all, and goes one way: what was destroyed leaves a note in its place, and is never made again. So processes that work on one data folder
 * at the same time lose nothing of each other's.
 */
import { randomBytes } from "node:crypto";
import {
  closeSync,
  existsSync,
  fsyncSync,
  linkSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { basename, dirname, join } from "node:path";
import { writeDurably } from "./durable.js";

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
      // Of this call alone: another process may be making the same file.
      const temporary = `${file}.${randomBytes(8).toString("hex")}.new`;
      try {
        writeWhole(temporary, content);
        // A name for what is whole and on the disk; unlike renaming it takes nothing's place.
        linkSync(temporary, file);
      } catch (problem) {
        if (!isCoded(problem, "EEXIST")) throw unwritten(file, problem);
      } finally {
        rmSync(temporary, { force: true });
      }
      // Also when another made it just now: its maker may not have come so far.
      syncFolder(folder);
    },
    destroy: (name, note) => {
      makeFolder(folder);
      const file = fileOf(name);
      if (existsSync(file)) overwrite(file);
      try {
        writeDurably(file, note);
      } catch (problem) {
        throw unwritten(file, problem);
      }
      // Left by a process that was killed while it made the file: the second name of the same bytes, or of a secret that was never used.
      for (const left of readdirSync(folder))
        if (left.startsWith(`${basename(file)}.`)) rmSync(fileOf(left), { force: true });
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

const unwritten = (file: string, problem: unknown): Error =>
  new Error(
    `${file} could not be written (${problem instanceof Error ? problem.message : "no reason"}): make room on the disk, then run the same command again, and it does the rest`,
    { cause: problem },
  );

function makeFolder(folder: string): void {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  // Also when another process made it just now.
  syncFolder(dirname(folder));
}

function writeWhole(file: string, content: Uint8Array): void {
  const handle = openSync(file, "wx", 0o600);
  try {
    // All of it or an error: a single write on a full disk may end in the middle and call that a success.
    writeFileSync(handle, content);
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
}

/** In its own place on the disk, before the name goes; what a disk keeps underneath (flash, snapshots) is beyond a program's reach. */
function overwrite(file: string): void {
  const handle = openSync(file, "r+");
  try {
    const nothing = new Uint8Array(statSync(file).size);
    for (let at = 0; at < nothing.length; ) at += writeSync(handle, nothing, at, nothing.length - at, at);
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
}

function syncFolder(folder: string): void {
  const handle = openSync(folder, "r");
  try {
    fsyncSync(handle);
  } finally {
    closeSync(handle);
  }
}
