import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Command } from "commander";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import { commandLine } from "./command-line.js";
import { leastWords } from "./every-command.test.data.js";
import { perform } from "./perform.js";

/** docs/command-line.md: with --json, just one JSON value on standard output, whatever happens. */

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "persoline-json-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

let out = "";
let err = "";
beforeEach(() => {
  [out, err] = ["", ""];
  vi.spyOn(process.stdout, "write").mockImplementation((text) => {
    out += String(text);
    return true;
  });
  vi.spyOn(process.stderr, "write").mockImplementation((text) => {
    err += String(text);
    return true;
  });
});
afterEach(() => {
  vi.restoreAllMocks();
  // Of the runner itself.
  process.exitCode = undefined;
});

interface Said {
  readonly code: typeof process.exitCode;
  readonly error: { readonly code: string; readonly message: string; readonly problems?: readonly object[] };
}

async function refused(...words: readonly string[]): Promise<Said> {
  await perform(words);
  // Throws unless it is one JSON value.
  const { error, ...more } = JSON.parse(out) as Said;
  expect(more).toEqual({});
  expect(err).toContain(error.message.split("\n")[0]);
  return { code: process.exitCode, error };
}

/** Names of the commands that do something, and whether they know an option. */
function leaves(command: Command, name: readonly string[] = []): { name: string; data: boolean }[] {
  if (command.commands.length === 0)
    return [{ name: name.join(" "), data: command.options.some(({ long }) => long === "--data") }];
  return command.commands.flatMap((inner) => leaves(inner, [...name, inner.name()]));
}
const commands = leaves(await commandLine());

test("what must be given is said", async () => {
  await perform(["order", "erase", "--help"]);
  expect(out).toMatch(/--by <name> +the first person \(required\)/);
  expect(out).not.toMatch(/--gates-too[^-]*\(required\)/);
});

test("the table has all commands", () => {
  expect(commands.map(({ name }) => name).sort()).toEqual(Object.keys(leastWords).sort());
});

describe.each(commands)("persoline $name", ({ name, data }) => {
  test("--help shows an example of it", async () => {
    await perform([...name.split(" "), "--help"]);
    expect(process.exitCode).toBe(0);
    // What is its own, before what many have.
    const places = ["\nOptions:", "\nOptions of the keys:", "\nCommon options:"].map((heading) =>
      out.indexOf(heading),
    );
    expect(places.filter((at) => at >= 0)).toEqual(places.filter((at) => at >= 0).toSorted((a, b) => a - b));
    expect(out).not.toContain("default: []");
    expect(out).toMatch(new RegExp(`Examples?:\\n  \\$ .*persoline ${name}`));
  });

  test("--json, refused: why on both outputs, 1", async () => {
    const files = (leastWords[name] ?? []).map((word) =>
      /\.(yaml|csv|jsonl|png|pem)$/.test(word) ? join(folder, word) : word,
    );
    const at = data ? ["--data", join(folder, "nothing")] : [];
    const { code, error } = await refused(...name.split(" "), ...files, ...at, "--json");
    expect({ code, unexpected: error.code === "unexpected" }).toEqual({ code: 1, unexpected: false });
  });

  test("--json, misused: why on both outputs, 2", async () => {
    const { code, error } = await refused(...name.split(" "), "--no-such-option", "--json");
    expect({ code, error: error.code }).toEqual({ code: 2, error: "usage" });
  });
});

test("nothing is destroyed by a command that names nothing", async () => {
  const words = ["--reason", "none", "--by", "ada", "--witness", "bob", "--json"];
  const { code, error } = await refused("stock", "destroy", ...words);
  expect({ code, message: error.message }).toEqual({
    code: 2,
    message: "say what was destroyed: chip numbers, or --rejects ORDER",
  });
});

test("what is wrong with a file is told one by one, with its places", async () => {
  const { error } = await refused("plan", join(folder, "order.yaml"), "--json");
  expect(error.problems).toEqual([
    {
      file: join(folder, "order.yaml"),
      code: "no-file",
      message: expect.any(String) as string,
      remedy: expect.any(String) as string,
    },
  ]);
});

test("a result is one JSON value too; what is said beside it is on standard error", async () => {
  const words = ["--data", join(folder, "keys"), "--json"];
  await perform(["keys", "init", "--environment", "test", ...words]);
  expect(JSON.parse(out)).toEqual({
    made: `Keystore ${join(folder, "keys/keystore.json")}`,
    environment: "test",
    openedBy: "key-file",
  });
  out = "";
  await perform(["keys", "ceremonies", ...words]);
  expect(JSON.parse(out)).toEqual({ pending: [], records: [] });
  expect(process.exitCode).toBeUndefined();
});

test("an audit that is not there is not whole, and one whose database is gone is told", async () => {
  const verify = async (data: string, ...more: readonly string[]) => {
    [out, err] = ["", ""];
    return refused("audit", "verify", "--data", data, ...more, "--json");
  };
  const data = join(folder, "audit");
  expect((await verify(data)).error.message).toContain("there is no data folder of Persoline at");
  mkdirSync(join(data, "audit"), { recursive: true });
  expect((await verify(data)).error.message).toContain("neither orders nor key ceremonies were ever there");
  const copy = join(folder, "heads.jsonl");
  writeFileSync(copy, "{}\n");
  expect((await verify(data, "--heads", copy)).error.message).toContain("the database is gone");
  writeFileSync(join(data, "audit/heads.jsonl"), "{}\n");
  expect((await verify(data)).error.message).toContain("the database is gone");
});

test("a command that only looks makes no data folder by a slip in its name", async () => {
  for (const words of [["card", "inspect", "L1-000001"], ["security"], ["order", "list"]]) {
    [out, err] = ["", ""];
    await refused(...words, "--data", join(folder, "slip"), "--json");
  }
  expect(existsSync(join(folder, "slip"))).toBe(false);
});

test("without --json standard output stays empty; help and version are no refusal", async () => {
  await perform(["order", "list", "--data", folder]);
  expect({ out, code: process.exitCode }).toEqual({ out: "", code: 1 });
  for (const words of [["--version"], ["order", "list", "--json", "--help"]]) {
    out = "";
    await perform(words);
    expect(process.exitCode).toBe(0);
    expect(out).not.toContain("error");
  }
});
