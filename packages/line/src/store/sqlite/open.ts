import Database, { type Database as Connection } from "better-sqlite3";
import { faultOf } from "./fault.js";

/** How long another process's transaction is waited for. */
const patience = 10_000;

/** Opens the file so that a committed transaction survives a power cut. Throws StoreFault. */
export function openSqlite(file: string): Connection {
  let database: Connection | undefined;
  try {
    database = new Database(file, { timeout: patience });
    database.pragma("journal_mode = wal");
    database.pragma("synchronous = full");
    database.pragma("foreign_keys = on");
    // Erased means gone: freed pages are overwritten.
    database.pragma("secure_delete = on");
    database.pragma("trusted_schema = off");
    return database;
  } catch (error) {
    database?.close();
    throw faultOf(file, error);
  }
}
