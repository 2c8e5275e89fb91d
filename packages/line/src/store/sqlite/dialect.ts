/**
 * SQLite for Kysely: one connection that transactions queue for, `begin immediate`, statements prepared once,
 * and after a failed read or write of the disk no further word from this file.
 */
import { setTimeout } from "node:timers/promises";
import type { Database as Connection, Statement } from "better-sqlite3";
import {
  type CompiledQuery,
  type DatabaseConnection,
  type Dialect,
  type Driver,
  type QueryResult,
  SqliteAdapter,
  SqliteIntrospector,
  SqliteQueryCompiler,
  type TransactionSettings,
} from "kysely";
import { lasting, StoreFault } from "../fault.js";
import { faultOf } from "./fault.js";

/** How long another process's transaction is waited for, and how long at a time, in milliseconds. */
const patience = 10_000;
const longestPause = 20;

/** Statements with lists of varying length would otherwise pile up. */
const preparedAtMost = 400;

class OneConnection implements DatabaseConnection, Driver {
  readonly #database: Connection;
  readonly #prepared = new Map<string, Statement<unknown[]>>();
  #turn: Promise<void> = Promise.resolve();
  #release: () => void = () => undefined;
  #broken: StoreFault | undefined;
  #writes = false;
  #commits = 0;

  constructor(database: Connection) {
    this.#database = database;
  }

  get commits(): number {
    return this.#commits;
  }

  init(): Promise<void> {
    return Promise.resolve();
  }

  async acquireConnection(): Promise<DatabaseConnection> {
    const before = this.#turn;
    let release: () => void = () => undefined;
    this.#turn = new Promise((resolve) => {
      release = resolve;
    });
    await before;
    this.#release = release;
    return this;
  }

  releaseConnection(): Promise<void> {
    this.#release();
    return Promise.resolve();
  }

  async beginTransaction(_connection: DatabaseConnection, settings: TransactionSettings): Promise<void> {
    this.#writes = settings.accessMode !== "read only";
    // Read, then write would be refused when another process wrote in between: writers take their lock at once.
    if (!this.#writes) {
      await this.#run(() => this.#database.exec("begin deferred"));
      return;
    }
    const until = performance.now() + patience;
    for (let pause = 1; ; pause = Math.min(pause * 2, longestPause)) {
      try {
        await this.#run(() => this.#database.exec("begin immediate"));
        return;
      } catch (error) {
        if (!(error instanceof StoreFault) || error.code !== "busy" || performance.now() > until) throw error;
      }
      // Not SQLite's own waiting, which would stall every head of the line.
      await setTimeout(pause);
    }
  }

  async commitTransaction(): Promise<void> {
    await this.#run(() => this.#database.exec("commit"));
    if (this.#writes) this.#commits++;
  }

  rollbackTransaction(): Promise<void> {
    // A full disk or a failed write may have rolled back already.
    return Promise.resolve().then(() => {
      if (this.#database.open && this.#database.inTransaction) this.#database.exec("rollback");
    });
  }

  destroy(): Promise<void> {
    this.#prepared.clear();
    if (this.#database.open) this.#database.close();
    return Promise.resolve();
  }

  executeQuery<R>(query: CompiledQuery): Promise<QueryResult<R>> {
    return this.#run(() => {
      const statement = this.#prepare(query.sql);
      if (statement.reader) return { rows: statement.all(...query.parameters) as R[] };
      const { changes } = statement.run(...query.parameters);
      return { rows: [], numAffectedRows: BigInt(changes) };
    });
  }

  /** Rows are read by pages: a stream would hold the one connection. */
  streamQuery<R>(): AsyncIterableIterator<QueryResult<R>> {
    throw new Error("read by pages: a stream would keep every other transaction waiting");
  }

  #prepare(sql: string): Statement<unknown[]> {
    const known = this.#prepared.get(sql);
    if (known !== undefined) return known;
    if (this.#prepared.size >= preparedAtMost) this.#prepared.clear();
    const statement = this.#database.prepare<unknown[]>(sql);
    this.#prepared.set(sql, statement);
    return statement;
  }

  async #run<T>(work: () => T): Promise<T> {
    if (this.#broken !== undefined) throw this.#broken;
    if (!this.#database.open)
      throw new StoreFault(this.#database.name, "closed", `${this.#database.name} was closed`);
    try {
      return work();
    } catch (error) {
      const fault = faultOf(this.#database.name, error);
      if (fault instanceof StoreFault && lasting.includes(fault.code)) this.#broken = fault;
      throw fault;
    }
  }
}

/** `commits`: transactions committed so far, for figures per card. */
export function sqliteDialect(database: Connection): { dialect: Dialect; commits: () => number } {
  const connection = new OneConnection(database);
  database.pragma("busy_timeout = 20");
  return {
    dialect: {
      createDriver: () => connection,
      createQueryCompiler: () => new SqliteQueryCompiler(),
      createAdapter: () => new SqliteAdapter(),
      createIntrospector: (db) => new SqliteIntrospector(db),
    },
    commits: () => connection.commits,
  };
}
