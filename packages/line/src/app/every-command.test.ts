import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Command } from "commander";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import { commandLine } from "./command-line.js";
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

const person = ["--by", "ada", "--and", "bob", "--reason", "none"];
const custodian = ["--by", "ada"];
/** What each command refuses in a folder where there is nothing. Files that are named are not there. */
const refusals: Readonly<Record<string, readonly string[]>> = {
  run: ["order.yaml"],
  "order import": ["order.yaml"],
  "order list": [],
  "order show": ["2026-1"],
  "order result": ["2026-1"],
  "order deliver": ["2026-1"],
  "order release": ["2026-1", "--record", "1", ...person],
  "order give-up": ["2026-1", "--record", "1", ...person],
  "order close": ["2026-1"],
  "order erase": ["2026-1", "--by", "ada", "--and", "bob"],
  security: ["--token", "nobody"],
  "stock receive": ["L1", "delivery.csv"],
  "stock count": ["3"],
  "stock list": [],
  "stock sample": ["00", "--reason", "none"],
  "stock return": ["00", "--reason", "none"],
  "stock held": [],
  "stock look": ["00", "--by", "ada", "--and", "bob"],
  "stock settle": ["00", "--as", "good", ...person],
  "stock withdraw": ["00", ...person],
  "stock empty": ["reject"],
  "stock destroy": ["00", "--reason", "none", "--witness", "bob"],
  "station emboss": ["station.yaml", "--listen", "127.0.0.1:0"],
  "station trays": [],
  "station settle": ["2026-1.tray-1", ...person],
  "letters list": ["2026-1"],
  "letters release": ["2026-1", "--witness", "bob"],
  "letters reprint": ["1", "--reason", "none", "--witness", "bob"],
  "letters void": ["1", "--reason", "none"],
  "letters open": ["B-0000001.letters", "--printer-key", "printer.pem", "--to", "letters.pdf"],
  "keys init": ["--environment", "test", "--token", "nobody"],
  "keys custodian": ["ada"],
  "keys list": [],
  "keys generate": ["root", ...custodian, "--use", "scp03"],
  "keys import": ["root", ...custodian, "--use", "scp03"],
  "keys rotate": ["root-1", ...custodian, "--use", "scp03", "--to", "root-2"],
  "keys activate": ["root-1", ...custodian, "--reason", "none"],
  "keys suspend": ["root-1", ...custodian, "--reason", "none"],
  "keys allow": ["order.yaml", ...custodian],
  "keys allowed": [],
  "keys forbid": ["0123456789abcdef", ...custodian, "--reason", "none"],
  "keys retire": ["root-1", ...custodian, "--reason", "none"],
  "keys compromise": ["root-1", ...custodian, "--reason", "none"],
  "keys destroy": ["root-1", ...custodian, "--reason", "none"],
  "keys export-block": ["root-1", ...custodian],
  "keys request": ["root-1"],
  "keys certificate": ["root-1", ...custodian, "--file", "certificate.pem"],
  "keys ceremonies": [],
  "keys confirm": ["1", ...custodian],
  "keys cancel": ["1", ...custodian],
  "keys record": ["1"],
  explain: ["order.yaml"],
  plan: ["order.yaml"],
  "layout preview": ["product.yaml"],
  "layout lint": ["product.yaml"],
  "quality judge": ["picture.png", "product.yaml"],
  "quality learn": ["product.yaml", "17-front.png", "--camera", "camera", "--light", "ring"],
  "quality drift": ["2026-1"],
  "quality approve": ["profile.yaml", "--by", "ada", "--and", "bob"],
  "laser write": ["product.yaml", "--laser", "laser.yaml"],
  "laser calibrate": ["laser.yaml"],
  "laser fit": ["measured.csv", "--laser", "laser.yaml"],
  "card inspect": ["L1-000001"],
  "card serve": ["--vpcd", "127.0.0.1:1", "--issued", "L1-000001"],
  "card trace record": ["L1-000001", "trace.jsonl"],
  "card trace show": ["trace.jsonl"],
  "card trace replay": ["trace.jsonl"],
  "card write": ["--product", "product.yaml", "--vpcd", "1"],
  "report production": ["2026-1"],
  "report passages": [],
  "audit verify": [],
  "gate replay": ["movements.csv"],
  presence: [],
  doctor: ["--line", "line.yaml"],
};

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
  expect(commands.map(({ name }) => name).sort()).toEqual(Object.keys(refusals).sort());
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
    const files = (refusals[name] ?? []).map((word) =>
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
