/** A record's personal data, sealed in and out of the database. */
import type { OrderRecord } from "../orders/types.js";
import { AccountsProblem } from "../ledger/problem.js";
import { countRecord } from "./counters.js";
import { moveRecord, type RecordEvent } from "../ledger/life.js";
import type { RecordState } from "../ledger/types.js";
import { sealRecord, unsealRecord } from "./sealed.js";
import type { Tx } from "./desk.js";

export async function insertRecord(
  tx: Tx,
  key: Uint8Array,
  order: string,
  record: OrderRecord,
): Promise<void> {
  await tx
    .insertInto("records")
    .values({
      order_number: order,
      number: record.number,
      row: record.row,
      state: "received",
      attempts: 0,
      hold_reason: null,
      given_up_at: null,
    })
    .execute();
  for (const piece of sealRecord(key, order, record))
    await tx
      .insertInto("record_data")
      .values({ order_number: order, record: record.number, ...piece })
      .execute();
}

export async function readRecord(
  tx: Pick<Tx, "selectFrom">,
  key: Uint8Array,
  order: string,
  number: number,
): Promise<OrderRecord> {
  const head = await tx
    .selectFrom("records")
    .select(["number", "row"])
    .where("order_number", "=", order)
    .where("number", "=", number)
    .executeTakeFirst();
  if (head === undefined)
    throw new AccountsProblem("unknown-order", `order ${order} has no record ${number}`);
  const pieces = await tx
    .selectFrom("record_data")
    .select(["field", "kind", "sealed"])
    .where("order_number", "=", order)
    .where("record", "=", number)
    .orderBy("field")
    .execute();
  return unsealRecord(key, order, head, pieces);
}

export async function readPins(
  tx: Pick<Tx, "selectFrom">,
  order: string,
  record: number,
): Promise<Record<string, Uint8Array>> {
  const rows = await tx
    .selectFrom("record_pins")
    .select(["pin", "sealed"])
    .where("order_number", "=", order)
    .where("record", "=", record)
    .execute();
  return Object.fromEntries(rows.map(({ pin, sealed }) => [pin, sealed]));
}

/** Moves a record on and counts it. */
export async function stepRecord(
  tx: Tx,
  order: string,
  record: number,
  from: RecordState,
  event: RecordEvent,
  change: { readonly attempts?: number; readonly hold_reason?: string | null } = {},
): Promise<RecordState> {
  const to = moveRecord(event, from, `record ${record} of order ${order}`);
  await tx
    .updateTable("records")
    .set({ state: to, ...change })
    .where("order_number", "=", order)
    .where("number", "=", record)
    .execute();
  await countRecord(tx, order, from, to);
  return to;
}
