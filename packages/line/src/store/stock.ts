/** Blanks outside the line: received by a list, counted, taken as samples, sent back, destroyed before a witness. */
import type { Serial } from "@persoline/card/program";
import { moveBlank } from "../ledger/life.js";
import { AccountsProblem } from "../ledger/problem.js";
import type { Blank, BlankState } from "../ledger/types.js";
import { blankOf, changeBlank, factsOf, findBlank } from "./blanks.js";
import { record as audit } from "./audit.js";
import { countReceived, recount } from "./counters.js";
import { type Desk, stamp, twoPeople, write } from "./desk.js";
import { type Draw, drawOf } from "./draw-labels.js";
import { type Review, reviewOf } from "./review.js";

const pageSize = 500;

export interface Stock extends Review, Draw {
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
  /** By its chip's number or the number on its body. */
  bearing(number: string): Promise<Blank | undefined>;
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
}

export function stockStore(desk: Desk): Stock {
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

    async bearing(number) {
      const row = await desk.db
        .selectFrom("blanks")
        .selectAll()
        .where((where) => where.or([where("serial", "=", number as Serial), where("label", "=", number)]))
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

    ...drawOf(desk),
    ...reviewOf(desk),
  };
}
