/** Takes an order in: every record is looked at, as data, as files of the card and as a picture, before any card moves. */
import { keyVersionOf } from "../plan/product.js";
import type { Hsm } from "../devices/hsm/port.js";
import { policyDigest } from "../devices/hsm/order-policy.js";
import { inputDigest, isIssuerInput, readInput } from "../orders/input.js";
import { DataProblem, Findings } from "../orders/problem.js";
import type { OrderRecord } from "../orders/types.js";
import type { MachineReach } from "../plan/layout/index.js";
import { LayoutProblem } from "../plan/layout/problem.js";
import { recordProblems, valuesOf } from "../plan/prepare.js";
import type { LineFile } from "../stations/line-file.js";
import type { StoredOrder } from "../store/orders.js";
import type { Store } from "../store/store.js";
import { proveIssuerInput } from "./issuer-file.js";
import { type Job } from "./job.js";
import { mustKeepForJob } from "./order-levels.js";
import { orderPolicy, orderPrograms } from "./order-policy.js";
import type { Levels } from "./protection.js";
import { tellUnreachable } from "./reach.js";

export interface ImportProgress {
  readonly doing: "checking" | "drawing PINs" | "preparing payment cards" | "numbering PIN letters";
  readonly done: number;
  readonly of: number;
}

interface ImportLine {
  readonly line: Pick<LineFile, "line" | "security">;
  /** Where it was read. */
  readonly lineFile: string;
}

/**
 * `line`: the one that is to make it, `machines`: what its machines reach. Throws DataProblem with everything that is wrong with the input, AccountsProblem for
 * an order or file that is here already.
 */
export async function importOrder(
  job: Job,
  { line, lineFile }: ImportLine,
  store: Store,
  hsm: Hsm,
  machines: readonly MachineReach[],
  onProgress: (progress: ImportProgress) => void = () => undefined,
): Promise<StoredOrder> {
  const { order, planned } = job;
  // The module seals what it reads of an issuer's file, and refuses that for an order that ended: the accounts know better why, and the audit hears of it.
  const sent = isIssuerInput(order.input) ? await inputDigest(order.input.file) : undefined;
  if (sent !== undefined) await store.orders.refuseKnown({ order, inputSha256: sent });
  const read = async () => {
    const issuer = await proveIssuerInput({ job, hsm, now: Date.now() });
    return readInput(order.input, planned.columns, {
      ...(order.records === undefined ? {} : { records: order.records }),
      ...(issuer === undefined ? {} : { issuer }),
    });
  };
  const input = await read();
  const findings = new Findings(input.file);
  let seen = 0;
  for await (const record of input.records()) {
    checkRecord(job, record, findings);
    tellUnreachable(job, record, machines, findings, seen === 0);
    onProgress({ doing: "checking", done: ++seen, of: input.count });
  }
  findings.refuse();

  const example = await firstOf(input.records());
  const policy = example === undefined ? [] : orderPolicy(job, example);
  // The module judges the same by the order's list, and knows no file to name.
  if (example !== undefined)
    await mustKeepForJob(hsm, job, { line, lineFile, programs: orderPrograms(job, example) });
  // The module keeps secrets of each order: none are made for one that is here already, and those of one that ended are gone.
  await store.orders.refuseKnown({ order, inputSha256: input.sha256 });
  const sealedDataKey = await hsm.createDataKey({ order: order.order, policy });
  const dataKey = await hsm.releaseDataKey({ order: order.order, sealed: sealedDataKey, policy });
  // What the module sealed of an issuer's file was for no card; now it seals it for this order's places.
  const listed = isIssuerInput(order.input) ? await read() : input;
  if (listed.sha256 !== input.sha256) throw changedMeanwhile(input.file);
  const reference = referenceField(job);
  const keyVersion = keyVersionOf(planned.product);
  const stored = await store.orders.import({
    order,
    names: { product: planned.name, line: line.line },
    inputSha256: input.sha256,
    records: listed.records(),
    policy: policyDigest(policy),
    files: job.files,
    sealedDataKey,
    dataKey,
    // Cards of other makers hold no keys of the issuer.
    ...(keyVersion === undefined ? {} : { keyVersion }),
    ...(reference === undefined ? {} : { referenceField: reference }),
  });
  dataKey.fill(0);
  return stored;
}

/**
 * Before keys are made for an order that nobody has taken in: does the module that will have them keep what product, order and line want?
 * Throws DataProblem.
 */
export async function judgeLevels(module: Levels, job: Job, at: ImportLine): Promise<void> {
  const { order, planned } = job;
  await mustKeepForJob(module, job, at);
  // An issuer's file is read by its keys alone; its programs are judged when it is taken in.
  if (isIssuerInput(order.input)) return;
  const records = order.records === undefined ? {} : { records: order.records };
  const input = await readInput(order.input, planned.columns, records);
  const example = await firstOf(input.records());
  if (example === undefined) return;
  const wrong = recordProblems(planned, example, { order: order.order, file: input.file });
  if (wrong.length > 0) return;
  // What does not fit on the card is told with its row when it is taken in.
  const programs = orderPrograms({ ...job, drawing: undefined }, example);
  await mustKeepForJob(module, job, { ...at, programs });
}

const changedMeanwhile = (file: string): DataProblem =>
  new DataProblem([
    {
      file,
      code: "changed",
      message: "the file was changed while it was read",
      remedy: "wait until it is complete, then run the same command again",
    },
  ]);

/** All records have the same places in their cards: the first tells them. */
async function firstOf(records: AsyncIterable<OrderRecord>): Promise<OrderRecord | undefined> {
  for await (const record of records) return record;
  return undefined;
}

/** The customer knows a record by the first field that is different in every record; a PAN is in no list. */
export const referenceField = ({ planned }: Job): string | undefined => {
  const pan = "payment" in planned ? planned.payment?.fields.pan : undefined;
  return planned.columns.find(({ field, unique }) => unique === true && field !== pan)?.field;
};

function checkRecord(job: Job, record: OrderRecord, findings: Findings): void {
  const { planned, drawing, order } = job;
  for (const { file: _, ...problem } of recordProblems(planned, record, {
    order: order.order,
    file: findings.file,
  })) {
    findings.tell(problem);
  }
  if (drawing === undefined) return;
  try {
    drawing.draw(valuesOf(planned, record, order.order), record.photos);
  } catch (thrown) {
    if (!(thrown instanceof LayoutProblem)) throw thrown;
    findings.tell({
      row: record.row,
      ...(thrown.field === undefined ? {} : { column: `field "${thrown.field}" of the card` }),
      code: thrown.code,
      message: thrown.what,
      remedy: thrown.remedy,
    });
  }
}
