import { SqliteError } from "better-sqlite3";
import { StoreFault, type StoreFaultCode } from "../fault.js";

const remedies: readonly (readonly [prefix: string, code: StoreFaultCode, text: string])[] = [
  ["SQLITE_FULL", "disk-full", "the disk is full; nothing of this step was kept. Make room and run again"],
  [
    "SQLITE_IOERR",
    "input-output",
    "the disk does not take or give data. Check the disk, then run again; the journal tells what is in work",
  ],
  ["SQLITE_READONLY", "read-only", "the file or its disk is read-only. Make it writable and run again"],
  [
    "SQLITE_CORRUPT",
    "corrupt",
    "the file is damaged; it is not repaired silently. Keep a copy, restore the last backup and compare the cards",
  ],
  ["SQLITE_NOTADB", "not-ours", "this is not a Persoline database"],
  ["SQLITE_BUSY", "busy", "another process holds the file. Wait for it to end, or stop it"],
  ["SQLITE_LOCKED", "busy", "another process holds the file. Wait for it to end, or stop it"],
  ["SQLITE_CANTOPEN", "input-output", "the file cannot be opened. Check folder and rights"],
];

/** A database error as the fault it means for the line; anything else comes back as it is. */
export function faultOf(file: string, error: unknown): unknown {
  if (!(error instanceof SqliteError)) return error;
  const { code: sqlite, message } = error;
  // A broken rule of the schema is a mistake of this program, not of the machine.
  if (sqlite.startsWith("SQLITE_CONSTRAINT")) return error;
  const [, code, text] = remedies.find(([prefix]) => sqlite.startsWith(prefix)) ?? [
    "",
    "database" as const,
    message,
  ];
  return new StoreFault(file, code, `${file}: ${text} (${sqlite})`, { cause: error });
}
