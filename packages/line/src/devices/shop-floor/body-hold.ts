/** A body lies in one reader at a time: who serves it to others says so in its folder, for as long as that process lives. */
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

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

/** The process that serves the body of this folder; undefined when none does. */
export function servedBy(dir: string): number | undefined {
  try {
    // Written by `hold` only.
    const holder = JSON.parse(readFileSync(noteIn(dir), "utf8")) as Holder;
    return lives(holder) ? holder.pid : undefined;
  } catch {
    return undefined;
  }
}

/** Takes a body, and answers what lets go of it again; or the process that has it. */
export function hold(dir: string): { readonly release: () => void } | { readonly heldBy: number } {
  const file = noteIn(dir);
  const note = JSON.stringify({ pid: process.pid, began: beganOf(process.pid) } satisfies Holder);
  for (;;) {
    try {
      writeFileSync(file, note, { flag: "wx" });
      return { release: () => rmSync(file, { force: true }) };
    } catch (thrown) {
      if (!(thrown instanceof Error && "code" in thrown && thrown.code === "EEXIST")) throw thrown;
    }
    const heldBy = servedBy(dir);
    if (heldBy !== undefined) return { heldBy };
    // Left behind by a process that was killed.
    rmSync(file, { force: true });
  }
}
