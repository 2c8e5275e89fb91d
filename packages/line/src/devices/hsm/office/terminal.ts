/** A secret typed at the terminal itself, whatever standard input is: never shown, and the terminal is left as it was found. */
import { closeSync, constants, openSync, readSync, writeSync } from "node:fs";
import { StringDecoder } from "node:string_decoder";
import { setTimeout as sleep } from "node:timers/promises";
import { ReadStream } from "node:tty";
import { OfficeRefusal } from "./refusal.js";

const CTRL_C = "\u0003";
const CTRL_D = "\u0004";
const CTRL_U = "\u0015";
const ERASE = ["\u007f", "\b"];
const END = ["\r", "\n"];

/** Throws OfficeRefusal where there is no terminal. */
function opened(what: string, instead: string, how: number): number {
  try {
    return openSync("/dev/tty", how);
  } catch {
    throw new OfficeRefusal(`${what}: there is no terminal to ask at; ${instead}`);
  }
}

/** Throws OfficeRefusal where there is no terminal; `instead`: what to do then. */
export function withTerminal<T>(what: string, instead: string, work: (descriptor: number) => T): T {
  const terminal = opened(what, instead, constants.O_RDWR);
  try {
    return work(terminal);
  } finally {
    closeSync(terminal);
  }
}

/** What was typed so far of one line. */
class TypedLine {
  readonly #decoder = new StringDecoder("utf8");
  #line = "";

  /** The whole line, once its end is among these bytes. Throws OfficeRefusal when it is interrupted. */
  hear(bytes: Buffer): string | undefined {
    for (const character of this.#decoder.write(bytes)) {
      if (character === CTRL_C || character === CTRL_D)
        throw new OfficeRefusal("interrupted; nothing was done");
      if (END.includes(character)) return this.#line;
      if (ERASE.includes(character)) this.#line = Array.from(this.#line).slice(0, -1).join("");
      else if (character === CTRL_U) this.#line = "";
      // No other key of the keyboard's control layer belongs to a secret.
      else if (character >= " ") this.#line += character;
    }
    return undefined;
  }
}

/**
 * A stream only to switch echo and signals off (Node switches them on again even when a signal ends it): the bytes are read beside it, so
 * that none stays in a stream's buffer.
 */
function unseen(terminal: number, prompt: string): { readonly end: () => void } {
  const stream = new ReadStream(openSync("/dev/tty", "r+"));
  stream.setRawMode(true);
  writeSync(terminal, `${prompt}: `);
  return {
    end: () => {
      stream.setRawMode(false);
      stream.destroy();
      writeSync(terminal, "\n");
    },
  };
}

const longest = 256;
const gone = () => new OfficeRefusal("the terminal is gone; nothing was done");

/** One line. Throws OfficeRefusal when it is interrupted, and where there is no terminal. */
export function typed(prompt: string, instead: string): string {
  return withTerminal(prompt, instead, (terminal) => {
    const typing = unseen(terminal, prompt);
    const bytes = Buffer.alloc(longest);
    try {
      const line = new TypedLine();
      for (;;) {
        const got = readSync(terminal, bytes, 0, bytes.length, null);
        if (got === 0) throw gone();
        const whole = line.hear(bytes.subarray(0, got));
        if (whole !== undefined) return whole;
      }
    } finally {
      bytes.fill(0);
      typing.end();
    }
  });
}

/** Milliseconds between two looks at what was typed. */
const look = 20;

/** The same in a process that has other things to hear meanwhile: that its parent is gone, above all, for then it must end. */
export async function typedBeside(prompt: string, instead: string): Promise<string> {
  const terminal = opened(prompt, instead, constants.O_RDWR | constants.O_NONBLOCK);
  try {
    const typing = unseen(terminal, prompt);
    const bytes = Buffer.alloc(longest);
    try {
      const line = new TypedLine();
      for (;;) {
        const got = readNow(terminal, bytes);
        if (got === 0) throw gone();
        const whole = got === undefined ? undefined : line.hear(bytes.subarray(0, got));
        if (whole !== undefined) return whole;
        if (got === undefined) await sleep(look);
      }
    } finally {
      bytes.fill(0);
      typing.end();
    }
  } finally {
    closeSync(terminal);
  }
}

/** How many bytes; undefined: nothing was typed. */
function readNow(terminal: number, bytes: Buffer): number | undefined {
  try {
    return readSync(terminal, bytes, 0, bytes.length, null);
  } catch (problem) {
    if (problem instanceof Error && "code" in problem && problem.code === "EAGAIN") return undefined;
    throw gone();
  }
}
