import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import writeExcelFile from "write-excel-file/node";
import { readInput } from "./input.js";
import { readOrder } from "./order-file.js";
import { nearest } from "./near.js";
import { DataProblem } from "./problem.js";
import { cleanText, graphemes, shapeOf } from "./text.js";
import type { ColumnRule } from "./types.js";

const columns: readonly ColumnRule[] = [
  { field: "name", column: "Full name", required: true, max: 20 },
  { field: "zones", column: "Zones", required: false, list: ";", from: ["A1", "B2"] },
  { field: "number", column: "Number", required: true, unique: true, pattern: "[A-Z]{2}-[0-9]{3}" },
  { field: "until", column: "Valid until", required: false, type: "date" },
  { field: "photo", column: "Photo", required: false, type: "photo" },
];

let folder: string;
let workbook: Uint8Array;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "persoline-fuzz-"));
  const rows = [columns.map(({ column }) => column), ["Ann", "A1", "AB-001", "2027-01-01", null]];
  workbook = new Uint8Array(await writeExcelFile(rows).toBuffer());
});
afterAll(() => {
  rmSync(folder, { recursive: true });
});

/** Time of this process alone: other work on the machine must not decide a test. */
const cpuMs = (): number => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
};

/** Reads the bytes as a file: whole, or refused with a DataProblem, in less than a second. Says whether it was read. */
async function survives(bytes: Uint8Array, ending: string): Promise<boolean> {
  const file = join(folder, `any${ending}`);
  writeFileSync(file, bytes);
  const began = cpuMs();
  let whole = true;
  try {
    if (ending === ".yaml") await readOrder(file);
    else {
      const input = await readInput({ file }, columns);
      let count = 0;
      for await (const record of input.records()) count += record.number > 0 ? 1 : 0;
      if (count !== input.count) throw new Error("judged and delivered differ");
    }
  } catch (error) {
    if (!(error instanceof DataProblem) || error.problems.length === 0) throw error;
    whole = false;
  }
  // A second is what a file may take; a machine shared with others counts slowly.
  if (cpuMs() - began > 4000) throw new Error("it took more than four seconds");
  return whole;
}

const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);
const head = columns.map(({ column }) => column).join(",");

/** A good text with a few places overwritten: comes deeper than noise alone. */
const damaged = (good: () => Uint8Array): fc.Arbitrary<Uint8Array> =>
  fc.array(fc.tuple(fc.nat(), fc.nat({ max: 255 })), { minLength: 1, maxLength: 6 }).map((changes) => {
    const bytes = good().slice();
    for (const [at, byte] of changes) bytes[at % bytes.length] = byte;
    return bytes;
  });

const sign = fc.constantFrom(
  '"',
  ",",
  ";",
  "\n",
  "\r\n",
  "\t",
  "A1",
  "AB-001",
  "é",
  "\u202E",
  "\0",
  "2027-01-01",
  "=",
  " ",
);
const cells = fc.array(sign, { maxLength: 60 }).map((signs) => utf8(`${head}\n${signs.join("")}`));
const bracket = fc.constantFrom(
  "{",
  "}",
  "[",
  "]",
  '"',
  ":",
  ",",
  '"Full name"',
  '"Number"',
  "1",
  "null",
  "\\",
  "\\u0000",
  "\n",
);
const brackets = fc.array(bracket, { maxLength: 60 }).map((signs) => utf8(`[${signs.join("")}`));
const indent = fc.constantFrom(
  "order",
  ":",
  " ",
  "\n",
  "- ",
  "&a ",
  "*a",
  "{",
  "}",
  "[",
  "]",
  '"',
  "'",
  "|",
  ">",
  "#",
  "!!js",
  "input",
  "<<",
  "?",
  "007",
);
const lines = fc.array(indent, { maxLength: 60 }).map((signs) => utf8(signs.join("")));
const noise = fc.uint8Array({ maxLength: 400 });
const goodJson = (): Uint8Array =>
  utf8('[{"Full name":"Ann","Number":"AB-001","Zones":["A1"]},{"Full name":"Bob","Number":"AB-002"}]');
const goodCsv = (): Uint8Array => utf8(`${head}\nAnn,A1;B2,AB-001,2027-01-01,\n"Bob, jr",,AB-002,,\n`);
const goodYaml = (): Uint8Array =>
  utf8('order: "1"\ncustomer: x\nproduct: .\ninput:\n  file: .\nline: .\nenvironment: test\nkeys: .\n');

describe("whatever a file holds, it is read or refused, soon", () => {
  test.each<[string, string, fc.Arbitrary<Uint8Array>, () => Uint8Array]>([
    ["CSV", ".csv", fc.oneof(noise, cells, damaged(goodCsv)), goodCsv],
    ["JSON", ".json", fc.oneof(noise, brackets, damaged(goodJson)), goodJson],
    ["order files", ".yaml", fc.oneof(noise, lines, damaged(goodYaml)), goodYaml],
    [
      "workbooks",
      ".xlsx",
      fc.oneof(
        noise,
        damaged(() => workbook),
      ),
      () => workbook,
    ],
  ])("%s", async (_, ending, bytes, good) => {
    expect(await survives(good(), ending)).toBe(true);
    await fc.assert(
      fc.asyncProperty(bytes, async (any) => {
        await survives(any, ending);
      }),
      { numRuns: 150 },
    );
  });

  test.each<[string, string, string]>([
    ["quotes without end", ".csv", `${head}\n${'"'.repeat(500_001)}`],
    ["one long line", ".csv", "a".repeat(3_000_000)],
    ["many separators", ".csv", `${head}\n${",".repeat(900_000)}`],
    ["many short rows", ".csv", `${head}\n${"x\n".repeat(10_000)}`],
    ["many escaped quotes", ".json", `["${'\\"'.repeat(500_000)}`],
    ["many keys", ".json", `[{${Array.from({ length: 20_000 }, (_, n) => `"k${String(n)}":1`).join(",")}}]`],
    ["many openings", ".yaml", "[".repeat(5000)],
    [
      "laughing aliases",
      ".yaml",
      `a: &a [x,x]\n${Array.from({ length: 30 }, (_, n) => `b${String(n)}: &b${String(n)} [*a,*a]`).join("\n")}`,
    ],
  ])("%s", async (_, ending, text) => {
    expect(await survives(utf8(text), ending)).toBe(false);
  });
});

describe("text", () => {
  test("cleaning is stable: what came out once comes out the same again", () => {
    fc.assert(
      fc.property(fc.string({ unit: "grapheme" }), (raw) => {
        const once = cleanText(raw);
        expect("text" in once ? cleanText(once.text) : cleanText(raw)).toEqual(once);
      }),
    );
  });

  test("a shape counts everything and shows nothing", () => {
    expect(shapeOf("O'Brien 007 é")).toBe("7 letters, 3 digits, 2 spaces, 1 other sign");
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (value) => {
        const counted = (shapeOf(value).match(/\d+/g) ?? []).reduce((sum, digits) => sum + Number(digits), 0);
        expect(counted).toBe(Array.from(value).length);
      }),
    );
  });

  test("counting characters stops above what is enough", () => {
    expect(graphemes("e\u0301".repeat(5), 5)).toBe(5);
    expect(graphemes("x".repeat(100), 5)).toBe(6);
  });

  test("the near name is found, a far one is not", () => {
    expect(nearest("Emplyoee number", ["Full name", "Employee number"])).toBe("Employee number");
    expect(nearest("Salary", ["Full name", "Employee number"])).toBeUndefined();
  });
});
