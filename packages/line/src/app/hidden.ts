/** A secret typed at the terminal, without being shown. */
import { closeSync, openSync, readSync, writeSync } from "node:fs";
import { spawnSync } from "node:child_process";
import { Refusal } from "./problem.js";

/** Asks at the terminal itself, whatever standard input is. Throws Refusal where there is none, or its echo cannot be switched off. */
export function hidden(question: string): string {
  let terminal: number;
  try {
    terminal = openSync("/dev/tty", "r+");
  } catch {
    throw new Refusal("there is no terminal to ask for the PIN: give a file descriptor with --token-pin-fd");
  }
  const echo = (words: "echo" | "-echo"): boolean =>
    spawnSync("stty", [words], { stdio: [terminal, "ignore", "ignore"] }).status === 0;
  try {
    if (!echo("-echo")) throw new Refusal("the terminal's echo cannot be switched off: use --token-pin-fd");
    try {
      writeSync(terminal, question);
      return line(terminal);
    } finally {
      echo("echo");
      writeSync(terminal, "\n");
    }
  } finally {
    closeSync(terminal);
  }
}

function line(terminal: number): string {
  const bytes: number[] = [];
  const one = Buffer.alloc(1);
  while (readSync(terminal, one, 0, 1, null) === 1 && one[0] !== 0x0a) bytes.push(one[0] ?? 0);
  return Buffer.from(bytes).toString("utf8").replace(/\r$/, "");
}
