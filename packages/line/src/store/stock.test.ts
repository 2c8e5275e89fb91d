import { expect, test } from "vitest";
import type { CardHistory } from "../ledger/types.js";
import { blanks, history, importAsk, label, passed, rejected, serial, store } from "./sample.test.data.js";
import type { Store } from "./store.js";

async function working(): Promise<Store> {
  const s = await store();
  await s.stock.receive({ lot: "L1", blanks: blanks(6), by: "Ada", note: "box 4" });
  await s.orders.import(importAsk(3));
  return s;
}
const start = (s: Store, number: number) =>
  s.accounts.start({ label: label(number), order: "A-1", line: "carousel" });
const why = { reason: "torn box", by: "Ada" };

test("a list with a serial, label or lot known already is refused whole", async () => {
  const s = await working();
  const receive = (lot: string, from: number) => s.stock.receive({ lot, blanks: blanks(3, from), by: "Ada" });
  await expect(receive("L1", 100)).rejects.toThrow(/lot L1 was received already/);
  await expect(receive("L2", 5)).rejects.toThrow(/lot L2, line 1: serial .* known already \(lot L1\)/);
  const twins = [...blanks(2, 50), { serial: serial(60), label: label(50) }];
  await expect(s.stock.receive({ lot: "L2", blanks: twins, by: "Ada" })).rejects.toThrow(
    /line 3: label B000050/,
  );
  await expect(s.stock.receive({ lot: "L2", blanks: [], by: "Ada" })).rejects.toThrow(/no blanks/);
  expect(await s.accounts.recount()).toMatchObject({ received: 6, inStock: 6 });
  expect(await receive("L2", 50)).toEqual({ received: 3 });
  expect(await s.stock.lots()).toMatchObject([
    { lot: "L1", received: 6 },
    { lot: "L2", received: 3 },
  ]);
});

test("samples, returns and destruction keep the sums", async () => {
  const s = await working();
  await s.stock.sample({ serial: serial(1), ...why });
  await s.stock.return({ serial: serial(2), ...why });
  await expect(s.stock.return({ serial: serial(1), ...why })).rejects.toMatchObject({ code: "wrong-state" });
  await expect(s.stock.destroy({ serials: [serial(3)], witness: "Bo", ...why })).rejects.toThrow(
    /rejected or sample/,
  );
  // One that may not be destroyed spoils the whole list.
  await expect(s.stock.destroy({ serials: [serial(1), serial(3)], witness: "Bo", ...why })).rejects.toThrow(
    /in-stock/,
  );
  expect(await s.stock.find(serial(1))).toMatchObject({ state: "sample" });
  await s.stock.destroy({ serials: [serial(1)], witness: "Bo", ...why });
  expect(await s.accounts.recount()).toMatchObject({ inStock: 4, returned: 1, destroyed: 1, sample: 0 });
  expect(await start(s, 1)).toEqual({ ok: false, why: "destroyed" });
  expect(await start(s, 2)).toEqual({ ok: false, why: "returned" });
});

test("a count by hand is compared and kept", async () => {
  const s = await working();
  expect(await s.stock.count({ counted: 6, by: "Ada" })).toEqual({ counted: 6, expected: 6, difference: 0 });
  expect(await s.stock.count({ lot: "L1", counted: 5, by: "Ada" })).toMatchObject({ difference: -1 });
  const kept: unknown[] = [];
  for await (const { what, result, detail, who } of s.audit.entries())
    if (what === "stock.count") kept.push([who, result, detail]);
  expect(kept).toEqual([
    ["Ada", "ok", { counted: 6, expected: 6 }],
    ["Ada", "failed", { counted: 5, expected: 6 }],
  ]);
});

test("lists by state, lot and order", async () => {
  const s = await working();
  await start(s, 2);
  const list = async (filter: Parameters<typeof s.stock.list>[0]): Promise<string[]> => {
    const all: string[] = [];
    for await (const blank of s.stock.list(filter)) all.push(blank.label);
    return all;
  };
  expect(await list({ state: "in-process" })).toEqual([label(2)]);
  expect(await list({ lot: "L1", state: "in-stock" })).toHaveLength(5);
  expect(await list({ order: "A-1" })).toEqual([label(2)]);
  expect(await list({})).toHaveLength(6);
});

async function held(s: Store, number: number, kept: CardHistory = passed, bound = true): Promise<void> {
  await start(s, number);
  if (bound) await s.accounts.bind({ serial: serial(number), order: "A-1" });
  const end = { kind: "held", station: "quality", question: "faint" } as const;
  await s.accounts.finish({ serial: serial(number), end, history: kept });
}
const decided = { reason: "readable", by: "Ada", witness: "Bo" };

test("held cards are listed with their question and with what they have not passed", async () => {
  const s = await working();
  await held(s, 2);
  await held(s, 1, history, false);
  expect(await s.stock.held()).toMatchObject([
    { serial: serial(1), station: "quality", question: "faint" },
    { serial: serial(2), label: label(2), order: "A-1", record: 1, left: ["quality/pictures"] },
  ]);
  await s.stock.settle({ serial: serial(2), verdict: "reject", ...decided });
  expect(await s.stock.held()).toHaveLength(1);
});

test("two people find a held card good, while its record still waits", async () => {
  const s = await working();
  await held(s, 1);
  expect(await s.access.refused(serial(1))).toMatchObject({ reason: "held" });
  const settle = { serial: serial(1), verdict: "good", ...decided } as const;
  expect(() => s.stock.settle({ ...settle, witness: "ada" })).toThrow(/two different people/);
  await s.stock.settle(settle);
  expect(await s.stock.find(serial(1))).toMatchObject({ state: "good", stage: "verified" });
  expect(await s.access.refused(serial(1))).toBeUndefined();
  expect(await s.accounts.progress("A-1")).toMatchObject({ produced: 1, waiting: 2 });
  expect(await s.accounts.recount()).toMatchObject({ good: 1, held: 0 });
  expect((await s.reports.reconcile("A-1")).agree).toBe(true);
  const told: unknown[] = [];
  for await (const { what, who, detail } of s.audit.entries())
    if (what === "card.release") told.push([who, detail]);
  expect(told).toEqual([["Ada", { reason: "readable", witness: "Bo", record: 1 }]]);
});

test.each<[string, readonly string[] | undefined, RegExp]>([
  ["a station", ["chip-proof", "visual", "quality"], /has not passed chip-proof, visual, quality/],
  ["the chip in quality control", ["quality"], /has not passed quality/],
  ["nobody knows what", undefined, /nobody wrote down/],
])("a held card that has not passed %s is never found good", async (_what, left, refusal) => {
  const s = await working();
  await held(s, 1, left === undefined ? history : { ...history, left });
  const settle = { serial: serial(1), verdict: "good", ...decided } as const;
  await expect(s.stock.settle(settle)).rejects.toMatchObject({ code: "not-passed" });
  await expect(s.stock.settle(settle)).rejects.toThrow(refusal);
  expect(await s.stock.find(serial(1))).toMatchObject({ state: "held" });
  expect(await s.accounts.recount()).toMatchObject({ held: 1 });
});

test("a held card whose record got another card can only be rejected", async () => {
  const s = await working();
  await held(s, 1);
  await start(s, 2);
  await s.accounts.bind({ serial: serial(2), order: "A-1" });
  const settle = { serial: serial(1), ...decided };
  await expect(s.stock.settle({ ...settle, verdict: "good" })).rejects.toThrow(/another card/);
  await s.accounts.finish({ serial: serial(2), end: { kind: "good" }, history });
  await expect(s.stock.settle({ ...settle, verdict: "good" })).rejects.toThrow(/another card/);
  await s.stock.settle({ ...settle, verdict: "reject" });
  expect(await s.accounts.recount()).toMatchObject({ good: 1, rejected: 1, held: 0 });
  await expect(s.stock.settle({ ...settle, verdict: "reject" })).rejects.toThrow(/not held/);
});

test("the record of a card settled as reject gets another one, also when it was held itself", async () => {
  const s = await store({ attempts: 1 });
  await s.stock.receive({ lot: "L1", blanks: blanks(3), by: "Ada" });
  await s.orders.import(importAsk(1));
  await held(s, 1);
  expect(await s.accounts.progress("A-1")).toMatchObject({ held: 1, waiting: 0 });
  await s.stock.settle({ serial: serial(1), verdict: "reject", ...decided });
  expect(await s.accounts.progress("A-1")).toMatchObject({ held: 0, waiting: 1 });
  await start(s, 2);
  expect(await s.accounts.bind({ serial: serial(2), order: "A-1" })).toMatchObject({ attempt: 2 });
  await s.accounts.finish({ serial: serial(2), end: { kind: "good" }, history });
  expect(await s.accounts.recount()).toMatchObject({ good: 1, rejected: 1, held: 0 });
});

test("a held card keeps its PIN until people have decided or another card is bound", async () => {
  const s = await working();
  const pins = { pin: Buffer.of(7) };
  for (const record of [1, 2]) await s.orders.storePins("A-1", record, pins);
  await held(s, 1);
  expect(await s.orders.pins("A-1", 1)).toEqual(pins);
  await s.stock.settle({ serial: serial(1), verdict: "good", ...decided });
  // Its letter is still to be written.
  expect(await s.orders.pins("A-1", 1)).toEqual(pins);
  await held(s, 2);
  expect(await s.orders.pins("A-1", 2)).toEqual(pins);
  await start(s, 3);
  expect(await s.accounts.bind({ serial: serial(3), order: "A-1" })).toMatchObject({ attempt: 2, pins: {} });
  expect(await s.orders.pins("A-1", 2)).toEqual({});
  await s.orders.storePins("A-1", 2, pins);
  await s.stock.settle({ serial: serial(2), verdict: "reject", ...decided });
  expect(await s.orders.pins("A-1", 2)).toEqual(pins);
  await held(s, 4);
  await s.orders.storePins("A-1", 3, pins);
  await s.stock.settle({ serial: serial(4), verdict: "reject", ...decided });
  expect(await s.orders.pins("A-1", 3)).toEqual({});
});

test("of several held cards of one record only the last, which has the PIN that is kept, may be found good", async () => {
  const s = await store();
  await s.stock.receive({ lot: "L1", blanks: blanks(3), by: "Ada" });
  await s.orders.import(importAsk(1));
  await s.orders.storePins("A-1", 1, { pin: Buffer.of(1) });
  await held(s, 1);
  await start(s, 2);
  await s.accounts.bind({ serial: serial(2), order: "A-1" });
  const pins = { pin: Buffer.of(2) };
  await s.orders.storePins("A-1", 1, pins);
  const end = { kind: "held", station: "quality", question: "faint" } as const;
  await s.accounts.finish({ serial: serial(2), end, history: passed });
  await expect(s.stock.settle({ serial: serial(1), verdict: "good", ...decided })).rejects.toThrow(
    /a later card .* PIN/,
  );
  await s.stock.settle({ serial: serial(1), verdict: "reject", ...decided });
  expect(await s.orders.pins("A-1", 1)).toEqual(pins);
  await s.stock.settle({ serial: serial(2), verdict: "good", ...decided });
  expect(await s.orders.pins("A-1", 1)).toEqual(pins);
  expect(await s.accounts.recount()).toMatchObject({ good: 1, rejected: 1, held: 0 });
});

test("a held card that is not ours goes back; one with a person's data does not, and good ones are settled nowhere", async () => {
  const s = await working();
  await held(s, 1, history, false);
  await held(s, 2);
  await s.stock.settle({ serial: serial(1), verdict: "return", ...decided });
  await expect(s.stock.settle({ serial: serial(2), verdict: "return", ...decided })).rejects.toThrow(
    /cannot be returned; reject it/,
  );
  expect(await s.accounts.recount()).toMatchObject({ returned: 1, held: 1 });
  await s.stock.settle({ serial: serial(2), verdict: "good", ...decided });
  await expect(s.stock.settle({ serial: serial(2), verdict: "reject", ...decided })).rejects.toThrow(
    /not held/,
  );
});

test("the report counts a settled card as what people found", async () => {
  const s = await working();
  await held(s, 1);
  await start(s, 2);
  await held(s, 3);
  const cards = async (): Promise<object> =>
    (await s.reports.production({ order: "A-1", timeZone: "UTC", simulated: [], seconds: 1 })).cards;
  expect(await cards()).toMatchObject({ used: 2, good: 0, rejected: 0, held: 2 });
  await s.stock.settle({ serial: serial(3), verdict: "good", ...decided });
  await s.stock.settle({ serial: serial(1), verdict: "reject", ...decided });
  expect(await cards()).toMatchObject({ used: 2, good: 1, rejected: 1, held: 0 });
});

test("a good card withdrawn before delivery is refused at gates and made again", async () => {
  const s = await store();
  await s.stock.receive({ lot: "L1", blanks: blanks(3), by: "Ada" });
  await s.orders.import(importAsk(1));
  const make = async (number: number): Promise<void> => {
    await start(s, number);
    await s.accounts.bind({ serial: serial(number), order: "A-1" });
    await s.accounts.finish({ serial: serial(number), end: { kind: "good" }, history });
  };
  await make(1);
  expect(await s.orders.find("A-1")).toMatchObject({ state: "produced" });
  await s.stock.withdraw({ serial: serial(1), reason: "bent", by: "Ada", witness: "Bo" });
  expect(await s.orders.find("A-1")).toMatchObject({ state: "in-production" });
  expect(await s.access.refused(serial(1))).toMatchObject({ reason: "withdrawn" });
  await make(2);
  expect(await s.accounts.recount()).toMatchObject({ good: 1, rejected: 1, inStock: 1 });
  expect(await s.reports.reconcile("A-1")).toMatchObject({ agree: true, cards: { good: 1, cancelled: 1 } });
  await s.orders.deliver({ order: "A-1", by: "Ada" });
  const again = { serial: serial(2), reason: "bent", by: "Ada", witness: "Bo" };
  await expect(s.stock.withdraw(again)).rejects.toThrow(/not delivered/);
});

test("letters are released by two, in batches, only when their PIN is kept and their card is good", async () => {
  const s = await working();
  await start(s, 1);
  await s.accounts.bind({ serial: serial(1), order: "A-1" });
  const one = await s.letters.number({ order: "A-1", record: 1, pin: "user" });
  expect(await s.letters.number({ order: "A-1", record: 1, pin: "user" })).toEqual(one);
  expect(await s.letters.due("A-1", 9)).toEqual([]);
  await s.accounts.finish({ serial: serial(1), end: { kind: "good" }, history });
  expect(await s.letters.due("A-1", 9)).toEqual([]);
  await s.orders.storePins("A-1", 1, { user: new Uint8Array([1]) });
  expect(await s.letters.due("A-1", 9)).toMatchObject([{ letter: one.letter, state: "numbered" }]);
  const batch = await s.letters.batchNumber();
  const isWritten = (): boolean => true;
  const release = {
    order: "A-1",
    batch,
    file: "letters/1",
    isWritten,
    letters: [one.letter],
    by: "Ada",
    witness: "Bo",
  };
  await expect(s.letters.released({ ...release, witness: "Ada" })).rejects.toMatchObject({
    code: "two-people",
  });
  await s.letters.released(release);
  expect(await s.letters.due("A-1", 9)).toEqual([]);
  expect(await s.letters.list("A-1")).toMatchObject([
    { letter: one.letter, state: "released", batch: "B-0000001", page: 1 },
  ]);
  // Not a second time, and nothing of a batch that was refused is entered.
  await expect(s.letters.released({ ...release, batch: await s.letters.batchNumber() })).rejects.toThrow(
    /L-0000001 does not wait for its release any more: batch B-0000002 is not released/,
  );
  expect(await s.letters.batches("A-1")).toMatchObject([{ batch, letters: 1, file: "letters/1" }]);
  await s.letters.void({ letter: one.letter, reason: "lost in the post", by: "Ada" });
  await expect(s.letters.void({ letter: one.letter, reason: "again", by: "Ada" })).rejects.toThrow(/is void/);
  await s.letters.takenAway(batch);
  expect((await s.letters.batches("A-1"))[0]).not.toHaveProperty("file");
  await expect(s.letters.takenAway("B-9")).rejects.toMatchObject({ code: "unknown-letter" });
});

test("only good cards enter the access register; passages come in order of time", async () => {
  const s = await working();
  const holder = {
    order: "A-1",
    reference: "E1",
    name: "Zoë",
    department: "Extrusion",
    zones: ["A1", "DOCK"],
    cardNumber: "A-1-0001",
    validUntil: "2027-01-01",
  };
  await start(s, 1);
  await s.accounts.bind({ serial: serial(1), order: "A-1" });
  await expect(s.access.enter([{ serial: serial(1), ...holder }])).rejects.toThrow(/only good cards/);
  await s.accounts.finish({ serial: serial(1), end: { kind: "good" }, history });
  await s.access.enter([{ serial: serial(1), ...holder }]);
  expect(await s.access.holder(serial(1))).toEqual({
    serial: serial(1),
    status: "active",
    product: "office-access",
    ...holder,
  });
  await s.access.setStatus({ serial: serial(1), status: "blocked", by: "Ada" });
  const listed: unknown[] = [];
  for await (const { status } of s.access.holders()) listed.push(status);
  expect(listed).toEqual(["blocked"]);
  const pass = (at: string, decision: "granted" | "refused") => ({
    at,
    gate: "north",
    zone: "A1",
    direction: "in" as const,
    serial: serial(1),
    reference: "E1",
    decision,
  });
  await s.access.pass([
    pass("2026-03-02T08:00:00.000Z", "refused"),
    pass("2026-03-01T08:00:00.000Z", "granted"),
  ]);
  const seen: unknown[] = [];
  for await (const { at, decision } of s.access.passages()) seen.push([at, decision]);
  expect(seen).toEqual([
    ["2026-03-01T08:00:00.000Z", "granted"],
    ["2026-03-02T08:00:00.000Z", "refused"],
  ]);
  expect(await s.access.forgetPassages({ before: "2026-03-02", by: "Ada" })).toBe(1);
});

test("a card number leads to the card that opens gates, not to the one it took the place of", async () => {
  const s = await working();
  const holder = {
    order: "A-1",
    reference: "E1",
    name: "",
    department: "",
    zones: [],
    cardNumber: "A-1-0001",
  };
  for (const number of [1, 2]) {
    await start(s, number);
    await s.accounts.bind({ serial: serial(number), order: "A-1" });
    await s.accounts.finish({ serial: serial(number), end: { kind: "good" }, history });
  }
  await s.access.enter([{ serial: serial(2), ...holder }]);
  await s.access.enter([{ serial: serial(1), ...holder, cardNumber: "A-1-0002" }]);
  expect(await s.access.numbered("A-1-0001")).toBe(serial(2));
  expect(await s.access.numbered("A-1-0003")).toBeUndefined();
  await s.access.enter([{ serial: serial(1), ...holder }]);
  await s.access.setStatus({ serial: serial(2), status: "withdrawn", by: "Ada" });
  expect(await s.access.numbered("A-1-0001")).toBe(serial(1));
  await s.access.setStatus({ serial: serial(1), status: "withdrawn", by: "Ada" });
  await s.access.setStatus({ serial: serial(2), status: "active", by: "Ada" });
  expect(await s.access.numbered("A-1-0001")).toBe(serial(2));
});

test("a number is drawn for one line, and told to it again until its card is begun", async () => {
  const s = await working();
  const begins = "0102030405";
  const drawn = (line: string, from = begins) => s.stock.draw({ begins: from, line });
  const first = await drawn("one");
  expect(first).toBe(label(1));
  expect(await drawn("one")).toBe(first);
  const second = await drawn("two");
  expect(second).toBe(label(2));
  expect(await drawn("one", "FF")).toBeUndefined();
  await s.accounts.start({ label: first ?? "", order: "A-1", line: "one" });
  expect(await drawn("one")).toBe(label(3));
  // Who comes to rest gives back what was never begun; what another drew stays drawn.
  await s.stock.putBack({ line: "one" });
  expect(await drawn("three")).toBe(label(3));
  expect(await drawn("two")).toBe(second);
  expect(await s.audit.verify()).toMatchObject({ ok: true });
});

test("a rejected card stays rejected even for raw SQL, and the audit is append-only", async () => {
  const s = await working();
  await start(s, 1);
  await s.accounts.finish({ serial: serial(1), end: rejected(false), history });
  const { default: Database } = await import("better-sqlite3");
  const other = new Database(s.file);
  expect(() => other.exec("update blanks set state = 'in-stock' where state = 'rejected'")).toThrow(
    /never becomes/,
  );
  expect(() => other.exec("update audit set who = 'Eve'")).toThrow(/append-only/);
  expect(() => other.exec("delete from audit")).toThrow(/append-only/);
  other.close();
});
