import { CardProblem } from "../bytes/index.js";
import type { TraceLine } from "./types.js";

const bytes = /^(?:[0-9A-F]{2}|\*\*)*$/;
const mostLines = 1_000_000;

/** Lines of a trace as they are written, one JSON object each. */
export const traceText = (lines: readonly TraceLine[]): string =>
  lines.map((line) => `${JSON.stringify(line)}\n`).join("");

/** Reads a trace strictly; empty lines are skipped. Throws CardProblem `bad-trace` with the number of the line. */
export function readTrace(text: string): TraceLine[] {
  const rows = text.split("\n");
  if (rows.length > mostLines) throw problem(mostLines, `a trace has ${String(mostLines)} lines at most`);
  return rows.flatMap((row, at) => (row.trim() === "" ? [] : [lineOf(row, at + 1)]));
}

function lineOf(row: string, number: number): TraceLine {
  let read: unknown;
  try {
    read = JSON.parse(row);
  } catch {
    throw problem(number, "it is not JSON");
  }
  if (typeof read !== "object" || read === null) throw problem(number, "it is not an object");
  const field = (name: string): unknown =>
    name in read ? (read as Readonly<Record<string, unknown>>)[name] : undefined;
  const hexadecimal = (name: string, least: number): string => {
    const value = field(name);
    if (typeof value !== "string" || !bytes.test(value) || value.length < 2 * least)
      throw problem(number, `"${name}" is not ${String(least)} or more bytes in hexadecimal digits`);
    return value;
  };
  const ms = field("ms");
  if (typeof ms !== "number" || !Number.isFinite(ms) || ms < 0)
    throw problem(number, '"ms" is not a time in milliseconds');
  const what = field("what");
  switch (what) {
    case "reset":
      return { what, ms, atr: hexadecimal("atr", 0) };
    case "apdu":
      return { what, ms, command: hexadecimal("command", 4), answer: hexadecimal("answer", 2) };
    case "mute":
      return { what, ms, command: hexadecimal("command", 4) };
    default:
      throw problem(number, '"what" is not one of reset, apdu and mute');
  }
}

function problem(line: number, hint: string): CardProblem {
  return new CardProblem("bad-trace", `trace, line ${String(line)}`, hint);
}
