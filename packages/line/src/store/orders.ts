/** Orders from their import to their erasure. Personal data are sealed under the order's data key, which only the security module opens. */
import type { OrderRecord } from "../orders/types.js";
import { AccountsProblem } from "../ledger/problem.js";
import { record as audit } from "./audit.js";
import { dataKey, type Desk, read, twoPeople, type Tx, write } from "./desk.js";
import { type GiveUp, giveUp } from "./give-up.js";
import { closeOrder, type DeliverAsk, deliverOrder, type EraseAsk, eraseOrder } from "./order-ends.js";
import {
  eraseInterrupted,
  type ImportAsk,
  importOrder,
  type Interrupted,
  interruptedImports,
  refuseKnown,
} from "./order-import.js";
import { orderOf, type StoredOrder } from "./order-row.js";
import { prepared } from "./prepared.js";
import { readPins, readRecord, stepRecord } from "./records.js";

export type { ImportAsk } from "./order-import.js";
export type { StoredOrder } from "./order-row.js";

export interface Orders {
  /**
   * Takes a whole order in, in pages; an import that was interrupted begins anew. Throws AccountsProblem ("already-imported") for
   * an order number or an input file that is here already. Afterwards the order's data key is released to this store.
   */
  import(ask: ImportAsk): Promise<StoredOrder>;
  /** The same refusal before anything is made for the order, and what an interrupted import left of it is swept. */
  refuseKnown(ask: Parameters<typeof refuseKnown>[1]): Promise<void>;
  find(order: string): Promise<StoredOrder | undefined>;
  /** The order that this input file (SHA-256, hex) was imported as. */
  findInput(sha256: string): Promise<StoredOrder | undefined>;
  list(): Promise<readonly StoredOrder[]>;
  /** Imports that were killed, or are going on in another process. */
  interrupted(): Promise<readonly Interrupted[]>;
  /** Takes away what such an import left. Two people; then `Store.sweep`. */
  eraseInterrupted(ask: Parameters<typeof eraseInterrupted>[1]): Promise<void>;
  /** Lends the released data key to this store until `lock` or `close`. */
  unlock(order: string, dataKey: Uint8Array): void;
  lock(order: string): void;
  record(order: string, number: number): Promise<OrderRecord>;
  /** Sealed PINs of a record, as drawn by the security module; `bind` and `bound` hand them out again. */
  storePins(order: string, record: number, pins: Readonly<Record<string, Uint8Array>>): Promise<void>;
  /** The same for many records in one transaction, before production begins. */
  storePinsOf(
    order: string,
    records: readonly { readonly record: number; readonly pins: Readonly<Record<string, Uint8Array>> }[],
  ): Promise<void>;
  pins(order: string, record: number): Promise<Readonly<Record<string, Uint8Array>>>;
  /** Two people put a held record back among the waiting ones. */
  releaseRecord(ask: {
    readonly order: string;
    readonly record: number;
    readonly reason: string;
    readonly by: string;
    readonly witness: string;
  }): Promise<void>;
  /** Two people give up a record that gets no card, or all such records of an order. Answers how many. */
  giveUp(ask: GiveUp): Promise<number>;
  /** One transaction: the order, its good cards, and their holders in the access register, all or none, or no holders at all. */
  deliver(ask: DeliverAsk): Promise<void>;
  /** Refused (AccountsProblem) while the accounts differ, or a card of the order is rejected and not destroyed, held or in work. */
  close(ask: { readonly order: string; readonly by: string }): Promise<void>;
  /**
   * Destroys the order's sealed data key, all that was sealed under it, and the names in the access register; the accounts stay whole.
   * Gates go on knowing its cards (reference, zones, validity) unless `holders` is "forget". Two people; then `Store.sweep`.
   */
  erase(ask: EraseAsk): Promise<void>;
}

interface PinOf {
  readonly order: string;
  readonly record: number;
  readonly pin: string;
  readonly sealed: Uint8Array;
}
const storePin = prepared((db, { order, record, pin, sealed }: PinOf) =>
  db
    .insertInto("record_pins")
    .values({ order_number: order, record, pin, sealed })
    .onConflict((conflict) => conflict.columns(["order_number", "record", "pin"]).doUpdateSet({ sealed })),
);

export function orderStore(desk: Desk, room: () => void): Orders {
  const forget = (order: string): void => {
    desk.keys.get(order)?.fill(0);
    desk.keys.delete(order);
  };

  const storePinsIn = async (
    tx: Tx,
    order: string,
    record: number,
    pins: Readonly<Record<string, Uint8Array>>,
  ): Promise<void> => {
    for (const [pin, sealed] of Object.entries(pins)) await storePin(tx, { order, record, pin, sealed });
  };

  const find = async (order: string): Promise<StoredOrder | undefined> => {
    const row = await desk.db
      .selectFrom("orders")
      .selectAll()
      .where("order_number", "=", order)
      .where("imported_at", "is not", null)
      .executeTakeFirst();
    return row === undefined ? undefined : orderOf(row);
  };

  return {
    import: async (ask) => {
      room();
      return importOrder(desk, ask);
    },
    refuseKnown: (ask) => refuseKnown(desk, ask),
    find,
    async findInput(sha256) {
      const row = await desk.db
        .selectFrom("orders")
        .selectAll()
        .where("input_sha256", "=", sha256)
        .where("imported_at", "is not", null)
        .executeTakeFirst();
      return row === undefined ? undefined : orderOf(row);
    },
    interrupted: () => interruptedImports(desk),
    eraseInterrupted: (ask) => eraseInterrupted(desk, ask),
    async list() {
      const rows = await desk.db
        .selectFrom("orders")
        .selectAll()
        .where("imported_at", "is not", null)
        .orderBy("imported_at")
        .orderBy("order_number")
        .execute();
      return rows.map(orderOf);
    },

    unlock(order, key) {
      forget(order);
      desk.keys.set(order, key.slice());
    },
    lock: forget,

    record: (order, number) => read(desk, (tx) => readRecord(tx, dataKey(desk, order), order, number)),
    storePins: (order, record, pins) => write(desk, (tx) => storePinsIn(tx, order, record, pins)),
    storePinsOf: (order, records) =>
      write(desk, async (tx) => {
        for (const { record, pins } of records) await storePinsIn(tx, order, record, pins);
      }),
    pins: (order, record) => readPins(desk.db, order, record),

    releaseRecord: ({ order, record, reason, by, witness }) => {
      twoPeople("releasing a held record", by, witness);
      return write(desk, async (tx) => {
        const row = await tx
          .selectFrom("records")
          .select("state")
          .where("order_number", "=", order)
          .where("number", "=", record)
          .executeTakeFirst();
        if (row === undefined)
          throw new AccountsProblem("unknown-order", `order ${order} has no record ${record}`);
        await stepRecord(tx, order, record, row.state, "release", { hold_reason: null });
        await audit(tx, desk, {
          who: by,
          what: "record.release",
          object: `record ${record}`,
          order,
          result: "ok",
          detail: { record, reason, witness },
        });
      });
    },

    giveUp: (ask) => giveUp(desk, ask),
    deliver: (ask) => deliverOrder(desk, ask),
    close: (ask) => closeOrder(desk, ask),
    erase: async (ask) => {
      await eraseOrder(desk, ask);
      forget(ask.order);
    },
  };
}
