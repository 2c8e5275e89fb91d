/** What binds the runs of one order together: the files it was made from, the line and seed it was begun with, and the last mark of a whole end. */
import { sql } from "kysely";
import { record as audit } from "./audit.js";
import { type Desk, stamp, type Tx, write } from "./desk.js";

/** A file that an order is made from. */
export interface OrderFile {
  /** What it is, in words: "product file", "layout front.yaml". Of one record: the field of its photo. */
  readonly part: string;
  /** SHA-256 of its bytes, hex. */
  readonly sha256: string;
}

/** Cards in process, counted. */
export interface InWork {
  readonly order: string;
  readonly line: string;
  readonly cards: number;
  /** The files of the run that began them; absent for orders of older versions. */
  readonly orderFile?: string;
  readonly lineFile?: string;
}

export interface OrderRuns {
  /** All cards in process, by order and line. */
  inWork(): Promise<readonly InWork[]>;
  /** The files of the whole order as they were when it was taken in; none of an order of an older version. */
  files(order: string): Promise<readonly OrderFile[]>;
  /** Those of records `from` to `to`: their photos. No names of files: these may tell who a person is. */
  photos(
    order: string,
    from: number,
    to: number,
  ): Promise<readonly (OrderFile & { readonly record: number })[]>;
  /** A run takes the order up. Keeps what it runs on; the seed of the first run stays. */
  takeUp(ask: {
    readonly order: string;
    readonly line: string;
    readonly lineFile: string;
    readonly orderFile: string;
    readonly seed: number;
    /** What the customer sent and is there no more, for the audit. */
    readonly gone?: { readonly input: boolean; readonly photos: number };
  }): Promise<void>;
  /** Letters and reports of a produced order are written and durable: the last thing of its production. */
  reported(order: string): Promise<void>;
}

/** `record` 0: of the whole order. */
export async function insertFiles(
  tx: Tx,
  order: string,
  record: number,
  files: readonly OrderFile[],
): Promise<void> {
  if (files.length === 0) return;
  await tx
    .insertInto("order_files")
    .values(files.map(({ part, sha256 }) => ({ order_number: order, record, part, sha256 })))
    .execute();
}

/** A photo's digest is the person's as the photo is: it goes when that goes. */
export const forgetPhotos = async (tx: Tx, order: string): Promise<void> => {
  await tx.deleteFrom("order_files").where("order_number", "=", order).where("record", ">", 0).execute();
};

/** People decided about cards or records: what was written of the order before is not true any more. */
export const staleReports = async (tx: Tx, order: string): Promise<void> => {
  await tx.updateTable("orders").set({ reported_at: null }).where("order_number", "=", order).execute();
};

export function orderRuns(desk: Desk): OrderRuns {
  return {
    async inWork() {
      const rows = await desk.db
        .selectFrom("blanks")
        .innerJoin("orders", "orders.order_number", "blanks.order_number")
        .select([
          "orders.order_number",
          "orders.order_file",
          "orders.line_file",
          "blanks.line",
          sql<number>`count(*)`.as("cards"),
        ])
        .where("blanks.state", "=", "in-process")
        .groupBy(["orders.order_number", "blanks.line"])
        .orderBy("orders.order_number")
        .execute();
      return rows.map(({ order_number, order_file, line_file, line, cards }) => ({
        order: order_number,
        line: line ?? "",
        cards,
        ...(order_file === null ? {} : { orderFile: order_file }),
        ...(line_file === null ? {} : { lineFile: line_file }),
      }));
    },
    files: (order) =>
      desk.db
        .selectFrom("order_files")
        .select(["part", "sha256"])
        .where("order_number", "=", order)
        .where("record", "=", 0)
        .execute(),
    photos: (order, from, to) =>
      desk.db
        .selectFrom("order_files")
        .select(["record", "part", "sha256"])
        .where("order_number", "=", order)
        .where("record", ">=", from)
        .where("record", "<=", to)
        .execute(),
    takeUp: ({ order, line, lineFile, orderFile, seed, gone }) =>
      write(desk, async (tx) => {
        await tx
          .updateTable("orders")
          .set((row) => ({
            line,
            line_file: lineFile,
            order_file: orderFile,
            seed: row.fn.coalesce("seed", row.val(seed)),
            reported_at: null,
          }))
          .where("order_number", "=", order)
          .execute();
        await audit(tx, desk, {
          what: "order.take-up",
          object: `order ${order}`,
          order,
          result: "ok",
          where: line,
          ...(gone === undefined || (!gone.input && gone.photos === 0)
            ? {}
            : { detail: { inputGone: gone.input, photosGone: gone.photos } }),
        });
      }),
    reported: (order) =>
      write(desk, async (tx) => {
        await tx
          .updateTable("orders")
          .set({ reported_at: stamp(desk) })
          .where("order_number", "=", order)
          .where("state", "=", "produced")
          .execute();
      }),
  };
}
