/** The counters of the invariant, changed in the transaction of the event, and the count made anew from the blanks. */
import { agree, noBlanks, termOf } from "../ledger/balance.js";
import { AccountsProblem } from "../ledger/problem.js";
import type { BlankState, RecordState, Totals } from "../ledger/types.js";
import type { Tx } from "./desk.js";
import { prepared } from "./prepared.js";

const stock = "stock";
const scopeOf = (order: string): string => `order ${order}`;

/** Records are counted as the line asks for them: received and prepared ones both wait. */
const recordTerms = [
  "waiting",
  "in-production",
  "produced",
  "held",
  "given-up",
  "delivered",
  "erased",
] as const;
type RecordTerm = (typeof recordTerms)[number];
const recordTerm = (state: RecordState): RecordTerm =>
  state === "received" || state === "prepared" ? "waiting" : state;

const step = prepared((db, { scope, term, by }: { scope: string; term: string; by: number }) =>
  db
    .updateTable("counters")
    .set((row) => ({ value: row("value", "+", by) }))
    .where("scope", "=", scope)
    .where("term", "=", term),
);

async function add(tx: Tx, scope: string, term: string, by: number): Promise<void> {
  const { numAffectedRows } = await step(tx, { scope, term, by });
  if (numAffectedRows === 0n) await tx.insertInto("counters").values({ scope, term, value: by }).execute();
}

export async function countReceived(tx: Tx, blanks: number): Promise<void> {
  await add(tx, stock, "received", blanks);
  await add(tx, stock, termOf["in-stock"], blanks);
}

export async function countBlank(tx: Tx, from: BlankState, to: BlankState, blanks = 1): Promise<void> {
  await add(tx, stock, termOf[from], -blanks);
  await add(tx, stock, termOf[to], blanks);
}

export const countImported = (tx: Tx, order: string, records: number): Promise<void> =>
  add(tx, scopeOf(order), "waiting", records);

export async function countRecord(
  tx: Tx,
  order: string,
  from: RecordState,
  to: RecordState,
  records = 1,
): Promise<void> {
  if (recordTerm(from) === recordTerm(to)) return;
  await add(tx, scopeOf(order), recordTerm(from), -records);
  await add(tx, scopeOf(order), recordTerm(to), records);
}

const termsOf = prepared((db, { scope }: { scope: string }) =>
  db.selectFrom("counters").select(["term", "value"]).where("scope", "=", scope),
);

export async function totals(tx: Tx): Promise<Totals> {
  const { rows } = await termsOf(tx, { scope: stock });
  return {
    ...noBlanks,
    ...(Object.fromEntries(rows.map(({ term, value }) => [term, value])) as Partial<Totals>),
  };
}

export async function recordCounts(tx: Tx, order: string): Promise<Readonly<Record<RecordTerm, number>>> {
  const counts: Record<RecordTerm, number> = {
    waiting: 0,
    "in-production": 0,
    produced: 0,
    held: 0,
    "given-up": 0,
    delivered: 0,
    erased: 0,
  };
  const { rows } = await termsOf(tx, { scope: scopeOf(order) });
  for (const { term, value } of rows) {
    const known = recordTerms.find((one) => one === term);
    if (known !== undefined) counts[known] = value;
  }
  return counts;
}

/** Counts blanks and records one by one. Throws AccountsProblem ("unbalanced") naming the first term that differs from its counter. */
export async function recount(tx: Tx): Promise<Totals> {
  const counted: Record<keyof Totals, number> = { ...noBlanks };
  const states = await tx
    .selectFrom("blanks")
    .select((row) => ["state", row.fn.countAll<number>().as("count")])
    .groupBy("state")
    .execute();
  for (const { state, count } of states) counted[termOf[state]] += count;
  const lots = await tx
    .selectFrom("lots")
    .select((row) => row.fn.sum<number | null>("received").as("received"))
    .executeTakeFirstOrThrow();
  counted.received = lots.received ?? 0;
  agree(await totals(tx), counted);

  const good = await tx
    .selectFrom("cards")
    .select((row) => row.fn.countAll<number>().as("count"))
    .where("end_kind", "=", "good")
    .executeTakeFirstOrThrow();
  if (good.count !== counted.good)
    throw new AccountsProblem(
      "unbalanced",
      `${counted.good} blanks are good, but ${good.count} records have a good card; the line must not run before this is cleared up`,
    );

  const records = await tx
    .selectFrom("records")
    .innerJoin("orders", "orders.order_number", "records.order_number")
    .where("orders.imported_at", "is not", null)
    .select((row) => ["records.order_number", "records.state", row.fn.countAll<number>().as("count")])
    .groupBy(["records.order_number", "records.state"])
    .execute();
  const sums = new Map<string, Map<RecordTerm, number>>();
  for (const { order_number, state, count } of records) {
    const terms = sums.get(order_number) ?? new Map<RecordTerm, number>();
    terms.set(recordTerm(state), (terms.get(recordTerm(state)) ?? 0) + count);
    sums.set(order_number, terms);
  }
  for (const [order, terms] of sums) {
    const kept = await recordCounts(tx, order);
    for (const term of recordTerms) {
      const found = terms.get(term) ?? 0;
      if (kept[term] !== found)
        throw new AccountsProblem(
          "unbalanced",
          `order ${order}: the counter says ${kept[term]} records ${term}, counted one by one there are ${found}; the line must not run before this is cleared up`,
        );
    }
  }
  return counted;
}
