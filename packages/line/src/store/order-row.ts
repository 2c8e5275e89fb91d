/** An order's row, found, read and moved on: what all parts of an order's life share. */
import type { Order } from "../orders/types.js";
import { moveOrder, type OrderEvent } from "../ledger/life.js";
import { AccountsProblem } from "../ledger/problem.js";
import type { OrderState } from "../ledger/types.js";
import { record as audit } from "./audit.js";
import type { Desk, Tx } from "./desk.js";
import type { OrdersTable } from "./tables.js";

export interface StoredOrder {
  readonly order: string;
  readonly customer: string;
  readonly product: string;
  readonly environment: "test" | "live";
  readonly line: string;
  readonly state: OrderState;
  readonly inputName: string;
  readonly inputSha256: string;
  readonly records: number;
  readonly spec: Order;
  readonly referenceField?: string;
  readonly keyVersion?: number;
  /** Absent once the order is erased. */
  readonly sealedDataKey?: Uint8Array;
  readonly importedAt: string;
  readonly startedAt?: string;
  readonly producedAt?: string;
  readonly deliveredAt?: string;
  readonly closedAt?: string;
  readonly erasedAt?: string;
  /** The seed of its first run. */
  readonly seed?: number;
  /** Its letters and reports are all written. */
  readonly reportedAt?: string;
}

export const orderOf = (row: OrdersTable): StoredOrder => ({
  order: row.order_number,
  customer: row.customer,
  product: row.product,
  environment: row.environment,
  line: row.line,
  state: row.state,
  inputName: row.input_name,
  inputSha256: row.input_sha256,
  records: row.records,
  spec: JSON.parse(row.spec) as Order,
  importedAt: row.imported_at ?? row.begun_at,
  ...(row.reference_field === null ? {} : { referenceField: row.reference_field }),
  ...(row.key_version === null ? {} : { keyVersion: row.key_version }),
  ...(row.sealed_key === null ? {} : { sealedDataKey: row.sealed_key }),
  ...(row.started_at === null ? {} : { startedAt: row.started_at }),
  ...(row.produced_at === null ? {} : { producedAt: row.produced_at }),
  ...(row.delivered_at === null ? {} : { deliveredAt: row.delivered_at }),
  ...(row.closed_at === null ? {} : { closedAt: row.closed_at }),
  ...(row.erased_at === null ? {} : { erasedAt: row.erased_at }),
  ...(row.seed === null ? {} : { seed: row.seed }),
  ...(row.reported_at === null ? {} : { reportedAt: row.reported_at }),
});

export async function findOrder(tx: Pick<Tx, "selectFrom">, order: string): Promise<OrdersTable> {
  const row = await tx
    .selectFrom("orders")
    .selectAll()
    .where("order_number", "=", order)
    .where("imported_at", "is not", null)
    .executeTakeFirst();
  if (row === undefined)
    throw new AccountsProblem(
      "unknown-order",
      `order ${order} is not here; "order list" shows those that are`,
    );
  return row;
}

/** The order goes to its next state, and the audit hears who did it. */
export async function stepOrder(
  tx: Tx,
  desk: Desk,
  row: OrdersTable,
  event: OrderEvent,
  by: string,
  change: Partial<OrdersTable>,
  detail: Readonly<Record<string, string | number>> = {},
): Promise<void> {
  const state = moveOrder(event, row.state, `order ${row.order_number}`);
  await tx
    .updateTable("orders")
    .set({ state, ...change })
    .where("order_number", "=", row.order_number)
    .execute();
  await audit(tx, desk, {
    who: by,
    what: `order.${event}`,
    object: `order ${row.order_number}`,
    order: row.order_number,
    result: "ok",
    detail,
  });
}
