/** After an erasure: what was deleted is also gone from freed pages, from pages that only moved, and from the write-ahead log. */
import { sql } from "kysely";
import type { Desk } from "../desk.js";
import { StoreFault } from "../fault.js";

async function emptyLog({ db, file }: Desk): Promise<void> {
  const { rows } = await sql<{ readonly busy: number }>`pragma wal_checkpoint(truncate)`.execute(db);
  if (rows[0]?.busy === 0) return;
  throw new StoreFault(
    file,
    "busy",
    `${file}: another process reads it, so its log still holds what was erased. Stop the other one, then run the same command again`,
  );
}

/** Rewrites the file (so much room on the disk is needed once more). Throws StoreFault: "busy" while another process is at it. */
export async function sweep(desk: Desk): Promise<void> {
  // secure_delete overwrites what is deleted; only a new file is free of what pages were moved away from.
  await sql`vacuum`.execute(desk.db);
  await emptyLog(desk);
}
