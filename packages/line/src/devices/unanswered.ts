/**
 * What was handed to a machine and not answered yet, durable before the machine has it. Whoever begins the next card looks here first: the
 * machine may still be at the earlier one, and its answer may come at any time. Nothing of a person is in it.
 */
import { closeSync, existsSync, fsyncSync, mkdirSync, openSync, rmSync, writeSync } from "node:fs";
import { dirname } from "node:path";

/** Durable when it returns. Throws what the file system does. */
export function noteUnanswered(file: string, text: string): void {
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  const out = openSync(file, "w", 0o600);
  try {
    writeSync(out, `${text}\n`);
    fsyncSync(out);
  } finally {
    closeSync(out);
  }
  const folder = openSync(dirname(file), "r");
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
}

export const isUnanswered = (file: string): boolean => existsSync(file);

/** The machine has answered, or says that it has nothing in work. */
export const forgetUnanswered = (file: string): void => rmSync(file, { force: true });
