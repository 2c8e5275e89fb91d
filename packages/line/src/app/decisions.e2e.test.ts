/** What two people decide about cards and records of an order that was produced already, as a user enters it; and what its files say then. */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Ended, idealLine, persoline, smallOrder } from "./command.test.data.js";

let folder: string;
let data: string;
let order: string;
let line: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "persoline-decisions-"));
  data = join(folder, "data");
  order = smallOrder(folder, 3);
  line = idealLine(folder, "carousel", (text) =>
    text.replace(/stock:[\s\S]*/, "stock:\n  - { lot: L1, count: 8 }\n"),
  );
});
afterAll(() => rmSync(folder, { recursive: true }));

const run = (...words: string[]): Ended => persoline([...words, "--data", data]);
const people = ["--reason", "looked at it", "--by", "Ada", "--and", "Bo"];
const produce = (): Ended => run("run", order, "--line", line, "--json");
const file = (name: string): string => readFileSync(join(data, "reports/T-1", name), "utf8");
const report = (): unknown => JSON.parse(file("report.json"));
const totals = (): string => file("result.txt").trimEnd().split("\n").at(-1)?.replaceAll("\t", " ") ?? "";

function serialOf(record: number): string {
  const good = JSON.parse(run("stock", "list", "--state", "good", "--json").out) as {
    record: number;
    serial: string;
  }[];
  return good.find((card) => card.record === record)?.serial ?? "";
}

test("a withdrawn card leaves the files of its order true; its record, given up, ends the order", () => {
  expect(produce()).toMatchObject({ code: 0, err: "" });
  expect(run("order", "result", "T-1").code).toBe(0);
  expect(totals()).toContain("good=3 held=0 given-up=0 missing=0 cancelled=0");
  const serial = serialOf(2);
  expect(run("stock", "withdraw", serial, "--reason", "r", "--by", "Ada", "--and", "ADA").err).toMatch(
    /two different people/,
  );
  expect(run("stock", "withdraw", serial, ...people).out).toMatch(
    /is rejected\. Its body .*\nRun order T-1 again: record 2 gets another card/,
  );
  expect(report()).toMatchObject({
    records: { produced: 2, waiting: 1 },
    cards: { good: 2, rejected: 1 },
    balanced: true,
  });
  expect(file("cards.csv")).toMatch(new RegExp(`^2,1,${serial},.*,rejected,review,`, "m"));
  expect(file("report.html")).toContain("2 of 3");
  expect(file("report.html").match(/<figure>/g)).toHaveLength(4);
  expect(totals()).toContain("good=2 held=0 given-up=0 missing=1 cancelled=1");
  expect(run("order", "deliver", "T-1").err).toMatch(/order T-1 is in-production/);

  // The decision stands though its files could not be written, and the next one writes them.
  const csv = join(data, "reports/T-1/cards.csv.new");
  mkdirSync(csv);
  const early = run("stock", "withdraw", serialOf(1), ...people);
  expect(early.code).toBe(1);
  expect(early.err).toMatch(
    /^entered, but the reports of order T-1 are still those of before: .*cards\.csv\.new/,
  );
  expect(early.out).toMatch(/is rejected/);
  rmSync(csv, { recursive: true });
  expect(JSON.parse(produce().out)).toMatchObject({ produced: 3, balanced: true });
  expect(file("cards.csv").match(/,rejected,review,/g)).toHaveLength(2);
  expect(totals()).toContain("good=3 held=0 given-up=0 missing=0 cancelled=2");
  const again = serialOf(2);
  expect(run("stock", "withdraw", again, ...people).code).toBe(0);

  expect(run("order", "give-up", "T-1", "--record", "1", ...people).err).toMatch(/has its good card/);
  expect(run("order", "give-up", "T-1", "--record", "2", ...people, "--json").out).toBe(
    '{"order":"T-1","givenUp":1,"state":"produced"}\n',
  );
  expect(report()).toMatchObject({ records: { produced: 2, waiting: 0, givenUp: 1 } });
  expect(file("report.html")).toContain("Given up: 1.");
  expect(totals()).toContain("good=2 held=0 given-up=1 missing=0 cancelled=3");
  const whole = produce();
  expect(whole).toMatchObject({ code: 0, err: "" });
  expect(JSON.parse(whole.out)).toMatchObject({
    records: 3,
    produced: 2,
    givenUp: 1,
    held: 0,
    balanced: true,
  });
  expect(run("order", "show", "T-1").out).toMatch(/3: 2 produced, .* 0 held, given up: 1/);
  expect(produce().err).toMatch(/order T-1 is produced: it was made already/);
});

test("cards whose bodies are lost are not handed over: two people book them, and the order gets others", () => {
  const serial = serialOf(3);
  const output = join(data, "shop-floor/good/T-1");
  const body = readdirSync(output).find((name) => name.startsWith("000003")) ?? "";
  rmSync(join(output, body), { recursive: true });
  const refused = run("order", "deliver", "T-1");
  expect(refused.code).toBe(1);
  expect(refused.err).toContain(`${body.slice(7)} is good, but is nowhere to be found (${serial})`);
  expect(refused.err).toContain(`persoline stock withdraw ${serial} --lost`);
  expect(run("stock", "withdraw", serialOf(1), "--lost", ...people).err).toMatch(/is not lost/);
  expect(run("stock", "withdraw", serial, "--lost", ...people).out).toMatch(/is booked as destroyed/);
  expect(JSON.parse(produce().out)).toMatchObject({ produced: 2, givenUp: 1, balanced: true });
  const release = ["letters", "release", "T-1", "--by", "Ada", "--witness", "Bo"];
  expect(run(...release).out).toMatch(/2 letters in batch B-0000001 released/);
  expect(run("order", "deliver", "T-1").out).toMatch(/2 cards are in the access register/);
  expect(run("stock", "withdraw", serialOf(3), ...people).err).toMatch(
    /only a good card that is not delivered/,
  );
  const destroy = (order: string) =>
    run("stock", "destroy", "--rejects", order, "--reason", "end", "--by", "Ada", "--witness", "Bo");
  expect(destroy("T-9")).toMatchObject({
    code: 1,
    err: expect.stringContaining("there is no order T-9 here") as string,
  });
  expect(destroy("T-1").out).toMatch(/^\d cards destroyed, seen by Bo/);
  expect(destroy("T-1")).toMatchObject({ code: 0, out: "No rejects of this order are left to destroy.\n" });
  expect(run("order", "close", "T-1")).toMatchObject({ code: 0, err: "" });
  expect(run("order", "erase", "T-1", "--by", "Ada", "--and", "Bo")).toMatchObject({ code: 0, err: "" });
  expect(run("order", "show", "T-1").out).toMatch(/3: 2 produced, .* given up: 1/);
  expect(JSON.parse(run("audit", "verify", "--json").out)).toMatchObject({ ok: true, unsigned: 0 });
});
