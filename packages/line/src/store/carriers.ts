/** Card carriers: numbered and printed in the input's order, fixed to their cards one by one in that order, void when either is spoilt. */
import type { Carrier, Due, MailingAccounts } from "../ledger/mailing.js";
import { AccountsProblem } from "../ledger/problem.js";
import { record as audit } from "./audit.js";
import { findBlank } from "./blanks.js";
import { cancelGood } from "./cancel-good.js";
import { carrierOf, findCarrier, stepCarrier } from "./carrier-row.js";
import { type Desk, read, stamp, type Tx, write } from "./desk.js";
import { counted } from "./letter-batches.js";
import { numberIn } from "./letter-row.js";

export interface Carriers extends MailingAccounts {
  /**
   * Numbers carriers for all good cards that have none, in the order of the records, at most `most` in one file, which bears the number of its first.
   * Gives back all whose file is not written yet. Throws AccountsProblem ("wrong-state") while the order is not produced.
   */
  number(order: string, most: number): Promise<readonly Carrier[]>;
  /** The file of a batch is durable. */
  printed(ask: { readonly batch: string; readonly by: string }): Promise<void>;
  /** A carrier that is spoilt or missing is void, and `number` gives its card another. Throws AccountsProblem. */
  void(ask: { readonly carrier: string; readonly reason: string; readonly by: string }): Promise<Carrier>;
  list(order: string): Promise<readonly Carrier[]>;
  find(carrier: string): Promise<Carrier | undefined>;
}

const mustBeProduced = async (tx: Pick<Tx, "selectFrom">, order: string): Promise<void> => {
  const found = await tx
    .selectFrom("orders")
    .select("state")
    .where("order_number", "=", order)
    .executeTakeFirst();
  if (found === undefined) throw new AccountsProblem("unknown-order", `there is no order ${order}`);
  if (found.state !== "produced")
    throw new AccountsProblem(
      "wrong-state",
      `order ${order} is ${found.state}: cards are mailed in the order of the input, so carriers wait until every record has its good card ("persoline run" goes on with it), and end with its delivery`,
    );
};

/** Good cards of an order with the carrier in force, in the order of the records. */
const goodCards = (tx: Pick<Tx, "selectFrom">, order: string) =>
  tx
    .selectFrom("cards")
    .leftJoin("carriers", (join) =>
      join
        .onRef("carriers.order_number", "=", "cards.order_number")
        .onRef("carriers.record", "=", "cards.record")
        .on("carriers.state", "!=", "void"),
    )
    .select(["cards.record", "cards.serial", "cards.attempt", "carriers.carrier", "carriers.state"])
    .where("cards.order_number", "=", order)
    .where("cards.end_kind", "=", "good")
    .orderBy("cards.record");

async function dueNext(tx: Pick<Tx, "selectFrom">, order: string): Promise<Due | undefined> {
  await mustBeProduced(tx, order);
  const row = await goodCards(tx, order)
    .where((where) =>
      where.or([where("carriers.state", "is", null), where("carriers.state", "!=", "mailed")]),
    )
    .executeTakeFirst();
  if (row === undefined) return undefined;
  if (row.carrier === null || row.state === "numbered")
    throw new AccountsProblem(
      "wrong-state",
      `record ${row.record} of order ${order} is next, and its carrier is not printed: "persoline mailing print ${order}" prints what is missing`,
    );
  return { record: row.record, serial: row.serial, attempt: row.attempt, carrier: row.carrier };
}

export function carrierStore(desk: Desk): Carriers {
  const batchOf = (tx: Pick<Tx, "selectFrom">, batch: string) =>
    tx
      .selectFrom("carriers")
      .selectAll()
      .where("batch", "=", batch)
      .where("state", "=", "numbered")
      .orderBy("page")
      .execute();

  return {
    number: (order, most) =>
      write(desk, async (tx) => {
        await mustBeProduced(tx, order);
        const lacking = await goodCards(tx, order).where("carriers.carrier", "is", null).execute();
        let batch = "";
        for (const [at, { record, attempt }] of lacking.entries()) {
          const carrier = `C-${await counted(tx, "carriers")}`;
          if (at % most === 0) batch = carrier;
          await tx
            .insertInto("carriers")
            .values({
              carrier,
              order_number: order,
              record,
              attempt,
              batch,
              page: (at % most) + 1,
              state: "numbered",
              void_reason: null,
              changed_at: stamp(desk),
            })
            .execute();
        }
        if (lacking.length > 0)
          await audit(tx, desk, {
            what: "carriers.number",
            object: `order ${order}`,
            order,
            result: "ok",
            detail: { carriers: lacking.length },
          });
        const rows = await tx
          .selectFrom("carriers")
          .selectAll()
          .where("order_number", "=", order)
          .where("state", "=", "numbered")
          .orderBy(numberIn("carrier"))
          .execute();
        return rows.map(carrierOf);
      }),

    printed: ({ batch, by }) =>
      write(desk, async (tx) => {
        const rows = await batchOf(tx, batch);
        const [first] = rows;
        if (first === undefined)
          throw new AccountsProblem("wrong-state", `no carrier of batch ${batch} waits for its printing`);
        await tx
          .updateTable("carriers")
          .set({ state: "printed", changed_at: stamp(desk) })
          .where("batch", "=", batch)
          .where("state", "=", "numbered")
          .execute();
        await audit(tx, desk, {
          who: by,
          what: "carriers.print",
          object: `batch ${batch}`,
          order: first.order_number,
          result: "ok",
          detail: { carriers: rows.length },
        });
      }),

    void: ({ carrier, reason, by }) =>
      write(desk, async (tx) => {
        const row = await findCarrier(tx, carrier);
        await stepCarrier(
          tx,
          desk,
          row,
          ["numbered", "printed"],
          { state: "void", void_reason: reason },
          { what: "carrier.void", detail: { reason, by } },
        );
        return carrierOf({ ...row, state: "void", void_reason: reason });
      }),

    async list(order) {
      const rows = await desk.db
        .selectFrom("carriers")
        .selectAll()
        .where("order_number", "=", order)
        .orderBy(numberIn("carrier"))
        .execute();
      return rows.map(carrierOf);
    },

    async find(carrier) {
      const row = await desk.db
        .selectFrom("carriers")
        .selectAll()
        .where("carrier", "=", carrier)
        .executeTakeFirst();
      return row === undefined ? undefined : carrierOf(row);
    },

    next: (order) => read(desk, (tx) => dueNext(tx, order)),

    fixing: ({ carrier, serial }) =>
      write(desk, async (tx) => {
        const row = await findCarrier(tx, carrier);
        const due = await dueNext(tx, row.order_number);
        if (due?.carrier !== carrier || due.serial !== serial)
          throw new AccountsProblem(
            "wrong-state",
            `carrier ${carrier} and card ${serial} are not what is mailed next; nothing may be fixed`,
          );
        await stepCarrier(
          tx,
          desk,
          row,
          ["printed"],
          { state: "fixing" },
          { what: "carrier.fix", detail: { serial } },
        );
      }),

    mailed: (carrier) =>
      write(desk, async (tx) => {
        const row = await findCarrier(tx, carrier);
        await stepCarrier(tx, desk, row, ["fixing"], { state: "mailed" }, { what: "carrier.mailed" });
      }),

    async unknown(order) {
      const row = await goodCards(desk.db, order).where("carriers.state", "=", "fixing").executeTakeFirst();
      if (row === undefined || row.carrier === null) return undefined;
      return { record: row.record, serial: row.serial, attempt: row.attempt, carrier: row.carrier };
    },

    apart: ({ order, carrier, serial, code, reason }) =>
      write(desk, async (tx) => {
        await audit(tx, desk, {
          what: "mailing.apart",
          object: carrier === undefined ? `order ${order}` : `carrier ${carrier}`,
          order,
          result: "failed",
          detail: { reason, ...(serial === undefined ? {} : { serial }) },
        });
        // The carrier first: with the card goes the carrier in force of its record, which may be another one.
        const paper = carrier === undefined ? undefined : await findCarrier(tx, carrier);
        const spoilt = paper !== undefined && (paper.state === "printed" || paper.state === "fixing");
        if (spoilt)
          await stepCarrier(
            tx,
            desk,
            paper,
            ["printed", "fixing"],
            { state: "void", void_reason: reason },
            { what: "carrier.void", detail: { reason } },
          );
        const card = serial === undefined ? undefined : await findBlank(tx, serial);
        const cancel = card !== undefined && card.state === "good" && card.stage !== "delivered";
        if (cancel) await cancelGood(tx, desk, card, { station: "mailing", code, reason });
        return { carrier: spoilt, card: cancel };
      }),
  };
}
