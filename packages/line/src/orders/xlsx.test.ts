import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { strFromU8, strToU8, unzipSync, zipSync } from "fflate";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import writeExcelFile from "write-excel-file/node";
import { readInput } from "./input.js";
import { DataProblem, inputText } from "./problem.js";
import type { ColumnRule, OrderInput, OrderRecord } from "./types.js";
import { unzip } from "./zip.js";

const columns: readonly ColumnRule[] = [
  { field: "name", column: "Full name", required: true, max: 20 },
  { field: "number", column: "Number", required: true, unique: true },
  { field: "desk", column: "Desk", required: false },
  { field: "until", column: "Valid until", required: false, type: "date" },
];
const header = columns.map(({ column }) => column);

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "persoline-xlsx-"));
});
afterAll(() => {
  rmSync(folder, { recursive: true });
});

type Value = string | number | boolean | Date | null;
const book = async (...rows: Value[][]): Promise<Uint8Array> =>
  new Uint8Array(
    await writeExcelFile(
      [header, ...rows].map((row) =>
        row.map((value) => (value instanceof Date ? { value, type: Date, format: "yyyy-mm-dd" } : value)),
      ),
      { sheet: "People" },
    ).toBuffer(),
  );

/** The workbook with the XML of its first sheet changed. */
function changed(bytes: Uint8Array, change: (xml: string) => string): Uint8Array {
  const parts = unzipSync(bytes);
  const name = Object.keys(parts).find((part) => part.startsWith("xl/worksheets/sheet")) ?? "";
  return zipSync({ ...parts, [name]: strToU8(change(strFromU8(parts[name] ?? new Uint8Array(0)))) });
}

let files = 0;
function written(bytes: Uint8Array): OrderInput {
  const file = join(folder, `people-${String(files++)}.xlsx`);
  writeFileSync(file, bytes);
  return { file };
}

async function recordsOf(input: OrderInput): Promise<OrderRecord[]> {
  const records: OrderRecord[] = [];
  for await (const record of (await readInput(input, columns)).records()) records.push(record);
  return records;
}

async function problemsOf(input: OrderInput, unpackedBytes = 1 << 26): Promise<string[]> {
  const error: unknown = await readInput(input, columns, { limits: { unpackedBytes } }).catch(
    (reason: unknown) => reason,
  );
  if (!(error instanceof DataProblem)) throw error instanceof Error ? error : new Error("it was read");
  return error.problems.map((problem) =>
    ("path" in problem ? "" : inputText(problem)).replace(input.file, ""),
  );
}

describe("a workbook", () => {
  test("gives text as it stands, days as ISO, whole numbers of plain columns as text", async () => {
    const day = new Date(Date.UTC(2027, 1, 28));
    const records = await recordsOf(
      written(await book(["Zoë O'Brien", "007", 12, day], ["Анна", "008", null, "2027-03-01"])),
    );
    expect(records.map(({ fields }) => fields)).toEqual([
      { name: "Zoë O'Brien", number: "007", desk: "12", until: "2027-02-28" },
      { name: "Анна", number: "008", until: "2027-03-01" },
    ]);
  });

  test("tells at once what the spreadsheet has made of the values", async () => {
    const noon = new Date(Date.UTC(2027, 1, 28, 12));
    expect(
      await problemsOf(
        written(await book(["Ann", 7, 1.5, noon], [new Date(Date.UTC(2027, 0, 1)), "008", true, 46000])),
      ),
    ).toEqual([
      expect.stringMatching(/^:2 "Number": .*007 became 7.*format the column as Text/),
      expect.stringMatching(/^:2 "Desk": .*no one way to be written/),
      expect.stringMatching(/^:2 "Valid until": .*time of day/),
      expect.stringMatching(/^:3 "Full name": .*turned the value into a date/),
      expect.stringMatching(/^:3 "Desk": .*TRUE or FALSE/),
      expect.stringMatching(/^:3 "Valid until": .*number/),
    ]);
  });

  test.each([
    ["a formula", '<c r="C2"><f>1+1</f><v>2</v></c>'],
    ["a formula that gives text", '<c r="C2" t="str"><f>"a"</f><v>a</v></c>'],
    ["a formula never computed", '<c r="C2"><f>1+1</f></c>'],
    ["an error", '<c r="C2" t="e"><v>#REF!</v></c>'],
  ])("%s is told, never computed", async (_, cell) => {
    const bytes = changed(await book(["Ann", "001", "here", "2027-01-01"]), (xml) =>
      xml.replace(/<c r="C2"[^>]*>.*?<\/c>/, cell),
    );
    expect(await problemsOf(written(bytes))).toEqual([
      expect.stringMatching(/^:2 "Desk": the cell is a formula.*paste as values/),
    ]);
  });

  test("with several sheets needs the name of one", async () => {
    const bytes = new Uint8Array(
      await writeExcelFile([
        { sheet: "Old", data: [header] },
        { sheet: "New", data: [header, ["Ann", "001", null, null]] },
      ]).toBuffer(),
    );
    const input = written(bytes);
    expect((await problemsOf(input))[0]).toMatch(/2 sheets; name one .*Old, New/);
    expect((await problemsOf({ ...input, sheet: "Nwe" }))[0]).toMatch(/did you mean "New"/);
    expect(await recordsOf({ ...input, sheet: "New" })).toHaveLength(1);
  });

  test.each<[string, (good: Uint8Array) => Uint8Array, RegExp]>([
    ["cut off", (good) => good.subarray(0, good.length / 2), /damaged/],
    ["an old .xls", () => new Uint8Array([0xd0, 0xcf, 0x11, 0xe0, 1, 2]), /old \.xls/],
    ["no workbook at all", () => strToU8("Full name,Number\n"), /damaged/],
    ["a ZIP of something else", () => zipSync({ "a.xml": strToU8("<a/>") }), /cannot be read/],
    [
      "entities",
      (good) => changed(good, (xml) => xml.replace(/\?>/, '?><!DOCTYPE x [<!ENTITY a "b">]>')),
      /entities/,
    ],
    [
      "a far-away cell",
      (good) => changed(good, (xml) => xml.replaceAll('r="C2"', 'r="XFD2"')),
      /16384 columns wide/,
    ],
    [
      "a far-away row",
      (good) => changed(good, (xml) => xml.replaceAll(/r="([A-D]?)2"/g, 'r="$19999999"')),
      /row 9999999/,
    ],
  ])("that is %s is refused", async (_, change, message) => {
    const told = await problemsOf(written(change(await book(["Ann", "001", "here", null]))));
    expect(told).toHaveLength(1);
    expect(told[0]).toMatch(message);
  });

  test("that unpacks to more than the limit is refused before it is unpacked", async () => {
    const bomb = changed(await book(["Ann", "001", null, null]), (xml) => xml + " ".repeat(16 << 20));
    expect(bomb.length).toBeLessThan(100_000);
    const began = process.cpuUsage().user;
    expect((await problemsOf(written(bomb), 1 << 20))[0]).toMatch(/more than 1 MiB when unpacked/);
    expect(process.cpuUsage().user - began, "microseconds").toBeLessThan(300_000);
  });

  test("whose directory lies about a size is refused at that size", async () => {
    const archive = zipSync({ "a.xml": new Uint8Array(8 << 20) });
    const view = new DataView(archive.buffer, archive.byteOffset);
    const at = archive.lastIndexOf(0x50, archive.length - 23);
    let entry = at;
    while (view.getUint32(entry, true) !== 0x02014b50) entry--;
    view.setUint32(entry + 24, 100, true);
    expect(unzip(archive, { entries: 10, unpacked: 1 << 20 })).toMatchObject({ code: "damaged-workbook" });
  });
});
