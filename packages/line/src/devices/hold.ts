/**
 * What one process at a time may have says so by a note beside it, which counts for as long as that process lives: what a killed one left
 * behind is taken over, by one of all that find it.
 */
import { createHash, randomUUID } from "node:crypto";
import { linkSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";

interface Holder {
  readonly pid: number;
  /** Clock ticks after boot when it began (proc(5), /proc/pid/stat 22): another process may have its number by now. Empty where unknown. */
  readonly began: string;
  /** Of this taking: no two notes are alike. */
  readonly taking?: string;
}

/** `release` lets go of it again; `heldBy` is the process that has it. */
export type Taken = { readonly release: () => void } | { readonly heldBy: number };

/** State and begin of a process (proc(5)); undefined where it is not to be seen. */
function statOf(pid: number): { readonly state: string; readonly began: string } | undefined {
  try {
    const stat = readFileSync(`/proc/${String(pid)}/stat`, "utf8");
    // The name in brackets may hold spaces and brackets; it is the second field.
    const [state = "", ...fields] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return { state, began: fields[18] ?? "" };
  } catch {
    return undefined;
  }
}

function lives({ pid, began }: Holder): boolean {
  try {
    process.kill(pid, 0);
  } catch (thrown) {
    // It lives, and is another user's.
    if (!(thrown instanceof Error && "code" in thrown && thrown.code === "EPERM")) return false;
  }
  const stat = statOf(pid);
  // A dead one that nobody has buried yet still has its number.
  return stat?.state !== "Z" && began === (stat?.began ?? "");
}

/** Undefined when there is none. */
function noteIn(file: string): string | undefined {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return undefined;
  }
}

function writerOf(note: string | undefined): number | undefined {
  if (note === undefined) return undefined;
  try {
    // Written by `take` only.
    const holder = JSON.parse(note) as Holder;
    return lives(holder) ? holder.pid : undefined;
  } catch {
    return undefined;
  }
}

/** The process that has what this note stands for; undefined when none that lives has. */
export const holderOf = (file: string): number | undefined => writerOf(noteIn(file));

/** Puts the note there whole, or not at all: false when there is one. */
function put(draft: string, file: string): boolean {
  try {
    linkSync(draft, file);
    return true;
  } catch (thrown) {
    if (thrown instanceof Error && "code" in thrown && thrown.code === "EEXIST") return false;
    throw thrown;
  }
}

/** Takes what the note stands for, unless a process that lives has it. */
export function take(file: string): Taken {
  const taking = randomUUID();
  const began = statOf(process.pid)?.began ?? "";
  const note = JSON.stringify({ pid: process.pid, began, taking } satisfies Holder);
  const draft = `${file}.${taking}`;
  const release = (): void => {
    if (noteIn(file) === note) rmSync(file, { force: true });
  };
  writeFileSync(draft, note, { flag: "wx", mode: 0o600 });
  try {
    for (;;) {
      if (put(draft, file)) return { release };
      const there = noteIn(file);
      if (there === undefined) continue;
      const heldBy = writerOf(there);
      if (heldBy !== undefined) return { heldBy };
      // Many may find this dead one's note, and each would put away what the one before had just put there: one at a time, and only this note.
      const over = take(`${file}.${createHash("sha256").update(there).digest("hex").slice(0, 16)}`);
      if ("heldBy" in over) return over;
      try {
        if (noteIn(file) !== there) continue;
        renameSync(draft, file);
        return { release };
      } finally {
        over.release();
      }
    }
  } finally {
    rmSync(draft, { force: true });
  }
}
