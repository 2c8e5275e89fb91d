/** What an order asks of a security module besides its cards' sessions, and how well its product and the order itself want it kept. */
import { existsSync } from "node:fs";
import type { CardProgram } from "@persoline/card/program";
import { levelSentence } from "../devices/hsm/order-levels.js";
import type { Hsm, HsmOperation } from "../devices/hsm/port.js";
import { wantedLevel } from "../orders/security.js";
import type { LineFile } from "../stations/line-file.js";
import type { StoredOrder } from "../store/orders.js";
import { type Job, readAnyProduct } from "./job.js";
import { paymentOperations } from "./payment.js";
import { always, type Levels, mustKeep, operationsOf } from "./protection.js";

/** `pins`: those that are still to be drawn. */
export const operationsOfJob = (
  job: Pick<Job, "planned">,
  pins: Job["planned"]["pins"] = job.planned.pins,
): readonly HsmOperation[] => [
  "data-key",
  ...(pins.length > 0 ? (["pin"] as const) : []),
  ...(pins.some(({ letter }) => letter) ? (["letter"] as const) : []),
  ...paymentOperations(job),
];

/** For the order's list, which the module judges: each operation that the order needs, at the level that its product and the order want. */
export function levelsOf(job: Job, programs: readonly CardProgram[]): readonly string[] {
  const operations = new Set([...always, ...operationsOfJob(job), ...operationsOf(programs, job.keys)]);
  return [...operations].map((operation) =>
    levelSentence(operation, wantedLevel(operation, [job.security, job.order.security])),
  );
}

/**
 * Before an order is taken in or produced. `lineFile`: where the line was read; `programs`: those that are known by now, else all that every
 * card of the product has. Throws DataProblem when the module does not keep what product, order and line want.
 */
export function mustKeepForJob(
  hsm: Levels,
  job: Job,
  ask: {
    readonly line: Pick<LineFile, "security">;
    readonly lineFile: string;
    readonly programs?: readonly CardProgram[];
    /** PINs are drawn before a card is made, and not once more. */
    readonly pinsDrawn?: boolean;
  },
): Promise<void> {
  const { completion, initialisation, termination, terminationInitial, pins } = job.planned;
  const early = [completion, initialisation, termination, terminationInitial].filter(
    (program) => program !== undefined,
  );
  const { line, lineFile, programs = early, pinsDrawn = false } = ask;
  return mustKeep(hsm, {
    file: job.orderFile,
    programs,
    more: operationsOfJob(job, pinsDrawn ? [] : pins),
    wanted: [
      { file: job.order.product, levels: job.security },
      { file: job.orderFile, levels: job.order.security },
      { file: lineFile, levels: line.security },
    ],
  });
}

/** Before an order that is here already is worked on without its line. Throws DataProblem when the module does not keep what this asks of it. */
export async function mustKeepFor(
  hsm: Hsm,
  { order, spec }: Pick<StoredOrder, "order" | "spec">,
  more: readonly HsmOperation[],
): Promise<void> {
  // An old order's product may be gone; what its customer said is kept with the order.
  const product = existsSync(spec.product) ? (await readAnyProduct(spec.product)).product : undefined;
  const own = product !== undefined && "security" in product ? product.security : undefined;
  await mustKeep(hsm, {
    file: spec.product,
    programs: [],
    more,
    wanted: [
      { file: spec.product, levels: own },
      { file: `order ${order}, as it was taken in`, levels: spec.security },
    ],
  });
}
