/** Secrets from and to people: by file descriptors that the caller named, or by the terminal, without echo. */
import { closeSync, openSync, readSync, writeSync } from "node:fs";
import { ReadStream } from "node:tty";
import type { Counter } from "./office.js";
import { OfficeRefusal } from "./refusal.js";

export interface Descriptors {
  readonly passphrase?: number;
  readonly piece?: number;
  readonly out?: number;
}

const longest = 4096;
const CTRL_C = "\u0003";

/** All that a descriptor gives, without the end of its line. */
export function readAll(descriptor: number): string {
  const bytes = Buffer.alloc(longest);
  let length = 0;
  for (;;) {
    let got: number;
    try {
      got = readSync(descriptor, bytes, length, longest - length, null);
    } catch (problem) {
      if (!(problem instanceof Error && "code" in problem && problem.code === "EAGAIN")) throw problem;
      // A pipe whose writer is still thinking.
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 20);
      continue;
    }
    if (got === 0) break;
    length += got;
    if (length === longest)
      throw new OfficeRefusal("a file descriptor gives more than a passphrase or a piece of a key has");
  }
  const text = bytes.toString("utf8", 0, length).replace(/\r?\n$/, "");
  bytes.fill(0);
  return text;
}

function withTerminal<T>(what: string, work: (descriptor: number) => T): T {
  let terminal: number;
  try {
    terminal = openSync("/dev/tty", "r+");
  } catch {
    throw new OfficeRefusal(
      `${what}: there is no terminal to ask at; name a file descriptor (--help shows how)`,
    );
  }
  try {
    return work(terminal);
  } finally {
    closeSync(terminal);
  }
}

/** One line that is typed and not shown. */
function typed(prompt: string): string {
  return withTerminal(prompt, (terminal) => {
    // A stream only to switch the echo off: the bytes are read here, so that none stays in a stream's buffer.
    const stream = new ReadStream(openSync("/dev/tty", "r+"));
    stream.setRawMode(true);
    writeSync(terminal, `${prompt}: `);
    try {
      let line = "";
      const byte = Buffer.alloc(256);
      for (;;) {
        const got = readSync(terminal, byte, 0, byte.length, null);
        const text = byte.toString("utf8", 0, got);
        byte.fill(0);
        for (const character of text) {
          if (character === CTRL_C || character === "\u0004")
            throw new OfficeRefusal("interrupted; nothing was done");
          if (character === "\r" || character === "\n") return line;
          line = character === "\u007f" || character === "\b" ? line.slice(0, -1) : line + character;
        }
      }
    } finally {
      stream.setRawMode(false);
      stream.destroy();
      writeSync(terminal, "\n");
    }
  });
}

/** `typed`: one line asked for at the terminal, whatever descriptors there are. */
export type TerminalCounter = Counter & { typed(prompt: string): string };

export function counterOf(descriptors: Descriptors): TerminalCounter {
  return {
    typed,
    ask(what, prompt) {
      const descriptor = what === "passphrase" ? descriptors.passphrase : descriptors.piece;
      return descriptor === undefined ? typed(prompt) : readAll(descriptor);
    },
    hand(text) {
      const { out } = descriptors;
      if (out !== undefined) {
        writeSync(out, text);
        return;
      }
      withTerminal("a piece of a key", (terminal) => {
        writeSync(
          terminal,
          `\n${text}\nWrite it down, seal it, and press Enter: it is then wiped from the screen. `,
        );
        readSync(terminal, Buffer.alloc(256), 0, 256, null);
        // Clears the screen and what was scrolled off it.
        writeSync(terminal, "\u001b[2J\u001b[3J\u001b[H");
      });
    },
  };
}
