/** The main job: an order from its file to verified cards and balanced accounts; also what goes on after any interruption. */
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { unhex } from "@persoline/card/bytes";
import type { Hsm } from "../devices/hsm/port.js";
import { DeviceFault } from "../devices/problem.js";
import { DataProblem } from "../orders/problem.js";
import type { FaceRaster } from "../plan/layout/index.js";
import { disagreements } from "../stations/census.js";
import type { Capacity } from "../stations/capacity.js";
import { type LineFile, readLine } from "../stations/line-file.js";
import type { LineEvent, LineResult, LineView } from "../stations/line-types.js";
import type { JudgeFaces, MakeMarks } from "../stations/station.js";
import { summarize } from "../stations/quality/index.js";
import { openJournal } from "../store/journal.js";
import type { StoredOrder } from "../store/orders.js";
import { openStore, type Store } from "../store/store.js";
import { assembleLine, type AssembledLine } from "./assemble-line.js";
import { refuseBrokenAudit, signAudit } from "./audit-heads.js";
import { type DataFolder, dataFolder } from "./data-folder.js";
import { type FacesDesk, facesDesk } from "./faces.js";
import { type ImportProgress, importOrder } from "./import.js";
import { type Job, prepareRecord, readJob } from "./job.js";
import { openSecurityModule, readKeyFile } from "./key-file.js";
import { writeLetters } from "./letters.js";
import { pictureArchive } from "./pictures.js";
import { drawPins, withPins } from "./pins.js";
import { marksOf } from "./marks.js";
import { plannedCapacity } from "./planned.js";
import { Refusal } from "./problem.js";
import { type ReportFiles, writeReports } from "./reports.js";

export interface ProduceAsk {
  readonly orderFile: string;
  readonly lineFile?: string;
  readonly data: string;
  readonly seed?: number;
  readonly passphrase?: string;
  readonly by: string;
  readonly timeZone: string;
  readonly onProgress?: (progress: ImportProgress) => void;
  /** The line is about to run: what a live table needs. */
  readonly onLine?: (line: {
    readonly file: LineFile;
    readonly view: () => LineView;
    readonly stop: () => void;
    readonly planned: Capacity;
  }) => void;
  readonly onEvent?: (event: LineEvent) => void;
}

/** The line of `run --json`. */
export interface Produced {
  readonly order: string;
  readonly records: number;
  readonly produced: number;
  readonly held: number;
  readonly blanks: {
    readonly used: number;
    readonly good: number;
    readonly rejected: number;
    readonly remade: number;
  };
  readonly rejects: readonly {
    readonly serial: string;
    readonly station: string;
    readonly code: string;
    readonly reason: string;
  }[];
  readonly seconds: number;
  readonly simulatedSeconds: number;
  readonly cardsPerHour: number;
  readonly balanced: boolean;
  readonly reports: readonly string[];
}

export interface ProduceEnd {
  readonly produced: Produced;
  readonly line: LineResult;
  /** Why the work is not whole; nothing when it is. */
  readonly unfinished?: string;
  readonly reports: ReportFiles;
  readonly letters: number;
  /** Durable commits this run took for accounts and journal. */
  readonly commits: { readonly accounts: number; readonly journal: number };
  readonly planned: Capacity;
}

/** Throws what `problemText` can tell; cards in work are then taken up by the next run. */
export async function produce(ask: ProduceAsk): Promise<ProduceEnd> {
  const read = await readJob(ask.orderFile);
  const file = await lineOf(read, ask);
  // A line that marks nothing has no use for faces, and they are most of the work of preparing a record.
  const job: Job = file.without.includes("visual") ? { ...read, drawing: undefined } : read;
  const data = dataFolder(ask.data);
  const hsm = await openSecurityModule(data, job.order.keys, ask.passphrase);
  const faces = facesDesk();
  try {
    const store = await openStore({ file: data.database, who: ask.by, place: `line ${file.line}` });
    try {
      await refuseBrokenAudit({ store, data });
      const stored = await orderInHand(job, file, store, hsm, ask);
      const ended = await run({ job, file, data, hsm, faces, store, stored, ask });
      const unsigned = await signAudit({ store, data, hsm }).catch((problem: unknown) => {
        // The cards are made and their report is written; the next run or decision signs what is left.
        if (problem instanceof DeviceFault) return problem;
        throw problem;
      });
      return unsigned === undefined || ended.unfinished !== undefined
        ? ended
        : { ...ended, unfinished: `the audit's head is not signed: ${unsigned.message}` };
    } finally {
      await store.close();
    }
  } finally {
    await Promise.all([hsm.close(), faces.close()]);
  }
}

async function lineOf(job: Job, { lineFile, seed }: ProduceAsk): Promise<LineFile> {
  const path = lineFile ?? job.order.line;
  const file = await readLine(path);
  if (job.drawing === undefined || !file.stations.some(({ does }) => does.includes("visual"))) {
    return seed === undefined ? file : { ...file, seed };
  }
  if (job.drawing.emboss !== undefined && !file.stations.some(({ embosser }) => embosser !== undefined)) {
    const problem = {
      file: path,
      code: "no-embosser",
      message: "the product's cards are embossed, but no station has an embosser",
    };
    throw new DataProblem([
      { ...problem, remedy: "add embosser: simulated to the visual station, or use another line" },
    ]);
  }
  return seed === undefined ? file : { ...file, seed };
}

/** The order as the store has it: imported now, or taken up where it was left. */
async function orderInHand(
  job: Job,
  file: LineFile,
  store: Store,
  hsm: Hsm,
  ask: ProduceAsk,
): Promise<StoredOrder> {
  const number = job.order.order;
  const known = await store.orders.find(number);
  if (known === undefined) {
    const stored = await importOrder(job, file.line, store, hsm, ask.onProgress);
    await drawPins(job, stored.records, store, hsm, ask.onProgress);
    return stored;
  }
  if (known.state !== "imported" && known.state !== "in-production") {
    throw new Refusal(
      `order ${number} is ${known.state}: it was made already, and no order is made twice. See its report, or give a new order another number`,
    );
  }
  const sha256 = createHash("sha256")
    .update(await readFile(job.order.input.file))
    .digest("hex");
  if (sha256 !== known.inputSha256) {
    throw new Refusal(
      `order ${number} was begun with another input file than ${job.order.input.file} now is: put the file back as it was, or give the new one its own order number`,
    );
  }
  if (known.sealedDataKey === undefined) throw new Refusal(`order ${number} was erased`);
  const dataKey = await hsm.releaseDataKey({ order: number, sealed: known.sealedDataKey });
  store.orders.unlock(number, dataKey);
  dataKey.fill(0);
  if (known.state === "imported") await drawPins(job, known.records, store, hsm, ask.onProgress);
  return known;
}

interface Running {
  readonly job: Job;
  readonly file: LineFile;
  readonly data: DataFolder;
  readonly hsm: Hsm;
  readonly faces: FacesDesk;
  readonly store: Store;
  readonly stored: StoredOrder;
  readonly ask: ProduceAsk;
}

async function run(running: Running): Promise<ProduceEnd> {
  const { job, file, data, hsm, faces, store, stored, ask } = running;
  const order = stored.order;
  const journal = await openJournal(data.journal(file.line));
  const dataKey = await hsm.releaseDataKey({ order, sealed: stored.sealedDataKey ?? new Uint8Array(0) });
  const pictures = pictureArchive(data, order, dataKey, faces);
  let assembled: AssembledLine | undefined;
  try {
    assembled = assembleLine({
      line: file,
      data: data.root,
      order,
      environment: job.order.environment,
      product: job.planned,
      hsm,
      accounts: withPins(store.accounts, job, store, hsm),
      journal,
      prepareRecord: ({ record }) => Promise.resolve(prepareRecord(job, record)),
      makeMarks: marksBy(faces),
      judgeFaces: judgedBy(faces),
      keepPicture: (serial, picture) => pictures.keep(serial, picture),
      loaderMaster: await loaderMaster(job),
      ...(ask.onEvent === undefined ? {} : { onEvent: ask.onEvent }),
    });
    await receiveStock(assembled, store, ask.by);
    const example = prepareRecord(job, await store.orders.record(order, 1));
    const planned = await plannedCapacity({ job, file, faces, example });
    const { line, world, floor } = assembled;
    ask.onLine?.({ file, view: () => line.view(), stop: () => line.stop(), planned });
    const began = performance.now();
    const simulated = world.now();
    const result = await assembled.run();
    const seconds = (performance.now() - began) / 1000;
    const simulatedSeconds = file.mode === "ideal" ? seconds : (world.now() - simulated) / 1000;

    const differences = disagreements(floor.census(), await allBlanks(store));
    await store.accounts.recount();
    const letters = await writeLetters({ order, store, hsm, data, pins: job.planned.pins }).catch(
      (problem: unknown) => {
        // The cards are made and their report is due; the letters can be written later.
        if (problem instanceof DeviceFault) return problem;
        throw problem;
      },
    );
    const report = await store.reports.production({
      order,
      timeZone: ask.timeZone,
      simulated: simulatedDevices(file),
      seconds,
      ...(file.mode === "ideal" ? {} : { simulatedSeconds }),
      planned: { cardsPerHour: planned.cardsPerHour, bottleneck: planned.bottleneck },
      heads: Object.fromEntries(file.stations.map(({ name, heads }) => [name, heads])),
    });
    const reports = await writeReports({
      report: { ...report, line: file.line },
      store,
      pictures,
      data,
      order,
    });
    const balanced = report.balanced && differences.length === 0;
    const rejects: Produced["rejects"][number][] = [];
    for await (const visit of store.reports.visits(order)) {
      if (visit.end !== "rejected") continue;
      const { serial, station = "", code = "", detail: reason = "" } = visit;
      rejects.push({ serial, station, code, reason });
    }
    const unfinished = whyUnfinished(result, report.records, differences) ?? whyUnwritten(order, letters);
    return {
      produced: {
        order,
        records: report.records.total,
        produced: report.records.produced,
        held: report.records.held,
        blanks: {
          used: report.cards.used,
          good: report.cards.good,
          rejected: report.cards.rejected,
          remade: report.cards.remade,
        },
        rejects,
        seconds: round(seconds),
        simulatedSeconds: round(simulatedSeconds),
        cardsPerHour: Math.round(result.cardsPerHour),
        balanced,
        reports: [reports.html, reports.json, reports.csv],
      },
      line: result,
      ...(unfinished === undefined ? {} : { unfinished }),
      reports,
      letters: typeof letters === "number" ? letters : 0,
      commits: { accounts: store.commits(), journal: journal.stats.commits },
      planned,
    };
  } finally {
    dataKey.fill(0);
    assembled?.close();
    await journal.close();
  }
}

const round = (seconds: number): number => Math.round(seconds * 100) / 100;

function whyUnfinished(
  result: LineResult,
  records: { readonly total: number; readonly produced: number },
  differences: readonly string[],
): string | undefined {
  if (differences.length > 0) {
    const first = differences.slice(0, 5).join("; ");
    return `the accounts and the shop floor differ: ${first}${differences.length > 5 ? `; and ${String(differences.length - 5)} more` : ""}`;
  }
  if (result.ended !== "complete") return result.detail;
  return records.produced === records.total
    ? undefined
    : `${String(records.total - records.produced)} of ${String(records.total)} records have no good card; ${result.detail}`;
}

const whyUnwritten = (order: string, letters: number | DeviceFault): string | undefined =>
  typeof letters === "number"
    ? undefined
    : `not all PIN letters are written: ${letters.message}; "persoline letters write ${order}" writes the others`;

async function allBlanks(store: Store) {
  const blanks = [];
  for await (const { label, state, record } of store.stock.list()) {
    blanks.push({ label, state, ...(record === undefined ? {} : { record }) });
  }
  return blanks;
}

/** Virtual blanks are made with a published key; the fab and the security module both know it. */
async function loaderMaster({ order, planned }: Job): Promise<Uint8Array> {
  const { loaderKey } = planned.product.completion;
  const key = (await readKeyFile(order.keys)).keys.find(({ name }) => name === loaderKey);
  if (key?.published === undefined) {
    throw new DataProblem([
      {
        file: order.keys,
        code: "loader-key",
        message: `virtual blanks need a published loader key, and ${loaderKey} has none`,
        remedy: "give it a published value, or use a line with real blanks",
      },
    ]);
  }
  return unhex(key.published);
}

/** A line of simulated devices brings its blanks; they are received once. */
async function receiveStock(assembled: AssembledLine, store: Store, by: string): Promise<void> {
  const known = new Set((await store.stock.lots()).map(({ lot }) => lot));
  for (const { lot, items } of assembled.deliver()) {
    if (!known.has(lot))
      await store.stock.receive({ lot, blanks: items, by, note: "virtual blanks of the line file" });
  }
}

export const simulatedDevices = (file: LineFile): string[] => [
  `transport: ${file.transport.kind}`,
  ...["reader", "engraver", "embosser", "camera"].filter((device) =>
    file.stations.some(
      (station) => station[device as "reader" | "engraver" | "embosser" | "camera"] !== undefined,
    ),
  ),
  "blanks: virtual cards",
];

/** Front, back, embossing. */
const marksBy =
  (faces: FacesDesk): MakeMarks =>
  (prepared) =>
    marksOf(prepared, faces);

const judgedBy =
  (faces: FacesDesk): JudgeFaces =>
  async ({ prepared, marks, pictures }) => {
    const rasters = marks.filter((mark): mark is FaceRaster => mark.kind === "raster");
    const pairs = prepared.faces.flatMap((face) => {
      const raster = rasters.find(({ side }) => side === face.side);
      return raster === undefined ? [] : [{ picture: pictures[face.side], face, raster }];
    });
    const verdicts = await faces.do({ task: "judge", pairs });
    return summarize(
      prepared.faces.map((face) => ({
        face,
        verdict: verdicts[pairs.findIndex((pair) => pair.face === face)],
      })),
    );
  };
