import { join } from "node:path";
import { Kysely } from "kysely";
import { expect, onTestFinished, test } from "vitest";
import { prepared } from "./prepared.js";
import { folder } from "./sample.test.data.js";
import { sqliteDialect } from "./sqlite/dialect.js";
import { migrate } from "./sqlite/migrate.js";
import { openSqlite } from "./sqlite/open.js";
import type { Tables } from "./tables.js";

function database() {
  const file = openSqlite(join(folder(), "x.db"));
  migrate(file, "2026-01-01T00:00:00.000Z");
  const db = new Kysely<Tables>({ dialect: sqliteDialect(file).dialect });
  onTestFinished(() => db.destroy());
  return db;
}

interface Counter {
  readonly scope: string;
  readonly term: string;
  readonly value: number;
}

test("is built once; each asking has its own values, and constants stay", async () => {
  const db = database();
  let built = 0;
  const insert = prepared((to, { scope, term, value }: Counter) => {
    built++;
    return to.insertInto("counters").values({ scope, term, value });
  });
  const above = prepared((from, { scope }: Pick<Counter, "scope">) =>
    from.selectFrom("counters").select("term").where("scope", "=", scope).where("value", ">", 1),
  );
  expect(built).toBe(0);
  // What would be a statement of its own, were it text of the query.
  const scope = `a"'; delete from counters; --`;
  for (const value of [1, 2, 3]) await insert(db, { scope, term: `t${value}`, value });
  await insert(db, { scope: "b", term: "t9", value: 9 });
  expect(built).toBe(1);
  expect((await above(db, { scope })).rows).toEqual([{ term: "t2" }, { term: "t3" }]);
  expect((await above(db, { scope: "b" })).rows).toEqual([{ term: "t9" }]);
  expect((await above(db, { scope: "c" })).rows).toEqual([]);
});

test("belongs to the transaction it is asked in, and tells how many rows it changed", async () => {
  const db = database();
  const insert = prepared((to, row: Counter) =>
    to.insertInto("counters").values({ scope: row.scope, term: row.term, value: row.value }),
  );
  const set = prepared((to, { scope, value }: Omit<Counter, "term">) =>
    to.updateTable("counters").set({ value }).where("scope", "=", scope),
  );
  await expect(
    db.transaction().execute(async (tx) => {
      await insert(tx, { scope: "s", term: "t", value: 1 });
      throw new Error("no");
    }),
  ).rejects.toThrow("no");
  expect((await set(db, { scope: "s", value: 2 })).numAffectedRows).toBe(0n);
  for (const term of ["t", "u"]) await insert(db, { scope: "s", term, value: 1 });
  expect((await set(db, { scope: "s", value: 2 })).numAffectedRows).toBe(2n);
});
