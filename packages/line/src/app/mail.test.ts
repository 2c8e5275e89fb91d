import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Serial } from "@persoline/card/program";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { MailerFault } from "../devices/flaw-kinds.js";
import type { MailingFile } from "../stations/line-mailing.js";
import type { MailingEnd } from "../stations/mailing.js";
import { openStore, type Store } from "../store/store.js";
import { outputDifferences } from "./bodies.js";
import { type DataFolder, dataFolder } from "./data-folder.js";
import { mailOrder } from "./mail.js";

const order = "A-1";
const people = 12;
let data: DataFolder;
let store: Store;
let made = 0;

beforeEach(async () => {
  data = dataFolder(mkdtempSync(join(tmpdir(), "persoline-mail-")));
  store = await openStore({ file: data.database });
  made = 0;
  const blanks = Array.from({ length: 60 }, (_, at) => ({
    serial: serialOf(at + 1),
    label: labelOf(at + 1),
  }));
  await store.stock.receive({ lot: "B", blanks, by: "Ada" });
  await take(order, people);
  await make(order);
});
afterEach(async () => {
  await store.close();
  rmSync(data.root, { recursive: true });
});

const serialOf = (number: number): Serial => `0102030405${String(number).padStart(10, "0")}` as Serial;
const labelOf = (number: number): string => `B-${String(number)}`;
const outputOf = (of: string): string => join(data.shopFloor, "good", of);

const take = (number: string, records: number): Promise<unknown> =>
  store.orders.import({
    order: {
      order: number,
      customer: "c",
      product: "p",
      input: { file: "f" },
      line: "l",
      environment: "test",
      keys: "k",
    },
    inputSha256: number,
    records: Array.from({ length: records }, (_, at) => ({
      number: at + 1,
      row: at + 2,
      fields: { name: `Person ${String(at + 1)}` },
      photos: {},
    })),
    sealedDataKey: new Uint8Array(1),
    dataKey: new Uint8Array(32),
  });

/** A line makes what cards the order lacks, and their bodies lie in the slots of their records. */
async function make(of: string): Promise<void> {
  for (;;) {
    const { waiting } = await store.accounts.progress(of);
    if (waiting === 0) return;
    made++;
    const serial = serialOf(made);
    await store.accounts.start({ label: labelOf(made), order: of, line: "l" });
    const bound = await store.accounts.bind({ serial, order: of });
    if (bound === "none-waiting") throw new Error("no record waits");
    await store.accounts.finish({ serial, end: { kind: "good" }, history: { times: [], findings: [] } });
    const slot = String(bound.record.number).padStart(6, "0");
    mkdirSync(join(outputOf(of), `${slot}-${labelOf(made)}`), { recursive: true });
  }
}

async function print(): Promise<void> {
  const due = await store.carriers.number(order, 100);
  for (const batch of new Set(due.map((one) => one.batch)))
    await store.carriers.printed({ batch, by: "Ada" });
}

async function mail(mailing: MailingFile, typed: string[] = []): Promise<MailingEnd> {
  const stored = await store.orders.find(order);
  if (stored === undefined) throw new Error("no order");
  return mailOrder({
    stored,
    product: { cardNumber: "{order}-{record:4}" },
    line: { line: "l", mailing },
    store,
    data,
    desk: { tell: () => undefined, awaits: () => undefined, typed: async () => typed.shift() },
    stopping: new AbortController().signal,
  });
}

const simulated = (...faults: readonly [carrier: number, fault: MailerFault][]): MailingFile => ({
  mailer: "simulated",
  faults: faults.map(([carrier, fault]) => ({ carrier, fault })),
});

/** Mails, and after each stop makes and prints again what is missing, until all is mailed; answers why it stopped. */
async function mailAll(mailing: MailingFile): Promise<string[]> {
  const stops: string[] = [];
  for (;;) {
    await make(order);
    await print();
    const end = await mail(mailing);
    if (end.ended === "whole") return stops;
    stops.push(end.why);
    // A missing carrier, or one that lay in the wrong place, is found out by the next look; no stop is without its reason.
    if (stops.length > 20) throw new Error(`it does not end: ${stops.join("; ")}`);
  }
}

/** Every card of the output bears the carrier of its own record, and letters went out in the order of the input. */
async function expectMailedRight(): Promise<void> {
  const list = await store.carriers.list(order);
  const mailed = list.filter(({ state }) => state === "mailed");
  expect(mailed.map(({ record }) => record).toSorted((a, b) => a - b)).toEqual(
    Array.from({ length: people }, (_, at) => at + 1),
  );
  for (const name of readdirSync(outputOf(order))) {
    const own = mailed.find(({ record }) => record === Number(name.slice(0, 6)));
    expect(readFileSync(join(outputOf(order), name, "fixed-to.txt"), "utf8")).toBe(`${own?.carrier ?? ""}\n`);
  }
  const letters: number[] = [];
  for await (const { what, detail } of store.audit.entries())
    if (what === "carrier.mailed") letters.push(Number(detail?.["record"]));
  expect(letters).toEqual(Array.from({ length: people }, (_, at) => at + 1));
  expect(await outputDifferences({ store, data, order })).toEqual([]);
  expect((await store.reports.reconcile(order)).agree).toBe(true);
  const { good, rejected, received, inStock } = await store.accounts.recount();
  expect(good + rejected + inStock).toBe(received);
}

test("without faults every card is mailed with its own carrier, in the input's order, and none is lost", async () => {
  expect(await mailAll(simulated())).toEqual([]);
  await expectMailedRight();
  expect(await store.accounts.totals()).toMatchObject({ good: people, rejected: 0 });
});

test.each<[MailerFault, string]>([
  ["swapped", "the card of record 3 lay before the carrier of record 4 when record 3 was due"],
  ["missing", "the card of record 3 lay before the carrier of record 4 when record 3 was due"],
  [
    "twice",
    "the card of record 4 lay before the carrier of record 3, which was mailed already, when record 4 was due",
  ],
  ["unreadable", "the card of record 3 lay before a carrier that cannot be read when record 3 was due"],
  ["unreadable-card", "a card that cannot be read lay before the carrier of record 3 when record 3 was due"],
  [
    "stops",
    "the mailer stopped while the card of record 3 was being fixed, and nobody knows whether it was (it was told to fix, and said nothing any more)",
  ],
])(
  "planted %s: found, both kept apart, made anew, mailed in its place; one card lost, the accounts balance",
  async (fault, why) => {
    expect(await mailAll(simulated([3, fault]))).toEqual([why]);
    await expectMailedRight();
    expect(await store.accounts.totals()).toMatchObject({ good: people, rejected: 1 });
    expect(readdirSync(join(data.shopFloor, "apart"))).toHaveLength(1);
  },
);

test("all faults in one order: each is found, and every holder gets the own card", async () => {
  const stops = await mailAll(
    simulated(
      [1, "unreadable"],
      [3, "swapped"],
      [5, "twice"],
      [7, "missing"],
      [9, "stops"],
      [11, "unreadable-card"],
    ),
  );
  expect(stops).toHaveLength(6);
  await expectMailedRight();
  expect(await store.accounts.totals()).toMatchObject({ rejected: 6 });
});

test("a card of another order in the tray: it is kept apart and made anew in its own order, and this order's is not touched", async () => {
  await take("B-2", 1);
  await make("B-2");
  const [ours = ""] = readdirSync(outputOf(order)).filter((name) => name.startsWith("000002"));
  const [theirs = ""] = readdirSync(outputOf("B-2"));
  const aside = join(data.root, "on-the-table");
  renameSync(join(outputOf(order), ours), aside);
  renameSync(join(outputOf("B-2"), theirs), join(outputOf(order), theirs.replace("000001", "000002")));
  await print();
  expect(await mail(simulated())).toMatchObject({
    mailed: 1,
    ended: "apart",
    why: "the card of record 1 of order B-2 lay before the carrier of record 2 when record 2 was due",
    cancelled: { carrier: true, card: true },
  });
  expect((await store.orders.find("B-2"))?.state).toBe("in-production");
  expect((await store.orders.find(order))?.state).toBe("produced");
  // The person finds the right one where it should not be.
  renameSync(aside, join(outputOf(order), ours));
  expect(await mailAll(simulated())).toEqual([]);
  await expectMailedRight();
  await make("B-2");
  expect(await outputDifferences({ store, data, order: "B-2" })).toEqual([]);
});

test("killed after the intent, before the mailer's answer: the next run keeps both apart before it touches anything else", async () => {
  await print();
  const due = await store.carriers.next(order);
  if (due === undefined) throw new Error("nothing is due");
  await store.carriers.fixing(due);
  const slot = readdirSync(outputOf(order))[0] ?? "";
  const left = {
    known: [],
    pages: [],
    apart: [],
    under: { page: { code: due.carrier, record: 1 }, slot: 1 },
  };
  mkdirSync(join(data.shopFloor, "mailer"), { recursive: true });
  writeFileSync(join(data.shopFloor, "mailer", `${order}.json`), JSON.stringify(left));
  expect(await mail(simulated())).toMatchObject({ mailed: 0, ended: "apart" });
  expect(existsSync(join(outputOf(order), slot))).toBe(false);
  expect(await store.stock.find(due.serial)).toMatchObject({
    state: "rejected",
    reject: { code: "interrupted", station: "mailing" },
  });
  expect(await mailAll(simulated())).toEqual([]);
  await expectMailedRight();
});

test("at a desk: chip numbers, body numbers and card numbers name a card; a wrong one stops it", async () => {
  store.orders.unlock(order, new Uint8Array(32));
  await print();
  const carrier = (record: number): string => `C-${String(record).padStart(7, "0")}`;
  const typed = [
    [carrier(1), serialOf(1).toLowerCase(), ""],
    [carrier(2), labelOf(2), ""],
    [carrier(3), `${order}-0003`, ""],
    [carrier(4), labelOf(5), ""],
  ].flat();
  expect(await mail({ mailer: "desk" }, typed)).toMatchObject({
    mailed: 3,
    ended: "apart",
    why: "the card of record 5 lay before the carrier of record 4 when record 4 was due",
  });
  expect(typed).toEqual([]);
});

test("at a desk: the card number of a record that had a reject does not tell which of them lies there", async () => {
  store.orders.unlock(order, new Uint8Array(32));
  await store.stock.withdraw({ serial: serialOf(1), reason: "scratched", by: "Ada", witness: "Bo" });
  await make(order);
  await print();
  const end = await mail({ mailer: "desk" }, ["C-0000001", `${order}-0001`]);
  expect(end).toMatchObject({ mailed: 0, ended: "stopped" });
  expect(await store.accounts.totals()).toMatchObject({ rejected: 1 });
});

test("one run mails an order at a time: another would take the pair in work for one that was left behind", async () => {
  await print();
  let second: Promise<unknown> | undefined;
  const stored = await store.orders.find(order);
  if (stored === undefined) throw new Error("no order");
  const typed = ["C-0000001", labelOf(1), ""];
  const ask = {
    stored,
    product: { cardNumber: "x" },
    line: { line: "l", mailing: { mailer: "desk" as const } },
    store,
    data,
    stopping: new AbortController().signal,
  };
  const desk = { tell: () => undefined, awaits: () => undefined, typed: async () => typed.shift() };
  const first = mailOrder({
    ...ask,
    desk: {
      ...desk,
      tell: (text: string) => {
        if (text.startsWith("MATCH"))
          second = mailOrder({ ...ask, desk }).catch((problem: unknown) => String(problem));
      },
    },
  });
  expect(await first).toMatchObject({ mailed: 1, ended: "stopped" });
  expect(await second).toContain("is being mailed already");
  expect(await store.accounts.totals()).toMatchObject({ rejected: 0 });
});

test("a simulated mailer mails no live cards, and a line without a mailer none at all", async () => {
  await print();
  const stored = await store.orders.find(order);
  if (stored === undefined) throw new Error("no order");
  const ask = {
    stored: { ...stored, spec: { ...stored.spec, environment: "live" as const } },
    product: { cardNumber: "x" },
    store,
    data,
    desk: { tell: () => undefined, awaits: () => undefined, typed: async () => undefined },
    stopping: new AbortController().signal,
  };
  await expect(mailOrder({ ...ask, line: { line: "l", mailing: simulated() } })).rejects.toThrow("live");
  await expect(mailOrder({ ...ask, line: { line: "l" } })).rejects.toThrow("line l has no mailer");
});
