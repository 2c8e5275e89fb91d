/** A carrier as the database has it, and how it changes its state. */
import type { Carrier } from "../ledger/mailing.js";
import { AccountsProblem } from "../ledger/problem.js";
import { record as audit } from "./audit.js";
import { type Desk, stamp, type Tx } from "./desk.js";
import { prepared } from "./prepared.js";
import type { CarriersTable } from "./tables.js";

export const carrierOf = (row: CarriersTable): Carrier => ({
  carrier: row.carrier,
  order: row.order_number,
  record: row.record,
  attempt: row.attempt,
  batch: row.batch,
  page: row.page,
  state: row.state,
  ...(row.void_reason === null ? {} : { voidReason: row.void_reason }),
});

const carrierWith = prepared((db, { carrier }: { readonly carrier: string }) =>
  db.selectFrom("carriers").selectAll().where("carrier", "=", carrier),
);

/** Throws AccountsProblem ("unknown-carrier"). */
export async function findCarrier(tx: Tx, carrier: string): Promise<CarriersTable> {
  const {
    rows: [row],
  } = await carrierWith(tx, { carrier });
  if (row === undefined)
    throw new AccountsProblem(
      "unknown-carrier",
      `there is no carrier ${carrier}; "persoline mailing list ORDER" shows those of an order`,
    );
  return row;
}

/** Throws AccountsProblem ("wrong-state") when it is in no state of `from`. */
export async function stepCarrier(
  tx: Tx,
  desk: Desk,
  row: CarriersTable,
  from: readonly CarriersTable["state"][],
  to: Pick<CarriersTable, "state"> & Partial<Pick<CarriersTable, "void_reason">>,
  deed: { readonly what: string; readonly detail?: Record<string, string | number> },
): Promise<void> {
  const { carrier, order_number: order, record, state } = row;
  if (!from.includes(state))
    throw new AccountsProblem(
      "wrong-state",
      `carrier ${carrier} is ${state}, not ${from.join(" or ")}; nothing was changed`,
    );
  await tx
    .updateTable("carriers")
    .set({ ...to, changed_at: stamp(desk) })
    .where("carrier", "=", carrier)
    .execute();
  await audit(tx, desk, {
    ...deed,
    object: `carrier ${carrier}`,
    order,
    result: "ok",
    detail: { ...deed.detail, record },
  });
}

/** The carrier in force of a record is void, if it has one: its card is no good, or it is spoilt itself. */
export async function voidCarrier(
  tx: Tx,
  desk: Desk,
  { order, record, why }: { readonly order: string; readonly record: number; readonly why: string },
): Promise<void> {
  const row = await tx
    .selectFrom("carriers")
    .selectAll()
    .where("order_number", "=", order)
    .where("record", "=", record)
    .where("state", "!=", "void")
    .executeTakeFirst();
  if (row !== undefined)
    await stepCarrier(
      tx,
      desk,
      row,
      ["numbered", "printed", "fixing", "mailed"],
      { state: "void", void_reason: why },
      { what: "carrier.void", detail: { reason: why } },
    );
}
