/** Blanks outside the line: received by a list, counted, taken as samples, sent back, destroyed before a witness. */
import type { Serial } from "@persoline/card/program";
import { moveBlank } from "../ledger/life.js";
import { AccountsProblem } from "../ledger/problem.js";
import type { Blank, BlankState } from "../ledger/types.js";
import { blankOf, changeBlank, completeOrder, factsOf, findBlank, loseCard } from "./accounts.js";
import { record as audit } from "./audit.js";
import { countReceived, recount } from "./counters.js";
import { type Desk, stamp, twoPeople, write } from "./desk.js";
import { stepRecord } from "./records.js";

const pageSize = 500;

export interface Stock {
  /** Takes a lot in by its list. Throws AccountsProblem: "duplicate-serial" for a serial, label or lot known already; then nothing is taken. */
  receive(ask: {
    readonly lot: string;
    readonly blanks: Iterable<{ readonly serial: Serial; readonly label: string }>;
    readonly by: string;
    readonly note?: string;
  }): Promise<{ readonly received: number }>;
  /** What was counted by hand against what the accounts say; written to the audit either way. Ask for the count before showing any number. */
  count(ask: { readonly lot?: string; readonly counted: number; readonly by: string }): Promise<{
    readonly counted: number;
    readonly expected: number;
    readonly difference: number;
  }>;
  lots(): Promise<
    readonly { readonly lot: string; readonly received: number; readonly receivedAt: string }[]
  >;
  find(serial: Serial): Promise<Blank | undefined>;
  /** In order of lot and label, by pages. */
  list(filter?: {
    readonly lot?: string;
    readonly state?: BlankState;
    readonly order?: string;
  }): AsyncGenerator<Blank>;
  sample(ask: { readonly serial: Serial; readonly reason: string; readonly by: string }): Promise<void>;
  /** An unused blank goes back to its owner. */
  return(ask: { readonly serial: Serial; readonly reason: string; readonly by: string }): Promise<void>;
  /** Only rejects and samples, and before a second person. */
  destroy(ask: {
    readonly serials: readonly Serial[];
    readonly reason: string;
    readonly by: string;
    readonly witness: string;
  }): Promise<void>;
  /** Two people decide on a held card. Good only while its record still waits for another. */
  settle(ask: {
    readonly serial: Serial;
    readonly verdict: "good" | "rejected";
    readonly reason: string;
    readonly by: string;
    readonly witness: string;
  }): Promise<void>;
  /** A card that was good is found bad before delivery: rejected, refused at gates, and its record made anew. */
  withdraw(ask: {
    readonly serial: Serial;
    readonly reason: string;
    readonly by: string;
    readonly witness: string;
  }): Promise<void>;
}

export function stockStore(desk: Desk, limit: number): Stock {
  async function* list(
    filter: { readonly lot?: string; readonly state?: BlankState; readonly order?: string } = {},
  ): AsyncGenerator<Blank> {
    for (let after: Serial | undefined; ; ) {
      const { lot, state, order } = filter;
      let query = desk.db.selectFrom("blanks").selectAll().orderBy("serial").limit(pageSize);
      if (lot !== undefined) query = query.where("lot", "=", lot);
      if (state !== undefined) query = query.where("state", "=", state);
      if (order !== undefined) query = query.where("order_number", "=", order);
      if (after !== undefined) query = query.where("serial", ">", after);
      const rows = await query.execute();
      for (const row of rows) yield blankOf(row);
      const last = rows.at(-1);
      if (last === undefined) return;
      after = last.serial;
    }
  }

  const takeOut = (
    event: "sample" | "return",
    { serial, reason, by }: { readonly serial: Serial; readonly reason: string; readonly by: string },
  ): Promise<void> =>
    write(desk, async (tx) => {
      const row = await findBlank(tx, serial);
      const state = moveBlank(event, factsOf(row), `card ${serial}`);
      await changeBlank(
        tx,
        desk,
        row,
        { state, fate_reason: reason, fate_by: by },
        { who: by, what: `stock.${event}`, detail: { reason } },
      );
    });

  return {
    list,
    receive: ({ lot, blanks, by, note = "" }) =>
      write(desk, async (tx) => {
        const known = await tx.selectFrom("lots").select("lot").where("lot", "=", lot).executeTakeFirst();
        if (known !== undefined)
          throw new AccountsProblem(
            "duplicate-serial",
            `lot ${lot} was received already; nothing was taken in`,
          );
        await tx
          .insertInto("lots")
          .values({ lot, received: 0, received_at: stamp(desk), note })
          .execute();
        let received = 0;
        for (const { serial, label } of blanks) {
          const twin = await tx
            .selectFrom("blanks")
            .select(["serial", "label", "lot"])
            .where((row) => row.or([row("serial", "=", serial), row("label", "=", label)]))
            .executeTakeFirst();
          if (twin !== undefined)
            throw new AccountsProblem(
              "duplicate-serial",
              `lot ${lot}, line ${received + 1}: ${twin.serial === serial ? `serial ${serial}` : `label ${label}`} is known already (lot ${twin.lot}); nothing was taken in`,
            );
          await tx
            .insertInto("blanks")
            .values({
              serial,
              label,
              lot,
              state: "in-stock",
              stage: "blank",
              line: null,
              order_number: null,
              record: null,
              reject_code: null,
              reject_station: null,
              reject_detail: null,
              fate_reason: null,
              fate_by: null,
              fate_witness: null,
              changed_at: stamp(desk),
            })
            .execute();
          received++;
        }
        if (received === 0) throw new AccountsProblem("wrong-count", `lot ${lot} has no blanks`);
        await tx.updateTable("lots").set({ received }).where("lot", "=", lot).execute();
        await countReceived(tx, received);
        await audit(tx, desk, {
          who: by,
          what: "stock.receive",
          object: `lot ${lot}`,
          result: "ok",
          detail: { received },
        });
        return { received };
      }),

    count: ({ lot, counted, by }) =>
      write(desk, async (tx) => {
        let query = tx
          .selectFrom("blanks")
          .select((row) => row.fn.countAll<number>().as("expected"))
          .where("state", "=", "in-stock");
        if (lot !== undefined) query = query.where("lot", "=", lot);
        const { expected } = await query.executeTakeFirstOrThrow();
        await recount(tx);
        await audit(tx, desk, {
          who: by,
          what: "stock.count",
          object: lot === undefined ? "stock" : `lot ${lot}`,
          result: counted === expected ? "ok" : "failed",
          detail: { counted, expected },
        });
        return { counted, expected, difference: counted - expected };
      }),

    async lots() {
      const rows = await desk.db
        .selectFrom("lots")
        .selectAll()
        .orderBy("received_at")
        .orderBy("lot")
        .execute();
      return rows.map(({ lot, received, received_at }) => ({ lot, received, receivedAt: received_at }));
    },

    async find(serial) {
      const row = await desk.db
        .selectFrom("blanks")
        .selectAll()
        .where("serial", "=", serial)
        .executeTakeFirst();
      return row === undefined ? undefined : blankOf(row);
    },

    sample: (ask) => takeOut("sample", ask),
    return: (ask) => takeOut("return", ask),

    destroy: async ({ serials, reason, by, witness }) => {
      twoPeople("destroying cards", by, witness);
      await write(desk, async (tx) => {
        for (const serial of serials) {
          const row = await findBlank(tx, serial);
          const state = moveBlank("destroy", factsOf(row), `card ${serial}`);
          await changeBlank(
            tx,
            desk,
            row,
            { state, fate_reason: reason, fate_by: by, fate_witness: witness },
            { who: by, what: "stock.destroy", detail: { reason, witness } },
          );
        }
      });
    },

    settle: async ({ serial, verdict, reason, by, witness }) => {
      twoPeople("deciding on a held card", by, witness);
      await write(desk, async (tx) => {
        const row = await findBlank(tx, serial);
        const event = verdict === "good" ? "release" : "reject";
        const state = moveBlank(event, factsOf(row), `card ${serial}`);
        const order = row.order_number ?? "";
        if (verdict === "good") {
          if (row.record === null)
            throw new AccountsProblem("not-bound", `card ${serial} has no record and cannot be good`);
          const waiting = await tx
            .selectFrom("records")
            .select("state")
            .where("order_number", "=", order)
            .where("number", "=", row.record)
            .executeTakeFirstOrThrow();
          if (waiting.state === "held")
            await stepRecord(tx, order, row.record, "held", "release", { hold_reason: null });
          const from = waiting.state === "held" ? "prepared" : waiting.state;
          if (from !== "prepared")
            throw new AccountsProblem(
              "wrong-state",
              `record ${row.record} of order ${order} is ${from}: another card was made or is being made for it; reject this one`,
            );
          await stepRecord(tx, order, row.record, from, "produce");
          await tx.deleteFrom("refusals").where("serial", "=", serial).where("reason", "=", "held").execute();
        }
        if (row.record !== null)
          await tx
            .updateTable("cards")
            .set({
              end_kind: verdict,
              ...(verdict === "rejected"
                ? { code: "held-unattended" as const, detail: reason, personalised: 1, terminated: 0 }
                : {}),
            })
            .where("serial", "=", serial)
            .execute();
        await changeBlank(
          tx,
          desk,
          row,
          {
            state,
            ...(verdict === "good"
              ? { stage: "verified" as const }
              : { reject_code: "held-unattended" as const, reject_station: "review", reject_detail: reason }),
          },
          { who: by, what: `card.${event}`, order, detail: { reason, witness, record: row.record } },
        );
        if (verdict === "good") await completeOrder(tx, desk, order);
      });
    },

    withdraw: async ({ serial, reason, by, witness }) => {
      twoPeople("withdrawing a good card", by, witness);
      await write(desk, async (tx) => {
        const row = await findBlank(tx, serial);
        const state = moveBlank("reject", factsOf(row), `card ${serial}`);
        if (
          row.state !== "good" ||
          row.stage === "delivered" ||
          row.order_number === null ||
          row.record === null
        )
          throw new AccountsProblem(
            "wrong-state",
            `card ${serial} is ${row.state} (${row.stage}); only a good card that is not delivered can be withdrawn`,
          );
        const order = row.order_number;
        await tx
          .updateTable("cards")
          .set({
            end_kind: "rejected",
            station: "review",
            code: "held-unattended",
            detail: reason,
            personalised: 1,
            terminated: 0,
          })
          .where("serial", "=", serial)
          .execute();
        await loseCard(tx, desk, { order, record: row.record, serial, limit });
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
        await changeBlank(
          tx,
          desk,
          row,
          { state, reject_code: "held-unattended", reject_station: "review", reject_detail: reason },
          { who: by, what: "card.reject", order, detail: { reason, witness, record: row.record } },
        );
      });
    },
  };
}
