import { join } from "node:path";
import Database from "better-sqlite3";
import { expect, test } from "vitest";
import { blanks, folder, history, importAsk, label, records, serial, store } from "./sample.test.data.js";
import { migrate, migrations } from "./sqlite/migrate.js";
import { openStore } from "./store.js";

const run = { order: "A-1", line: "carousel", lineFile: "/lines/carousel.yaml", orderFile: "/orders/a.yaml" };
const files = [
  { part: "product file", sha256: "aa" },
  { part: "front layout", sha256: "bb" },
];
const withPhotos = (count: number) =>
  records(count).map((record) => ({
    ...record,
    photos: { photo: { png: new Uint8Array(9), width: 1, height: 1, sha256: `photo ${record.number}` } },
  }));

test("the digests an order was begun with are kept, by part and by record, and those of photos go with the photos", async () => {
  const s = await store();
  await s.stock.receive({ lot: "L1", blanks: blanks(2), by: "Ada" });
  await s.orders.import({ ...importAsk(2), records: withPhotos(2), files });
  expect(await s.runs.files("A-1")).toEqual([files[1], files[0]]);
  expect(await s.runs.photos("A-1", 2, 9)).toEqual([{ record: 2, part: "photo", sha256: "photo 2" }]);
  for (const number of [1, 2]) {
    await s.accounts.start({ label: label(number), order: "A-1", line: "carousel" });
    await s.accounts.bind({ serial: serial(number), order: "A-1" });
    await s.accounts.finish({ serial: serial(number), end: { kind: "good" }, history });
  }
  await s.orders.deliver({ order: "A-1", by: "Ada" });
  await s.orders.close({ order: "A-1", by: "Ada" });
  await s.orders.erase({ order: "A-1", by: "Ada", approvedBy: "Bo" });
  expect(await s.runs.photos("A-1", 1, 2)).toEqual([]);
  expect(await s.runs.files("A-1")).toHaveLength(2);
});

test("an import that was interrupted leaves no digests behind", async () => {
  const s = await store();
  const failing = async function* () {
    yield* withPhotos(300);
    await Promise.reject(new Error("interrupted"));
  };
  await expect(s.orders.import({ ...importAsk(2), records: failing(), files })).rejects.toThrow(
    "interrupted",
  );
  await s.orders.import({ ...importAsk(2), records: withPhotos(2), files });
  expect(await s.runs.photos("A-1", 1, 300)).toHaveLength(2);
});

test("cards in process are told by order and line, with the files of the run that began them", async () => {
  const s = await store();
  await s.stock.receive({ lot: "L1", blanks: blanks(3), by: "Ada" });
  await s.orders.import(importAsk(3));
  expect(await s.runs.inWork()).toEqual([]);
  await s.runs.takeUp({ ...run, seed: 7 });
  for (const number of [1, 2])
    await s.accounts.start({ label: label(number), order: "A-1", line: "carousel" });
  const { order, line, lineFile, orderFile } = run;
  expect(await s.runs.inWork()).toEqual([{ order, line, cards: 2, lineFile, orderFile }]);
});

test("the first run's seed stays, and only a produced order is marked as reported, until a run takes it up again", async () => {
  const s = await store();
  await s.stock.receive({ lot: "L1", blanks: blanks(1), by: "Ada" });
  await s.orders.import(importAsk(1));
  await s.runs.takeUp({ ...run, seed: 7 });
  await s.runs.takeUp({ ...run, line: "belt", seed: 8 });
  await s.runs.reported("A-1");
  expect(await s.orders.find("A-1")).toMatchObject({ seed: 7, line: "belt" });
  expect((await s.orders.find("A-1"))?.reportedAt).toBeUndefined();
  await s.accounts.start({ label: label(1), order: "A-1", line: "belt" });
  await s.accounts.bind({ serial: serial(1), order: "A-1" });
  await s.accounts.finish({ serial: serial(1), end: { kind: "good" }, history });
  await s.runs.reported("A-1");
  expect((await s.orders.find("A-1"))?.reportedAt).toMatch(/^\d{4}-/);
  await s.runs.takeUp({ ...run, seed: 7 });
  expect((await s.orders.find("A-1"))?.reportedAt).toBeUndefined();
  expect(await s.audit.verify()).toMatchObject({ ok: true });
});

test("a database of the version before keeps its orders, which nothing is known of but what it knew", async () => {
  const file = join(folder(), "persoline.db");
  const database = new Database(file);
  migrate(database, "2026-01-01", migrations.slice(0, 1));
  database
    .prepare(
      `insert into orders values ('A-1', 'c', 'p', 'test', 'l', 'produced', 'i.csv', '00', 1, '{}', null, null, null,
       '2026-01-01', '2026-01-01', '2026-01-01', '2026-01-02', null, null, null)`,
    )
    .run();
  database.close();
  const s = await openStore({ file });
  const found = await s.orders.find("A-1");
  expect(found).toMatchObject({ state: "produced", producedAt: "2026-01-02" });
  expect([found?.seed, found?.reportedAt]).toEqual([undefined, undefined]);
  expect(await s.runs.files("A-1")).toEqual([]);
  await s.close();
});
