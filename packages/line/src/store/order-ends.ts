/** The ends of an order: delivered to its people, closed, and erased but for the accounts. */
import { difference } from "../ledger/balance.js";
import { counted } from "../ledger/counted.js";
import { type HandOver, whyNotHandedOver } from "../ledger/hand-over.js";
import { AccountsProblem } from "../ledger/problem.js";
import { countRecord, recordCounts, recount } from "./counters.js";
import { type Desk, stamp, twoPeople, type Tx, write } from "./desk.js";
import { numberIn } from "./letter-row.js";
import { findOrder, stepOrder } from "./order-row.js";
import { forgetPhotos } from "./order-runs.js";
import { enterHolders, eraseHolders, type NewHolder } from "./register.js";

export interface DeliverAsk {
  readonly order: string;
  readonly by: string;
  readonly holders?: readonly NewHolder[];
  /** Batches of PIN letters that were taken away, and of which whoever delivers says that they were printed before. */
  readonly printed?: readonly string[];
  /** How many PIN letters each good card has at least; default 0. Whatever was numbered for them counts as well. */
  readonly lettersEach?: number;
  /** The second of two people who say that it was delivered before, and that these accounts are from before that: letters that were not released become void. */
  readonly wasDelivered?: string;
}

export interface EraseAsk {
  readonly order: string;
  readonly by: string;
  readonly approvedBy: string;
  readonly holders?: "keep" | "forget";
}

/**
 * One transaction: the order, its good cards, their PINs and letters, and their holders, all or none. What letters and carriers say against it
 * is judged in it: a letter that is made void meanwhile is either seen here, or its PIN has died.
 */
export async function deliverOrder(
  desk: Desk,
  { order, by, holders = [], printed = [], lettersEach = 0, wasDelivered }: DeliverAsk,
): Promise<void> {
  if (wasDelivered !== undefined) twoPeople("saying that an order was delivered before", by, wasDelivered);
  await write(desk, async (tx) => {
    const row = await findOrder(tx, order);
    const detail = {
      ...(printed.length === 0 ? {} : { printed: printed.join(", ") }),
      ...(wasDelivered === undefined
        ? {}
        : {
            before: "yes",
            witness: wasDelivered,
            voidLetters: await voidWaiting(tx, order, deliveredBefore),
          }),
    };
    await stepOrder(tx, desk, row, "deliver", by, { delivered_at: stamp(desk) }, detail);
    const { numUpdatedRows } = await tx
      .updateTable("records")
      .set({ state: "delivered" })
      .where("order_number", "=", order)
      .where("state", "=", "produced")
      .executeTakeFirst();
    const goodCards = Number(numUpdatedRows);
    const why = whyNotHandedOver({
      order,
      goodCards,
      lettersEach,
      printed,
      wasDelivered: wasDelivered !== undefined,
      ...(await toldOf(tx, order)),
    });
    if (why !== undefined) throw new AccountsProblem("wrong-state", why);
    await countRecord(tx, order, "produced", "delivered", goodCards);
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
    if (holders.length !== goodCards)
      throw new AccountsProblem(
        "wrong-count",
        `order ${order} has ${goodCards} good cards, but ${holders.length} holders were named; nothing was delivered`,
      );
    await enterHolders(tx, desk, holders);
  });
}

/** Whose PINs have ended: nobody shall release what nobody can print. Answers how many. */
async function voidWaiting(tx: Tx, order: string, reason: string): Promise<number> {
  const { numUpdatedRows } = await tx
    .updateTable("letters")
    .set({ state: "void", void_reason: reason })
    .where("order_number", "=", order)
    .where("state", "in", ["numbered", "written"])
    .executeTakeFirst();
  return Number(numUpdatedRows);
}

/** What such letters are void for. */
const deliveredBefore = "order was delivered before";

/** What letters, their batches and carriers are, as this transaction sees them. */
async function toldOf(
  tx: Tx,
  order: string,
): Promise<Pick<HandOver, "told" | "letters" | "batches" | "carriers">> {
  const [numbered, letters, batches, carriers] = [
    await tx
      .selectFrom("letters")
      .innerJoin("records", (join) =>
        join
          .onRef("records.order_number", "=", "letters.order_number")
          .onRef("records.number", "=", "letters.record"),
      )
      .where("letters.order_number", "=", order)
      .where("records.state", "=", "delivered")
      .select(["letters.record", "letters.pin"])
      .distinct()
      .execute(),
    await tx.selectFrom("letters").select(["state", "batch"]).where("order_number", "=", order).execute(),
    await tx
      .selectFrom("letter_batches")
      .select(["batch", "file"])
      .where("order_number", "=", order)
      .orderBy(numberIn("batch"))
      .execute(),
    await tx.selectFrom("carriers").select("state").where("order_number", "=", order).execute(),
  ];
  return {
    told: numbered.length,
    letters: letters.map(({ state, batch }) => ({ state, ...(batch === null ? {} : { batch }) })),
    batches: batches.map(({ batch, file }) => ({ batch, ...(file === null ? {} : { file }) })),
    carriers,
  };
}

/** Refused while the accounts differ or a card of the order has no end. */
export const closeOrder = (
  desk: Desk,
  { order, by }: { readonly order: string; readonly by: string },
): Promise<void> =>
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
    await stepOrder(
      tx,
      desk,
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
  });

/** All that was sealed under the order's key goes, and the key's sealed form with it. */
export async function eraseOrder(
  desk: Desk,
  { order, by, approvedBy, holders = "keep" }: EraseAsk,
): Promise<void> {
  twoPeople("erasing an order's personal data", by, approvedBy);
  await write(desk, async (tx) => {
    const row = await findOrder(tx, order);
    await stepOrder(
      tx,
      desk,
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
    await tx.updateTable("letter_batches").set({ file: null }).where("order_number", "=", order).execute();
    // Their files are destroyed next.
    await voidWaiting(tx, order, "order erased");
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
        `order ${order}: ${counted(row.records - left.erased, "record is", "records are")} still in production`,
      );
  });
}
