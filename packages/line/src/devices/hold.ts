/**
 * What one process at a time may have says so by a note beside it, which counts for as long as that process lives: what a killed one left
 * behind is taken over, by one of all that find it.
 */
import { createHash, randomUUID } from "node:crypto";
import { readFileSync, readlinkSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { linkNew } from "./hard-link.js";

/** Where a process number means something. */
interface Place {
  /** Of the system's running, from boot to shutdown (random(4), boot_id); empty where unknown. */
  readonly boot: string;
  /** Of process numbers (pid_namespaces(7)): containers have one each. Empty where unknown. */
  readonly numbers: string;
  /** Of the machine, so that its next boot is told from another machine. */
  readonly machine: string;
}

interface Holder {
  readonly pid: number;
  /** Clock ticks after boot when it began (proc(5), /proc/pid/stat 22): another process may have its number by now. Empty where unknown. */
  readonly began: string;
  /** Absent in notes of a former version. */
  readonly place?: Place;
  /** Of this taking: no two notes are alike. */
  readonly taking?: string;
}

/** `release` lets go of it again; `heldBy` says which process has it ("process 17", and more where that is not enough). */
export type Taken = { readonly release: () => void } | { readonly heldBy: string };

/** As others are told of it, and it itself. */
export const thisProcess = `process ${String(process.pid)}`;

const told = (read: () => string): string => {
  try {
    return read().trim();
  } catch {
    return "";
  }
};

let own: Place | undefined;
/** Of this process. */
function placeHere(): Place {
  own ??= {
    boot: told(() => readFileSync("/proc/sys/kernel/random/boot_id", "utf8")),
    numbers: told(() => readlinkSync("/proc/self/ns/pid")),
    // The machine's number is nobody else's business (machine-id(5)); containers have none, or that of their image, but names of their own.
    machine: createHash("sha256")
      .update(`hold of persoline\n${told(() => readFileSync("/etc/machine-id", "utf8"))}\n${hostname()}`)
      .digest("hex")
      .slice(0, 16),
  };
  return own;
}

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
    if (!isCoded(thrown, "EPERM")) return false;
  }
  const stat = statOf(pid);
  // It is there, and may not be looked at (proc(5), hidepid).
  if (stat === undefined) return true;
  // A dead one that nobody has buried yet still has its number.
  return stat.state !== "Z" && began === stat.began;
}

/** Undefined: its process is dead. One whose number means nothing here counts as living, for nobody can look. */
function toldOf(holder: Holder, file: string): string | undefined {
  const here = placeHere();
  const { pid, place = here } = holder;
  const isHere =
    place.boot === here.boot &&
    place.numbers === here.numbers &&
    (place.boot !== "" || place.machine === here.machine);
  if (isHere) return lives(holder) ? `process ${String(pid)}` : undefined;
  // No process outlives its system.
  if (place.boot !== here.boot && place.machine === here.machine) return undefined;
  return `process ${String(pid)} of another container or machine, where this one cannot look; if it has ended there, remove ${file}`;
}

const isCoded = (problem: unknown, code: string): boolean =>
  problem instanceof Error && "code" in problem && problem.code === code;

/** Undefined when there is none. Throws when it cannot be read: nobody knows whose it is. */
function noteIn(file: string): string | undefined {
  try {
    return readFileSync(file, "utf8");
  } catch (problem) {
    if (isCoded(problem, "ENOENT")) return undefined;
    throw new Error(
      `${file}: this note says which process has what it stands for, and cannot be read (${problem instanceof Error ? problem.message : "no reason"}): give the command as the user it belongs to, or remove it if its process has ended`,
      { cause: problem },
    );
  }
}

function writerOf(note: string | undefined, file: string): string | undefined {
  if (note === undefined) return undefined;
  let holder: Holder;
  try {
    // Written by `take` only.
    holder = JSON.parse(note) as Holder;
  } catch {
    return undefined;
  }
  return toldOf(holder, file);
}

/** The process that has what this note stands for, in words; undefined when none that lives has. */
export const holderOf = (file: string): string | undefined => writerOf(noteIn(file), file);

/** Takes what the note stands for, unless a process that lives has it. */
export function take(file: string): Taken {
  const taking = randomUUID();
  const began = statOf(process.pid)?.began ?? "";
  const note = JSON.stringify({ pid: process.pid, began, place: placeHere(), taking } satisfies Holder);
  const draft = `${file}.${taking}`;
  const release = (): void => {
    if (noteIn(file) === note) rmSync(file, { force: true });
  };
  writeFileSync(draft, note, { flag: "wx", mode: 0o600 });
  try {
    for (;;) {
      if (linkNew(draft, file)) return { release };
      const there = noteIn(file);
      if (there === undefined) continue;
      const heldBy = writerOf(there, file);
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
