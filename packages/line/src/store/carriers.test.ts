import { expect, test } from "vitest";
import type { Carrier } from "../ledger/mailing.js";
import { blanks, history, importAsk, label, serial, store } from "./sample.test.data.js";
import type { Store } from "./store.js";

const order = "A-1";

async function makeCard(s: Store, number: number, of = order): Promise<void> {
  await s.accounts.start({ label: label(number), order: of, line: "desk" });
  await s.accounts.bind({ serial: serial(number), order: of });
  await s.accounts.finish({ serial: serial(number), end: { kind: "good" }, history });
}

/** An order of so many records, all with good cards: blank n for record n. */
async function produced(records: number): Promise<Store> {
  const s = await store();
  await s.stock.receive({ lot: "B", blanks: blanks(20), by: "Ada" });
  await s.orders.import(importAsk(records));
  for (let n = 1; n <= records; n++) await makeCard(s, n);
  return s;
}

async function print(s: Store, most = 100): Promise<readonly Carrier[]> {
  const due = await s.carriers.number(order, most);
  for (const batch of new Set(due.map((one) => one.batch))) await s.carriers.printed({ batch, by: "Ada" });
  return due;
}

async function mail(s: Store): Promise<void> {
  const due = await s.carriers.next(order);
  if (due === undefined) throw new Error("nothing is due");
  await s.carriers.fixing(due);
  await s.carriers.mailed(due.carrier);
}

const inForce = async (s: Store): Promise<string[]> =>
  (await s.carriers.list(order)).flatMap(({ carrier, record, state }) =>
    state === "void" ? [] : [`${String(record)} ${carrier} ${state}`],
  );

test("carriers have numbers of their own and pages in the input's order, in files of at most so many", async () => {
  const s = await produced(5);
  const carriers = await print(s, 2);
  expect(carriers.map(({ record, batch, page }) => `${String(record)} ${batch} ${String(page)}`)).toEqual([
    "1 C-0000001 1",
    "2 C-0000001 2",
    "3 C-0000003 1",
    "4 C-0000003 2",
    "5 C-0000005 1",
  ]);
  expect(await s.carriers.number(order, 2)).toEqual([]);
});

test("numbered carriers whose file was not written yet are given out again as they were", async () => {
  const s = await produced(2);
  const first = await s.carriers.number(order, 100);
  expect(await s.carriers.number(order, 100)).toEqual(first);
  await expect(s.carriers.next(order)).rejects.toThrow("its carrier is not printed");
});

test("cards are mailed in the input's order, and no other pair is ever fixed", async () => {
  const s = await produced(3);
  await print(s);
  const wrong = [
    { carrier: "C-0000001", serial: serial(2) },
    { carrier: "C-0000002", serial: serial(1) },
    { carrier: "C-0000002", serial: serial(2) },
  ];
  for (const pair of wrong) await expect(s.carriers.fixing(pair)).rejects.toThrow("not what is mailed next");
  await expect(s.carriers.mailed("C-0000001")).rejects.toThrow("is printed, not fixing");
  for (let n = 1; n <= 3; n++) {
    expect(await s.carriers.next(order)).toMatchObject({ record: n, serial: serial(n) });
    await mail(s);
  }
  expect(await s.carriers.next(order)).toBeUndefined();
});

test("of a pair that does not belong together both are void; carrier and card are made anew and mailed in their place, and the accounts balance", async () => {
  const s = await produced(3);
  await print(s);
  await mail(s);
  const reason = "card of record 2 before the carrier of record 3";
  const cancelled = await s.carriers.apart({
    order,
    carrier: "C-0000003",
    serial: serial(2),
    code: "carrier-mismatch",
    reason,
  });
  expect(cancelled).toEqual({ carrier: true, card: true });
  expect(await inForce(s)).toEqual(["1 C-0000001 mailed"]);
  expect(await s.stock.find(serial(2))).toMatchObject({
    state: "rejected",
    reject: { code: "carrier-mismatch", station: "mailing", detail: reason },
  });
  await expect(s.carriers.next(order)).rejects.toThrow("in the order of the input");
  await expect(s.carriers.number(order, 100)).rejects.toThrow("in-production");

  await makeCard(s, 4);
  await print(s);
  expect(await inForce(s)).toEqual(["1 C-0000001 mailed", "2 C-0000004 printed", "3 C-0000005 printed"]);
  expect(await s.carriers.next(order)).toMatchObject({ record: 2, serial: serial(4), attempt: 2 });
  await mail(s);
  await mail(s);
  expect(await s.carriers.next(order)).toBeUndefined();
  expect(await s.accounts.recount()).toMatchObject({ good: 3, rejected: 1, inStock: 16 });
  expect(await s.reports.reconcile(order)).toMatchObject({
    agree: true,
    cards: { good: 3, cancelled: 1 },
  });
});

test("told to fix and nobody knows whether it did: until both are apart nothing else is fixed", async () => {
  const s = await produced(2);
  await print(s);
  const due = await s.carriers.next(order);
  await s.carriers.fixing({ carrier: "C-0000001", serial: serial(1) });
  expect(await s.carriers.unknown(order)).toEqual(due);
  await expect(s.carriers.fixing({ carrier: "C-0000001", serial: serial(1) })).rejects.toThrow("is fixing");
  await expect(s.carriers.void({ carrier: "C-0000001", reason: "torn", by: "Ada" })).rejects.toThrow(
    "is fixing",
  );
  await s.carriers.apart({
    order,
    carrier: "C-0000001",
    serial: serial(1),
    code: "interrupted",
    reason: "the mailer stopped",
  });
  expect(await s.carriers.unknown(order)).toBeUndefined();
  expect(await inForce(s)).toEqual(["2 C-0000002 printed"]);
});

test("a carrier that was mailed, and a card that is delivered, stay as they are, and the audit tells that they lay there", async () => {
  const s = await produced(2);
  await s.orders.import(importAsk(1, "B-2"));
  await makeCard(s, 9, "B-2");
  await s.orders.deliver({ order: "B-2", by: "Ada", holders: [] });
  await print(s);
  await mail(s);
  const cancelled = await s.carriers.apart({
    order,
    carrier: "C-0000001",
    serial: serial(9),
    code: "carrier-mismatch",
    reason: "a second print",
  });
  expect(cancelled).toEqual({ carrier: false, card: false });
  expect(await inForce(s)).toEqual(["1 C-0000001 mailed", "2 C-0000002 printed"]);
  const told = [];
  for await (const entry of s.audit.entries()) told.push(entry);
  expect(told.find(({ what }) => what === "mailing.apart")).toMatchObject({
    object: "carrier C-0000001",
    order,
    result: "failed",
    detail: { reason: "a second print", serial: serial(9) },
  });
});

test("a card withdrawn by two people takes its carrier with it, also a mailed one", async () => {
  const s = await produced(2);
  await print(s);
  await mail(s);
  await s.stock.withdraw({ serial: serial(1), reason: "came back", by: "Ada", witness: "Bo" });
  expect(await inForce(s)).toEqual(["2 C-0000002 printed"]);
});

test("a torn carrier is void, and its card gets another", async () => {
  const s = await produced(2);
  await print(s);
  await s.carriers.void({ carrier: "C-0000002", reason: "torn", by: "Ada" });
  expect(await print(s)).toMatchObject([{ carrier: "C-0000003", record: 2, attempt: 1 }]);
  await expect(s.carriers.void({ carrier: "C-9", reason: "torn", by: "Ada" })).rejects.toThrow(
    "there is no carrier C-9",
  );
  expect(await s.carriers.find("C-0000002")).toMatchObject({ state: "void", voidReason: "torn" });
});
