import { join } from "node:path";
import Database from "better-sqlite3";
import { expect, test } from "vitest";
import { readResult, resultLines } from "../ledger/result.js";
import {
  blanks,
  folder,
  history,
  importAsk,
  label,
  passed,
  rejected,
  serial,
  store,
} from "./sample.test.data.js";
import { migrate, migrations } from "./sqlite/migrate.js";
import { openStore, type Store } from "./store.js";

const people = { reason: "left the company", by: "Ada", witness: "Bo" };

async function imported(records: number, attempts = 3): Promise<Store> {
  const s = await store({ attempts });
  await s.stock.receive({ lot: "L1", blanks: blanks(records + 3), by: "Ada" });
  await s.orders.import(importAsk(records));
  return s;
}

async function bound(s: Store, number: number): Promise<void> {
  await s.accounts.start({ label: label(number), order: "A-1", line: "carousel" });
  await s.accounts.bind({ serial: serial(number), order: "A-1" });
}

async function make(s: Store, number: number, end: "good" | "rejected" = "good"): Promise<void> {
  await bound(s, number);
  await s.accounts.finish({
    serial: serial(number),
    end: end === "good" ? { kind: "good" } : rejected(),
    history,
  });
}

test("a held record is given up by two people, and its order is produced, delivered, closed and erased without it", async () => {
  const s = await imported(2, 1);
  await s.orders.storePins("A-1", 1, { user: new Uint8Array([1]) });
  await make(s, 1, "rejected");
  await make(s, 2);
  expect(await s.accounts.progress("A-1")).toMatchObject({ held: 1, produced: 1, givenUp: 0 });
  const ask = { order: "A-1", record: 1, ...people };
  expect(() => s.orders.giveUp({ ...ask, witness: " ada" })).toThrow(/two different people/);
  expect(await s.orders.giveUp(ask)).toBe(1);
  expect(await s.accounts.progress("A-1")).toMatchObject({ held: 0, produced: 1, givenUp: 1, waiting: 0 });
  expect(await s.orders.find("A-1")).toMatchObject({ state: "produced" });
  expect(await s.orders.pins("A-1", 1)).toEqual({});
  await expect(s.orders.giveUp(ask)).rejects.toThrow(/record 1 of order A-1 is given-up/);
  await expect(s.orders.releaseRecord(ask)).rejects.toThrow(/is given-up/);

  let text = "";
  const head = { order: "A-1", customer: "K", product: "p", written: "2026-03-01T10:00:00.000Z" };
  for await (const line of resultLines(head, s.reports.result("A-1"))) text += line;
  expect(readResult(text)).toMatchObject({
    rows: [{ status: "given-up", cancelled: [{ serial: serial(1) }] }, { status: "good" }],
    totals: { records: 2, good: 1, held: 0, givenUp: 1, missing: 0, cancelled: 1 },
  });
  const report = async () =>
    (await s.reports.production({ order: "A-1", timeZone: "UTC", simulated: [], seconds: 1 })).records;
  expect(await report()).toMatchObject({ total: 2, produced: 1, held: 0, givenUp: 1 });
  expect((await s.reports.reconcile("A-1")).agree).toBe(true);

  await s.stock.destroy({ serials: [serial(1)], ...people });
  await s.orders.deliver({ order: "A-1", by: "Ada" });
  await s.orders.close({ order: "A-1", by: "Ada" });
  await s.orders.erase({ order: "A-1", by: "Ada", approvedBy: "Bo" });
  expect(await s.accounts.recount()).toMatchObject({ good: 1, destroyed: 1 });
  expect(await report()).toMatchObject({ produced: 1, givenUp: 1 });
  expect(await s.accounts.progress("A-1")).toMatchObject({ produced: 1, givenUp: 1 });
  const told: unknown[] = [];
  for await (const { what, who, detail } of s.audit.entries())
    if (what === "record.give-up") told.push([who, detail]);
  expect(told).toEqual([["Ada", { records: 1, reason: people.reason, witness: "Bo", record: 1 }]]);
});

test("nothing is given up while a card is in work for it, or when it has its card", async () => {
  const s = await imported(3);
  await make(s, 1);
  await bound(s, 2);
  const giveUp = (record?: number) =>
    s.orders.giveUp({ order: "A-1", ...people, ...(record === undefined ? {} : { record }) });
  await expect(giveUp(1)).rejects.toThrow(/record 1 of order A-1 has its good card: withdraw that first/);
  await expect(giveUp(2)).rejects.toThrow(/a card is in work for record 2 of order A-1/);
  await expect(giveUp(4)).rejects.toThrow(/has no record 4/);
  await expect(giveUp()).rejects.toThrow(/1 card is in work for order A-1/);
  expect(await s.accounts.progress("A-1")).toMatchObject({ produced: 1, inProduction: 1, waiting: 1 });
  // The record that waits can be: the card in work is not its own.
  expect(await giveUp(3)).toBe(1);
  await s.accounts.finish({
    serial: serial(2),
    end: { kind: "held", station: "quality", question: "?" },
    history: passed,
  });
  expect(await giveUp()).toBe(1);
  expect(await s.orders.find("A-1")).toMatchObject({ state: "produced" });
  await expect(giveUp()).rejects.toThrow(/nothing to give up/);
  // The card that was put aside holds a PIN that is gone.
  const settle = { serial: serial(2), ...people };
  await expect(s.stock.settle({ ...settle, verdict: "good" })).rejects.toThrow(/was given up/);
  expect(await s.stock.settle({ ...settle, verdict: "reject" })).toMatchObject({ state: "rejected" });
  expect(await s.accounts.progress("A-1")).toMatchObject({ produced: 1, givenUp: 2, waiting: 0, held: 0 });
  expect(await s.accounts.recount()).toMatchObject({ good: 1, rejected: 1 });
});

test("an order that was never begun is given up whole, and no card is bound to it", async () => {
  const s = await imported(4);
  expect(await s.orders.giveUp({ order: "A-1", ...people })).toBe(4);
  expect(await s.orders.find("A-1")).toMatchObject({ state: "produced" });
  await s.accounts.start({ label: label(1), order: "A-1", line: "carousel" });
  expect(await s.accounts.bind({ serial: serial(1), order: "A-1" })).toBe("none-waiting");
  expect(await s.accounts.recount()).toMatchObject({ received: 7, inProcess: 1 });
});

test("records of a database that knew no giving up keep their cards, data and PINs", async () => {
  const file = join(folder(), "persoline.db");
  const database = new Database(file);
  database.pragma("foreign_keys = on");
  migrate(
    database,
    "2026-01-01",
    migrations.filter(({ number }) => number < 4),
  );
  database.exec(`
    insert into orders (order_number, customer, product, environment, line, state, input_name, input_sha256, records, spec, begun_at, imported_at)
      values ('O', 'c', 'p', 'test', 'l', 'in-production', 'i', 'h', 2, '{}', 't', 't');
    insert into records values ('O', 1, 2, 'produced', 1, null), ('O', 2, 3, 'held', 3, 'why');
    insert into record_pins values ('O', 1, 'user', x'01');
    insert into record_data values ('O', 1, 'name', 'text', x'02');
    insert into counters values ('order O', 'produced', 1), ('order O', 'held', 1), ('order O', 'waiting', 0);
  `);
  migrate(database, "2026-01-02");
  expect(database.pragma("foreign_key_check")).toEqual([]);
  expect(() => database.exec("insert into record_pins values ('O', 9, 'user', x'01')")).toThrow(
    /FOREIGN KEY/,
  );
  database.close();
  const s = await openStore({ file });
  expect(Object.keys(await s.orders.pins("O", 1))).toEqual(["user"]);
  expect(await s.orders.giveUp({ order: "O", record: 2, ...people })).toBe(1);
  expect(await s.accounts.progress("O")).toMatchObject({ produced: 1, givenUp: 1, held: 0 });
  await s.close();
});

test("whatever people decide about its cards and records makes an order's reports stale", async () => {
  const s = await imported(2);
  await bound(s, 1);
  await s.accounts.finish({
    serial: serial(1),
    end: { kind: "held", station: "quality", question: "?" },
    history: passed,
  });
  await make(s, 2);
  await make(s, 3);
  const reported = async (): Promise<boolean> => (await s.orders.find("A-1"))?.reportedAt !== undefined;
  await s.runs.reported("A-1");
  expect(await reported()).toBe(true);
  await s.stock.settle({ serial: serial(1), verdict: "reject", ...people });
  expect(await s.orders.find("A-1")).toMatchObject({ state: "produced" });
  expect(await reported()).toBe(false);
  await s.runs.reported("A-1");
  await s.stock.withdraw({ serial: serial(2), ...people });
  expect(await reported()).toBe(false);
  await s.orders.giveUp({ order: "A-1", ...people });
  expect(await s.orders.find("A-1")).toMatchObject({ state: "produced" });
  expect(await reported()).toBe(false);
});
