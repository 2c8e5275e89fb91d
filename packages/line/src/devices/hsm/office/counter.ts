/** Secrets from and to people: by file descriptors that the caller named, or by the terminal, without echo. */
import { readSync, writeSync } from "node:fs";
import type { Counter } from "./place.js";
import { OfficeRefusal } from "./refusal.js";
import { typed, withTerminal } from "./terminal.js";

export interface Descriptors {
  readonly passphrase?: number;
  readonly piece?: number;
  readonly out?: number;
}

const longest = 4096;

/** All that a descriptor gives, without the end of its line. Throws OfficeRefusal where that is nothing: an unset variable is no secret. */
export function readAll(descriptor: number): string {
  const bytes = Buffer.alloc(longest);
  let length = 0;
  for (;;) {
    let got: number;
    try {
      got = readSync(descriptor, bytes, length, longest - length, null);
    } catch (problem) {
      const code = problem instanceof Error && "code" in problem ? problem.code : undefined;
      if (code === "EBADF" || code === "EINVAL" || code === "EISDIR")
        throw new OfficeRefusal(
          `the file descriptor that a secret should come from cannot be read (${code}): "--…-fd 3 3<FILE" opens one; npx hands none on, node_modules/.bin/persoline takes them`,
        );
      if (code !== "EAGAIN") throw problem;
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
  if (text === "")
    throw new OfficeRefusal(
      "the file descriptor that a secret should come from gives nothing: is its file empty, its variable not set, or was it read before?",
    );
  return text;
}

const instead = "name a file descriptor (--help shows how)";
const ask = (prompt: string): string => typed(prompt, instead);

/** `typed`: one line asked for at the terminal, whatever descriptors there are. */
export type TerminalCounter = Counter & { typed(prompt: string): string };

export function counterOf(descriptors: Descriptors): TerminalCounter {
  return {
    typed: ask,
    ask(what, prompt) {
      const descriptor = what === "passphrase" ? descriptors.passphrase : descriptors.piece;
      return descriptor === undefined ? ask(prompt) : readAll(descriptor);
    },
    hand(text) {
      const { out } = descriptors;
      if (out !== undefined) {
        writeSync(out, text);
        return;
      }
      withTerminal("a piece of a key", instead, (terminal) => {
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
