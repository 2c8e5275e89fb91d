/** The order as the accounts have it: taken in now, or taken up where it was left; and everything that must be true before a card moves. */
import { resolve } from "node:path";
import type { Hsm } from "../devices/hsm/port.js";
import { inputDigest, photosNow } from "../orders/input.js";
import { readOrder } from "../orders/order-file.js";
import { Findings } from "../orders/problem.js";
import type { MachineReach } from "../plan/layout/index.js";
import type { LineFile } from "../stations/line-file.js";
import type { InWork } from "../store/order-runs.js";
import type { StoredOrder } from "../store/orders.js";
import type { Store } from "../store/store.js";
import { begunFiles, changedAmong } from "./begun-files.js";
import { type ImportProgress, importOrder } from "./import.js";
import type { Job } from "./job.js";
import { orderPolicy } from "./order-policy.js";
import { drawSecrets } from "./pins.js";
import { Refusal } from "./problem.js";
import { reachOf, tellUnreachable } from "./reach.js";

export interface TakeUp {
  readonly job: Job;
  readonly line: LineFile;
  readonly lineFile: string;
  /** As asked for; without it the order's own, at first the line file's. */
  readonly seed: number | undefined;
  readonly data: string;
  readonly store: Store;
  readonly hsm: Hsm;
  readonly onProgress?: (progress: ImportProgress) => void;
}

/** The order with its data key released. Throws Refusal, DataProblem, AccountsProblem; nothing has moved then. */
export async function takeUp(ask: TakeUp): Promise<StoredOrder & { readonly seed: number }> {
  const { job, line, store, hsm, onProgress } = ask;
  const number = job.order.order;
  const known = await store.orders.find(number);
  if (known !== undefined) refuseFinished(known);
  await refuseStrangers(ask);
  const seed = seedOf(known, ask);
  // A new order needs its input, whatever was allowed of one that is here.
  if (known === undefined) await readOrder(job.orderFile);
  const machines = await reachOf(line);
  const stored =
    known ?? (await importOrder(job, { line, lineFile: ask.lineFile }, store, hsm, machines, onProgress));
  const gone = known === undefined ? nothingGone : await release(known, ask);
  await openPolicy(job, stored, store, hsm);
  if (known !== undefined) await refuseUnreachable(known, machines, ask);
  if (stored.state === "imported") await drawSecrets(job, stored.records, store, hsm, onProgress);
  await store.runs.takeUp({
    order: number,
    line: line.line,
    lineFile: resolve(ask.lineFile),
    orderFile: job.orderFile,
    seed,
    gone,
  });
  return { ...stored, seed };
}

/** From now on the module puts the order's secrets where its product says, and nowhere else. */
async function openPolicy(
  job: Job,
  { order, sealedDataKey }: StoredOrder,
  store: Store,
  hsm: Hsm,
): Promise<void> {
  if (sealedDataKey === undefined) throw new Refusal(`order ${order} was erased`);
  const policy = orderPolicy(job, await store.orders.record(order, 1));
  const key = await hsm.releaseDataKey({ order, sealed: sealedDataKey, policy });
  key.fill(0);
}

/** It may go on with another line than it was taken in for, or with other machines in it. Throws DataProblem. */
async function refuseUnreachable(
  { order, records }: StoredOrder,
  machines: readonly MachineReach[],
  { job, store }: TakeUp,
): Promise<void> {
  const findings = new Findings(job.order.input.file);
  for (let number = 1; number <= records; number++)
    tellUnreachable(job, await store.orders.record(order, number), machines, findings, number === 1);
  findings.refuse();
}

/** Interrupted between its last card and its last report, a produced order is not finished. */
function refuseFinished({ order, state, reportedAt }: StoredOrder): void {
  if (state === "imported" || state === "in-production") return;
  if (state === "produced" && reportedAt === undefined) return;
  throw new Refusal(
    `order ${order} is ${state}: it was made already, and no order is made twice. See its report, or give a new order another number`,
  );
}

const quoted = (path: string): string => (/[^\w./-]/.test(path) ? `'${path}'` : path);

/** Cards in the machine belong to the order and line that began them: nobody else would know what to do with them. */
async function refuseStrangers({ job, line, data, store }: TakeUp): Promise<void> {
  const number = job.order.order;
  const stranger = (await store.runs.inWork()).find(
    (cards) => cards.order !== number || cards.line !== line.line,
  );
  if (stranger === undefined) return;
  const command = commandOf(stranger, data);
  if (stranger.order === number) {
    throw new Refusal(
      `order ${number} was begun on line ${stranger.line}${stranger.lineFile === undefined ? "" : ` (${stranger.lineFile})`}, which has ${cardsOf(stranger)} of it in work; line ${line.line} cannot take them up. Finish it there: ${command}`,
    );
  }
  throw new Refusal(
    `line ${stranger.line} has ${cardsOf(stranger)} of order ${stranger.order} in work: that order is finished before order ${number} is begun. First run: ${command}`,
  );
}

const cardsOf = ({ cards }: InWork): string => (cards === 1 ? "1 card" : `${String(cards)} cards`);

const commandOf = ({ order, line, orderFile, lineFile }: InWork, data: string): string =>
  `persoline run ${orderFile === undefined ? `<the order file of ${order}>` : quoted(orderFile)} --line ${lineFile === undefined ? `<the file of line ${line}>` : quoted(lineFile)} --data ${quoted(data)}`;

/** One order has one seed, whatever the line file says by now: a resumed simulation goes on with the world it began in. */
function seedOf(known: StoredOrder | undefined, { seed, line }: TakeUp): number {
  if (known?.seed === undefined) return seed ?? line.seed;
  if (seed === undefined || seed === known.seed) return known.seed;
  throw new Refusal(
    `order ${known.order} was begun with seed ${String(known.seed)}, and goes on with it: leave --seed out, or give it the same`,
  );
}

/** What the customer sent and is there no more. Its records are sealed in the database, and the cards are made of those. */
interface Gone {
  readonly input: boolean;
  readonly photos: number;
}
const nothingGone: Gone = { input: false, photos: 0 };

/** Checks that the order is still made from what it was begun with, and releases its data key to the store. Answers what is gone. */
async function release(known: StoredOrder, ask: TakeUp): Promise<Gone> {
  const { store, hsm, job } = ask;
  const { order, sealedDataKey } = known;
  if (sealedDataKey === undefined) throw new Refusal(`order ${order} was erased`);
  const input = await inputDigest(job.order.input.file);
  // Without the input nobody knows the names of the photos.
  const photos = input === known.inputSha256 ? await photosSince(known, ask) : { changed: [], gone: 0 };
  const changed = [
    ...(await changedFiles(known, ask)),
    ...(input === undefined || input === known.inputSha256 ? photos.changed : [job.order.input.file]),
  ];
  if (changed.length > 0) {
    const named = `${changed.slice(0, 5).join(", ")}${changed.length > 5 ? ` and ${String(changed.length - 5)} more` : ""}`;
    throw new Refusal(
      `${named} changed since order ${order} was begun on ${known.importedAt}, and its cards must all be made from the same: restore ${changed.length === 1 ? "it" : "them"}, or make a new order`,
    );
  }
  const dataKey = await hsm.releaseDataKey({ order, sealed: sealedDataKey });
  try {
    store.orders.unlock(order, dataKey);
  } finally {
    dataKey.fill(0);
  }
  return { input: input === undefined, photos: photos.gone };
}

/** Files of the whole order, by their paths of now. */
async function changedFiles({ order }: StoredOrder, { job, store }: TakeUp): Promise<string[]> {
  const begun = await begunFiles(order, store);
  const now = new Set(job.files.map(({ part }) => part));
  return [
    ...changedAmong(begun, job.files),
    ...[...begun.keys()].filter((part) => !now.has(part)).map((part) => `the ${part} (there is none now)`),
  ];
}

/** Told by row: the name of a picture may be a person's. */
async function photosSince(
  { order, records }: StoredOrder,
  ask: TakeUp,
): Promise<{ readonly changed: readonly string[]; readonly gone: number }> {
  const { job, store, onProgress } = ask;
  const changed: string[] = [];
  let lost = 0;
  for await (const page of photosNow(job.order.input, job.planned.columns)) {
    const [first, last] = [page[0], page.at(-1)];
    if (first === undefined || last === undefined) continue;
    const begun = new Map(
      (await store.runs.photos(order, first.record, last.record)).map(({ record, part, sha256 }) => [
        `${String(record)} ${part}`,
        sha256,
      ]),
    );
    for (const { record, row, field, sha256, gone } of page) {
      if (gone) lost++;
      const kept = begun.get(`${String(record)} ${field}`);
      if (!gone && kept !== undefined && kept !== sha256)
        changed.push(`the ${field} of row ${String(row)} of ${job.order.input.file}`);
    }
    onProgress?.({ doing: "checking", done: last.record, of: records });
  }
  return { changed, gone: lost };
}
