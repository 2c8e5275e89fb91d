/** Sealed data that somebody moved inside the database: refused before a card hears of them, and nothing is lost by it. */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import Database from "better-sqlite3";
import { afterEach, beforeEach, expect, test } from "vitest";
import { pairAt } from "../plan/life.test.data.js";
import { type Ended, idealLine, persoline, smallOrder } from "./command.test.data.js";

const people = 3;
let folder: string;
let data: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "persoline-moved-"));
  data = join(folder, "data");
});
afterEach(() => rmSync(folder, { recursive: true }));

const withLots =
  (...lots: string[]) =>
  (text: string): string =>
    text.replace(/stock:[\s\S]*/, `stock:\n${lots.map((lot) => `  - ${lot}\n`).join("")}`);
/** A blank for everybody, and every one of them dead: the order is begun, its PINs are drawn, and no record has a card. */
const dead = "{ lot: L1, count: 3, faults: [{ blanks: 3, fault: { kind: dead } }] }";
const enough = "{ lot: L2, count: 8 }";

/** Lets records 1 and 2 change places in one table. */
function swap(table: "record_pins" | "record_data", field: string): void {
  const database = new Database(join(data, "persoline.db"));
  const column = table === "record_pins" ? "pin" : "field";
  const sealed = database
    .prepare<[string], { record: number; sealed: Uint8Array }>(
      `select record, sealed from ${table} where ${column} = ? and record in (1, 2) order by record`,
    )
    .all(field);
  const put = database.prepare(`update ${table} set sealed = ? where ${column} = ? and record = ?`);
  expect(sealed).toHaveLength(2);
  for (const { record, sealed: own } of sealed) put.run(own, field, 3 - record);
  database.close();
}

/** SCP03 tries left of every chip in the machine that has an operating system by now. */
const tries = (): (number | undefined)[] =>
  readdirSync(join(data, "shop-floor/machine"), { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith("chip.eeprom"))
    .map((name) => pairAt(new Uint8Array(readFileSync(join(data, "shop-floor/machine", name))), 0x01c0)[0])
    .filter((count) => count !== undefined);

const rejected = (): (string | undefined)[] =>
  (
    JSON.parse(persoline(["stock", "list", "--state", "rejected", "--data", data, "--json"]).out) as {
      reject?: { code: string };
    }[]
  ).map(({ reject }) => reject?.code);

test.each([
  ["PINs", "record_pins", "pin", /PIN "pin" of order T-1, record [12] is damaged or belongs elsewhere/],
  ["names", "record_data", "name", /record [12], field "name": the stored data were altered, moved/],
  ["photos", "record_data", "photo", /record [12], field "photo": the stored data were altered, moved/],
] as const)("%s of two records that changed places", async (_what, table, field, told) => {
  const order = smallOrder(folder, people);
  const run = (...lots: string[]): Ended =>
    persoline([
      "run",
      order,
      "--line",
      idealLine(folder, "ideal", withLots(...lots)),
      "--data",
      data,
      "--json",
    ]);
  expect(run(dead).err).toMatch(/blanks? (are|is) needed|more blanks/);
  swap(table, field);
  const refused = run(dead, enough);
  expect(refused.code).toBe(1);
  expect(refused.err).toMatch(told);
  expect(rejected()).toEqual(["mute", "mute", "mute"]);
  for (const left of tries()) expect(left).toBe(10);
  swap(table, field);
  const whole = run(dead, enough);
  expect(whole.err).toBe("");
  expect(JSON.parse(whole.out)).toMatchObject({ produced: people, balanced: true, blanks: { remade: 0 } });
  expect(rejected()).toEqual(["mute", "mute", "mute"]);
});
