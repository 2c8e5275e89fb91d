/** The levels of an order hold for all that is done with it: taking it in, its letters, its result, its end. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Ended, idealLine, persoline, root, smallOrder } from "./command.test.data.js";

let folder: string;
let order: string;
let product: string;
let text: string;
let line: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "persoline-levels-"));
  product = join(folder, "product.yaml");
  const place = join(root, "examples/products");
  text = readFileSync(join(place, "office-access/product.yaml"), "utf8")
    .replaceAll("../os/", `${place}/os/`)
    .replaceAll(/: layout\//g, `: ${place}/office-access/layout/`)
    .replace(/^security: .*$/m, "");
  writeFileSync(product, text);
  order = smallOrder(folder, 2);
  writeFileSync(order, readFileSync(order, "utf8").replace(/product: .*/, `product: ${product}`));
  line = idealLine(folder, "carousel", (file) => file.replace(/faults:[\s\S]*$/, "faults: []\n"));
});
afterAll(() => rmSync(folder, { recursive: true }));

const asked = (data: string, ...words: string[]): Ended =>
  persoline([...words, "--data", join(folder, data), "--json"]);
const wants = (levels: string): void => {
  writeFileSync(product, `${text}\nsecurity: ${levels}\n`);
};

test("no order is taken in whose levels are not kept: file, line and a line that would do are named", () => {
  wants("{ pin: token }");
  const { code, err } = asked("strict", "order", "import", order);
  expect(code).toBe(1);
  const line = text.split("\n").length + 1;
  expect(err).toContain(
    `${product}:${String(line)}:13 security.pin: pin must be kept at token, and vault keeps it at module-process; use a security module that keeps it; or let those who answer for the keys change it where "pin: token" stands, for example to "security: { pin: module-process }"`,
  );
  wants("{ data-key: module-process }");
  expect(asked("strict", "order", "import", order).err).toContain(
    "data-key must be kept at module-process, and vault keeps it at trusted-host",
  );
  expect(asked("strict", "order", "list").code).toBe(1);
});

test("what only a record's program asks for is judged too before any key is made: a refused order uses no folder up", () => {
  const wanted = readFileSync(order, "utf8");
  for (const [levels, what] of [
    ["{ data-key: module-process }", "data-key must be kept at module-process"],
    ["{ proof: token }", "proof must be kept at token"],
  ] as const) {
    wants(levels);
    for (const words of [
      ["run", order, "--line", line],
      ["order", "import", order],
    ])
      expect(asked("unused", ...words)).toMatchObject({
        code: 1,
        err: expect.stringContaining(what) as string,
      });
    expect(readdirSync(join(folder, "unused"))).toEqual(["audit"]);
  }
  expect(readFileSync(order, "utf8")).toBe(wanted);
});

test("letters, result and end of an order are refused where its product's levels are not kept, and nothing is done", () => {
  writeFileSync(product, text);
  expect(asked("data", "run", order, "--line", line)).toMatchObject({ code: 0, err: "" });
  const letters = () =>
    (JSON.parse(asked("data", "letters", "list", "T-1").out) as { letter: string; state: string }[]).map(
      ({ letter, state }) => [letter, state],
    );
  const before = letters();
  expect(before).toHaveLength(2);
  const reprint = [
    "letters",
    "reprint",
    before[0]?.[0] ?? "",
    "--reason",
    "torn",
    "--by",
    "Ada",
    "--witness",
    "Bo",
  ];
  const release = ["letters", "release", "T-1", "--by", "Ada", "--witness", "Bo"];
  const refused = (levels: string, words: readonly string[], what: string): void => {
    wants(levels);
    const { code, err } = asked("data", ...words);
    expect([words, code, err]).toEqual([words, 1, expect.stringContaining(what)]);
  };
  const letter = "letter must be kept at token, and vault keeps it at module-process";
  refused("{ letter: token }", reprint, letter);
  refused("{ letter: token }", release, letter);
  refused("{ data-key: token }", ["order", "result", "T-1"], "data-key must be kept at token");
  refused("{ sign: token }", ["order", "result", "T-1"], "sign must be kept at token");
  refused("{ sign: token }", ["order", "close", "T-1"], "sign must be kept at token");
  expect(letters()).toEqual(before);
  writeFileSync(product, text);
  expect(asked("data", ...release)).toMatchObject({ code: 0, err: "" });
  expect(asked("data", ...reprint)).toMatchObject({ code: 0, err: "" });
  expect(asked("data", "order", "result", "T-1")).toMatchObject({ code: 0, err: "" });
});
