/** Rows of a result file, read by pages; what is personal in them is opened with the order's key. */
import { AccountsProblem } from "../ledger/problem.js";
import type { ResultRow } from "../ledger/result.js";
import { dataKey, type Desk, read } from "./desk.js";
import { numberIn } from "./letter-row.js";
import { unseal } from "./sealed.js";

const pageSize = 500;

function byRecord<T extends { readonly record: number }>(rows: readonly T[]): Map<number, T[]> {
  const groups = new Map<number, T[]>();
  for (const row of rows) {
    const group = groups.get(row.record);
    if (group === undefined) groups.set(row.record, [row]);
    else group.push(row);
  }
  return groups;
}

/** In input order. The order's data key must be released when it has a reference field. */
export async function* resultRows(desk: Desk, order: string): AsyncGenerator<ResultRow> {
  const head = await desk.db
    .selectFrom("orders")
    .select(["reference_field", "key_version"])
    .where("order_number", "=", order)
    .executeTakeFirst();
  if (head === undefined) throw new AccountsProblem("unknown-order", `order ${order} was not imported`);
  const field = head.reference_field;
  for (let after = 0; ; ) {
    const span = await read(desk, async (tx) => {
      const rows = await tx
        .selectFrom("records")
        .select(["number", "state", "given_up_at"])
        .where("order_number", "=", order)
        .where("number", ">", after)
        .orderBy("number")
        .limit(pageSize)
        .execute();
      const last = rows.at(-1)?.number ?? after;
      const cards = await tx
        .selectFrom("cards")
        .select(["serial", "record", "end_kind", "code"])
        .where("order_number", "=", order)
        .where("record", ">", after)
        .where("record", "<=", last)
        .orderBy("attempt")
        .execute();
      const letters = await tx
        .selectFrom("letters")
        .select(["letter", "record"])
        .where("order_number", "=", order)
        .where("record", ">", after)
        .where("record", "<=", last)
        .where("state", "!=", "void")
        .orderBy(numberIn("letter"))
        .execute();
      const references =
        field === null
          ? []
          : await tx
              .selectFrom("record_data")
              .select(["record", "kind", "sealed"])
              .where("order_number", "=", order)
              .where("field", "=", field)
              .where("record", ">", after)
              .where("record", "<=", last)
              .execute();
      return { rows, cards, letters, references, last };
    });
    if (span.rows.length === 0) return;
    const cards = byRecord(span.cards);
    const letters = byRecord(span.letters);
    const references = new Map(
      span.references.map(({ record, kind, sealed }) => [
        record,
        new TextDecoder().decode(
          unseal(dataKey(desk, order), { order, record, field: field ?? "", kind }, sealed),
        ),
      ]),
    );
    for (const { number, state, given_up_at } of span.rows) {
      const own = cards.get(number) ?? [];
      const good = own.find(({ end_kind }) => end_kind === "good");
      yield {
        record: number,
        reference: references.get(number) ?? String(number),
        status:
          good !== undefined
            ? "good"
            : given_up_at !== null
              ? "given-up"
              : state === "held"
                ? "held"
                : "missing",
        letters: (letters.get(number) ?? []).map(({ letter }) => letter),
        cancelled: own
          .filter(({ end_kind }) => end_kind === "rejected" || end_kind === "held")
          .map(({ serial, code, end_kind }) => ({ serial, reason: code ?? end_kind ?? "" })),
        ...(good === undefined ? {} : { serial: good.serial }),
        ...(good === undefined || head.key_version === null ? {} : { keyVersion: head.key_version }),
      };
    }
    after = span.last;
  }
}
