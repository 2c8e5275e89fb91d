/** The line's accounts: each call is one transaction that changes cards, records, counters and audit together. */
import type { Serial } from "@persoline/card/program";
import { sql } from "kysely";
import { endOf, moveBlank, moveOrder } from "../ledger/life.js";
import { AccountsProblem } from "../ledger/problem.js";
import type { BoundRecord, CardEnd, CardHistory, LineAccounts } from "../ledger/types.js";
import { record as audit } from "./audit.js";
import { blankOf, changeBlank, factsOf, findBlank } from "./blanks.js";
import { recordCounts, recount, totals } from "./counters.js";
import { dataKey, type Desk, read, stamp, type Tx, write } from "./desk.js";
import { prepared } from "./prepared.js";
import { readPins, readRecord, stepRecord } from "./records.js";
import { completeOrder, dropPins, givenUpOf, goodCards, loseCard } from "./record-ends.js";
import type { BlanksTable, NewVisit } from "./tables.js";

const blankLabelled = prepared((db, { label }: { readonly label: string }) =>
  db.selectFrom("blanks").selectAll().where("label", "=", label),
);
const orderState = prepared((db, { order }: { readonly order: string }) =>
  db.selectFrom("orders").select(["state", "imported_at"]).where("order_number", "=", order),
);
const boundTo = prepared((db, { serial }: { readonly serial: Serial }) =>
  db
    .selectFrom("cards")
    .select(["order_number", "record", "attempt"])
    .where("serial", "=", serial)
    .where("end_kind", "is", null),
);
const nextWaiting = prepared((db, { order }: { readonly order: string }) =>
  db
    .selectFrom("records")
    .select(["number", "state", "attempts"])
    .where("order_number", "=", order)
    .where(sql<boolean>`state in ('received', 'prepared')`)
    .orderBy("number")
    .limit(1),
);

interface NewCard {
  readonly serial: Serial;
  readonly order: string;
  readonly record: number;
  readonly attempt: number;
  readonly at: string;
}
const insertCard = prepared((db, { serial, order, record, attempt, at }: NewCard) =>
  db.insertInto("cards").values({
    serial,
    order_number: order,
    record,
    attempt,
    bound_at: at,
    ended_at: null,
    end_kind: null,
    station: null,
    code: null,
    detail: null,
    personalised: null,
    terminated: null,
  }),
);
const insertVisit = prepared((db, visit: NewVisit) =>
  db.insertInto("visits").values({
    serial: visit.serial,
    order_number: visit.order_number,
    record: visit.record,
    line: visit.line,
    ended_at: visit.ended_at,
    end_kind: visit.end_kind,
    station: visit.station,
    code: visit.code,
    detail: visit.detail,
    times: visit.times,
    findings: visit.findings,
    front_file: visit.front_file,
    front_sha256: visit.front_sha256,
    back_file: visit.back_file,
    back_sha256: visit.back_sha256,
    not_passed: visit.not_passed,
  }),
);

export interface AccountsLimits {
  /** A record whose cards fail so often in a row is held: it may be the record. */
  readonly attempts: number;
  /** The full recount runs again after so many cards. */
  readonly recountEvery: number;
  /** Throws when the disk is nearly full: before a card is begun, never in the middle of one. */
  readonly room: () => void;
}

/** A card that was personalised may be a live credential: every gate refuses it. */
async function refuseAtGates(
  tx: Tx,
  desk: Desk,
  serial: Serial,
  order: string,
  reason: string,
): Promise<void> {
  await tx
    .insertInto("refusals")
    .values({ serial, reason, since: stamp(desk), order_number: order })
    .onConflict((conflict) => conflict.column("serial").doNothing())
    .execute();
}

async function keepVisit(
  tx: Tx,
  desk: Desk,
  row: BlanksTable,
  end: CardEnd,
  history: CardHistory,
): Promise<void> {
  const { front, back } = history.pictures ?? {};
  await insertVisit(tx, {
    serial: row.serial,
    order_number: row.order_number,
    record: row.record,
    line: row.line,
    ended_at: stamp(desk),
    end_kind: end.kind,
    station: end.kind === "rejected" || end.kind === "held" ? end.station : null,
    code: end.kind === "rejected" ? end.code : null,
    detail: end.kind === "rejected" ? end.detail : end.kind === "held" ? end.question : null,
    times: JSON.stringify(history.times.map(({ station, head, ms }) => [station, head, ms])),
    findings: JSON.stringify(history.findings),
    front_file: front?.file ?? null,
    front_sha256: front?.sha256 ?? null,
    back_file: back?.file ?? null,
    back_sha256: back?.sha256 ?? null,
    not_passed: history.left === undefined ? null : JSON.stringify(history.left),
  });
}

/** A finish that was committed before the answer got through comes again after a restart: same end, nothing to do. */
async function finishedAlready(tx: Tx, row: BlanksTable, end: CardEnd): Promise<boolean> {
  if (end.kind === "restocked") return row.state === "in-stock" && furtherOrEqual(row, end);
  const wanted = { good: "good", rejected: "rejected", held: "held" } as const;
  if (row.state !== wanted[end.kind]) return false;
  const last = await tx
    .selectFrom("visits")
    .select("end_kind")
    .where("serial", "=", row.serial)
    .orderBy("id", "desc")
    .limit(1)
    .executeTakeFirst();
  return last?.end_kind === end.kind;
}
const furtherOrEqual = (row: BlanksTable, end: Extract<CardEnd, { kind: "restocked" }>): boolean =>
  endOf(end, factsOf(row)).stage === row.stage;

export function lineAccounts(desk: Desk, limits: AccountsLimits): LineAccounts {
  let ended = 0;

  const readBound = async (tx: Tx, order: string, record: number, attempt: number): Promise<BoundRecord> => ({
    record: await readRecord(tx, dataKey(desk, order), order, record),
    attempt,
    pins: await readPins(tx, order, record),
  });

  async function boundIn(tx: Tx, serial: Serial): Promise<BoundRecord | undefined> {
    const {
      rows: [card],
    } = await boundTo(tx, { serial });
    return card === undefined ? undefined : readBound(tx, card.order_number, card.record, card.attempt);
  }

  return {
    async start({ label, order, line }) {
      limits.room();
      return write(desk, async (tx) => {
        const {
          rows: [row],
        } = await blankLabelled(tx, { label });
        if (row === undefined || row.state !== "in-stock") {
          const why = row?.state ?? ("unknown" as const);
          await audit(tx, desk, {
            what: "card.start",
            object: row === undefined ? `label ${label}` : `card ${row.serial}`,
            order,
            result: "refused",
            where: line,
            detail: { why },
          });
          const made =
            row?.state === "good" && row.order_number !== null && row.record !== null
              ? { made: { order: row.order_number, record: row.record } }
              : {};
          return { ok: false as const, why, ...made };
        }
        const {
          rows: [found],
        } = await orderState(tx, { order });
        if (found === undefined || found.imported_at === null)
          throw new AccountsProblem("unknown-order", `order ${order} was not imported`);
        // A blank fed while the last records are finished finds nobody waiting and goes back to stock.
        if (found.state !== "in-production" && found.state !== "produced") {
          await tx
            .updateTable("orders")
            .set({ state: moveOrder("start", found.state, `order ${order}`), started_at: stamp(desk) })
            .where("order_number", "=", order)
            .execute();
          await audit(tx, desk, {
            what: "order.start",
            object: `order ${order}`,
            order,
            result: "ok",
            where: line,
          });
        }
        const state = moveBlank("start", factsOf(row), `card ${row.serial}`);
        const after = await changeBlank(
          tx,
          desk,
          row,
          { state, line, order_number: order },
          { what: "card.start", order, where: line },
        );
        return { ok: true as const, blank: blankOf(after) };
      });
    },

    bind: ({ serial, order }) =>
      write(desk, async (tx) => {
        const again = await boundIn(tx, serial);
        if (again !== undefined) return again;
        const row = await findBlank(tx, serial);
        if (row.state !== "in-process" || row.order_number !== order)
          throw new AccountsProblem(
            "wrong-state",
            `card ${serial} is ${row.state}${row.order_number === null ? "" : ` for order ${row.order_number}`}, not in process for order ${order}; no record was bound to it`,
          );
        const {
          rows: [next],
        } = await nextWaiting(tx, { order });
        if (next === undefined) return "none-waiting" as const;
        const attempt = next.attempts + 1;
        if (attempt > 1) await dropPins(tx, order, next.number);
        await stepRecord(tx, order, next.number, next.state, "bind", { attempts: attempt });
        await insertCard(tx, { serial, order, record: next.number, attempt, at: stamp(desk) });
        await changeBlank(
          tx,
          desk,
          row,
          { record: next.number, stage: "bound" },
          {
            what: "card.bind",
            order,
            where: row.line ?? desk.place,
            detail: { record: next.number, attempt },
          },
        );
        return readBound(tx, order, next.number, attempt);
      }),

    bound: (serial) => read(desk, (tx) => boundIn(tx, serial)),

    async finish({ serial, end, history }) {
      await write(desk, async (tx) => {
        const row = await findBlank(tx, serial);
        if (row.state !== "in-process" && (await finishedAlready(tx, row, end))) return;
        if (row.state !== "in-process")
          throw new AccountsProblem(
            "wrong-state",
            `card ${serial} is ${row.state}, not in process; its end "${end.kind}" was not written`,
          );
        const { event, stage } = endOf(end, factsOf(row));
        const state = moveBlank(event, factsOf(row), `card ${serial}`);
        const order = row.order_number ?? "";
        await keepVisit(tx, desk, row, end, history);
        if (row.record !== null && end.kind !== "restocked") {
          await tx
            .updateTable("cards")
            .set({
              ended_at: stamp(desk),
              end_kind: end.kind,
              ...(end.kind === "good" ? {} : { station: end.station }),
              ...(end.kind === "rejected"
                ? {
                    code: end.code,
                    detail: end.detail,
                    personalised: end.personalised ? 1 : 0,
                    terminated: end.terminated ? 1 : 0,
                  }
                : {}),
            })
            .where("serial", "=", serial)
            .execute();
          if (end.kind === "good") await stepRecord(tx, order, row.record, "in-production", "produce");
          else
            await loseCard(tx, desk, {
              order,
              record: row.record,
              serial,
              limit: limits.attempts,
              held: end.kind === "held",
            });
        }
        if (end.kind === "held" || (end.kind === "rejected" && end.personalised))
          await refuseAtGates(tx, desk, serial, order, end.kind === "held" ? "held" : end.code);
        await changeBlank(
          tx,
          desk,
          row,
          {
            state,
            stage,
            ...(end.kind === "rejected"
              ? { reject_code: end.code, reject_station: end.station, reject_detail: end.detail }
              : {}),
            ...(end.kind === "restocked" ? { line: null, order_number: null } : {}),
          },
          {
            what: `card.${event}`,
            order,
            where: row.line ?? desk.place,
            detail: {
              ...(row.record === null ? {} : { record: row.record }),
              ...(end.kind === "rejected"
                ? { code: end.code, station: end.station, terminated: end.terminated }
                : {}),
            },
          },
        );
        if (end.kind === "good") await completeOrder(tx, desk, order);
      });
      ended++;
      if (ended % limits.recountEvery === 0) await read(desk, recount);
    },

    inWork: (line) =>
      read(desk, async (tx) => {
        const rows = await tx
          .selectFrom("blanks")
          .selectAll()
          .where("line", "=", line)
          .where(sql<boolean>`state = 'in-process'`)
          .orderBy("serial")
          .execute();
        return rows.map(blankOf);
      }),

    progress: (order) =>
      read(desk, async (tx) => {
        const found = await tx
          .selectFrom("orders")
          .select("records")
          .where("order_number", "=", order)
          .executeTakeFirst();
        if (found === undefined)
          throw new AccountsProblem("unknown-order", `order ${order} was not imported`);
        const counts = await recordCounts(tx, order);
        return {
          records: found.records,
          waiting: counts.waiting,
          inProduction: counts["in-production"],
          produced: counts.produced + counts.delivered + (counts.erased > 0 ? await goodCards(tx, order) : 0),
          held: counts.held,
          givenUp: counts["given-up"] + (counts.erased > 0 ? await givenUpOf(tx, order) : 0),
          blanksInStock: (await totals(tx)).inStock,
        };
      }),

    totals: () => read(desk, totals),
    recount: () => read(desk, recount),
  };
}
