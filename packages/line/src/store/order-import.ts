/** A whole order is taken in, in pages; an import that was interrupted begins anew. */
import type { Order, OrderRecord } from "../orders/types.js";
import { counted } from "../ledger/counted.js";
import { AccountsProblem } from "../ledger/problem.js";
import { record as audit } from "./audit.js";
import { countImported } from "./counters.js";
import { type Desk, stamp, twoPeople, type Tx, write } from "./desk.js";
import { findOrder, orderOf, type StoredOrder } from "./order-row.js";
import { insertFiles, type OrderFile } from "./order-runs.js";
import { insertRecord } from "./records.js";

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
  /** Digest of the list of what may be done with its secrets, as the security module fixed it. */
  readonly policy?: string;
  /** What it is made from besides the records' photos, whose digests the photos bring along. */
  readonly files?: readonly OrderFile[];
}

/** Takes away what an interrupted import left. */
async function sweep(tx: Tx, order: string): Promise<void> {
  await tx.deleteFrom("order_files").where("order_number", "=", order).execute();
  await tx.deleteFrom("record_data").where("order_number", "=", order).execute();
  await tx.deleteFrom("records").where("order_number", "=", order).execute();
  await tx.deleteFrom("orders").where("order_number", "=", order).execute();
}

/** An import that was killed, or is going on in another process: its pages are here, the order is not. */
export interface Interrupted {
  readonly order: string;
  readonly customer: string;
  readonly product: string;
  readonly begunAt: string;
}

export async function interruptedImports(desk: Desk): Promise<readonly Interrupted[]> {
  const rows = await desk.db
    .selectFrom("orders")
    .select(["order_number", "customer", "product", "begun_at"])
    .where("imported_at", "is", null)
    .orderBy("begun_at")
    .execute();
  return rows.map(({ order_number: order, customer, product, begun_at: begunAt }) => ({
    order,
    customer,
    product,
    begunAt,
  }));
}

/** As `Orders.eraseInterrupted` says. */
export async function eraseInterrupted(
  desk: Desk,
  { order, by, approvedBy }: { readonly order: string; readonly by: string; readonly approvedBy: string },
): Promise<void> {
  twoPeople("erasing an order's personal data", by, approvedBy);
  await write(desk, async (tx) => {
    const row = await tx
      .selectFrom("orders")
      .select("imported_at")
      .where("order_number", "=", order)
      .executeTakeFirst();
    if (row?.imported_at !== null)
      throw new AccountsProblem("wrong-state", `order ${order} has no import that was interrupted`);
    await sweep(tx, order);
    await audit(tx, desk, {
      who: by,
      what: "order.erase",
      object: `order ${order}`,
      order,
      result: "ok",
      detail: { approvedBy, import: "interrupted" },
    });
  });
}

type Known = Pick<ImportAsk, "inputSha256"> & { readonly order: Pick<Order, "order"> };

/** Before anything is made for it. Throws AccountsProblem ("already-imported"). */
export async function refuseKnown(desk: Desk, ask: Known): Promise<void> {
  const refused = await write(desk, (tx) => refuseTwice(tx, desk, ask));
  if (refused !== undefined) throw refused;
}

async function refuseTwice(tx: Tx, desk: Desk, ask: Known): Promise<AccountsProblem | undefined> {
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

async function insertPage(
  desk: Desk,
  order: string,
  key: Uint8Array,
  page: readonly OrderRecord[],
): Promise<void> {
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

/** As `Orders.import` says. */
export async function importOrder(desk: Desk, ask: ImportAsk): Promise<StoredOrder> {
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
      await insertPage(desk, order.order, ask.dataKey, page);
      page = [];
    }
  }
  await insertPage(desk, order.order, ask.dataKey, page);
  await write(desk, async (tx) => {
    if (order.records !== undefined && order.records !== records)
      throw new AccountsProblem(
        "wrong-count",
        `order ${order.order} promises ${counted(order.records, "record")}, its input has ${records}; nothing was imported`,
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
        ...(ask.policy === undefined ? {} : { policy: ask.policy }),
      },
    });
  });
  desk.keys.set(order.order, ask.dataKey.slice());
  return orderOf(await findOrder(desk.db, order.order));
}
