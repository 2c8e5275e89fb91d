/** What an order may have done with its secrets, read from its own programs: fixed in the security module when the order is opened. */
import { type CardProgram, everyPlacement } from "@persoline/card/program";
import { listed, paymentSentence, pinSentence } from "../devices/hsm/order-policy.js";
import type { Hsm } from "../devices/hsm/port.js";
import type { OrderRecord } from "../orders/types.js";
import { pinWay } from "../plan/gp/payment/record.js";
import type { AnyPlanned, PreparedRecord } from "../plan/types.js";
import { type Job, prepareRecord } from "./job.js";

/** All places that these programs put secrets in. Throws RangeError for one that no module could tell. */
function placesOf(programs: readonly CardProgram[]): readonly string[] {
  return programs.flatMap(everyPlacement).map(({ sentence, known }) => {
    if (known) return sentence;
    throw new RangeError(`no security module could tell where this goes: ${sentence}`);
  });
}

function madeOf(planned: AnyPlanned): readonly string[] {
  const payment = "payment" in planned ? planned.payment : undefined;
  const by = payment === undefined ? undefined : pinWay(payment);
  return [
    ...planned.pins.map(({ name, length }) =>
      pinSentence({ name, length, ...(by === undefined ? {} : { by }) }),
    ),
    ...(payment === undefined ? [] : [paymentSentence(payment.application, payment.masters)]),
  ];
}

/** The order's list; all of its records have the same places. `example`: any of them. */
export const orderPolicy = (job: Job, example: OrderRecord): readonly string[] =>
  policyOf(job.planned, prepareRecord(job, example));

/** The list of a product's cards. */
export function policyOf(
  planned: AnyPlanned,
  { personalization, proof }: Pick<PreparedRecord, "personalization" | "proof">,
): readonly string[] {
  const { completion, initialisation, termination, terminationInitial } = planned;
  const programs = [
    completion,
    initialisation,
    personalization,
    proof,
    termination,
    terminationInitial,
  ].filter((program) => program !== undefined);
  return listed([...madeOf(planned), ...placesOf(programs)]);
}

/** The module as an order's cards see it: each session says whose it is. */
export const forOrder = (hsm: Hsm, order: string): Hsm => ({
  ...hsm,
  openSession: (ask) => hsm.openSession({ order, ...ask }),
});
