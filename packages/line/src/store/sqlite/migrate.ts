import type { Database as Connection } from "better-sqlite3";
import { StoreFault } from "../fault.js";
import { accounts } from "./migrations/0001-accounts.js";
import { heldCards } from "./migrations/0002-held-cards.js";
import { runs } from "./migrations/0003-runs.js";
import { givenUp } from "./migrations/0004-given-up.js";
import { cardNumbers } from "./migrations/0005-card-numbers.js";
import { drawnLabels } from "./migrations/0006-drawn-labels.js";
import { letterBatches } from "./migrations/0007-letter-batches.js";
import { carriers } from "./migrations/0008-carriers.js";

interface Migration {
  readonly number: number;
  readonly name: string;
  readonly sql: string;
}

/** Numbered, applied in order, never changed once released. */
export const migrations: readonly Migration[] = [
  { number: 1, name: "accounts", sql: accounts },
  { number: 2, name: "held-cards", sql: heldCards },
  { number: 3, name: "runs", sql: runs },
  { number: 4, name: "given-up", sql: givenUp },
  { number: 5, name: "card-numbers", sql: cardNumbers },
  { number: 6, name: "drawn-labels", sql: drawnLabels },
  { number: 7, name: "letter-batches", sql: letterBatches },
  { number: 8, name: "carriers", sql: carriers },
];

/** "PERS": tells our files from other SQLite files. */
export const applicationId = 0x50455253;

interface Applied {
  readonly number: number;
  readonly name: string;
}

/**
 * Brings the file to the newest schema, each migration in a transaction of its own. Throws StoreFault: "newer-version" when
 * a later version of the program has written it, "not-ours" when it belongs to another program. Neither is touched.
 */
export function migrate(database: Connection, now: string, known: readonly Migration[] = migrations): void {
  const file = database.name;
  const owner = database.pragma("application_id", { simple: true });
  const tables = database.prepare<[], { count: number }>("select count(*) as count from sqlite_master").get();
  if (owner !== applicationId && (tables?.count ?? 0) > 0)
    throw new StoreFault(
      file,
      "not-ours",
      `${file} is the database of another program; name another data folder`,
    );
  const last = known.at(-1)?.number ?? 0;
  database
    .transaction(() => {
      if (database.pragma("application_id", { simple: true }) !== applicationId) {
        database.pragma(`application_id = ${applicationId}`);
        database.exec(
          "create table migrations (number integer primary key, name text not null, applied_at text not null) strict",
        );
      }
      const applied = database
        .prepare<[], Applied>("select number, name from migrations order by number")
        .all();
      const newest = applied.at(-1);
      if (newest !== undefined && newest.number > last) {
        throw new StoreFault(
          file,
          "newer-version",
          `${file} was written by a newer Persoline (schema ${newest.number} "${newest.name}", this one knows up to ${last}). Use the newer program; nothing was changed`,
        );
      }
      for (const { number, name, sql } of known) {
        if (applied.some((one) => one.number === number)) continue;
        database.exec(sql);
        database.prepare("insert into migrations values (?, ?, ?)").run(number, name, now);
      }
    })
    .immediate();
}
