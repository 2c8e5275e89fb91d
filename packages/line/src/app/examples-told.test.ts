import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Command } from "commander";
import { describe, expect, test, vi } from "vitest";
import { root } from "./command.test.data.js";
import { commandLine } from "./command-line.js";

/** Every command that documents, examples and help texts show is one that the program knows, with its options and the files of examples. */

const under = (folder: string, ending: RegExp): string[] =>
  readdirSync(join(root, folder), { recursive: true, encoding: "utf8" })
    .filter((name) => ending.test(name))
    .map((name) => join(folder, name));
const documents = [
  "README.md",
  "CONTRIBUTING.md",
  "bench/README.md",
  ...under("docs", /\.md$/),
  ...under("examples", /\.yaml$/),
];

interface Told {
  readonly where: string;
  readonly text: string;
}

/** A shell's words, as far as documents use a shell: up to what is another command, a redirection or a comment. */
function wordsOf(text: string): string[] {
  const words: string[] = [];
  for (const [, double, single, plain, end] of text.matchAll(
    /\s*(?:"([^"]*)"|'([^']*)'|((?:[^\s"'&|;<>#\\]|\b#|"[^"]*"|'[^']*')+)|([\s\S]))/g,
  )) {
    // "3<file": what stands before it is a descriptor.
    if (end !== undefined) return end === "<" && /^\d$/.test(words.at(-1) ?? "") ? words.slice(0, -1) : words;
    words.push((double ?? single ?? plain ?? "").replaceAll(/["']/g, ""));
  }
  return words;
}

/** Commands that stand in lines of their own. */
function wholeLines(text: string): string[] {
  return text
    .replaceAll(/\\\n\s*/g, " ")
    .split("\n")
    .flatMap(
      (line) =>
        /^(?:\$ |# +)?(?:npx |node_modules\/\.bin\/)?persoline ((?:run|order|security|stock|station|letters|keys|explain|plan|layout|quality|laser|card|report|audit|gate|presence|doctor)\b.*)$/
          .exec(line)
          ?.slice(1) ?? [],
    );
}
/** Commands inside others, and those that a README tells to type. */
const inside = (text: string): string[] =>
  [...text.matchAll(/`npx persoline ([^`&;]*)|node_modules\/\.bin\/persoline ([^`&;\n]*)/g)].map(
    ([, prose, line]) => prose ?? line ?? "",
  );

const told: readonly Told[] = documents.flatMap((where) => {
  const text = readFileSync(join(root, where), "utf8");
  return [...wholeLines(text), ...inside(text)].map((one) => ({ where, text: one }));
});

/** A program that only reads its words. */
async function reading(): Promise<Command> {
  const program = await commandLine();
  const still = (command: Command): void => {
    command.configureOutput({ writeErr: () => undefined, writeOut: () => undefined });
    if (command.commands.length === 0) command.action(() => undefined);
    for (const inner of command.commands) still(inner);
  };
  still(program);
  return program;
}

async function refusedWords(text: string): Promise<string | undefined> {
  // What a function of the shell adds is its callers'.
  const words = wordsOf(text).filter((word) => word !== "$@");
  try {
    await (await reading()).parseAsync(words, { from: "user" });
  } catch (problem) {
    const { code = "", message } = problem as Error & { readonly code?: string };
    // Named, not shown: "`npx persoline order import` / `list`".
    if (/missingArgument|missingMandatoryOptionValue|commander\.help/.test(code)) return undefined;
    return `${words.join(" ")}: ${message}`;
  }
  return undefined;
}

test.each([
  ["run order.yaml --data x 3<pin", ["run", "order.yaml", "--data", "x"]],
  [
    `keys custodians add "A. Meyer" --custodian-fd 3 3<<<"a pass phrase"`,
    ["keys", "custodians", "add", "A. Meyer", "--custodian-fd", "3"],
  ],
  ["card serve --vpcd 127.0.0.1:1   # a blank", ["card", "serve", "--vpcd", "127.0.0.1:1"]],
  [
    `card write --set name="Ada Byron" --set 'a=b c'`,
    ["card", "write", "--set", "name=Ada Byron", "--set", "a=b c"],
  ],
] as const)("%s is read as a shell reads it", (text, words) => {
  expect(wordsOf(text)).toEqual(words);
});

test("an option or command that is not there is found", async () => {
  expect(await refusedWords("card inspect L1 --redaer x")).toContain("--redaer");
  expect(await refusedWords("card inspekt L1")).toContain("inspekt");
  expect(await refusedWords("stock settle 00 --as perhaps")).toContain("perhaps");
});

describe("documents and examples", () => {
  test("show commands that there are", async () => {
    expect(told.length).toBeGreaterThan(60);
    const wrong = [];
    for (const { where, text } of told) {
      const refused = await refusedWords(text);
      if (refused !== undefined) wrong.push(`${where}: ${refused}`);
    }
    expect(wrong).toEqual([]);
  });

  test("name files of examples that there are", () => {
    const named = documents.flatMap((where) =>
      [
        ...readFileSync(join(root, where), "utf8").matchAll(
          /(?:^|[\s`(])((?:examples|docs|schemas|tools|packages)\/[\w./-]*\w)/gm,
        ),
      ].map(([, file = ""]) => ({ where, file })),
    );
    expect(named.length).toBeGreaterThan(100);
    expect(named.filter(({ file }) => !existsSync(join(root, file)))).toEqual([]);
  });
});

test("help texts show commands that there are", async () => {
  const shown: string[] = [];
  const write = vi.spyOn(process.stdout, "write").mockImplementation((text) => {
    shown.push(String(text));
    return true;
  });
  const program = await commandLine();
  const show = (command: Command): void => {
    command.outputHelp();
    for (const inner of command.commands) show(inner);
  };
  show(program);
  write.mockRestore();
  const examples = shown.flatMap((text) => [...wholeLines(text.replaceAll(/^ +/gm, "")), ...inside(text)]);
  expect(examples.length).toBeGreaterThan(60);
  const wrong = [];
  for (const one of examples) {
    const refused = await refusedWords(one);
    if (refused !== undefined) wrong.push(refused);
  }
  expect(wrong).toEqual([]);
});

test("what the program tells people to type next is there", async () => {
  const names = new Map(
    (await commandLine()).commands.map((one) => [one.name(), one.commands.map((inner) => inner.name())]),
  );
  const sources = under("packages/line/src", /(?<!\.test|\.test\.data|\.d)\.ts$/).filter(
    (where) => !where.includes("devices/hsm/"),
  );
  // What keeps one use of a key, and one kind of text, from another is no command; the security module has many of these.
  const labels = ["ceremony", "picture", "record data", "audit of", "quality profile"];
  const advice = sources.flatMap((where) =>
    [...readFileSync(join(root, where), "utf8").matchAll(/["`]persoline ([a-z]+)(?: ([a-z][a-z-]*))?/g)].map(
      ([, name = "", inner]) => ({ where, name, inner }),
    ),
  );
  expect(advice.length).toBeGreaterThan(20);
  const unknown = advice.filter(({ name, inner }) => {
    if (labels.includes(inner === undefined ? name : `${name} ${inner}`)) return false;
    const inners = names.get(name);
    return inners === undefined || (inners.length > 0 && inner !== undefined && !inners.includes(inner));
  });
  expect(unknown).toEqual([]);
});
