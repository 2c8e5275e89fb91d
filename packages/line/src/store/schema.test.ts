import { readFileSync } from "node:fs";
import { join } from "node:path";
import Database from "better-sqlite3";
import { expect, test } from "vitest";
import { folder, importAsk, store } from "./sample.test.data.js";
import { migrate, migrations } from "./sqlite/migrate.js";
import { openStore } from "./store.js";

/** The file people review. After a migration: run the tests with `-u` and read the difference. */
const reviewed = new URL("./schema.sql", import.meta.url);

function schemaOf(file: string): string {
  const database = new Database(file, { readonly: true });
  const rows = database
    .prepare<[], { sql: string }>(
      "select sql from sqlite_master where sql is not null order by tbl_name, type desc, name",
    )
    .all();
  database.close();
  return `${rows.map(({ sql }) => `${sql};`).join("\n\n")}\n`;
}

test("schema.sql is the schema after all migrations", async () => {
  const s = await store();
  expect(readFileSync(reviewed, "utf8")).toContain("CREATE TABLE orders");
  await expect(schemaOf(s.file)).toMatchFileSnapshot("schema.sql");
});

test("a database of a newer version is refused and not touched", async () => {
  const s = await store();
  await s.close();
  const other = new Database(s.file);
  other.prepare("insert into migrations values (99, 'from the future', '2030-01-01')").run();
  other.close();
  const before = readFileSync(s.file);
  await expect(openStore({ file: s.file })).rejects.toMatchObject({
    name: "StoreFault",
    code: "newer-version",
  });
  await expect(openStore({ file: s.file })).rejects.toThrow(
    /written by a newer Persoline \(schema 99 "from the future", this one knows up to \d+\)/,
  );
  expect(readFileSync(s.file).equals(before)).toBe(true);
});

test("other programs' databases and other files are refused", async () => {
  const foreign = join(folder(), "songs.db");
  const other = new Database(foreign);
  other.exec("create table songs (title text)");
  other.close();
  await expect(openStore({ file: foreign })).rejects.toMatchObject({ code: "not-ours" });
  const { writeFileSync } = await import("node:fs");
  const text = join(folder(), "letter.db");
  writeFileSync(text, "Dear Sir or Madam, ".repeat(500));
  await expect(openStore({ file: text })).rejects.toMatchObject({ code: "not-ours" });
});

test("a migration that fails leaves the file as it was", () => {
  const file = join(folder(), "persoline.db");
  const database = new Database(file);
  const [first] = migrations;
  if (first === undefined) throw new Error("no migrations");
  const bad = {
    number: 2,
    name: "bad",
    sql: "create table more (x integer); create table orders (x integer);",
  };
  expect(() => {
    migrate(database, "2026-01-01", [first, bad]);
  }).toThrow(/orders already exists/);
  expect(database.prepare("select name from sqlite_master where name in ('more', 'blanks')").all()).toEqual(
    [],
  );
  migrate(database, "2026-01-01");
  database.close();
});

test("a damaged page is reported and not repaired", async () => {
  const s = await store();
  await s.orders.import(importAsk(200));
  await s.close();
  const { openSync, writeSync, closeSync, statSync } = await import("node:fs");
  const size = statSync(s.file).size;
  const handle = openSync(s.file, "r+");
  for (let at = 4096; at < size; at += 4096) writeSync(handle, Buffer.alloc(200, 0xa5), 0, 200, at);
  closeSync(handle);
  await expect(openStore({ file: s.file })).rejects.toMatchObject({ name: "StoreFault", code: "corrupt" });
});

test("a full disk ends a step cleanly, and no card is begun when there is little room", async () => {
  const s = await store({ freeSpace: () => 5 * 1024 * 1024 });
  await expect(s.orders.import(importAsk(1))).rejects.toMatchObject({
    name: "StoreFault",
    code: "disk-full",
  });
  await expect(s.accounts.start({ label: "B", order: "A-1", line: "l" })).rejects.toThrow(
    /5 MiB left.*no further card/,
  );
});

test("two processes share a database; transactions of one wait for the other's", async () => {
  const one = await store();
  const two = await openStore({ file: one.file });
  await one.stock.receive({ lot: "L1", blanks: [{ serial: "AA" as never, label: "B1" }], by: "Ada" });
  expect(await two.accounts.totals()).toMatchObject({ received: 1 });
  await Promise.all(
    Array.from({ length: 40 }, (_, index) =>
      (index % 2 === 0 ? one : two).audit.note({ what: "test.note", object: `n ${index}`, result: "ok" }),
    ),
  );
  expect(await one.audit.verify()).toMatchObject({ ok: true, head: { sequence: 41 } });
  await two.close();
});

test("when the disk is full in the middle of an import, nothing of it is kept and the accounts still balance", async () => {
  const s = await store({ pagesAtMost: 120 });
  await expect(s.orders.import(importAsk(500))).rejects.toMatchObject({
    name: "StoreFault",
    code: "disk-full",
  });
  expect(await s.orders.list()).toEqual([]);
  expect(await s.accounts.recount()).toMatchObject({ received: 0 });
  await s.close();
  const roomy = await openStore({ file: s.file });
  expect(await roomy.orders.import(importAsk(500))).toMatchObject({ records: 500 });
  expect(await roomy.accounts.progress("A-1")).toMatchObject({ waiting: 500 });
  await roomy.close();
});
