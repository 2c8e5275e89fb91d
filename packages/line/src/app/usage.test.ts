/** Exit code 2 for words that do not go together or lack one, before anything is looked for: the folder of each call is not there. */
import { join } from "node:path";
import { tmpdir } from "node:os";
import type { Command } from "commander";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { commandLine } from "./command-line.js";
import { leastWords } from "./every-command.test.data.js";
import { perform } from "./perform.js";

let out = "";
beforeEach(() => {
  out = "";
  vi.spyOn(process.stdout, "write").mockImplementation((text) => {
    out += String(text);
    return true;
  });
  vi.spyOn(process.stderr, "write").mockImplementation(() => true);
});
afterEach(() => {
  vi.restoreAllMocks();
  // Of the runner itself.
  process.exitCode = undefined;
});

const nowhere = join(tmpdir(), "persoline-is-not-here");

interface Said {
  readonly words: readonly string[];
  readonly code: typeof process.exitCode;
  readonly error: string;
  readonly message: string;
}

async function said(words: readonly string[]): Promise<Said> {
  out = "";
  await perform([...words, "--json"]);
  const { error } = JSON.parse(out) as {
    readonly error: { readonly code: string; readonly message: string };
  };
  return { words, code: process.exitCode, error: error.code, message: error.message };
}
const misuse = (words: readonly string[], why: RegExp | string): Said => ({
  words,
  code: 2,
  error: "usage",
  message: expect.stringMatching(why) as string,
});

interface Leaf {
  readonly name: string;
  readonly command: Command;
}
const leaves = (command: Command, name: readonly string[]): Leaf[] =>
  command.commands.length === 0
    ? [{ name: name.join(" "), command }]
    : command.commands.flatMap((inner) => leaves(inner, [...name, inner.name()]));
const all = (await commandLine()).commands
  .filter((command) => ["keys", "letters", "order", "security"].includes(command.name()))
  .flatMap((command) => leaves(command, [command.name()]));

/** Pairs of an option and its value, and what stands for itself. */
function parted(words: readonly string[]): { readonly own: string[]; readonly pairs: (readonly string[])[] } {
  const own: string[] = [];
  const pairs: string[][] = [];
  for (let at = 0; at < words.length; at++) {
    const word = words[at] ?? "";
    if (word.startsWith("--")) pairs.push([word, words[++at] ?? ""]);
    else own.push(word);
  }
  return { own, pairs };
}

const has = ({ command }: Leaf, option: string): boolean =>
  command.options.some(({ long }) => long === option);
const descriptorsOf = ({ command }: Leaf): string[] =>
  command.options.flatMap(({ long }) => (long?.endsWith("-fd") === true ? [long] : []));

/** A call that would only be refused. */
const wholeCall = (leaf: Leaf): string[] => [
  ...leaf.name.split(" "),
  ...(leastWords[leaf.name] ?? []),
  ...(has(leaf, "--data") ? ["--data", nowhere] : []),
];

describe.each(all)("$name", ({ name, command }) => {
  const { own, pairs } = parted(leastWords[name] ?? []);

  test("with each of its options that must be given left out", async () => {
    for (const { long } of command.options.filter(({ mandatory }) => mandatory)) {
      const others = pairs.filter(([option]) => option !== long).flat();
      const words = [...name.split(" "), ...own, ...others];
      expect(await said(words)).toEqual(misuse(words, `required option '${String(long)}`));
    }
  });

  test("with each of its arguments left out, and with one too many", async () => {
    for (let count = 0; count < own.length; count++) {
      const words = [...name.split(" "), ...own.slice(0, count), ...pairs.flat()];
      expect(await said(words)).toEqual(misuse(words, "missing required argument"));
    }
    const words = [...name.split(" "), ...own, "another", ...pairs.flat()];
    expect(await said(words)).toEqual(misuse(words, "too many arguments"));
  });
});

const pkcs11 = ["--security", "pkcs11"];
const token = [...pkcs11, "--token", "t", "--token-library", "/lib.so"];

describe.each(all.filter((leaf) => has(leaf, "--token")))("$name with a token", (leaf) => {
  test.each([
    ["belongs to --security pkcs11", ["--token", "t"]],
    ["belongs to --security pkcs11", ["--token-library", "/lib.so"]],
    ["belongs to --security pkcs11", ["--token-pin-fd", "0"]],
    ["belongs to --security pkcs11", ["--token-serial", "1"]],
    ["belongs to --security pkcs11", ["--token-slot", "0"]],
    ["needs --token LABEL and --token-library FILE", pkcs11],
    ["needs --token LABEL and --token-library FILE", [...pkcs11, "--token", "t"]],
    ["needs --token LABEL and --token-library FILE", [...pkcs11, "--token-library", "/lib.so"]],
    ["opened by its PIN", [...token, "--passphrase-fd", "0"]],
  ])("%s: %j", async (why, more) => {
    const words = [...wholeCall(leaf), ...more];
    expect(await said(words)).toEqual(misuse(words, why));
  });
});

describe.each(all.filter((leaf) => descriptorsOf(leaf).length > 0))("$name with descriptors", (leaf) => {
  const beside = (option: string): readonly string[] => (option === "--token-pin-fd" ? token : []);
  const options = descriptorsOf(leaf);
  const pairs = options.flatMap((option, at) =>
    options
      .slice(0, at)
      // The vault's passphrase and a token's PIN exclude each other.
      .filter((other) => option !== "--token-pin-fd" || other !== "--passphrase-fd")
      .map((other) => [option, other] as const),
  );

  test("one that is not open is told by its option", async () => {
    for (const option of options) {
      const words = [...wholeCall(leaf), ...beside(option), option, "987"];
      expect(await said(words)).toEqual(misuse(words, `${option} 987: no such file descriptor is open`));
    }
  });

  test("one that stands for two secrets is told with both", async () => {
    for (const [option, other] of pairs) {
      const words = [...wholeCall(leaf), ...beside(option), ...beside(other), other, "0", option, "0"];
      expect(await said(words)).toEqual(misuse(words, /name the same file descriptor \(0\)/));
    }
  });
});

const by = ["--by", "ada"];
const generate = ["keys", "generate", "root", ...by];
const bring = ["keys", "import", "root", ...by];
const pieces = ["--components", "2", "--kcv", "112233", "--piece-kcv", "445566"];

test.each<[RegExp | string, readonly string[]]>([
  ["needs --letter-printer", ["keys", "init", "--environment", "live"]],
  ["in one way", [...generate, "--use", "scp03", "--components", "2", "--shares", "2-of-3"]],
  ["in one way", [...generate, "--use", "scp03", "--under", "zmk", "--shares", "2-of-3"]],
  ["write it as 2-of-3", [...generate, "--use", "scp03", "--shares", "2"]],
  ["2 to 3 can be needed, not 4", [...generate, "--use", "scp03", "--shares", "4-of-3"]],
  ["2 to 16 components, not 1", [...generate, "--use", "scp03", "--components", "1"]],
  ["is AES-128, not 3DES", [...generate, "--use", "loader", "--algorithm", "3DES"]],
  ["is not drawn here", [...generate, "--use", "issuer-signature"]],
  ["never leaves", [...generate, "--use", "emv-issuer", "--components", "2"]],
  ["stays there", [...generate, "--use", "scp11", "--under", "zmk"]],
  ["ends before it begins", [...generate, "--use", "scp03", "--from", "2030-01-01", "--until", "2029-01-01"]],
  ["small letters", ["keys", "generate", "Root 1", ...by, "--use", "scp03"]],
  ["keys import --components or --shares", [...generate, "--use", "scp03", "--piece-kcv", "445566"]],
  ["keys import --components or --shares", [...generate, "--use", "scp03", "--piece-fd", "0"]],
  ["keys generate --components or --shares", [...generate, "--use", "scp03", "--piece-out-fd", "0"]],
  [
    "keys generate --components or --shares",
    [...generate, "--use", "scp03", "--under", "zmk", "--piece-out-fd", "0"],
  ],
  ["say how it comes", [...bring, "--use", "scp03"]],
  ["say how it comes", [...bring, "--use", "scp03", "--block", "b", "--public", "p", "--under", "zmk"]],
  ["say how it comes", [...bring, "--use", "scp03", ...pieces, "--shares", "2"]],
  ["needs --under", [...bring, "--use", "scp03", "--block", "b"]],
  ["goes with --block", [...bring, "--use", "scp03", ...pieces, "--under", "zmk"]],
  ["goes with --block", [...bring, "--use", "issuer-signature", "--public", "p", "--under", "zmk"]],
  ["go with --components", [...bring, "--use", "scp03", "--block", "b", "--under", "zmk", "--kcv", "112233"]],
  ["go with --components", [...bring, "--use", "issuer-signature", "--public", "p", "--kcv-method", "gp"]],
  ["pieces need --kcv", [...bring, "--use", "scp03", "--components", "2"]],
  ["6 hexadecimal digits", [...bring, "--use", "scp03", "--shares", "2", "--kcv", "12"]],
  ["with --piece-kcv", [...bring, "--use", "scp03", "--components", "2", "--kcv", "112233"]],
  [
    "leave --piece-kcv out",
    [...bring, "--use", "scp03", "--shares", "2", "--kcv", "112233", "--piece-kcv", "445566"],
  ],
  ["keys generate --components", [...bring, "--use", "scp03", ...pieces, "--piece-out-fd", "0"]],
  ["not for scp03", [...bring, "--use", "scp03", "--public", "p"]],
  [
    "is scp03|is AES-128 or",
    [...bring, "--use", "scp03", "--algorithm", "3DES", "--block", "b", "--under", "zmk"],
  ],
  ["cannot take its own place", ["keys", "rotate", "root", ...by, "--use", "scp03", "--to", "root"]],
  ["is not drawn here", ["keys", "rotate", "root", ...by, "--use", "card-authority", "--to", "root-2"]],
  ...["activate", "suspend", "retire", "compromise", "destroy"].map(
    (word) => ["say why with --reason", ["keys", word, "root", ...by, "--reason", " "]] as [string, string[]],
  ),
  ["say why with --reason", ["keys", "forbid", "0123456789", ...by, "--reason", ""]],
  ["name a file with --to", ["letters", "open", "B-1.letters", "--printer-key", "printer.pem"]],
  ["whole number", ["order", "release", "1", "--record", "x", "--reason", "n", "--by", "a", "--and", "b"]],
  ["Did you mean --passphrase-fd\\?", ["order", "close", "1", "--passphrase", "3"]],
  [
    "Did you mean --piece-fd or --piece-kcv or --piece-out-fd\\?",
    [...generate, "--use", "scp03", "--piece", "1"],
  ],
])("%s: %j", async (why, words) => {
  const data = words[1] === "open" ? [] : ["--data", nowhere];
  {
    const whole = [...words, ...data];
    expect(await said(whole)).toEqual(misuse(whole, new RegExp(why)));
  }
});

test.each([
  ["--reason", ["doctor"]],
  ["--usage", ["keys", "list"]],
  ["--slut", ["keys", "list"]],
  ["--logarithm", [...generate, "--use", "scp03"]],
  ["--gates", ["plan", "order.yaml"]],
  ["--kcv", [...generate, "--use", "scp03"]],
  ["--env", ["keys", "init", "--environment", "test"]],
])("no hint for %s of %j: nothing is truly near", async (option, words) => {
  await perform([...words, option, "1", "--json"]);
  const { error } = JSON.parse(out) as { readonly error: { readonly message: string } };
  expect(error.message).toBe(`unknown option '${option}'`);
});

test.each([
  ["--algoritm", [...generate, "--use", "scp03"], "--algorithm"],
  ["--enviroment", ["keys", "init", "--environment", "test"], "--environment"],
  ["--jsno", ["order", "list"], "--json"],
])("the hint for %s of %j is %s", async (option, words, meant) => {
  await perform([...words, option, "1", "--json"]);
  const { error } = JSON.parse(out) as { readonly error: { readonly message: string } };
  expect(error.message).toBe(`unknown option '${option}'\n(Did you mean ${meant}?)`);
});

test("a command that is a slip away is named, and no other", async () => {
  {
    const words = ["keys", "rotat"];
    expect(await said(words)).toEqual(misuse(words, "Did you mean rotate"));
  }
  {
    const words = ["keys", "wrap"];
    expect(await said(words)).toEqual(misuse(words, /^unknown command 'wrap'$/));
  }
});
