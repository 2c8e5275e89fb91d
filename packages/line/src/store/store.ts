/** The production database: orders, stock, the line's accounts, letters, audit, and what gates need. */
import { statfsSync } from "node:fs";
import { dirname } from "node:path";
import { Kysely } from "kysely";
import type { LineAccounts } from "../ledger/types.js";
import { lineAccounts } from "./accounts.js";
import { type AuditLog, auditLog } from "./audit.js";
import { recount } from "./counters.js";
import { type Desk, read } from "./desk.js";
import { StoreFault } from "./fault.js";
import { type Carriers, carrierStore } from "./carriers.js";
import { type Letters, letterStore } from "./letters.js";
import { type OrderRuns, orderRuns } from "./order-runs.js";
import { type Orders, orderStore } from "./orders.js";
import { type AccessRegister, accessRegister } from "./register.js";
import { type Reports, reportStore } from "./reports.js";
import { sqliteDialect } from "./sqlite/dialect.js";
import { faultOf } from "./sqlite/fault.js";
import { migrate } from "./sqlite/migrate.js";
import { sweep } from "./sqlite/sweep.js";
import { openSqlite } from "./sqlite/open.js";
import { type Stock, stockStore } from "./stock.js";
import type { Tables } from "./tables.js";

export interface StoreOptions {
  /** The database file; its folder exists. */
  readonly file: string;
  /** Milliseconds since 1970, UTC. */
  readonly clock?: () => number;
  /** Name of this machine in the audit; each has a chain of its own. */
  readonly node?: string;
  /** Who is at work, for the audit: a person, or the part of the system. */
  readonly who?: string;
  /** From where: "command line", a line's name. */
  readonly place?: string;
  /** A record is held after so many failed cards. */
  readonly attempts?: number;
  /** No card is begun with less room on the disk (bytes), so that those in work can be finished. */
  readonly spaceFloor?: number;
  readonly freeSpace?: () => number;
  /** For tests of a full disk: the file may not grow beyond so many pages. */
  readonly pagesAtMost?: number;
}

export interface Store {
  readonly file: string;
  readonly orders: Orders;
  readonly runs: OrderRuns;
  readonly stock: Stock;
  readonly accounts: LineAccounts;
  readonly letters: Letters;
  readonly carriers: Carriers;
  readonly access: AccessRegister;
  readonly audit: AuditLog;
  readonly reports: Reports;
  /** Transactions committed by this process (heads that write at once share one), for figures per card. */
  commits(): number;
  /** After an erasure: rewrites the file and empties its log, so that nothing erased is left in either. */
  sweep(): Promise<void>;
  /** Wipes released data keys and lets the file go. */
  close(): Promise<void>;
}

const mebibyte = 1024 * 1024;

/**
 * Opens (or makes) the database, brings it to the present schema and counts everything anew. Throws StoreFault when the file cannot be
 * used ("newer-version", "not-ours", "corrupt", "disk-full", …), AccountsProblem ("unbalanced") when its sums differ.
 */
export async function openStore(options: StoreOptions): Promise<Store> {
  const {
    file,
    clock = Date.now,
    node = "line",
    who = "system",
    place = "persoline",
    attempts = 8,
    spaceFloor = 16 * mebibyte,
    freeSpace = () => {
      const { bavail, bsize } = statfsSync(dirname(file));
      return bavail * bsize;
    },
  } = options;
  const database = openSqlite(file);
  try {
    migrate(database, new Date(clock()).toISOString());
  } catch (error) {
    database.close();
    throw faultOf(file, error);
  }
  if (options.pagesAtMost !== undefined) database.pragma(`max_page_count = ${options.pagesAtMost}`);
  const { dialect, commits } = sqliteDialect(database);
  const desk: Desk = {
    file,
    db: new Kysely<Tables>({ dialect }),
    clock,
    node,
    who,
    place,
    keys: new Map(),
    waiting: [],
  };
  const room = (): void => {
    const left = freeSpace();
    if (left < spaceFloor)
      throw new StoreFault(
        file,
        "disk-full",
        `${dirname(file)} has ${Math.floor(left / mebibyte)} MiB left, less than the ${Math.floor(spaceFloor / mebibyte)} MiB that cards in work may need; no further card is begun. Make room and run again`,
      );
  };
  try {
    await read(desk, recount);
  } catch (error) {
    database.close();
    throw faultOf(file, error);
  }
  return {
    file,
    orders: orderStore(desk, room),
    runs: orderRuns(desk),
    stock: stockStore(desk),
    accounts: lineAccounts(desk, { attempts, recountEvery: 1_000, room }),
    letters: letterStore(desk),
    carriers: carrierStore(desk),
    access: accessRegister(desk),
    audit: auditLog(desk),
    reports: reportStore(desk),
    commits,
    sweep: () => sweep(desk),
    async close() {
      for (const key of desk.keys.values()) key.fill(0);
      desk.keys.clear();
      await desk.db.destroy();
    },
  };
}
