/** The end of a run: PIN letters, reports, the last mark of a whole order, and what is told of it. */
import { DeviceFault } from "../devices/problem.js";
import type { Hsm } from "../devices/hsm/port.js";
import type { ProofSums } from "../ledger/proof.js";
import type { ProductionReport } from "../ledger/report.js";
import type { Capacity } from "../stations/capacity.js";
import type { LineFile } from "../stations/line-file.js";
import type { LineResult } from "../stations/line-types.js";
import type { StoredOrder } from "../store/orders.js";
import type { Store } from "../store/store.js";
import type { DataFolder } from "./data-folder.js";
import type { ImportProgress } from "./import.js";
import type { Job } from "./job.js";
import { numberLetters, tidyLetters } from "./letters.js";
import { showsAccountNumbers } from "./payment.js";
import type { PictureArchive } from "./pictures.js";
import { Refusal } from "./problem.js";
import { rewriteResult } from "./result-file.js";
import { type ReportFiles, writeReports } from "./reports.js";

/** The line of `run --json`. */
export interface Produced {
  readonly order: string;
  readonly records: number;
  readonly produced: number;
  readonly held: number;
  /** Records that two people gave up. */
  readonly givenUp: number;
  readonly blanks: {
    readonly used: number;
    readonly good: number;
    readonly rejected: number;
    readonly remade: number;
  };
  /** What the good cards' chips showed of themselves. */
  readonly proof: ProofSums;
  readonly rejects: readonly {
    readonly serial: string;
    readonly station: string;
    readonly code: string;
    readonly reason: string;
    /** Of a reject with somebody's data on it: `readable` means that it has to be destroyed. */
    readonly chip?: "terminated" | "readable";
  }[];
  /** Heads, from 1, that were stopped in this run for what they threw out; absent when there are none. */
  readonly parked?: readonly { readonly station: string; readonly head: number; readonly why: string }[];
  readonly seconds: number;
  readonly simulatedSeconds: number;
  readonly cardsPerHour: number;
  readonly balanced: boolean;
  readonly reports: readonly string[];
}

export interface RunEnd {
  readonly produced: Produced;
  /** Why the work is not whole; nothing when it is. */
  readonly unfinished?: string;
  readonly reports: ReportFiles;
  /** Letters of the order that wait for their release, whichever run made their cards. */
  readonly letters: number;
}

/** Letters and reports of what the accounts hold now; may be done again, and is after an interruption. */
export async function endRun(ask: {
  readonly job: Job;
  readonly file: LineFile;
  readonly data: DataFolder;
  readonly hsm: Hsm;
  readonly store: Store;
  /** As it was before this run. */
  readonly stored: StoredOrder;
  readonly pictures: PictureArchive;
  readonly planned: Capacity;
  readonly line: LineResult;
  /** What quality control does not show of these cards. */
  readonly unshown: readonly string[];
  /** Between the accounts and the shop floor. */
  readonly differences: readonly string[];
  readonly timeZone: string;
  /** Of this run, by the clock on the wall and by the line's own. */
  readonly seconds: number;
  readonly simulatedSeconds: number | undefined;
  readonly onProgress?: (progress: ImportProgress) => void;
}): Promise<RunEnd> {
  const { job, file, data, hsm, store, stored, pictures, planned, line, differences } = ask;
  const { order } = stored;
  await tidyLetters(order, store, data);
  const letters = await numberLetters({
    order,
    store,
    pins: job.planned.pins,
    ...(ask.onProgress === undefined ? {} : { onProgress: ask.onProgress }),
  }).catch((problem: unknown) => {
    // The cards are made and their report is due; the letters can be numbered later.
    if (problem instanceof Refusal) return problem;
    throw problem;
  });
  const { seconds, simulatedSeconds } = timesOf(stored, ask);
  const report = await store.reports.production({
    order,
    timeZone: ask.timeZone,
    simulated: simulatedDevices(file),
    unshown: ask.unshown,
    seconds,
    ...(simulatedSeconds === undefined ? {} : { simulatedSeconds }),
    planned: { cardsPerHour: planned.cardsPerHour, bottleneck: planned.bottleneck },
    heads: Object.fromEntries(file.stations.map(({ name, heads }) => [name, heads])),
  });
  const reports = await writeReports({
    report: {
      ...report,
      line: file.line,
      ...(showsAccountNumbers(job) ? { accountNumbers: true as const } : {}),
    },
    store,
    pictures,
    data,
    order,
  });
  const result = await rewriteResult(stored, store, hsm, data).catch((problem: unknown) => {
    if (problem instanceof DeviceFault || problem instanceof Refusal) return problem;
    throw problem;
  });
  // From here on the order is finished and never taken up again.
  const written = typeof letters === "number" && result === undefined;
  if (written && differences.length === 0) await store.runs.reported(order);
  const rejects: Produced["rejects"][number][] = [];
  for await (const visit of store.reports.visits(order)) {
    if (visit.end !== "rejected") continue;
    const { serial, station = "", code = "", detail: reason = "", chip } = visit;
    rejects.push({ serial, station, code, reason, ...(chip === undefined ? {} : { chip }) });
  }
  const unfinished =
    whyUnfinished(line, report.records, differences) ??
    (typeof letters === "number" ? undefined : letters.message) ??
    result?.message;
  return {
    produced: {
      order,
      records: report.records.total,
      produced: report.records.produced,
      held: report.records.held,
      givenUp: report.records.givenUp,
      blanks: {
        used: report.cards.used,
        good: report.cards.good,
        rejected: report.cards.rejected,
        remade: report.cards.remade,
      },
      proof: report.proof,
      rejects,
      ...(line.parked.length === 0
        ? {}
        : { parked: line.parked.map((one) => ({ ...one, head: one.head + 1 })) }),
      seconds: round(seconds),
      simulatedSeconds: round(simulatedSeconds ?? seconds),
      cardsPerHour: Math.round(line.cardsPerHour),
      balanced: report.balanced && differences.length === 0,
      reports: [reports.html, reports.json, reports.csv],
    },
    ...(unfinished === undefined ? {} : { unfinished }),
    reports,
    letters: (await store.letters.due(order, report.records.total * job.planned.pins.length)).length,
  };
}

/** A run that only had to end an order already produced took no time: its report tells that of the cards, from the accounts. */
function timesOf(
  { state, startedAt, producedAt }: StoredOrder,
  run: { readonly seconds: number; readonly simulatedSeconds: number | undefined },
): { readonly seconds: number; readonly simulatedSeconds: number | undefined } {
  if (state !== "produced" || startedAt === undefined || producedAt === undefined) return run;
  return { seconds: (Date.parse(producedAt) - Date.parse(startedAt)) / 1000, simulatedSeconds: undefined };
}

const round = (seconds: number): number => Math.round(seconds * 100) / 100;

function whyUnfinished(
  result: LineResult,
  records: ProductionReport["records"],
  differences: readonly string[],
): string | undefined {
  if (differences.length > 0) {
    const first = differences.slice(0, 5).join("; ");
    return `the accounts and the shop floor differ: ${first}${differences.length > 5 ? `; and ${String(differences.length - 5)} more` : ""}`;
  }
  const made = records.produced + records.givenUp;
  if (result.ended === "stopped")
    return `${result.detail}; ${String(records.total - made)} of ${String(records.total)} records are left: run the same command again`;
  if (result.ended === "stock-too-small")
    return `${result.detail}: take them in ("persoline stock receive LOT delivery.csv"; simulated ones are in the line file) and run the same command again`;
  if (result.ended !== "complete") return result.detail;
  return made === records.total
    ? undefined
    : `${String(records.total - made)} of ${String(records.total)} records have no good card; ${result.detail}`;
}

export const simulatedDevices = (file: LineFile): string[] => {
  const desk = file.transport.kind === "operator";
  const devices = ["reader", "printer", "engraver", "embosser", "indenter", "encoder", "camera"] as const;
  const simulated = (device: (typeof devices)[number]): boolean =>
    file.stations.some((station) => station[device] === "simulated");
  return [
    ...(desk ? [] : [`transport: ${file.transport.kind}`]),
    ...devices.filter(simulated),
    ...(desk ? [] : ["blanks: virtual cards"]),
  ];
};
