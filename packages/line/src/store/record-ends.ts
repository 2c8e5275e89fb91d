/** What the end of a card means for its record and its order: produced, waiting again, held, given up. */
import type { Serial } from "@persoline/card/program";
import { moveOrder } from "../ledger/life.js";
import { record as audit } from "./audit.js";
import { recordCounts } from "./counters.js";
import { type Desk, stamp, type Tx } from "./desk.js";
import { voidCarrier } from "./carrier-row.js";
import { stepRecord } from "./records.js";

/** Moves an order to "produced" when its last record is, or is given up. */
export async function completeOrder(tx: Tx, desk: Desk, order: string): Promise<void> {
  const counts = await recordCounts(tx, order);
  if (counts.waiting + counts["in-production"] + counts.held > 0) return;
  const { state } = await tx
    .selectFrom("orders")
    .select("state")
    .where("order_number", "=", order)
    .executeTakeFirstOrThrow();
  if (state !== "in-production" && state !== "imported") return;
  const to = moveOrder("complete", state, `order ${order}`);
  await tx
    .updateTable("orders")
    .set({ state: to, produced_at: stamp(desk) })
    .where("order_number", "=", order)
    .execute();
  await audit(tx, desk, {
    what: "order.complete",
    object: `order ${order}`,
    order,
    result: "ok",
    detail: {
      produced: counts.produced,
      ...(counts["given-up"] === 0 ? {} : { givenUp: counts["given-up"] }),
    },
  });
}

/** The next card gets PINs of its own: the old ones lie in a card that is not ours to trust. */
export const dropPins = (tx: Tx, order: string, record: number): Promise<unknown> =>
  tx.deleteFrom("record_pins").where("order_number", "=", order).where("record", "=", record).execute();

/**
 * What becomes of the record when its card is no good: letter, carrier and PINs die with the card, and the record waits for a remake. The PINs of
 * a held card live until another is bound or two people have decided: found good, it has no others.
 */
export async function loseCard(
  tx: Tx,
  desk: Desk,
  ask: {
    readonly order: string;
    readonly record: number;
    readonly serial: Serial;
    readonly limit: number;
    readonly held?: boolean;
  },
): Promise<void> {
  const { order, record, serial, held = false } = ask;
  const { state, attempts } = await tx
    .selectFrom("records")
    .select(["state", "attempts"])
    .where("order_number", "=", order)
    .where("number", "=", record)
    .executeTakeFirstOrThrow();
  await tx
    .updateTable("letters")
    .set({ state: "void", void_reason: `card ${serial} cancelled` })
    .where("order_number", "=", order)
    .where("record", "=", record)
    .where("state", "!=", "void")
    .execute();
  await voidCarrier(tx, desk, { order, record, why: `card ${serial} cancelled` });
  if (!held) await dropPins(tx, order, record);
  const tooOften = attempts % ask.limit === 0;
  await stepRecord(tx, order, record, state, tooOften ? "hold" : "wait-again", {
    hold_reason: tooOften ? `${attempts} cards failed with this record` : null,
  });
  if (tooOften)
    await audit(tx, desk, {
      what: "record.hold",
      object: `record ${record}`,
      order,
      result: "ok",
      detail: { record, attempts },
    });
}

/** Of erased records only their number is left: how many had a good card, the cards say. */
export async function goodCards(tx: Tx, order: string): Promise<number> {
  const { good } = await tx
    .selectFrom("cards")
    .select((row) => row.fn.countAll<number>().as("good"))
    .where("order_number", "=", order)
    .where("end_kind", "=", "good")
    .executeTakeFirstOrThrow();
  return good;
}

/** Counted from the records themselves: of erased ones the counters know no more. */
export async function givenUpOf(tx: Tx, order: string): Promise<number> {
  const { count } = await tx
    .selectFrom("records")
    .select((row) => row.fn.countAll<number>().as("count"))
    .where("order_number", "=", order)
    .where("given_up_at", "is not", null)
    .executeTakeFirstOrThrow();
  return count;
}
