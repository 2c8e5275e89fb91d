import { join } from "node:path";
import Database, { SqliteError } from "better-sqlite3";
import { Kysely, sql } from "kysely";
import { expect, onTestFinished, test } from "vitest";
import { StoreFault } from "./fault.js";
import { folder } from "./sample.test.data.js";
import { sqliteDialect } from "./sqlite/dialect.js";

/** A database on a disk whose sync fails when told. */
function failing() {
  const database = new Database(join(folder(), "x.db"));
  database.exec("create table t (x integer)");
  const fail: { on?: string; code: string } = { code: "" };
  const exec = database.exec.bind(database);
  database.exec = (text: string) => {
    if (text === fail.on) {
      exec("rollback");
      throw new SqliteError("disk I/O error", fail.code);
    }
    return exec(text);
  };
  const db = new Kysely<{ t: { x: number } }>({ dialect: sqliteDialect(database).dialect });
  onTestFinished(() => db.destroy());
  const insert = () => db.transaction().execute((tx) => tx.insertInto("t").values({ x: 1 }).execute());
  return { db, fail, insert };
}

test("after a sync that failed nothing is taken for written, then or later", async () => {
  const { db, fail, insert } = failing();
  await insert();
  fail.on = "commit";
  fail.code = "SQLITE_IOERR_FSYNC";
  const fault: unknown = await insert().catch((error: unknown) => error);
  expect(fault).toBeInstanceOf(StoreFault);
  expect(fault).toMatchObject({ code: "input-output" });
  delete fail.on;
  // The disk seems well again: what it had told us before is still not to be believed.
  await expect(insert()).rejects.toBe(fault);
  await expect(db.selectFrom("t").selectAll().execute()).rejects.toBe(fault);
});

test("a full disk, too, is no success; with room again the work goes on", async () => {
  const { db, fail, insert } = failing();
  fail.on = "commit";
  fail.code = "SQLITE_FULL";
  await expect(insert()).rejects.toMatchObject({ code: "disk-full" });
  delete fail.on;
  await insert();
  expect(await db.selectFrom("t").selectAll().execute()).toEqual([{ x: 1 }]);
});

test("a disk that was mounted read-only stops everything", async () => {
  const { fail, insert } = failing();
  fail.code = "SQLITE_READONLY";
  fail.on = "commit";
  await expect(insert()).rejects.toMatchObject({ code: "read-only" });
  delete fail.on;
  await expect(insert()).rejects.toMatchObject({ code: "read-only" });
});

test("transactions of one process queue for the one connection", async () => {
  const { db } = failing();
  const seen: number[] = [];
  await Promise.all(
    [1, 2, 3].map((x) =>
      db.transaction().execute(async (tx) => {
        await tx.insertInto("t").values({ x }).execute();
        await Promise.resolve();
        const rows = await sql<{ n: number }>`select count(*) as n from t`.execute(tx);
        seen.push(rows.rows[0]?.n ?? 0);
      }),
    ),
  );
  expect(seen).toEqual([1, 2, 3]);
});
