/** The main job: an order from its file to verified cards and balanced accounts; also what goes on after any interruption. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import type { Hsm } from "../devices/hsm/port.js";
import type { Desk } from "../devices/transport/operator.js";
import { DeviceFault } from "../devices/problem.js";
import { DataProblem } from "../orders/problem.js";
import type { Capacity } from "../stations/capacity.js";
import { noticedOf } from "../plan/compile.js";
import type { Layer } from "../plan/layout/index.js";
import { disagreements } from "../stations/census.js";
import { type LineFile, readLine, sendsTrays } from "../stations/line-file.js";
import { driftText } from "../stations/quality/index.js";
import type { LineEvent, LineResult, LineView } from "../stations/line-types.js";
import { openJournal } from "../store/journal.js";
import { openTrayBook } from "../store/tray-book.js";
import type { StoredOrder } from "../store/orders.js";
import { openStore, type Store } from "../store/store.js";
import { type AssembledLine, assembleLine } from "./assemble-line.js";
import { refuseBrokenAudit, signAudit } from "./audit-heads.js";
import { closingAll, type Opened } from "./closing.js";
import { databaseName, type DataFolder, dataFolder } from "./data-folder.js";
import { endDue } from "./due-ends.js";
import { endRun, type RunEnd } from "./end-run.js";
import { type FacesDesk, facesDesk } from "./faces.js";
import { type ImportProgress, judgeLevels } from "./import.js";
import { type Job, prepareRecord, readJob } from "./job.js";
import { judgedSides } from "./judged-sides.js";
import { openSecurityModule, type Unlocking } from "./key-file.js";
import { printingOf } from "./line-pictures.js";
import { watchOf } from "./drifts.js";
import { chipSideOf, judgedBy, laserOf, marksBy, preprintOf, reliefSeen } from "./marks.js";
import { forOrder } from "./order-policy.js";
import { pictureArchive } from "./pictures.js";
import { tidyLetters } from "./letters.js";
import { hasSealedStripe, lineKeysOf, paymentDesk, paymentStripes, refuseOtherIssuer } from "./payment.js";
import { Refusal } from "./problem.js";
import { keepPairsForRemakes, withSecrets } from "./pins.js";
import { plannedCapacity } from "./planned.js";
import { shownOf } from "./shown.js";
import { looksOf } from "./unseen.js";
import { profilesOf } from "./quality-profiles.js";
import { readingDesk } from "./reading-desk.js";
import { mustKeepForJob } from "./order-levels.js";
import type { Levels } from "./protection.js";
import { takeUp } from "./take-up.js";
import { fabOf, receiveStock } from "./virtual-blanks.js";
import { chipsIn, refuseSharedKeys } from "./shared-keys.js";

export interface ProduceAsk {
  readonly orderFile: string;
  readonly lineFile?: string;
  readonly data: string;
  readonly seed?: number;
  readonly passphrase?: Unlocking;
  readonly by: string;
  readonly timeZone: string;
  readonly onProgress?: (progress: ImportProgress) => void;
  /** The line is about to run: what a live table needs. */
  readonly onLine?: (line: {
    readonly file: LineFile;
    readonly view: () => LineView;
    readonly stop: () => void;
    readonly planned: Capacity;
    readonly noticed: readonly string[];
  }) => void;
  readonly onEvent?: (event: LineEvent) => void;
  /** Who sits at the desk, for a line that has one. */
  readonly desk?: Desk;
}

export interface ProduceEnd extends RunEnd {
  readonly line: LineResult;
  /** Durable commits this run took for accounts and journal. */
  readonly commits: { readonly accounts: number; readonly journal: number };
  readonly planned: Capacity;
}

/** Throws what `problemText` can tell; cards in work are then taken up by the next run. */
export function produce(ask: ProduceAsk): Promise<ProduceEnd> {
  return closingAll(async (opened) => {
    // Of an order that was taken in the records are sealed in the database: its input may be lost, or destroyed on purpose.
    const inputMayBeGone = existsSync(join(ask.data, databaseName));
    const read = await readJob(ask.orderFile, { inputMayBeGone });
    const lineFile = ask.lineFile ?? read.order.line;
    const line = await lineOf(read, lineFile);
    // A line that marks nothing has no use for faces, and they are most of the work of preparing a record.
    const job: Job = line.without.includes("visual") ? { ...read, drawing: undefined } : read;
    const data = dataFolder(ask.data);
    const judge = (module: Levels) => judgeLevels(module, job, { line, lineFile });
    const hsm = opened.add(await openSecurityModule(data, job.order.keys, ask.passphrase, { judge }), (one) =>
      one.close(),
    );
    await mustKeepForJob(hsm, job, { line, lineFile });
    await refuseOtherIssuer(hsm, job);
    const faces = opened.add(facesDesk(), (one) => one.close());
    const store = opened.add(
      await openStore({
        file: data.database,
        who: ask.by,
        place: `line ${line.line}`,
        attempts: line.limits.cardsPerRecord,
      }),
      (one) => one.close(),
    );
    await refuseBrokenAudit({ store, data });
    await endDue(store, hsm);
    await tidyLetters(job.order.order, store, data);
    const profiles = await profilesOf({
      line,
      store,
      environment: job.order.environment,
      product: job.planned.product.name,
      layout: job.layout,
      sides: job.drawing?.sides.map(({ template: { side } }) => side) ?? [],
    });
    const { seed, onProgress } = ask;
    const stored = await takeUp({
      job,
      line,
      lineFile,
      seed,
      data: data.root,
      store,
      hsm,
      ...(onProgress === undefined ? {} : { onProgress }),
    });
    const file = { ...line, seed: stored.seed };
    const ended = await run(opened, { job, file, data, hsm, faces, store, stored, profiles, ask });
    const unsigned = await signAudit({ store, data, hsm }).catch((problem: unknown) => {
      // The cards are made and their report is written; the next run or decision signs what is left.
      if (problem instanceof DeviceFault) return problem;
      throw problem;
    });
    return unsigned === undefined || ended.unfinished !== undefined
      ? ended
      : { ...ended, unfinished: `the audit's head is not signed: ${unsigned.message}` };
  });
}

/** Throws DataProblem when it cannot make this product. */
async function lineOf(job: Job, path: string): Promise<LineFile> {
  const file = await readLine(path, { environment: job.order.environment });
  const marks = job.drawing !== undefined && file.stations.some(({ does }) => does.includes("visual"));
  const embosses = file.stations.some(({ embosser }) => embosser !== undefined);
  const engraves = file.stations.some(({ engraver }) => engraver !== undefined);
  const prints = file.stations.some(({ printer }) => printer !== undefined);
  const has = (...layers: readonly Layer[]): boolean =>
    job.drawing?.sides.some(({ template: { art, fields } }) =>
      [...art, ...fields].some((one) => "layer" in one && layers.includes(one.layer)),
    ) === true;
  if (marks && has("laser", "code") && !engraves) {
    const problem = {
      file: path,
      code: "no-engraver",
      message: "the product's cards are engraved, but no station has an engraver",
    };
    throw new DataProblem([
      { ...problem, remedy: "add engraver: simulated to the visual station, or use another line" },
    ]);
  }
  if (marks && has("colour") && !prints) {
    const message = "the product's cards are printed in colour, but no station has a printer";
    const remedy = "add printer: simulated to the visual station, or use another line";
    throw new DataProblem([{ file: path, code: "no-printer", message, remedy }]);
  }
  if (marks && job.drawing?.embossed === true && !embosses) {
    const problem = {
      file: path,
      code: "no-embosser",
      message: "the product's cards are embossed, but no station has an embosser",
    };
    throw new DataProblem([
      { ...problem, remedy: "add embosser: simulated to the visual station, or use another line" },
    ]);
  }
  const wants = (what: "stripe" | "indent"): boolean =>
    marks &&
    job.drawing?.sides.some(({ template }) =>
      template.fields.some(
        (field) => field.kind === what || (field.kind === "emboss" && field.layer === what),
      ),
    ) === true;
  const doesVisual = file.stations.some(({ does }) => does.includes("visual"));
  const lacks = (device: "indenter" | "encoder"): boolean =>
    !file.stations.some((station) => station.does.includes("visual") && station[device] !== undefined);
  const problems = [
    ...(wants("indent") && lacks("indenter")
      ? [["indenter", "characters are pressed into the product's cards"] as const]
      : []),
    ...((wants("stripe") || (hasSealedStripe(job) && doesVisual)) && lacks("encoder")
      ? [["encoder", "the product's cards have a magnetic stripe"] as const]
      : []),
  ].map(([device, what]) => ({
    file: path,
    code: `no-${device}`,
    message: `${what}, but the visual station has no ${device}`,
    remedy: `add ${device}: simulated to the visual station, or use another line`,
  }));
  if (problems.length > 0) throw new DataProblem(problems);
  return file;
}

interface Running {
  readonly job: Job;
  readonly file: LineFile;
  readonly data: DataFolder;
  readonly hsm: Hsm;
  readonly faces: FacesDesk;
  readonly store: Store;
  readonly stored: StoredOrder;
  readonly profiles: Awaited<ReturnType<typeof profilesOf>>;
  readonly ask: ProduceAsk;
}

async function run(opened: Opened, running: Running): Promise<ProduceEnd> {
  const { job, file, data, hsm, faces, store, stored, profiles, ask } = running;
  const order = stored.order;
  const example = prepareRecord(job, await store.orders.record(order, 1));
  const programs = [example.personalization, example.proof];
  await mustKeepForJob(hsm, job, {
    line: file,
    lineFile: ask.lineFile ?? job.order.line,
    programs,
    pinsDrawn: true,
  });
  await keepPairsForRemakes(job, hsm);
  const journal = opened.add(await openJournal(data.journal(file.line)), (one) => one.close());
  const trays =
    sendsTrays(file) || existsSync(data.trays(file.line))
      ? opened.add(openTrayBook(data.trays(file.line)), (one) => one.close())
      : undefined;
  const dataKey = opened.add(
    await hsm.releaseDataKey({ order, sealed: stored.sealedDataKey ?? new Uint8Array(0) }),
    (key) => key.fill(0),
  );
  const pictures = pictureArchive(data, order, dataKey, faces);
  const sides = opened.add(
    judgedSides(readingDesk(), (...side) => pictures.keepOverlay(...side)),
    (one) => one.close(),
  );
  const laser = await laserOf(file);
  const assembled: AssembledLine = opened.add(
    assembleLine({
      line: file,
      data: data.root,
      order,
      environment: job.order.environment,
      product: job.planned,
      hsm: forOrder(hsm, order),
      accounts: withSecrets(store.accounts, job, store, hsm),
      journal,
      ...(trays === undefined ? {} : { trays }),
      prepareRecord: ({ record, attempt }) => Promise.resolve(prepareRecord(job, record, attempt)),
      makeMarks: marksBy(faces, { laser, printing: printingOf(file) }),
      ...(laser === undefined ? {} : { laser: laser.settings }),
      judgeFaces: judgedBy({
        faces,
        chip: chipSideOf(job.drawing),
        laser,
        relief: reliefSeen(file),
        profiles,
        keepJudged: (serial, side, judged) => sides.keep(serial, side, judged),
        watch: await watchOf(store, order),
        onDrift: (drift) =>
          ask.onEvent?.({ kind: "alarm", at: assembled.world.now(), detail: driftText(drift) }),
      }),
      chip: chipSideOf(job.drawing),
      ...(file.stock.length === 0 ? {} : { preprint: await preprintOf(example, faces) }),
      keepPicture: (serial, picture) => pictures.keep(serial, picture),
      keepPin: (place, pin, sealed) => store.orders.storePins(place.order, place.record, { [pin]: sealed }),
      payment: paymentDesk(hsm),
      ...paymentStripes(order, data.stripeEncoderKey, await lineKeysOf(hsm)),
      ...(file.transport.kind === "operator" ? { loaderMaster: undefined } : await fabOf(job)),
      labelOf: async (serial) => (await store.stock.find(serial))?.label,
      drawLabel: (begins) => store.stock.draw({ begins, line: file.line }),
      ...(ask.desk === undefined ? {} : { desk: ask.desk }),
      ...(ask.onEvent === undefined ? {} : { onEvent: ask.onEvent }),
    }),
    (one) => one.close(),
  );
  await stationsEmptied(assembled);
  await deskReady(assembled, file, ask.lineFile ?? job.order.line);
  await receiveStock(assembled, store, ask.by);
  await refuseSharedKeys(job.planned.product, job.order.product, chipsIn(store));
  const planned = await plannedCapacity({ job, file, faces, example });
  const { line, world } = assembled;
  const noticed = noticedOf(job.planned);
  ask.onLine?.({ file, view: () => line.view(), stop: () => assembled.stop(), planned, noticed });
  const began = performance.now();
  const simulated = world.now();
  const result = await assembled.run();
  await store.stock.putBack({ line: file.line });
  const seconds = (performance.now() - began) / 1000;
  const blanks = await allBlanks(store);
  const differences = disagreements(assembled.census(blanks), blanks);
  await store.accounts.recount();
  await sides.settled();
  const ended = await endRun({
    job,
    file,
    data,
    hsm,
    store,
    stored,
    pictures,
    planned,
    unshown: shownOf(job.planned, example, looksOf(file, job.drawing)).unshown,
    line: result,
    differences,
    timeZone: ask.timeZone,
    seconds,
    simulatedSeconds: file.mode === "ideal" ? undefined : (world.now() - simulated) / 1000,
    ...(ask.onProgress === undefined ? {} : { onProgress: ask.onProgress }),
  });
  return {
    ...ended,
    line: result,
    commits: { accounts: store.commits(), journal: journal.stats.commits },
    planned,
  };
}

/** No card moves while a station has an earlier order's file. Throws Refusal. */
async function stationsEmptied(assembled: AssembledLine): Promise<void> {
  try {
    await assembled.emptied();
  } catch (thrown) {
    if (thrown instanceof DeviceFault)
      throw new Refusal(`no card was moved: ${thrown.message}`, { cause: thrown });
    throw thrown;
  }
}

/** Throws DataProblem that names the line file: its reader is not there, so no card is asked for. */
async function deskReady(assembled: AssembledLine, { stations }: LineFile, path: string): Promise<void> {
  try {
    await assembled.deskReady();
  } catch (thrown) {
    if (!(thrown instanceof DeviceFault)) throw thrown;
    const { code, message } = thrown;
    const [station] = stations;
    const remedy = `it is the reader: of station ${station?.name ?? ""} in this file; correct it there if another is meant ("persoline doctor" shows the readers that are there)`;
    throw new DataProblem([{ file: path, code, message, remedy }]);
  }
}

async function allBlanks(store: Store) {
  const blanks = [];
  for await (const { label, state, order, record } of store.stock.list()) {
    blanks.push({
      label,
      state,
      ...(order === undefined ? {} : { order }),
      ...(record === undefined ? {} : { record }),
    });
  }
  return blanks;
}
