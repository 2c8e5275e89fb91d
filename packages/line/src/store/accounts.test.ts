import { expect, test } from "vitest";
import type { OrderRecord } from "../orders/types.js";
import { blanks, history, importAsk, label, records, rejected, serial, store } from "./sample.test.data.js";
import type { Store } from "./store.js";

async function running(cards = 5, people = 3): Promise<Store> {
  const opened = await store();
  await opened.stock.receive({ lot: "L1", blanks: blanks(cards), by: "Ada" });
  await opened.orders.import(importAsk(people));
  return opened;
}

const start = (s: Store, number: number) =>
  s.accounts.start({ label: label(number), order: "A-1", line: "carousel" });

async function produce(s: Store, number: number): Promise<number> {
  await start(s, number);
  const bound = await s.accounts.bind({ serial: serial(number), order: "A-1" });
  if (bound === "none-waiting") throw new Error("nobody waits");
  await s.accounts.finish({ serial: serial(number), end: { kind: "good" }, history });
  return bound.record.number;
}

test("a card is fed, bound late, finished good, in three commits", async () => {
  const s = await running();
  const before = s.commits();
  expect(await start(s, 2)).toMatchObject({ ok: true, blank: { serial: serial(2), state: "in-process" } });
  const bound = await s.accounts.bind({ serial: serial(2), order: "A-1" });
  expect(bound).toMatchObject({ attempt: 1, record: { number: 1 } });
  await s.accounts.finish({ serial: serial(2), end: { kind: "good" }, history });
  expect(s.commits() - before).toBe(3);
  expect(await s.accounts.totals()).toMatchObject({ received: 5, inStock: 4, inProcess: 0, good: 1 });
  expect(await s.accounts.recount()).toEqual(await s.accounts.totals());
  expect(await s.accounts.progress("A-1")).toEqual({
    records: 3,
    waiting: 2,
    inProduction: 0,
    produced: 1,
    held: 0,
    givenUp: 0,
    blanksInStock: 4,
  });
});

test("the bound record comes back whole, with its PINs, also when asked again", async () => {
  const s = await running();
  await s.orders.storePins("A-1", 1, { user: new Uint8Array([1, 2, 3]) });
  await start(s, 1);
  const bound = await s.accounts.bind({ serial: serial(1), order: "A-1" });
  const again = await s.accounts.bind({ serial: serial(1), order: "A-1" });
  expect(again).toEqual(bound);
  expect(await s.accounts.bound(serial(1))).toEqual(bound);
  const [first] = records(1);
  expect(bound === "none-waiting" ? bound : plain(bound.record)).toEqual(first && plain(first));
  expect(bound).toMatchObject({ pins: { user: Buffer.from([1, 2, 3]) } });
  expect(await s.accounts.bound(serial(4))).toBeUndefined();
});

/** Bytes as text, since what comes from the database is a Buffer. */
const plain = (record: OrderRecord) => ({
  ...record,
  photos: Object.entries(record.photos).map(([name, { width, height, png }]) => [
    name,
    width,
    height,
    Buffer.from(png).toString("hex"),
  ]),
});

test("a reject's record waits again, for a remake on another card; its letter is void and gates refuse it", async () => {
  const s = await running();
  await start(s, 1);
  await s.accounts.bind({ serial: serial(1), order: "A-1" });
  await s.orders.storePins("A-1", 1, { user: new Uint8Array([9]) });
  const { letter } = await s.letters.number({ order: "A-1", record: 1, pin: "user" });
  await s.accounts.finish({ serial: serial(1), end: rejected(), history });
  expect(await s.letters.list("A-1")).toMatchObject([{ letter, state: "void" }]);
  expect(await s.access.refused(serial(1))).toMatchObject({ reason: "wrong-answer" });
  await start(s, 2);
  expect(await s.accounts.bind({ serial: serial(2), order: "A-1" })).toMatchObject({
    attempt: 2,
    record: { number: 1 },
    pins: {},
  });
  const anew = await s.letters.number({ order: "A-1", record: 1, pin: "user" });
  expect(anew.letter).not.toBe(letter);
  expect(await s.accounts.recount()).toMatchObject({ rejected: 1, inProcess: 1, inStock: 3 });
});

test("an unbound card goes back to stock with its stage; a bound one does not", async () => {
  const s = await running();
  await start(s, 1);
  await s.accounts.finish({ serial: serial(1), end: { kind: "restocked", stage: "completed" }, history });
  expect(await s.stock.find(serial(1))).toEqual({
    serial: serial(1),
    label: label(1),
    lot: "L1",
    state: "in-stock",
    stage: "completed",
  });
  await start(s, 1);
  await s.accounts.bind({ serial: serial(1), order: "A-1" });
  await expect(
    s.accounts.finish({ serial: serial(1), end: { kind: "restocked", stage: "completed" }, history }),
  ).rejects.toMatchObject({ code: "wrong-state" });
  expect(await s.accounts.inWork("carousel")).toMatchObject([
    { serial: serial(1), stage: "bound", record: 1 },
  ]);
  expect(await s.accounts.inWork("desk")).toEqual([]);
});

test("foreign labels, rejects and cards in work are not fed again, and the refusal is in the audit", async () => {
  const s = await running();
  expect(await start(s, 77)).toEqual({ ok: false, why: "unknown" });
  await start(s, 1);
  expect(await start(s, 1)).toEqual({ ok: false, why: "in-process" });
  await s.accounts.finish({ serial: serial(1), end: rejected(false), history });
  expect(await start(s, 1)).toEqual({ ok: false, why: "rejected" });
  expect(await s.access.refused(serial(1))).toBeUndefined();
  const refused: unknown[] = [];
  for await (const { what, result, detail } of s.audit.entries())
    if (result === "refused") refused.push([what, detail?.["why"]]);
  expect(refused).toEqual([
    ["card.start", "unknown"],
    ["card.start", "in-process"],
    ["card.start", "rejected"],
  ]);
});

test("finishing twice the same way counts once; another end is refused", async () => {
  const s = await running();
  await produce(s, 1);
  await s.accounts.finish({ serial: serial(1), end: { kind: "good" }, history });
  await expect(s.accounts.finish({ serial: serial(1), end: rejected(), history })).rejects.toMatchObject({
    code: "wrong-state",
  });
  expect(await s.accounts.recount()).toMatchObject({ good: 1, rejected: 0 });
});

test("a card without a record cannot be good", async () => {
  const s = await running();
  await start(s, 1);
  await expect(
    s.accounts.finish({ serial: serial(1), end: { kind: "good" }, history }),
  ).rejects.toMatchObject({ code: "not-bound" });
  expect(await s.accounts.recount()).toMatchObject({ inProcess: 1, good: 0 });
});

test("when nobody waits any more the order is produced", async () => {
  const s = await running(5, 2);
  expect([await produce(s, 1), await produce(s, 2)]).toEqual([1, 2]);
  expect(await s.orders.find("A-1")).toMatchObject({ state: "produced" });
  // A blank that was fed meanwhile finds nobody.
  await start(s, 3);
  expect(await s.accounts.bind({ serial: serial(3), order: "A-1" })).toBe("none-waiting");
  await s.accounts.finish({ serial: serial(3), end: { kind: "restocked", stage: "initialised" }, history });
  await s.orders.deliver({ order: "A-1", by: "Ada" });
  await expect(start(s, 4)).rejects.toThrow(/order A-1 is delivered/);
});

test("no record is bound while the order's data key is locked away", async () => {
  const s = await running();
  s.orders.lock("A-1");
  await start(s, 1);
  await expect(s.accounts.bind({ serial: serial(1), order: "A-1" })).rejects.toMatchObject({
    code: "key-not-released",
  });
  expect(await s.accounts.recount()).toMatchObject({ inProcess: 1 });
  expect(await s.accounts.progress("A-1")).toMatchObject({ waiting: 3, inProduction: 0 });
});

test("a record that spoils card after card is held, and waits again when someone releases it", async () => {
  const s = await store({ attempts: 2 });
  await s.stock.receive({ lot: "L1", blanks: blanks(4), by: "Ada" });
  await s.orders.import(importAsk(1));
  for (const number of [1, 2]) {
    await start(s, number);
    await s.accounts.bind({ serial: serial(number), order: "A-1" });
    await s.accounts.finish({ serial: serial(number), end: rejected(), history });
  }
  expect(await s.accounts.progress("A-1")).toMatchObject({ held: 1, waiting: 0 });
  await start(s, 3);
  expect(await s.accounts.bind({ serial: serial(3), order: "A-1" })).toBe("none-waiting");
  const [waiting] = await s.stock.heldRecords();
  expect(waiting).toMatchObject({ order: "A-1", record: 1 });
  expect(waiting?.reason).toMatch(/cards failed/);
  const release = { order: "A-1", record: 1, reason: "bad lot", by: "Ada", witness: "Bo" };
  expect(() => s.orders.releaseRecord({ ...release, witness: "Ada" })).toThrow(/two different people/);
  await s.orders.releaseRecord(release);
  expect(await s.accounts.bind({ serial: serial(3), order: "A-1" })).toMatchObject({ record: { number: 1 } });
});

test("a counter that was tampered with is named by the recount", async () => {
  const s = await running();
  const { default: Database } = await import("better-sqlite3");
  const other = new Database(s.file);
  other.exec("update counters set value = value + 1 where scope = 'stock' and term = 'good'");
  other.close();
  await expect(s.accounts.recount()).rejects.toThrow(/"good" says 1.*say 0/);
});

test("heads working at once get different records", async () => {
  const s = await running(20, 20);
  const before = s.commits();
  await Promise.all(blanks(20).map((_, index) => start(s, index + 1)));
  const bound = await Promise.all(
    blanks(20).map((blank) => s.accounts.bind({ serial: blank.serial, order: "A-1" })),
  );
  expect(s.commits() - before).toBeLessThan(6);
  const numbers = bound.map((one) => (one === "none-waiting" ? 0 : one.record.number));
  expect(new Set(numbers).size).toBe(20);
  await Promise.all(
    blanks(20).map((b) => s.accounts.finish({ serial: b.serial, end: { kind: "good" }, history })),
  );
  expect(await s.accounts.recount()).toMatchObject({ good: 20, inStock: 0, inProcess: 0 });
});

test("one head's refusal costs the others of the same commit nothing", async () => {
  const s = await running(4, 4);
  await Promise.all([1, 2, 3].map((number) => start(s, number)));
  const before = s.commits();
  const ends = await Promise.allSettled([
    s.accounts.bind({ serial: serial(1), order: "A-1" }),
    s.accounts.bind({ serial: serial(4), order: "A-1" }),
    s.accounts.finish({ serial: serial(2), end: { kind: "good" }, history }),
    s.accounts.finish({ serial: serial(3), end: rejected(false), history }),
  ]);
  expect(s.commits() - before).toBe(1);
  expect(ends.map(({ status }) => status)).toEqual(["fulfilled", "rejected", "rejected", "fulfilled"]);
  expect(await s.accounts.recount()).toMatchObject({ inStock: 1, inProcess: 2, rejected: 1 });
  expect(await s.accounts.progress("A-1")).toMatchObject({ waiting: 3, inProduction: 1 });
});
