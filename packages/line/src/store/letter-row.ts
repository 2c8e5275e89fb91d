/** A letter as the database has it, and how it changes its state. */
import { type RawBuilder, sql } from "kysely";
import { AccountsProblem } from "../ledger/problem.js";
import { record as audit } from "./audit.js";
import type { Desk, Tx } from "./desk.js";
import { prepared } from "./prepared.js";

/** Behind L-, B- or C- and with zeros to seven digits: as text L-10000000 would stand before L-9999999. */
export const numberIn = (column: string): RawBuilder<number> =>
  sql<number>`cast(substr(${sql.ref(column)}, 3) as integer)`;

export interface Letter {
  /** The number printed on it: tells neither person nor card. */
  readonly letter: string;
  readonly order: string;
  readonly record: number;
  readonly pin: string;
  /** The attempt at the card that this letter belongs to. */
  readonly attempt: number;
  /** `numbered`: it waits for its release. `written`: in a file of its own, by a former version, and not released. */
  readonly state: "numbered" | "written" | "released" | "void";
  /** The batch it was released in, and its page there, from 1. */
  readonly batch?: string;
  readonly page?: number;
  /** Of a letter in a file of its own. */
  readonly file?: string;
  readonly releasedAt?: string;
  readonly voidReason?: string;
}

export interface LetterRow {
  letter: string;
  order_number: string;
  record: number;
  pin: string;
  attempt: number;
  state: Letter["state"];
  file: string | null;
  released_at: string | null;
  void_reason: string | null;
  batch: string | null;
  page: number | null;
}

export const letterOf = (row: LetterRow): Letter => ({
  letter: row.letter,
  order: row.order_number,
  record: row.record,
  pin: row.pin,
  attempt: row.attempt,
  state: row.state,
  ...(row.batch === null ? {} : { batch: row.batch }),
  ...(row.page === null ? {} : { page: row.page }),
  ...(row.file === null ? {} : { file: row.file }),
  ...(row.released_at === null ? {} : { releasedAt: row.released_at }),
  ...(row.void_reason === null ? {} : { voidReason: row.void_reason }),
});

export const noLetter = (letter: string): AccountsProblem =>
  new AccountsProblem(
    "unknown-letter",
    `there is no letter ${letter}; "persoline letters list ORDER" shows those of an order`,
  );

export const letterWith = prepared((db, { letter }: { readonly letter: string }) =>
  db.selectFrom("letters").selectAll().where("letter", "=", letter),
);

/** Its PINs have died then: no letter of it is printed again. */
export async function isDelivered(tx: Pick<Tx, "selectFrom">, order: string): Promise<boolean> {
  const row = await tx
    .selectFrom("orders")
    .select("delivered_at")
    .where("order_number", "=", order)
    .executeTakeFirst();
  return row !== undefined && row.delivered_at !== null;
}

/** One letter's change of state, with its place in the audit. Throws AccountsProblem. */
export async function stepLetter(
  tx: Tx,
  desk: Desk,
  letter: string,
  from: readonly Letter["state"][],
  change: Partial<LetterRow> & { readonly released_by?: string },
  deed: { readonly what: string; readonly who?: string; readonly detail?: Record<string, string> },
): Promise<void> {
  const {
    rows: [row],
  } = await letterWith(tx, { letter });
  if (row === undefined) throw noLetter(letter);
  if (!from.includes(row.state))
    throw new AccountsProblem(
      "wrong-state",
      `letter ${letter} is ${row.state}: "${deed.what}" needs ${from.join(" or ")}`,
    );
  await tx.updateTable("letters").set(change).where("letter", "=", letter).execute();
  await audit(tx, desk, { ...deed, object: `letter ${letter}`, order: row.order_number, result: "ok" });
}
