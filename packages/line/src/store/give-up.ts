/** Two people give up what cannot be made: one record, or all of an order that have no good card. */
import type { RecordState } from "../ledger/types.js";
import { AccountsProblem } from "../ledger/problem.js";
import { moveRecord } from "../ledger/life.js";
import { completeOrder } from "./record-ends.js";
import { record as audit } from "./audit.js";
import { countRecord } from "./counters.js";
import { staleReports } from "./order-runs.js";
import { type Desk, stamp, twoPeople, type Tx, write } from "./desk.js";

export interface GiveUp {
  readonly order: string;
  /** Absent: all records of the order that wait or are held. */
  readonly record?: number;
  /** Into the audit, for good: no personal data. */
  readonly reason: string;
  readonly by: string;
  readonly witness: string;
}

/** States that end without a card when two people say so. */
const open = ["received", "prepared", "held"] as const satisfies readonly RecordState[];

/** Throws AccountsProblem ("wrong-state") for a record that has its card, or one in work. */
async function mayGiveUp(tx: Tx, order: string, record: number): Promise<void> {
  const row = await tx
    .selectFrom("records")
    .select("state")
    .where("order_number", "=", order)
    .where("number", "=", record)
    .executeTakeFirst();
  if (row === undefined) throw new AccountsProblem("unknown-order", `order ${order} has no record ${record}`);
  const who = `record ${record} of order ${order}`;
  if (row.state === "in-production")
    throw new AccountsProblem(
      "wrong-state",
      `a card is in work for ${who}: run the order until that card has left the line, then give the record up`,
    );
  if (row.state === "produced")
    throw new AccountsProblem(
      "wrong-state",
      `${who} has its good card: withdraw that first ("persoline stock withdraw"), then give the record up`,
    );
  moveRecord("give-up", row.state, who);
}

async function nothingInWork(tx: Tx, order: string): Promise<void> {
  const { count } = await tx
    .selectFrom("blanks")
    .select((row) => row.fn.countAll<number>().as("count"))
    .where("order_number", "=", order)
    .where("state", "=", "in-process")
    .executeTakeFirstOrThrow();
  if (count > 0)
    throw new AccountsProblem(
      "wrong-state",
      `${count === 1 ? "1 card is" : `${count} cards are`} in work for order ${order}: run it until they have left the line, then give it up`,
    );
}

/** PINs and letters of what is given up go with it; the order is produced when nothing is left to make. Answers how many records. */
export function giveUp(desk: Desk, ask: GiveUp): Promise<number> {
  const { order, record, reason, by, witness } = ask;
  twoPeople("giving up a record or an order", by, witness);
  return write(desk, async (tx) => {
    const found = await tx
      .selectFrom("orders")
      .select("state")
      .where("order_number", "=", order)
      .where("imported_at", "is not", null)
      .executeTakeFirst();
    if (found === undefined)
      throw new AccountsProblem(
        "unknown-order",
        `order ${order} is not here; "order list" shows those that are`,
      );
    if (record === undefined) await nothingInWork(tx, order);
    else await mayGiveUp(tx, order, record);
    let records = 0;
    for (const from of open) {
      let chosen = tx
        .selectFrom("records")
        .select("number")
        .where("order_number", "=", order)
        .where("state", "=", from);
      if (record !== undefined) chosen = chosen.where("number", "=", record);
      await tx
        .deleteFrom("record_pins")
        .where("order_number", "=", order)
        .where("record", "in", chosen)
        .execute();
      await tx
        .updateTable("letters")
        .set({ state: "void", void_reason: "record given up" })
        .where("order_number", "=", order)
        .where("record", "in", chosen)
        .where("state", "!=", "void")
        .execute();
      let update = tx
        .updateTable("records")
        .set({ state: moveRecord("give-up", from, `order ${order}`), given_up_at: stamp(desk) })
        .where("order_number", "=", order)
        .where("state", "=", from);
      if (record !== undefined) update = update.where("number", "=", record);
      const { numUpdatedRows } = await update.executeTakeFirst();
      await countRecord(tx, order, from, "given-up", Number(numUpdatedRows));
      records += Number(numUpdatedRows);
    }
    if (records === 0)
      throw new AccountsProblem(
        "wrong-state",
        `no record of order ${order} waits for a card or is held: there is nothing to give up`,
      );
    await audit(tx, desk, {
      who: by,
      what: record === undefined ? "order.give-up" : "record.give-up",
      object: record === undefined ? `order ${order}` : `record ${record}`,
      order,
      result: "ok",
      detail: { records, reason, witness, ...(record === undefined ? {} : { record }) },
    });
    await staleReports(tx, order);
    await completeOrder(tx, desk, order);
    return records;
  });
}
