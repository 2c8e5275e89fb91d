/** The journal's file: notes of cards in work, and how often each was resumed. One process at a time. */
import type { Note, Serial } from "@persoline/card/program";
import Database, { type Database as Connection } from "better-sqlite3";
import { isResume, journalStates } from "../ledger/journal.js";
import type { JournalState } from "../ledger/types.js";
import { StoreFault } from "./fault.js";
import type { JournalEntry } from "./journal-protocol.js";
import { faultOf } from "./sqlite/fault.js";

const schemaVersion = 1;
/** "PJRN": tells a journal from other SQLite files. */
const applicationId = 0x504a524e;
/** Written and taken back at the start, so that cards in work can be ended on a full disk. */
const reserve = 1024 * 1024;

const schema = `
create table if not exists notes (
  id integer primary key,
  at text not null,
  serial text not null,
  station text not null,
  program text not null,
  segment integer not null,
  event text not null,
  detail text
) strict;
create index if not exists notes_by_serial on notes (serial, id);
create table if not exists resumes (serial text primary key, count integer not null) strict, without rowid;
create table if not exists reserve (bytes blob not null) strict;
`;

export interface JournalFile {
  /** All or nothing, durable when it returns. Throws StoreFault. */
  write(entries: readonly JournalEntry[], at: string): void;
  states(): readonly JournalState[];
  close(): void;
}

interface Row {
  readonly serial: Serial;
  readonly station: string;
  readonly program: string;
  readonly segment: number;
  readonly event: Note["event"];
  readonly detail: string | null;
}

function openConnection(file: string): Connection {
  const database = new Database(file, { timeout: 500 });
  try {
    // Held from the first read to the end of the process: a second line on this journal is refused, also after kill -9 of the first.
    database.pragma("locking_mode = exclusive");
    database.pragma("journal_mode = wal");
    database.pragma("synchronous = full");
    const owner = database.pragma("application_id", { simple: true });
    const version = database.pragma("user_version", { simple: true });
    const tables = database
      .prepare<[], { count: number }>("select count(*) as count from sqlite_master")
      .get();
    if (owner !== applicationId && (tables?.count ?? 0) > 0)
      throw new StoreFault(file, "not-ours", `${file} is not a journal; name another data folder`);
    if (typeof version === "number" && version > schemaVersion)
      throw new StoreFault(
        file,
        "newer-version",
        `${file} was written by a newer Persoline (journal ${version}, this one knows up to ${schemaVersion}). Use the newer program; nothing was changed`,
      );
    database.exec("begin immediate");
    database.pragma(`application_id = ${applicationId}`);
    database.pragma(`user_version = ${schemaVersion}`);
    database.exec(schema);
    database.exec("commit");
    // Free pages in the file and a write-ahead log that has grown already: both are used again before the disk is asked for more.
    database.exec("begin immediate");
    database.prepare("insert into reserve values (zeroblob(?))").run(reserve);
    database.exec("commit");
    database.exec("delete from reserve");
    database.pragma("wal_checkpoint(restart)");
    return database;
  } catch (error) {
    database.close();
    throw error;
  }
}

function busy(file: string, error: unknown): unknown {
  const fault = faultOf(file, error);
  return fault instanceof StoreFault && fault.code === "busy"
    ? new StoreFault(
        file,
        "busy",
        `${file} is in use: another process runs this line. Wait for it to end, or stop it`,
        { cause: error },
      )
    : fault;
}

export function openJournalFile(file: string, pagesAtMost?: number): JournalFile {
  let database: Connection;
  try {
    database = openConnection(file);
    // For tests of a full disk.
    if (pagesAtMost !== undefined) database.pragma(`max_page_count = ${pagesAtMost}`);
  } catch (error) {
    throw busy(file, error);
  }
  const insert = database.prepare(
    "insert into notes (at, serial, station, program, segment, event, detail) values (?, ?, ?, ?, ?, ?, ?)",
  );
  const lastOf = database.prepare<[Serial], Omit<Row, "detail">>(
    "select serial, station, program, segment, event from notes where serial = ? and event in ('intent', 'done', 'failed') order by id desc limit 1",
  );
  const resumed = database.prepare(
    "insert into resumes values (?, 1) on conflict (serial) do update set count = count + 1",
  );
  const forgetNotes = database.prepare("delete from notes where serial = ?");
  const forgetResumes = database.prepare("delete from resumes where serial = ?");
  const begin = database.prepare("begin immediate");
  const commit = database.prepare("commit");

  function keep(note: Note, at: string): void {
    const { serial, station, program, segment, event, detail } = note;
    if (event === "intent" && isResume(lastOf.get(serial), note)) resumed.run(serial);
    insert.run(at, serial, station, program, segment, event, detail ?? null);
  }

  return {
    write(entries, at) {
      try {
        begin.run();
        for (const entry of entries) {
          if (entry.kind === "note") keep(entry.note, at);
          else
            for (const serial of entry.serials) {
              forgetNotes.run(serial);
              forgetResumes.run(serial);
            }
        }
        commit.run();
      } catch (error) {
        if (database.inTransaction) database.exec("rollback");
        throw faultOf(file, error);
      }
    },
    states() {
      const counts = new Map(
        database
          .prepare<[], { serial: Serial; count: number }>("select serial, count from resumes")
          .all()
          .map(({ serial, count }) => [serial, count]),
      );
      const rows = database.prepare<[], Row>(
        "select serial, station, program, segment, event, detail from notes order by id",
      );
      return journalStates(rows.iterate(), counts);
    },
    close: () => {
      database.close();
    },
  };
}
