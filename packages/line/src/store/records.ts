/** A record's personal data, sealed in and out of the database. */
import type { OrderRecord } from "../orders/types.js";
import { AccountsProblem } from "../ledger/problem.js";
import { countRecord } from "./counters.js";
import { moveRecord, type RecordEvent } from "../ledger/life.js";
import type { RecordState } from "../ledger/types.js";
import { type SealedField, sealRecord, unsealRecord } from "./sealed.js";
import type { Tx } from "./desk.js";
import { prepared } from "./prepared.js";

/** Which record of which order. */
interface Which {
  readonly order: string;
  readonly number: number;
}

const insertHead = prepared((db, { order, number, row }: Which & { readonly row: number }) =>
  db.insertInto("records").values({
    order_number: order,
    number,
    row,
    state: "received",
    attempts: 0,
    hold_reason: null,
    given_up_at: null,
  }),
);
const insertPiece = prepared((db, { order, number, field, kind, sealed }: Which & SealedField) =>
  db.insertInto("record_data").values({ order_number: order, record: number, field, kind, sealed }),
);
const headOf = prepared((db, { order, number }: Which) =>
  db
    .selectFrom("records")
    .select(["number", "row"])
    .where("order_number", "=", order)
    .where("number", "=", number),
);
const piecesOf = prepared((db, { order, number }: Which) =>
  db
    .selectFrom("record_data")
    .select(["field", "kind", "sealed"])
    .where("order_number", "=", order)
    .where("record", "=", number)
    .orderBy("field"),
);
const setState = prepared((db, { order, number, state }: Which & { readonly state: RecordState }) =>
  db.updateTable("records").set({ state }).where("order_number", "=", order).where("number", "=", number),
);
const pinsOf = prepared((db, { order, number }: Which) =>
  db
    .selectFrom("record_pins")
    .select(["pin", "sealed"])
    .where("order_number", "=", order)
    .where("record", "=", number),
);

export async function insertRecord(
  tx: Tx,
  key: Uint8Array,
  order: string,
  record: OrderRecord,
): Promise<void> {
  const { number, row } = record;
  await insertHead(tx, { order, number, row });
  for (const piece of sealRecord(key, order, record)) await insertPiece(tx, { order, number, ...piece });
}

export async function readRecord(
  tx: Pick<Tx, "executeQuery">,
  key: Uint8Array,
  order: string,
  number: number,
): Promise<OrderRecord> {
  const {
    rows: [head],
  } = await headOf(tx, { order, number });
  if (head === undefined)
    throw new AccountsProblem("unknown-order", `order ${order} has no record ${number}`);
  const { rows: pieces } = await piecesOf(tx, { order, number });
  return unsealRecord(key, order, head, pieces);
}

export async function readPins(
  tx: Pick<Tx, "executeQuery">,
  order: string,
  record: number,
): Promise<Record<string, Uint8Array>> {
  const { rows } = await pinsOf(tx, { order, number: record });
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
  if (Object.keys(change).length === 0) await setState(tx, { order, number: record, state: to });
  else
    await tx
      .updateTable("records")
      .set({ state: to, ...change })
      .where("order_number", "=", order)
      .where("number", "=", record)
      .execute();
  await countRecord(tx, order, from, to);
  return to;
}
