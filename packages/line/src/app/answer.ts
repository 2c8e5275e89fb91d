/** What a command says: results on standard output, words about them on standard error. With --json, just one JSON value (docs/command-line.md). */
import { harmless, harmlessJson } from "../ledger/harmless.js";

/** How this command answers: in words, or with one JSON value. */
let mode: "words" | "json" = "words";
let answered = false;

/** A command begins, and has answered nothing yet. */
export function answering(as: "words" | "json"): void {
  mode = as;
  answered = false;
}

const say = (stream: NodeJS.WriteStream, text: string): void => {
  stream.write(`${harmless(text)}\n`);
};

/** Beside a result, or instead of one. Whatever of it came from outside does nothing to the terminal. */
export const warn = (text: string): void => say(process.stderr, text);

/** A result in words; beside JSON, words are no part of it. */
export const print = (text: string): void => say(mode === "json" ? process.stderr : process.stdout, text);

/** A command's result. */
export function printJson(value: unknown): void {
  if (answered) throw new Error("a command has one result only");
  answered = true;
  say(process.stdout, harmlessJson(JSON.stringify(value)));
}

/** Why a command was refused, for programs. */
export interface Refused {
  /** For programs: a word that stays. */
  readonly code: string;
  /** As standard error says it. */
  readonly message: string;
  /** One by one, with file, place, message and remedy, where a file is wrong. */
  readonly problems?: readonly object[];
  /** Further ones that were counted only. */
  readonly more?: number;
}

/** For a command that was to answer with JSON and has no result to give. A result that was given stands. */
export function refuseJson(error: Refused): void {
  if (mode === "json" && !answered) printJson({ error });
}

/** A command that did what it was to do, and has nothing to say about it. */
export function doneJson(): void {
  if (mode === "json" && !answered) printJson({ done: true });
}

/** Whether a command line asks for JSON, also where it cannot be read. */
export const wantsJson = (words: readonly string[]): boolean => {
  const end = words.indexOf("--");
  return (end < 0 ? words : words.slice(0, end)).includes("--json");
};
