import { Command } from "commander";
import { expect, test } from "vitest";
import { commandFiles, filesFor } from "./command-files.js";

/** Every command with its inner ones, as "keys list". */
const namesIn = (command: Command, before = ""): string[] =>
  command.commands.flatMap((inner) => {
    const name = `${before}${inner.name()}`;
    return [name, ...namesIn(inner, `${name} `)];
  });

async function namesOf(files: typeof commandFiles): Promise<string[]> {
  const program = new Command();
  for (const { read } of files) (await read())(program);
  return namesIn(program).toSorted();
}

test("a first word brings all its commands, as if every file had been read", async () => {
  const all = await namesOf(commandFiles);
  const firstWords = new Set(all.map((name) => name.split(" ")[0] ?? ""));
  expect(firstWords).toEqual(new Set(commandFiles.flatMap(({ words }) => words)));
  for (const word of firstWords) {
    const wanted = all.filter((name) => name === word || name.startsWith(`${word} `));
    const brought = await namesOf(filesFor(word));
    expect(brought.filter((name) => name === word || name.startsWith(`${word} `))).toEqual(wanted);
  }
});

test("without a word that is known, all are there to be named", () => {
  for (const word of [undefined, "--help", "help", "rum"]) expect(filesFor(word)).toBe(commandFiles);
  expect(filesFor("keys")).toHaveLength(1);
});
