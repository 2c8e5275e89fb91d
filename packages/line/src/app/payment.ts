/** What payment cards need of the line's surroundings. */
import { hex } from "@persoline/card/bytes";
import { nodeCrypto } from "@persoline/card/node";
import type { Hsm, HsmOperation } from "../devices/hsm/port.js";
import { DataProblem } from "../orders/problem.js";
import type { PaymentPlan } from "../plan/gp/payment/plan.js";
import type { PaymentDesk } from "../stations/station.js";
import type { Job } from "./job.js";

const planOf = ({ planned }: Pick<Job, "planned">): PaymentPlan | undefined =>
  "payment" in planned ? planned.payment : undefined;

/** YYMMDD of a moment (UTC). */
const dateOf = (time: number): string => new Date(time).toISOString().slice(2, 10).replaceAll("-", "");

export const paymentDesk = (hsm: Hsm): PaymentDesk => ({
  hsm,
  crypto: nodeCrypto,
  today: () => dateOf(Date.now()),
});

/** Asked of the security module beside what the programs name: data preparation, and the transaction that proves each card. */
export function paymentOperations(job: Pick<Job, "planned">): readonly HsmOperation[] {
  const plan = planOf(job);
  if (plan === undefined) return [];
  const { profile, pin } = plan;
  const { proof } = profile;
  const dynamic = proof === "dda" || proof === "cda";
  return [
    "emv-keys",
    "emv-cryptogram",
    // An issuer's PIN block comes under its transport key, and is clear for a moment.
    ...(pin.by.method === "issuer" ? (["issuer-data-clear"] as const) : []),
    ...(proof === "none" ? [] : (["emv-issuer"] as const)),
    ...(dynamic ? (["emv-rsa"] as const) : []),
  ];
}

/** A certificate of another key than the module's would make cards that no terminal believes. Throws DataProblem. */
export async function refuseOtherIssuer(hsm: Hsm, job: Job): Promise<void> {
  const plan = planOf(job);
  if (plan?.scheme === undefined) return;
  const { issuer } = plan.masters;
  const known = (await hsm.keys()).find(({ name }) => name === issuer)?.issuer;
  if (known === undefined || known.modulus === hex(plan.scheme.issuer.modulus)) return;
  throw new DataProblem([
    {
      file: job.order.product,
      code: "other-issuer-key",
      message: `the issuer's certificate is not of the security module's key ${issuer ?? ""}`,
      remedy: "have this key certified by the scheme's authority, or name the key that the certificate is of",
    },
  ]);
}
