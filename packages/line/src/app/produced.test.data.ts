/** Orders of the examples, run by the command line, and what came of them: for tests of whole lines. */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "vitest";
import { type Ended, persoline, root } from "./command.test.data.js";
import type { Produced } from "./end-run.js";

/**
 * The order of an example, in a folder of its own: what it names beside itself it still finds, but for an input file that the folder has.
 * `change` comes after that.
 */
export function exampleOrder(
  folder: string,
  example: string,
  change: (text: string) => string = (text) => text,
): string {
  const examples = join(root, "examples");
  const file = join(folder, "order.yaml");
  const text = readFileSync(join(examples, example, "order.yaml"), "utf8")
    .replaceAll("../", `${examples}/`)
    .replace(/\bfile: ([^/\s,}]+)/, (as, name: string) =>
      existsSync(join(folder, name)) ? as : `file: ${join(examples, example, name)}`,
    );
  writeFileSync(file, change(text));
  return file;
}

export interface Run extends Ended {
  readonly made: Produced;
  readonly data: string;
}

/** `persoline run`, and what it says of its own end. */
export function run(order: string, line: string, data: string): Run {
  const ended = persoline(["run", order, "--line", line, "--json", "--data", data]);
  return { ...ended, made: JSON.parse(ended.out) as Produced, data };
}

export const rejectsOf = ({ made }: Run): string[] =>
  made.rejects.map(({ station, code }) => `${station}: ${code}`).sort();

/** The line believed the third wrong answer in a row: the key set is wrong, not the cards. */
export function expectThreeInARow(stopped: Run): void {
  expect(stopped.code).not.toBe(0);
  expect(stopped.made).toMatchObject({ produced: 0, balanced: true });
  expect(rejectsOf(stopped)).toEqual(Array.from({ length: 3 }, () => "initialisation: card-cryptogram"));
  expect(stopped.err).toContain("do not know the key set");
}

/** Plants one fault in blanks of a line file of the examples, in place of those it has. */
export const allBlanks =
  (count: number, kind: string) =>
  (text: string): string =>
    text.replace(
      /faults:[\s\S]*$/,
      `faults:\n      - { blanks: ${String(count)}, fault: { kind: ${kind} } }\n`,
    );
