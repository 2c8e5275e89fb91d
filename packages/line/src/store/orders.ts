/** Orders from their import to their erasure. Personal data are sealed under the order's data key, which only the security module opens. */
import type { Order, OrderRecord } from "../orders/types.js";
import { difference } from "../ledger/balance.js";
import { moveOrder, type OrderEvent } from "../ledger/life.js";
import { AccountsProblem } from "../ledger/problem.js";
import type { OrderState } from "../ledger/types.js";
import { record as audit } from "./audit.js";
import { countImported, countRecord, recordCounts, recount } from "./counters.js";
import { dataKey, type Desk, read, stamp, twoPeople, type Tx, write } from "./desk.js";
import { type GiveUp, giveUp } from "./give-up.js";
import { forgetPhotos, insertFiles, type OrderFile } from "./order-runs.js";
import { insertRecord, readPins, readRecord, stepRecord } from "./records.js";
import { enterHolders, eraseHolders, type NewHolder } from "./register.js";
import type { OrdersTable } from "./tables.js";

/** So many records go into one transaction while an order is imported. */
const importPage = 250;

export interface ImportAsk {
  readonly order: Order;
  /** What the product and the line call themselves; the order itself names files. */
  readonly names?: { readonly product: string; readonly line: string };
  /** SHA-256 of the input file, hex: the same file is never produced twice. */
  readonly inputSha256: string;
  readonly records: Iterable<OrderRecord> | AsyncIterable<OrderRecord>;
  /** From the security module's createDataKey, and the same key released. The store keeps only the sealed one. */
  readonly sealedDataKey: Uint8Array;
  readonly dataKey: Uint8Array;
  /** The field that the customer knows a record by; the result file names it. */
  readonly referenceField?: string;
  /** Version of the issuer's keys that the cards get. */
  readonly keyVersion?: number;
  /** What it is made from besides the records' photos, whose digests the photos bring along. */
  readonly files?: readonly OrderFile[];
}

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

export interface Orders {
  /**
   * Takes a whole order in, in pages; an import that was interrupted begins anew. Throws AccountsProblem ("already-imported") for
   * an order number or an input file that is here already. Afterwards the order's data key is released to this store.
   */
  import(ask: ImportAsk): Promise<StoredOrder>;
  find(order: string): Promise<StoredOrder | undefined>;
  /** The order that this input file (SHA-256, hex) was imported as. */
  findInput(sha256: string): Promise<StoredOrder | undefined>;
  list(): Promise<readonly StoredOrder[]>;
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
  deliver(ask: {
    readonly order: string;
    readonly by: string;
    readonly holders?: readonly NewHolder[];
  }): Promise<void>;
  /** Refused (AccountsProblem) while the accounts differ, or a card of the order is rejected and not destroyed, held or in work. */
  close(ask: { readonly order: string; readonly by: string }): Promise<void>;
  /**
   * Destroys the order's sealed data key, all that was sealed under it, and the names in the access register; the accounts stay whole.
   * Gates go on knowing its cards (reference, zones, validity) unless `holders` is "forget". Two people; then `Store.sweep`.
   */
  erase(ask: {
    readonly order: string;
    readonly by: string;
    readonly approvedBy: string;
    readonly holders?: "keep" | "forget";
  }): Promise<void>;
}

const orderOf = (row: OrdersTable): StoredOrder => ({
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

async function findOrder(tx: Pick<Tx, "selectFrom">, order: string): Promise<OrdersTable> {
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

/** Takes away what an interrupted import left. */
async function sweep(tx: Tx, order: string): Promise<void> {
  await tx.deleteFrom("order_files").where("order_number", "=", order).execute();
  await tx.deleteFrom("record_data").where("order_number", "=", order).execute();
  await tx.deleteFrom("records").where("order_number", "=", order).execute();
  await tx.deleteFrom("orders").where("order_number", "=", order).execute();
}

async function refuseTwice(tx: Tx, desk: Desk, ask: ImportAsk): Promise<AccountsProblem | undefined> {
  const rows = await tx
    .selectFrom("orders")
    .selectAll()
    .where((row) =>
      row.or([row("order_number", "=", ask.order.order), row("input_sha256", "=", ask.inputSha256)]),
    )
    .execute();
  for (const row of rows) {
    if (row.imported_at === null) {
      await sweep(tx, row.order_number);
      continue;
    }
    const same = row.order_number === ask.order.order;
    await audit(tx, desk, {
      what: "order.import",
      object: `order ${ask.order.order}`,
      order: ask.order.order,
      result: "refused",
      detail: { already: row.order_number, input: ask.inputSha256 },
    });
    return new AccountsProblem(
      "already-imported",
      same
        ? `order ${row.order_number} was imported on ${row.imported_at} and is ${row.state}; an order is produced once. Give a new order its own number`
        : `this input file was imported on ${row.imported_at} as order ${row.order_number}; the same people would get two cards. Use a new file, or that order`,
    );
  }
  return undefined;
}

export function orderStore(desk: Desk, room: () => void): Orders {
  async function step(
    tx: Tx,
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

  const forget = (order: string): void => {
    desk.keys.get(order)?.fill(0);
    desk.keys.delete(order);
  };

  async function insertPage(order: string, key: Uint8Array, page: readonly OrderRecord[]): Promise<void> {
    await write(desk, async (tx) => {
      for (const record of page) {
        await insertRecord(tx, key, order, record);
        const photos = Object.entries(record.photos).flatMap(([part, { sha256 }]) =>
          sha256 === undefined ? [] : [{ part, sha256 }],
        );
        await insertFiles(tx, order, record.number, photos);
      }
    });
  }

  const storePinsIn = async (
    tx: Tx,
    order: string,
    record: number,
    pins: Readonly<Record<string, Uint8Array>>,
  ): Promise<void> => {
    for (const [pin, sealed] of Object.entries(pins))
      await tx
        .insertInto("record_pins")
        .values({ order_number: order, record, pin, sealed })
        .onConflict((conflict) => conflict.columns(["order_number", "record", "pin"]).doUpdateSet({ sealed }))
        .execute();
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
    async import(ask) {
      room();
      const { order } = ask;
      const twice = await write(desk, async (tx) => {
        const refused = await refuseTwice(tx, desk, ask);
        if (refused !== undefined) return refused;
        await tx
          .insertInto("orders")
          .values({
            order_number: order.order,
            customer: order.customer,
            product: ask.names?.product ?? order.product,
            environment: order.environment,
            line: ask.names?.line ?? order.line,
            state: "imported",
            input_name: order.input.file.split(/[/\\]/).at(-1) ?? "",
            input_sha256: ask.inputSha256,
            records: 0,
            spec: JSON.stringify(order),
            reference_field: ask.referenceField ?? null,
            key_version: ask.keyVersion ?? null,
            sealed_key: ask.sealedDataKey,
            begun_at: stamp(desk),
            imported_at: null,
            started_at: null,
            produced_at: null,
            delivered_at: null,
            closed_at: null,
            erased_at: null,
            order_file: null,
            line_file: null,
            seed: null,
            reported_at: null,
          })
          .execute();
        await insertFiles(tx, order.order, 0, ask.files ?? []);
        return undefined;
      });
      if (twice !== undefined) throw twice;

      let records = 0;
      let page: OrderRecord[] = [];
      for await (const record of ask.records) {
        records++;
        page.push(record);
        if (page.length === importPage) {
          await insertPage(order.order, ask.dataKey, page);
          page = [];
        }
      }
      await insertPage(order.order, ask.dataKey, page);
      await write(desk, async (tx) => {
        if (order.records !== undefined && order.records !== records)
          throw new AccountsProblem(
            "wrong-count",
            `order ${order.order} promises ${order.records} records, its input has ${records}; nothing was imported`,
          );
        await tx
          .updateTable("orders")
          .set({ records, imported_at: stamp(desk) })
          .where("order_number", "=", order.order)
          .execute();
        await countImported(tx, order.order, records);
        await audit(tx, desk, {
          what: "order.import",
          object: `order ${order.order}`,
          order: order.order,
          result: "ok",
          detail: {
            records,
            input: ask.inputSha256,
            product: ask.names?.product ?? order.product,
            environment: order.environment,
          },
        });
      });
      desk.keys.set(order.order, ask.dataKey.slice());
      return orderOf(await findOrder(desk.db, order.order));
    },

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

    deliver: ({ order, by, holders = [] }) =>
      write(desk, async (tx) => {
        const row = await findOrder(tx, order);
        await step(tx, row, "deliver", by, { delivered_at: stamp(desk) });
        const { numUpdatedRows } = await tx
          .updateTable("records")
          .set({ state: "delivered" })
          .where("order_number", "=", order)
          .where("state", "=", "produced")
          .executeTakeFirst();
        await countRecord(tx, order, "produced", "delivered", Number(numUpdatedRows));
        await tx
          .updateTable("blanks")
          .set({ stage: "delivered", changed_at: stamp(desk) })
          .where("order_number", "=", order)
          .where("state", "=", "good")
          .execute();
        // From now on only the holders know their PINs: no letter is printed again.
        await tx
          .deleteFrom("record_pins")
          .where("order_number", "=", order)
          .where("record", "in", (records) =>
            records
              .selectFrom("records")
              .select("number")
              .where("order_number", "=", order)
              .where("state", "=", "delivered"),
          )
          .execute();
        if (holders.length === 0) return;
        if (holders.length !== Number(numUpdatedRows))
          throw new AccountsProblem(
            "wrong-count",
            `order ${order} has ${numUpdatedRows} good cards, but ${holders.length} holders were named; nothing was delivered`,
          );
        await enterHolders(tx, desk, holders);
      }),

    close: ({ order, by }) =>
      write(desk, async (tx) => {
        const row = await findOrder(tx, order);
        const balance = await recount(tx);
        const open = await tx
          .selectFrom("blanks")
          .select(["serial", "state"])
          .where("order_number", "=", order)
          .where("state", "in", ["rejected", "held", "in-process"])
          .orderBy("serial")
          .execute();
        if (open.length > 0) {
          const named = open.slice(0, 10).map(({ serial, state }) => `${serial} (${state})`);
          throw new AccountsProblem(
            "open-ends",
            `order ${order} cannot close: ${open.length} of its cards are rejected and not destroyed, held, or in work: ${named.join(", ")}${open.length > 10 ? ", …" : ""}. Destroy or settle them first`,
          );
        }
        await step(
          tx,
          row,
          "close",
          by,
          { closed_at: stamp(desk) },
          {
            received: balance.received,
            good: balance.good,
            difference: difference(balance),
          },
        );
      }),

    erase: async ({ order, by, approvedBy, holders = "keep" }) => {
      twoPeople("erasing an order's personal data", by, approvedBy);
      await write(desk, async (tx) => {
        const row = await findOrder(tx, order);
        await step(
          tx,
          row,
          "erase",
          by,
          { erased_at: stamp(desk), sealed_key: null },
          {
            records: row.records,
            approvedBy,
            holders,
          },
        );
        await eraseHolders(tx, order, holders);
        await tx.updateTable("letters").set({ file: null }).where("order_number", "=", order).execute();
        // Their files are destroyed next: nobody shall release what nobody can print.
        await tx
          .updateTable("letters")
          .set({ state: "void", void_reason: "order erased" })
          .where("order_number", "=", order)
          .where("state", "in", ["numbered", "written"])
          .execute();
        await tx
          .updateTable("visits")
          .set({ front_file: null, back_file: null })
          .where("order_number", "=", order)
          .execute();
        await tx.deleteFrom("record_data").where("order_number", "=", order).execute();
        await tx.deleteFrom("record_pins").where("order_number", "=", order).execute();
        await forgetPhotos(tx, order);
        const states = ["received", "prepared", "held", "given-up", "delivered"] as const;
        for (const state of states) {
          const { numUpdatedRows } = await tx
            .updateTable("records")
            .set({ state: "erased", hold_reason: null })
            .where("order_number", "=", order)
            .where("state", "=", state)
            .executeTakeFirst();
          await countRecord(tx, order, state, "erased", Number(numUpdatedRows));
        }
        const left = await recordCounts(tx, order);
        if (left.erased !== row.records)
          throw new AccountsProblem(
            "open-ends",
            `order ${order}: ${row.records - left.erased} records are still in production`,
          );
      });
      forget(order);
    },
  };
}
