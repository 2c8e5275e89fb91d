/** What reports and result files are made of, read by pages. */
import type { Finding } from "@persoline/card/program";
import { difference } from "../ledger/balance.js";
import { gatherStations } from "../ledger/figures.js";
import { gatherProofs, proofOf } from "../ledger/proof.js";
import type { CardLine, ProductionReport, Throughput } from "../ledger/report.js";
import type { ResultRow } from "../ledger/result.js";
import type { BlankState, StationTime } from "../ledger/types.js";
import { AccountsProblem } from "../ledger/problem.js";
import { givenUpOf } from "./record-ends.js";
import { auditOf } from "./audit.js";
import { recordCounts, totals } from "./counters.js";
import { type Desk, read, stamp } from "./desk.js";
import { resultRows } from "./result-rows.js";

const pageSize = 500;
/** Columns of the pace diagram. */
const spans = 40;

/** What only the line knows. */
export interface ReportAsk {
  readonly order: string;
  readonly timeZone: string;
  readonly simulated: readonly string[];
  readonly unshown?: readonly string[];
  /** By the wall's clock; on virtual time also by the line's own. */
  readonly seconds: number;
  readonly simulatedSeconds?: number;
  readonly planned?: ProductionReport["planned"];
  /** Heads of each station; counted from the visits when absent. */
  readonly heads?: Readonly<Record<string, number>>;
  readonly pictures?: ProductionReport["pictures"];
}

export interface Reports {
  production(ask: ReportAsk): Promise<ProductionReport>;
  /** Visits of an order in the order in which cards left the line. */
  visits(order: string): AsyncGenerator<CardLine>;
  /** Rows of the result file, in input order. The order's data key must be released when it has a reference field. */
  result(order: string): AsyncGenerator<ResultRow>;
  /** What was measured of the cards of an order, in the order in which they left the line. */
  measured(order: string): AsyncGenerator<Finding>;
  /** Pictures kept with the good or the rejected cards of an order, lowest records first. */
  pictures(
    order: string,
    atMost: number,
    of?: "good" | "rejected",
  ): Promise<
    readonly {
      readonly record: number;
      readonly serial: string;
      readonly side: "front" | "back";
      readonly file: string;
      readonly sha256: string;
    }[]
  >;
  /** Good and cancelled cards of an order from three places that are written apart: cards, audit, counters. Compare them with the result file's totals. */
  reconcile(order: string): Promise<{
    readonly cards: { readonly good: number; readonly cancelled: number };
    readonly audit: { readonly good: number; readonly cancelled: number };
    /** Once an order is erased its records are counted as erased only. */
    readonly counters: { readonly good: number; readonly erased: number };
    readonly agree: boolean;
  }>;
}

/** How a visit ended, and what people found of the card since: a settled card is held no more, a withdrawn or mismatched one not good. */
function decidedSince(row: {
  readonly end_kind: CardLine["end"];
  readonly state: BlankState;
  readonly station: string | null;
  readonly code: string | null;
  readonly detail: string | null;
  readonly reject_station: string | null;
  readonly reject_code: string | null;
  readonly reject_detail: string | null;
}): Pick<CardLine, "end" | "station" | "code" | "detail"> {
  const rejected = row.state === "rejected" || row.state === "destroyed";
  if ((row.end_kind === "held" || row.end_kind === "good") && rejected)
    return {
      end: "rejected",
      station: row.reject_station ?? "review",
      code: row.reject_code ?? "held-unattended",
      detail: row.reject_detail ?? "",
    };
  return {
    end: row.end_kind === "held" && row.state === "good" ? "good" : row.end_kind,
    ...(row.station === null ? {} : { station: row.station }),
    ...(row.code === null ? {} : { code: row.code }),
    ...(row.detail === null ? {} : { detail: row.detail }),
  };
}

/** What a reject's chip was left as; nothing of cards that nobody was put on. */
function chipLeft(row: {
  readonly personalised: number | null;
  readonly terminated: number | null;
}): Pick<CardLine, "chip"> {
  if (row.personalised !== 1) return {};
  return { chip: row.terminated === 1 ? "terminated" : "readable" };
}

interface Visit {
  readonly line: CardLine;
  readonly times: readonly StationTime[];
}

export function reportStore(desk: Desk): Reports {
  async function* walk(order: string): AsyncGenerator<Visit> {
    for (let after = 0; ; ) {
      const rows = await desk.db
        .selectFrom("visits")
        .innerJoin("blanks", "blanks.serial", "visits.serial")
        .leftJoin("cards", (join) =>
          join.onRef("cards.serial", "=", "visits.serial").onRef("cards.record", "=", "visits.record"),
        )
        .select([
          "visits.id",
          "visits.serial",
          "blanks.label",
          "visits.record",
          "blanks.state",
          "blanks.reject_station",
          "blanks.reject_code",
          "blanks.reject_detail",
          "cards.attempt",
          "cards.personalised",
          "cards.terminated",
          "visits.end_kind",
          "visits.station",
          "visits.code",
          "visits.detail",
          "visits.ended_at",
          "visits.times",
          "visits.findings",
        ])
        .where("visits.order_number", "=", order)
        .where("visits.id", ">", after)
        .orderBy("visits.id")
        .limit(pageSize)
        .execute();
      for (const row of rows) {
        const times = (JSON.parse(row.times) as [string, number, number][]).map(([station, head, ms]) => ({
          station,
          head,
          ms,
        }));
        const proof = proofOf(JSON.parse(row.findings) as Finding[]);
        yield {
          times,
          line: {
            serial: row.serial,
            label: row.label,
            ...decidedSince(row),
            ...chipLeft(row),
            at: row.ended_at,
            ms: times.reduce((sum, { ms }) => sum + ms, 0),
            ...(proof === undefined ? {} : { proof }),
            ...(row.record === null ? {} : { record: row.record }),
            ...(row.attempt === null ? {} : { attempt: row.attempt }),
          },
        };
      }
      const last = rows.at(-1);
      if (last === undefined) return;
      after = last.id;
    }
  }

  async function* visits(order: string): AsyncGenerator<CardLine> {
    for await (const { line } of walk(order)) yield line;
  }

  async function times(order: string): Promise<{ readonly first: number; readonly step: number }> {
    const { first, last } = await desk.db
      .selectFrom("visits")
      .select((row) => [row.fn.min("ended_at").as("first"), row.fn.max("ended_at").as("last")])
      .where("order_number", "=", order)
      .executeTakeFirstOrThrow();
    const from = Date.parse(String(first));
    const until = Date.parse(String(last));
    return Number.isNaN(from) || until <= from
      ? { first: 0, step: 0 }
      : { first: from, step: (until - from + 1) / spans };
  }

  return {
    visits,

    async production(ask) {
      const { order } = ask;
      const row = await desk.db
        .selectFrom("orders")
        .selectAll()
        .where("order_number", "=", order)
        .where("imported_at", "is not", null)
        .executeTakeFirst();
      if (row === undefined) throw new AccountsProblem("unknown-order", `order ${order} was not imported`);
      const [stock, counts, givenUp] = await read(desk, async (tx) => [
        await totals(tx),
        await recordCounts(tx, order),
        await givenUpOf(tx, order),
      ]);
      const { first, step } = await times(order);
      const pace: Throughput[] =
        step === 0
          ? []
          : Array.from({ length: spans }, (_, index) => ({
              from: new Date(first + index * step).toISOString(),
              // On virtual time the hours of the pace are the line's own, like all others of the report.
              seconds: ask.simulatedSeconds === undefined ? step / 1000 : ask.simulatedSeconds / spans,
              good: 0,
              rejected: 0,
            }));
      const stations = gatherStations();
      const proofs = gatherProofs();
      const cards = { used: 0, good: 0, rejected: 0, held: 0, remade: 0 };
      const found = new Map<string, { station: string; code: string; count: number }>();
      for await (const { line, times: spent } of walk(order)) {
        stations.add(spent, line.end === "rejected");
        if (line.end === "restocked") continue;
        cards.used++;
        cards[line.end]++;
        if (line.end === "good") proofs.add(line.proof);
        if (line.end === "good" && (line.attempt ?? 1) > 1) cards.remade++;
        const at = step === 0 ? 0 : Math.floor((Date.parse(line.at) - first) / step);
        const span = pace[at];
        if (span !== undefined)
          pace[at] = {
            ...span,
            good: span.good + (line.end === "good" ? 1 : 0),
            rejected: span.rejected + (line.end === "good" ? 0 : 1),
          };
        if (line.end !== "good") {
          const { station = "", code = line.end } = line;
          const reason = found.get(`${station}\n${code}`) ?? { station, code, count: 0 };
          reason.count++;
          found.set(`${station}\n${code}`, reason);
        }
      }
      const seconds = ask.simulatedSeconds ?? ask.seconds;
      // Of erased records only their number is left; how many had a good card, the cards say.
      const produced = counts.produced + counts.delivered + (counts.erased > 0 ? cards.good : 0);
      return {
        order,
        customer: row.customer,
        product: row.product,
        line: row.line,
        environment: row.environment,
        written: stamp(desk),
        timeZone: ask.timeZone,
        simulated: ask.simulated,
        ...(ask.unshown === undefined ? {} : { unshown: ask.unshown }),
        records: {
          total: row.records,
          produced,
          waiting: counts.waiting,
          inProduction: counts["in-production"],
          held: counts.held,
          givenUp,
        },
        cards,
        proof: proofs.sums(),
        stock,
        balanced: difference(stock) === 0,
        seconds: ask.seconds,
        cardsPerHour: seconds > 0 ? (cards.good * 3600) / seconds : 0,
        stations: stations.figures(seconds * 1000, ask.heads),
        throughput: pace,
        reasons: [...found.values()].sort((a, b) => b.count - a.count),
        visits: () => visits(order),
        pictures: ask.pictures ?? [],
        ...(row.started_at === null ? {} : { started: row.started_at }),
        ...(row.produced_at === null ? {} : { ended: row.produced_at }),
        ...(ask.simulatedSeconds === undefined ? {} : { simulatedSeconds: ask.simulatedSeconds }),
        ...(ask.planned === undefined ? {} : { planned: ask.planned }),
      };
    },

    result: (order) => resultRows(desk, order),

    async *measured(order) {
      for (let after = 0; ; ) {
        const rows = await desk.db
          .selectFrom("visits")
          .select(["id", "findings"])
          .where("order_number", "=", order)
          .where("id", ">", after)
          .orderBy("id")
          .limit(pageSize)
          .execute();
        for (const { findings } of rows)
          for (const one of JSON.parse(findings) as Finding[]) if (one.measures !== undefined) yield one;
        const last = rows.at(-1);
        if (last === undefined) return;
        after = last.id;
      }
    },

    async pictures(order, atMost, of = "good") {
      const rows = await desk.db
        .selectFrom("visits")
        .innerJoin("blanks", (join) =>
          join.onRef("blanks.serial", "=", "visits.serial").onRef("blanks.record", "=", "visits.record"),
        )
        .select(["visits.serial", "visits.record", "front_file", "front_sha256", "back_file", "back_sha256"])
        .where("visits.order_number", "=", order)
        // As it is now: one that people found good counts, one that they withdrew does not.
        .where("blanks.state", "in", of === "good" ? ["good"] : ["rejected", "destroyed"])
        .where((row) => row.or([row("front_file", "is not", null), row("back_file", "is not", null)]))
        .orderBy("visits.record")
        .limit(atMost)
        .execute();
      return rows.flatMap(({ serial, record, front_file, front_sha256, back_file, back_sha256 }) => {
        const card = { serial, record: record ?? 0 };
        return [
          ...(front_file === null
            ? []
            : [{ ...card, side: "front" as const, file: front_file, sha256: front_sha256 ?? "" }]),
          ...(back_file === null
            ? []
            : [{ ...card, side: "back" as const, file: back_file, sha256: back_sha256 ?? "" }]),
        ];
      });
    },

    async reconcile(order) {
      const { cards, counters } = await read(desk, async (tx) => {
        const ends = await tx
          .selectFrom("cards")
          .select((row) => ["end_kind", row.fn.countAll<number>().as("count")])
          .where("order_number", "=", order)
          .groupBy("end_kind")
          .execute();
        const of = (...kinds: readonly string[]): number =>
          ends.reduce((sum, { end_kind, count }) => sum + (kinds.includes(end_kind ?? "") ? count : 0), 0);
        const kept = await recordCounts(tx, order);
        return {
          cards: { good: of("good"), cancelled: of("rejected", "held") },
          counters: { good: kept.produced + kept.delivered, erased: kept.erased },
        };
      });
      const ends = new Map<string, "good" | "cancelled">();
      for await (const { what, object, detail, result } of auditOf(desk, order)) {
        if (result !== "ok" || !object.startsWith("card ")) continue;
        if (what === "card.pass" || what === "card.release") ends.set(object, "good");
        else if ((what === "card.reject" || what === "card.hold") && typeof detail?.["record"] === "number")
          ends.set(object, "cancelled");
      }
      const audit = { good: 0, cancelled: 0 };
      for (const end of ends.values()) audit[end]++;
      return {
        cards,
        audit,
        counters,
        agree:
          cards.good === audit.good &&
          cards.cancelled === audit.cancelled &&
          (counters.erased > 0 || counters.good === cards.good),
      };
    },
  };
}
