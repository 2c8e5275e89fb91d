/**
 * A body lies in one reader at a time: who serves it to others says so in its folder, for as long as that process lives. So does a line
 * that runs, in the folder of the shop floor, of all bodies in its machine.
 */
import { readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join, relative, sep } from "node:path";

const noteIn = (dir: string): string => join(dir, "served.json");

interface Holder {
  readonly pid: number;
  /** Clock ticks after boot when it began (proc(5), /proc/pid/stat 22): another process may have its number by now. Empty where unknown. */
  readonly began: string;
}

function beganOf(pid: number): string {
  try {
    const stat = readFileSync(`/proc/${String(pid)}/stat`, "utf8");
    // The name in brackets may hold spaces and brackets; it is the second field.
    return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19] ?? "";
  } catch {
    return "";
  }
}

function lives({ pid, began }: Holder): boolean {
  try {
    process.kill(pid, 0);
  } catch (thrown) {
    // It lives, and is another user's.
    if (!(thrown instanceof Error && "code" in thrown && thrown.code === "EPERM")) return false;
  }
  return began === beganOf(pid);
}

/** The process that wrote this note and still lives. */
function writerOf(note: string): number | undefined {
  try {
    // Written by `take` only.
    const holder = JSON.parse(readFileSync(note, "utf8")) as Holder;
    return lives(holder) ? holder.pid : undefined;
  } catch {
    return undefined;
  }
}

type Taken = { readonly release: () => void } | { readonly heldBy: number };

/** Takes what the note stands for, unless a process that lives has it: what a killed one left behind counts for nothing. */
export function take(file: string): Taken {
  const note = JSON.stringify({ pid: process.pid, began: beganOf(process.pid) } satisfies Holder);
  for (;;) {
    try {
      writeFileSync(file, note, { flag: "wx" });
      return { release: () => rmSync(file, { force: true }) };
    } catch (thrown) {
      if (!(thrown instanceof Error && "code" in thrown && thrown.code === "EEXIST")) throw thrown;
    }
    const heldBy = writerOf(file);
    if (heldBy !== undefined) return { heldBy };
    // Left behind by a process that was killed.
    rmSync(file, { force: true });
  }
}

/** The process that serves the body of this folder; undefined when none does. */
export const servedBy = (dir: string): number | undefined => writerOf(noteIn(dir));

/** Takes a body, and answers what lets go of it again; or the process that has it. */
export const hold = (dir: string): Taken => take(noteIn(dir));

const machine = "machine";
const noteOf = (line: string): string => `${machine}-${line}.json`;
const lineIn = (note: string): string | undefined => /^machine-([a-z0-9-]+)\.json$/.exec(note)?.[1];

/** A line begins to run on a shop floor: the bodies in its machine are nobody else's. Its journal keeps a second such line away. */
export const holdMachine = (root: string, line: string): Taken => take(join(root, noteOf(line)));

/** The running line that has the body of this folder in its machine; undefined when it lies elsewhere, or no line runs. */
export function inMachineOf(
  root: string,
  dir: string,
): { readonly line: string; readonly heldBy: number } | undefined {
  if (relative(root, dir).split(sep)[0] !== machine) return undefined;
  for (const note of readdirSync(root)) {
    const line = lineIn(note);
    const heldBy = line === undefined ? undefined : writerOf(join(root, note));
    if (line !== undefined && heldBy !== undefined) return { line, heldBy };
  }
  return undefined;
}
