/** What an order may have done with its secrets, read from its own programs: fixed in the security module when the order is opened. */
import { type CardProgram, everyPlacement } from "@persoline/card/program";
import { listed, pinSentence } from "../devices/hsm/order-policy.js";
import { paymentSentences } from "../devices/hsm/payment-sentences.js";
import type { Hsm } from "../devices/hsm/port.js";
import { isIssuerInput, readInput } from "../orders/input.js";
import type { OrderRecord } from "../orders/types.js";
import { pinWay } from "../plan/gp/payment/record.js";
import { originWay } from "../plan/pin-origin.js";
import type { AnyPlanned, PreparedRecord } from "../plan/types.js";
import { proveIssuerInput } from "./issuer-file.js";
import { type Job, prepareRecord, readJob } from "./job.js";
import { levelsOf } from "./order-levels.js";
import { Refusal } from "./problem.js";

/** All places that these programs put secrets in. Throws RangeError for one that no module could tell. */
function placesOf(programs: readonly CardProgram[]): readonly string[] {
  return programs.flatMap(everyPlacement).map(({ sentence, known }) => {
    if (known) return sentence;
    throw new RangeError(`no security module could tell where this goes: ${sentence}`);
  });
}

function madeOf(planned: AnyPlanned): readonly string[] {
  const payment = "payment" in planned ? planned.payment : undefined;
  return [
    // PINs that cards draw come out of them, and go nowhere but into letters.
    ...planned.pins
      .filter(({ by }) => by.method !== "card")
      .map(({ name, length, by: origin }) => {
        const by = payment?.pin.name === name ? pinWay(payment) : originWay(origin);
        return pinSentence({ name, length, ...(by === undefined ? {} : { by }) });
      }),
    ...(payment === undefined ? [] : paymentSentences(payment.application, payment.masters, payment.profile)),
  ];
}

type Prepared = Pick<PreparedRecord, "personalization" | "proof">;

/** The order's list; all of its records have the same places. `example`: any of them. */
export function orderPolicy(job: Job, example: OrderRecord): readonly string[] {
  const prepared = prepareRecord(job, example);
  return listed([...policyOf(job.planned, prepared), ...levelsOf(job, programsOf(job.planned, prepared))]);
}

/** All that is done with a card of this record. */
export const orderPrograms = (job: Job, example: OrderRecord): readonly CardProgram[] =>
  programsOf(job.planned, prepareRecord(job, example));

function programsOf(planned: AnyPlanned, { personalization, proof }: Prepared): readonly CardProgram[] {
  const { completion, initialisation, termination, terminationInitial } = planned;
  return [completion, initialisation, personalization, proof, termination, terminationInitial].filter(
    (program) => program !== undefined,
  );
}

/** Where a product's cards have their secrets. */
export const policyOf = (planned: AnyPlanned, prepared: Prepared): readonly string[] =>
  listed([...madeOf(planned), ...placesOf(programsOf(planned, prepared))]);

/**
 * The list of an order file's product, as an example of its records has it. `hsm`: proves an issuer's file before a byte of it is read.
 * Throws DataProblem, KeystoreProblem, DeviceFault, Refusal.
 */
export async function policyOfFile(
  orderFile: string,
  hsm: Pick<Hsm, "proveIssuerFile" | "takeIssuerRecords" | "random">,
): Promise<{ readonly name: string; readonly sentences: readonly string[] }> {
  const job = await readJob(orderFile);
  const issuer = isIssuerInput(job.order.input)
    ? await proveIssuerInput({ job, hsm, now: Date.now() })
    : undefined;
  const proved = issuer === undefined ? {} : { issuer };
  const input = await readInput(job.order.input, job.planned.columns, proved);
  for await (const record of input.records())
    return { name: job.planned.name, sentences: orderPolicy(job, record) };
  throw new Refusal(`${job.order.input.file} has no record: an order with one shows where its secrets go`);
}

/** The module as an order's cards see it: each session says whose it is. */
export const forOrder = (hsm: Hsm, order: string): Hsm => ({
  ...hsm,
  openSession: (ask) => hsm.openSession({ order, ...ask }),
});
