/** A secret typed at the terminal itself, whatever standard input is: never shown, and the terminal is left as it was found. */
import { closeSync, openSync, readSync, writeSync } from "node:fs";
import { StringDecoder } from "node:string_decoder";
import { ReadStream } from "node:tty";
import { OfficeRefusal } from "./refusal.js";

const CTRL_C = "\u0003";
const CTRL_D = "\u0004";
const CTRL_U = "\u0015";
const ERASE = ["\u007f", "\b"];
const END = ["\r", "\n"];

/** Throws OfficeRefusal where there is no terminal; `instead`: what to do then. */
export function withTerminal<T>(what: string, instead: string, work: (descriptor: number) => T): T {
  let terminal: number;
  try {
    terminal = openSync("/dev/tty", "r+");
  } catch {
    throw new OfficeRefusal(`${what}: there is no terminal to ask at; ${instead}`);
  }
  try {
    return work(terminal);
  } finally {
    closeSync(terminal);
  }
}

/** One line. Throws OfficeRefusal when it is interrupted, and where there is no terminal. */
export function typed(prompt: string, instead: string): string {
  return withTerminal(prompt, instead, (terminal) => {
    // A stream only to switch echo and signals off (Node switches them on again even when a signal ends it): the bytes are read here, so
    // that none stays in a stream's buffer.
    const stream = new ReadStream(openSync("/dev/tty", "r+"));
    stream.setRawMode(true);
    writeSync(terminal, `${prompt}: `);
    const bytes = Buffer.alloc(256);
    try {
      const decoder = new StringDecoder("utf8");
      let line = "";
      for (;;) {
        const got = readSync(terminal, bytes, 0, bytes.length, null);
        if (got === 0) throw new OfficeRefusal("the terminal is gone; nothing was done");
        for (const character of decoder.write(bytes.subarray(0, got))) {
          if (character === CTRL_C || character === CTRL_D)
            throw new OfficeRefusal("interrupted; nothing was done");
          if (END.includes(character)) return line;
          if (ERASE.includes(character)) line = Array.from(line).slice(0, -1).join("");
          else if (character === CTRL_U) line = "";
          // No other key of the keyboard's control layer belongs to a secret.
          else if (character >= " ") line += character;
        }
      }
    } finally {
      bytes.fill(0);
      stream.setRawMode(false);
      stream.destroy();
      writeSync(terminal, "\n");
    }
  });
}
