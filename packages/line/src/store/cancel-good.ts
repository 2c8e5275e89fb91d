/** A good card that is not delivered turns out no good: rejected, refused at gates, PIN, letter and carrier void, its record made anew. */
import type { RejectCode } from "@persoline/card/program";
import { moveBlank } from "../ledger/life.js";
import { AccountsProblem } from "../ledger/problem.js";
import { changeBlank, factsOf } from "./blanks.js";
import { type Desk, stamp, type Tx } from "./desk.js";
import { staleReports } from "./order-runs.js";
import { loseCard } from "./record-ends.js";
import type { BlanksTable } from "./tables.js";

/** Throws AccountsProblem ("wrong-state") for any other card. */
export async function cancelGood(
  tx: Tx,
  desk: Desk,
  row: BlanksTable,
  why: {
    readonly station: string;
    readonly code: RejectCode;
    /** Into the audit, for good: no personal data. */
    readonly reason: string;
    readonly by?: string;
    readonly witness?: string;
  },
): Promise<BlanksTable> {
  const { serial, order_number: order, record } = row;
  const state = moveBlank("reject", factsOf(row), `card ${serial}`);
  if (row.state !== "good" || row.stage === "delivered" || order === null || record === null)
    throw new AccountsProblem(
      "wrong-state",
      `card ${serial} is ${row.state} (${row.stage}); only a good card that is not delivered can be withdrawn`,
    );
  const { station, code, reason, by, witness } = why;
  await tx
    .updateTable("cards")
    .set({ end_kind: "rejected", station, code, detail: reason, personalised: 1, terminated: 0 })
    .where("serial", "=", serial)
    .execute();
  // However many cards the record had: it is not the record that is wrong.
  await loseCard(tx, desk, { order, record, serial, limit: Number.POSITIVE_INFINITY });
  await staleReports(tx, order);
  await tx
    .insertInto("refusals")
    .values({ serial, reason: "withdrawn", since: stamp(desk), order_number: order })
    .onConflict((conflict) => conflict.column("serial").doNothing())
    .execute();
  await tx
    .updateTable("orders")
    .set({ state: "in-production", produced_at: null })
    .where("order_number", "=", order)
    .where("state", "=", "produced")
    .execute();
  return changeBlank(
    tx,
    desk,
    row,
    { state, reject_code: code, reject_station: station, reject_detail: reason },
    {
      ...(by === undefined ? {} : { who: by }),
      what: "card.reject",
      order,
      detail: { reason, ...(witness === undefined ? {} : { witness }), record },
    },
  );
}
