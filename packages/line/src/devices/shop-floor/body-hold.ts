/**
 * A body lies in one reader at a time: who serves it to others says so in its folder, for as long as that process lives. So does a line
 * that runs, in the folder of the shop floor, of all bodies in its machine.
 */
import { readdirSync } from "node:fs";
import { join, relative, sep } from "node:path";
import { holderOf, take, type Taken } from "../hold.js";

const noteIn = (dir: string): string => join(dir, "served.json");

/** The process that serves the body of this folder; undefined when none does. */
export const servedBy = (dir: string): string | undefined => holderOf(noteIn(dir));

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
): { readonly line: string; readonly heldBy: string } | undefined {
  if (relative(root, dir).split(sep)[0] !== machine) return undefined;
  for (const note of readdirSync(root)) {
    const line = lineIn(note);
    const heldBy = line === undefined ? undefined : holderOf(join(root, note));
    if (line !== undefined && heldBy !== undefined) return { line, heldBy };
  }
  return undefined;
}
