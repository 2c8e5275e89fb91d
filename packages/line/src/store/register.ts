/** What gates know: holders, refused serials, passages. Copied here when an order is delivered; kept apart from orders and their keys. */
import type { Serial } from "@persoline/card/program";
import { AccountsProblem } from "../ledger/problem.js";
import { record as audit } from "./audit.js";
import { type Desk, stamp, type Tx, write } from "./desk.js";

const pageSize = 500;

export interface Holder {
  readonly serial: Serial;
  readonly order: string;
  /** How the customer knows the person. */
  readonly reference: string;
  readonly name: string;
  readonly department: string;
  readonly zones: readonly string[];
  /** The number that its card carries; absent in rows written before this was kept. */
  readonly cardNumber?: string;
  /** Name of the order's product. */
  readonly product?: string;
  /** ISO 8601 date or time. */
  readonly validFrom?: string;
  readonly validUntil?: string;
  readonly status: "active" | "blocked" | "withdrawn";
}

export type NewHolder = Omit<Holder, "status" | "product">;

export interface Refusal {
  readonly serial: Serial;
  readonly reason: string;
  readonly since: string;
}

export interface StoredPassage {
  readonly id: number;
  /** ISO 8601, UTC. */
  readonly at: string;
  readonly gate: string;
  readonly zone: string;
  readonly direction: "in" | "out";
  readonly serial?: Serial;
  readonly reference?: string;
  readonly decision: "granted" | "refused";
  readonly reason?: string;
  readonly detail?: string;
}

export interface AccessRegister {
  /** Enters or replaces holders; only serials of good cards are taken. */
  enter(holders: readonly NewHolder[]): Promise<void>;
  holder(serial: Serial): Promise<Holder | undefined>;
  holders(): AsyncGenerator<Holder>;
  /** The card with this number that opens gates, else the one that was entered last. */
  numbered(cardNumber: string): Promise<Serial | undefined>;
  setStatus(ask: {
    readonly serial: Serial;
    readonly status: Holder["status"];
    readonly by: string;
  }): Promise<void>;
  refuse(ask: { readonly serial: Serial; readonly reason: string; readonly by: string }): Promise<void>;
  refused(serial: Serial): Promise<Refusal | undefined>;
  refusals(): Promise<readonly Refusal[]>;
  /** Durable when it resolves. */
  pass(passages: readonly Omit<StoredPassage, "id">[]): Promise<void>;
  /** In order of time. */
  passages(span?: {
    readonly from?: string;
    readonly until?: string;
    readonly serial?: Serial;
  }): AsyncGenerator<StoredPassage>;
  /** Passages before this time are forgotten (their own retention). Answers how many. */
  forgetPassages(ask: { readonly before: string; readonly by: string }): Promise<number>;
}

interface HolderRow {
  serial: Serial;
  order_number: string;
  reference: string;
  name: string;
  department: string;
  zones: string;
  valid_from: string | null;
  valid_until: string | null;
  status: Holder["status"];
  card_number: string | null;
  product?: string | null;
}

const holderOf = (row: HolderRow): Holder => ({
  serial: row.serial,
  order: row.order_number,
  reference: row.reference,
  name: row.name,
  department: row.department,
  zones: JSON.parse(row.zones) as string[],
  status: row.status,
  ...(row.card_number === null ? {} : { cardNumber: row.card_number }),
  ...(typeof row.product === "string" ? { product: row.product } : {}),
  ...(row.valid_from === null ? {} : { validFrom: row.valid_from }),
  ...(row.valid_until === null ? {} : { validUntil: row.valid_until }),
});

/** Within the open transaction, and told to the audit. Throws AccountsProblem ("wrong-state") for a card that is not good. */
export async function enterHolders(tx: Tx, desk: Desk, holders: readonly NewHolder[]): Promise<void> {
  for (const holder of holders) await enterOne(tx, desk, holder);
  await audit(tx, desk, {
    what: "access.enter",
    object: "access register",
    result: "ok",
    detail: { holders: holders.length },
  });
}

/** Names and departments go; what gates decide by stays until the register's own time is over, or goes too. */
export async function eraseHolders(tx: Tx, order: string, what: "keep" | "forget"): Promise<void> {
  if (what === "forget") await tx.deleteFrom("holders").where("order_number", "=", order).execute();
  else
    await tx
      .updateTable("holders")
      .set({ name: "", department: "" })
      .where("order_number", "=", order)
      .execute();
}

async function enterOne(tx: Tx, desk: Desk, holder: NewHolder): Promise<void> {
  const { serial } = holder;
  const blank = await tx.selectFrom("blanks").select("state").where("serial", "=", serial).executeTakeFirst();
  if (blank?.state !== "good")
    throw new AccountsProblem(
      "wrong-state",
      `card ${serial} is ${blank?.state ?? "in no stock list"}; only good cards open gates`,
    );
  const row = {
    order_number: holder.order,
    reference: holder.reference,
    name: holder.name,
    department: holder.department,
    zones: JSON.stringify(holder.zones),
    valid_from: holder.validFrom ?? null,
    valid_until: holder.validUntil ?? null,
    card_number: holder.cardNumber ?? null,
    since: stamp(desk),
  };
  await tx
    .insertInto("holders")
    .values({ serial, status: "active", ...row })
    .onConflict((conflict) => conflict.column("serial").doUpdateSet(row))
    .execute();
}

export function accessRegister(desk: Desk): AccessRegister {
  return {
    enter: (holders) => write(desk, (tx) => enterHolders(tx, desk, holders)),
    async holder(serial) {
      const row = await desk.db
        .selectFrom("holders")
        .leftJoin("orders", "orders.order_number", "holders.order_number")
        .selectAll("holders")
        .select("orders.product")
        .where("serial", "=", serial)
        .executeTakeFirst();
      return row === undefined ? undefined : holderOf(row);
    },
    async numbered(cardNumber) {
      const row = await desk.db
        .selectFrom("holders")
        .select("serial")
        .where("card_number", "=", cardNumber)
        .orderBy((row) => row.case().when("status", "=", "active").then(0).else(1).end())
        .orderBy("since", "desc")
        .orderBy("serial")
        .executeTakeFirst();
      return row?.serial;
    },
    async *holders() {
      for (let after: Serial | undefined; ; ) {
        let query = desk.db.selectFrom("holders").selectAll().orderBy("serial").limit(pageSize);
        if (after !== undefined) query = query.where("serial", ">", after);
        const rows = await query.execute();
        for (const row of rows) yield holderOf(row);
        const last = rows.at(-1);
        if (last === undefined) return;
        after = last.serial;
      }
    },
    setStatus: ({ serial, status, by }) =>
      write(desk, async (tx) => {
        const { numUpdatedRows } = await tx
          .updateTable("holders")
          .set({ status })
          .where("serial", "=", serial)
          .executeTakeFirst();
        if (numUpdatedRows === 0n)
          throw new AccountsProblem("unknown-card", `card ${serial} is not in the access register`);
        await audit(tx, desk, {
          who: by,
          what: "access.status",
          object: `card ${serial}`,
          result: "ok",
          detail: { status },
        });
      }),
    refuse: ({ serial, reason, by }) =>
      write(desk, async (tx) => {
        await tx
          .insertInto("refusals")
          .values({ serial, reason, since: stamp(desk), order_number: null })
          .onConflict((conflict) => conflict.column("serial").doNothing())
          .execute();
        await audit(tx, desk, {
          who: by,
          what: "access.refuse",
          object: `card ${serial}`,
          result: "ok",
          detail: { reason },
        });
      }),
    async refused(serial) {
      return desk.db
        .selectFrom("refusals")
        .select(["serial", "reason", "since"])
        .where("serial", "=", serial)
        .executeTakeFirst();
    },
    refusals: () =>
      desk.db.selectFrom("refusals").select(["serial", "reason", "since"]).orderBy("serial").execute(),
    pass: (passages) =>
      write(desk, async (tx) => {
        for (const one of passages)
          await tx
            .insertInto("passages")
            .values({
              at: one.at,
              gate: one.gate,
              zone: one.zone,
              direction: one.direction,
              serial: one.serial ?? null,
              reference: one.reference ?? null,
              decision: one.decision,
              reason: one.reason ?? null,
              detail: one.detail ?? null,
            })
            .execute();
      }),
    async *passages(span = {}) {
      let after: { readonly at: string; readonly id: number } | undefined;
      for (;;) {
        let query = desk.db.selectFrom("passages").selectAll().orderBy("at").orderBy("id").limit(pageSize);
        if (span.from !== undefined) query = query.where("at", ">=", span.from);
        if (span.until !== undefined) query = query.where("at", "<", span.until);
        if (span.serial !== undefined) query = query.where("serial", "=", span.serial);
        if (after !== undefined) {
          const { at, id } = after;
          query = query.where((row) =>
            row.or([row("at", ">", at), row.and([row("at", "=", at), row("id", ">", id)])]),
          );
        }
        const rows = await query.execute();
        for (const row of rows) {
          yield {
            id: row.id,
            at: row.at,
            gate: row.gate,
            zone: row.zone,
            direction: row.direction,
            decision: row.decision,
            // It was a card's number when it was written.
            ...(row.serial === null ? {} : { serial: row.serial as Serial }),
            ...(row.reference === null ? {} : { reference: row.reference }),
            ...(row.reason === null ? {} : { reason: row.reason }),
            ...(row.detail === null ? {} : { detail: row.detail }),
          };
        }
        const last = rows.at(-1);
        if (last === undefined) return;
        after = { at: last.at, id: last.id };
      }
    },
    forgetPassages: ({ before, by }) =>
      write(desk, async (tx) => {
        const { numDeletedRows } = await tx
          .deleteFrom("passages")
          .where("at", "<", before)
          .executeTakeFirst();
        await audit(tx, desk, {
          who: by,
          what: "access.forget",
          object: "passages",
          result: "ok",
          detail: { before, passages: Number(numDeletedRows) },
        });
        return Number(numDeletedRows);
      }),
  };
}
