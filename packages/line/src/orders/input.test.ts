import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import sharp from "sharp";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { readInput } from "./input.js";
import type { ReadOptions } from "./input.js";
import { DataProblem, inputText } from "./problem.js";
import type { ColumnRule, OrderInput, OrderRecord } from "./types.js";

const columns: readonly ColumnRule[] = [
  { field: "name", column: "Full name", required: true, max: 12 },
  { field: "zones", column: "Zones", required: false, list: ";", from: ["A1", "B2", "DOCK"] },
  { field: "number", column: "Number", required: true, unique: true, pattern: "[A-Z]{2}-[0-9]{3}" },
  { field: "until", column: "Valid until", required: false, type: "date" },
  { field: "photo", column: "Photo", required: false, type: "photo" },
];
const header = "Full name,Zones,Number,Valid until,Photo";

let folder: string;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "persoline-input-"));
  mkdirSync(join(folder, "photos"));
  const face = sharp({ create: { width: 900, height: 1200, channels: 3, background: "#a08060" } });
  const photo = (name: string): string => join(folder, "photos", name);
  await face.clone().png().toFile(photo("good.png"));
  // Orientation 6: the camera was held on its side.
  const jpeg = await face.clone().withMetadata({ orientation: 6 }).jpeg().toBuffer();
  writeFileSync(photo("side.jpg"), jpeg);
  writeFileSync(photo("cut.jpg"), jpeg.subarray(0, jpeg.length / 2));
  writeFileSync(photo("text.png"), "this is no picture");
  writeFileSync(photo("drawing.png"), '<svg xmlns="http://www.w3.org/2000/svg" width="99" height="99"/>');
  await sharp({ create: { width: 30, height: 30, channels: 3, background: "#fff" } })
    .png()
    .toFile(photo("tiny.png"));
  // A decompression bomb: few bytes, many pixels.
  await sharp({ create: { width: 9000, height: 9000, channels: 3, background: "#fff" } })
    .png()
    .toFile(photo("bomb.png"));
  writeFileSync(join(folder, "outside.png"), "secret");
  symlinkSync(join(folder, "outside.png"), photo("link.png"));
  mkdirSync(photo("folder.png"));
});
afterAll(() => {
  rmSync(folder, { recursive: true });
});

let files = 0;
function written(content: string | Uint8Array, ending = ".csv"): OrderInput {
  const file = join(folder, `people-${String(files++)}${ending}`);
  writeFileSync(file, content);
  return { file, photos: join(folder, "photos") };
}

async function recordsOf(input: OrderInput, options?: ReadOptions): Promise<OrderRecord[]> {
  const records: OrderRecord[] = [];
  for await (const record of (await readInput(input, columns, options)).records()) records.push(record);
  return records;
}

/** The problems of a file as text, without its name. */
async function problemsOf(input: OrderInput, options?: ReadOptions): Promise<string[]> {
  const error: unknown = await readInput(input, columns, options).catch((reason: unknown) => reason);
  if (!(error instanceof DataProblem)) throw error instanceof Error ? error : new Error("it was read");
  return error.problems.map((problem) =>
    ("path" in problem ? "" : inputText(problem)).replace(input.file, ""),
  );
}

const csv = (...rows: string[]): OrderInput => written(`${[header, ...rows].join("\n")}\n`);

describe("CSV", () => {
  test("fields come out in NFC, lists as lists, empty cells not at all", async () => {
    const [first, second] = await recordsOf(
      csv('Zoe\u0308 ,"A1;DOCK", AB-001,2027-02-28,', "Анна Ли,,AB-002,,"),
    );
    expect(first).toEqual({
      number: 1,
      row: 2,
      fields: { name: "Zoë", zones: ["A1", "DOCK"], number: "AB-001", until: "2027-02-28" },
      photos: {},
    });
    expect(second?.fields).toEqual({ name: "Анна Ли", number: "AB-002" });
  });

  const rows = `${header}\r\n"O'Brien, S.",A1,AB-001,,\r\nЖанна,,AB-002,,\r\n`;
  const utf16 = (text: string, swap: boolean): Buffer =>
    swap ? Buffer.from(`\uFEFF${text}`, "utf16le").swap16() : Buffer.from(`\uFEFF${text}`, "utf16le");
  const cyrillic = Buffer.from(
    Array.from(rows, (sign) => {
      const code = sign.codePointAt(0) ?? 0;
      return code < 128 ? code : code - 0x350;
    }),
  );
  test.each<[string, Uint8Array, Partial<OrderInput>]>([
    ["UTF-8", Buffer.from(rows), {}],
    ["UTF-8 with its mark", Buffer.from(`\uFEFF${rows}`), {}],
    ["UTF-16 little end first", utf16(rows, false), {}],
    ["UTF-16 big end first", utf16(rows, true), {}],
    ["windows-1251 as the order says", cyrillic, { encoding: "windows-1251" }],
    [
      "semicolons",
      Buffer.from(rows.replace('"O\'Brien, S."', "O'Brien§ S.").replaceAll(",", ";").replace("§", ",")),
      {},
    ],
    [
      "tabs",
      Buffer.from(rows.replace('"O\'Brien, S."', "O'Brien§ S.").replaceAll(",", "\t").replace("§", ",")),
      {},
    ],
    ["a sep= line", Buffer.from(`sep=,\r\n${rows}`), {}],
    ["line feeds only", Buffer.from(rows.replaceAll("\r", "")), {}],
    ["empty rows at the end", Buffer.from(`${rows}\r\n,,,,\r\n\r\n`), {}],
  ])("%s", async (_, bytes, how) => {
    const names = (await recordsOf({ ...written(bytes), ...how })).map((record) => record.fields["name"]);
    expect(names).toEqual(["O'Brien, S.", "Жанна"]);
  });

  test("all problems of a file are told at once, without a single value", async () => {
    const told = await problemsOf(
      csv(
        "Wolfgang Amadeus,A1,AB-001,2027-02-30,", // 2: too long, no such day
        ",A1;C9,AB-002,,", // 3: missing, unknown zone
        "Ann,,AB-001,31.12.2027,none.png", // 4: duplicate, date, photo
        "Bob,A1;;B2,ab-3,,", // 5: empty item, wrong form
        "Eve,A1;A1,AB-005", // 6: cells
        "\u202EEve,,AB-006,,", // 7: direction
      ),
    );
    expect(told).toEqual([
      ':2 "Full name": the value (15 letters, 1 space) is longer than 12 characters; shorten it to 12 characters',
      ':2 "Valid until": the calendar does not have this day; write year-month-day, as 2027-01-31',
      ':3 "Full name": the value is missing; fill the cell',
      ':3 "Zones": a value (1 letter, 1 digit) is not one of those the product knows; use A1, B2, DOCK',
      ':4 "Number": the value (2 letters, 3 digits, 1 other sign) stands already in row 2, and must be different in each; correct one of the two, or remove the second record',
      ':4 "Valid until": the value (8 digits, 2 other signs) is not a date; write year-month-day, as 2027-01-31',
      ':4 "Photo": the photo folder has no file of this name; add the picture, or correct its name (capitals count)',
      ':5 "Zones": an item of the list is empty; write the items with one ";" between them',
      ':5 "Number": the value (2 letters, 1 digit, 1 other sign) has not the form the product asks for; write it as [A-Z]{2}-[0-9]{3}',
      ':6: the row has 3 cells, the header 5; put a value that holds "," in quotes, or add what is missing',
      ':7 "Full name": the value (3 letters, 1 other sign) holds an invisible mark that turns the direction of the text; remove it: the script of the letters sets the direction',
    ]);
  });

  test.each([
    [
      "a missing and a misspelt column",
      "Full name,Zone,Number,Valid until,Photo",
      [/:1 "Zone": .*did you mean "Zones"/, /:1 "Zones": .*missing/],
    ],
    ["a doubled column", `${header},Number`, [/:1 "Number": .*twice/]],
    ["an unnamed column", `${header},`, [/:1: column 6 has no name/]],
  ])("%s stops at the header", async (_, line, patterns) => {
    const told = await problemsOf(written(`${line}\nAnn,,AB-001,,,\n`));
    expect(told).toHaveLength(patterns.length);
    patterns.forEach((pattern, at) => {
      expect(told[at]).toMatch(pattern);
    });
  });

  test.each([
    ["NUL", "A\0nn", /NUL/],
    ["a line break", '"A\nnn"', /line break/],
    ["a control character", "A\u0007nn", /control character/],
    ["a zero width space", "A\u200Bnn", /invisible character/],
    ["a no-break space", "Ann\u00A0Li", /unusual space/],
    ["the sign of a lost letter", "A\uFFFDn", /earlier wrong conversion/],
    ["letters of two scripts in one word", "Ivаn", /mixes Latin letters with Cyrillic/],
    ["a private character", "A\uE000", /Unicode does not define/],
    ["a cell without end", "A".repeat(5000), /the cell holds 5000 characters/],
  ])("%s in a name is refused", async (_, name, message) => {
    const told = await problemsOf(csv(`${name},,AB-001,,`));
    expect(told).toHaveLength(1);
    expect(told[0]).toMatch(message);
    expect(told[0]).toMatch(/^:\d+ "Full name": /);
  });

  test("letters that belong together count as one", async () => {
    const family = "👨‍👩‍👧‍👦";
    expect(await recordsOf(csv(`${family.repeat(12)},,AB-001,,`))).toHaveLength(1);
    expect(await problemsOf(csv(`${family.repeat(13)},,AB-001,,`))).toHaveLength(1);
  });

  test("names that look like formulas or code stay what they are", async () => {
    const [record] = await recordsOf(csv("=1+1<b>,,AB-001,,"));
    expect(record?.fields["name"]).toBe("=1+1<b>");
  });

  test("each line that is not UTF-8 is named, and the rest is judged all the same", async () => {
    const bad = Buffer.concat([
      Buffer.from(`${header}\nAnn,,AB-001,,\n`),
      Buffer.from([0xc6, 0xe0, 0x2c, 0x2c, 0x41, 0x0a]),
      Buffer.from("Bob,,x,,\n"),
      Buffer.from([0xe0, 0x0a]),
    ]);
    expect(await problemsOf(written(bad))).toEqual([
      expect.stringMatching(/^:3: this line is not UTF-8; .*windows-1251/),
      expect.stringMatching(/^:4 "Number": /),
      expect.stringMatching(/^:5: this line is not UTF-8/),
    ]);
  });

  test.each([
    ["an open quote", `${header}\n"Ann,,AB-001,,\nBob,,AB-002,,\n`, /not closed/],
    ["a stray quote", `${header}\nA"n"n,,AB-001,,\nBob,,AB-002,,\n`, /:2: a quote stands/],
    ["text after a quote", `${header}\n"Ann"a,,AB-001,,\nBob,,AB-002,,\n`, /:2: a quote stands/],
    ["an empty file", "", /the file is empty/],
    ["a header only", `${header}\n`, /has no records/],
    ["an empty row between records", `${header}\nAnn,,AB-001,,\n,,,,\nBob,,AB-002,,\n`, /:3: an empty row/],
    ["a workbook with the wrong name", "PK\u0003\u0004....", /spreadsheet or ZIP file/],
    ["half a UTF-16 character", Buffer.from([0xff, 0xfe, 0x46, 0x00, 0x00, 0xd8, 0x0a, 0x00]), /not UTF-16/],
  ])("%s is refused", async (_, content, message) => {
    expect((await problemsOf(written(content))).join("\n")).toMatch(message);
  });

  test("limits hold: size, rows, count, thousand problems", async () => {
    const many = csv(...Array.from({ length: 1200 }, (_, at) => `Ann,,AB-${String(at)},x,`));
    expect((await problemsOf(many, { limits: { csvBytes: 100 } }))[0]).toMatch(/MiB/);
    expect(await problemsOf(many)).toHaveLength(1000);
    await expect(readInput(many, columns)).rejects.toThrow(/… and \d+ more/);
    const two = csv("Ann,,AB-001,,", "Bob,,AB-002,,");
    expect((await problemsOf(two, { limits: { rows: 1 } }))[0]).toMatch(
      /:3: the file has more than 1 record;/,
    );
    expect((await problemsOf(two, { records: 3 }))[0]).toMatch(/has 2 records, the order announces 3/);
    expect(await recordsOf(two, { records: 2 })).toHaveLength(2);
  });

  test("a file that changes between judging and delivering is refused", async () => {
    const input = csv("Ann,,AB-001,,");
    const read = await readInput(input, columns);
    writeFileSync(input.file, `${header}\nMallory,,AB-001,,\n`);
    await expect(read.records().next()).rejects.toThrow(/was changed/);
  });

  test.each([
    ["none.csv", /cannot be opened/],
    ["photos", /ends with \.csv/],
    ["people.xls", /save it as \.xlsx/],
  ])("%s cannot be an input", async (name, message) => {
    expect((await problemsOf({ file: join(folder, name) }))[0]).toMatch(message);
  });
});

describe("photos", () => {
  test("come out upright, grey, small and without metadata", async () => {
    const [good, side] = await recordsOf(csv("Ann,,AB-001,,good.png", "Bob,,AB-002,,side.jpg"));
    expect(good?.photos["photo"]).toMatchObject({ width: 450, height: 600 });
    expect(side?.photos["photo"]).toMatchObject({ width: 600, height: 450 });
    const { channels, exif, orientation, format } = await sharp(side?.photos["photo"]?.png).metadata();
    expect({ channels, exif, orientation, format }).toEqual({
      channels: 1,
      exif: undefined,
      orientation: undefined,
      format: "png",
    });
  });

  test.each([
    ["none.png", /no file of this name/],
    ["cut.jpg", /damaged or cut off/],
    ["text.png", /neither PNG nor JPEG/],
    ["drawing.png", /neither PNG nor JPEG/],
    ["bomb.png", /9000 × 9000 pixels/],
    ["tiny.png", /30 × 30 pixels/],
    ["folder.png", /not a file/],
    ["link.png", /through a link/],
    ["../outside.png", /not the name of a file in the photo folder/],
    ["/etc/passwd", /not the name of a file in the photo folder/],
    ["C:\\x.png", /not the name of a file in the photo folder/],
  ])("%s is refused", async (name, message) => {
    const told = await problemsOf(csv(`Ann,,AB-001,,${name}`));
    expect(told).toHaveLength(1);
    expect(told[0]).toMatch(/^:2 "Photo": /);
    expect(told[0]).toMatch(message);
  });
});

describe("JSON", () => {
  const json = (text: string): OrderInput => written(text, ".json");

  test("an array of objects; lists as lists or as text", async () => {
    const records = await recordsOf(
      json(
        '[\n {"Full name": "Ann", "Number": "AB-001", "Zones": ["A1", "B2"], "Photo": null},\n {"Full name": "Bob", "Number": "AB-002", "Zones": "A1;B2"}\n]',
      ),
    );
    expect(records.map(({ fields, row }) => ({ ...fields, row }))).toEqual([
      { name: "Ann", number: "AB-001", zones: ["A1", "B2"], row: 2 },
      { name: "Bob", number: "AB-002", zones: ["A1", "B2"], row: 3 },
    ]);
  });

  test.each([
    ["a number for an identifier", '[{"Full name":"Ann","Number":7}]', /:1 "Number": .*007 became 7/],
    [
      "an unknown key",
      '[\n{"Full name":"Ann","Number":"AB-001","Zonse":"A1"}]',
      /:2 "Zonse": .*did you mean "Zones"/,
    ],
    [
      "a key of the language",
      '[{"Full name":"Ann","Number":"AB-001","__proto__":{"x":"y"}}]',
      /__proto__|nested/,
    ],
    ["a doubled key", '[{"Full name":"Ann",\n"Number":"AB-001","Number":"AB-002"}]', /:2 "Number": .*twice/],
    ["half a character", '[{"Full name":"\\ud800","Number":"AB-001"}]', /lone surrogate/],
    ["depth", `${"[".repeat(100_000)}`, /nested more than 3/],
    ["broken syntax", '[{"Full name":"Ann",}]', /this is not JSON/],
    ["another shape", '{"Full name":"Ann"}', /must be an array/],
    ["a text among objects", '["Ann"]', /element 1 of the array is not an object/],
    ["an empty array", "[]", /has no records/],
    ["a truth value", '[{"Full name":true,"Number":"AB-001"}]', /neither a text nor a list/],
    [
      "a number without end",
      `[{"Full name":${"9".repeat(100_000)},"Number":"AB-001"}]`,
      /:1 "Full name": .*number/,
    ],
  ])("%s is refused", async (_, text, message) => {
    expect((await problemsOf(json(text))).join("\n")).toMatch(message);
  });

  test("bytes that are not UTF-8 are refused", async () => {
    expect((await problemsOf(written(new Uint8Array([0x5b, 0xff, 0x5d]), ".json")))[0]).toMatch(/not UTF-8/);
  });
});
