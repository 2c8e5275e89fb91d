/** What payment cards need of the line's surroundings. */
import type { KeyObject } from "node:crypto";
import { readFileSync } from "node:fs";
import { hex } from "@persoline/card/bytes";
import { nodeCrypto } from "@persoline/card/node";
import type { Hsm, HsmOperation } from "../devices/hsm/port.js";
import type { TrackText } from "../devices/encoder/port.js";
import { lineKeyOf } from "../devices/hsm/line-key.js";
import { openStripe } from "../devices/hsm/payment/stripe.js";
import { DataProblem } from "../orders/problem.js";
import type { PaymentPlan } from "../plan/gp/payment/plan.js";
import type { PaymentDesk } from "../stations/station.js";
import { placedStripe } from "../stations/stripe.js";
import type { AssembleLine } from "./assemble-line.js";
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
    // An issuer's PIN block comes under its key for them, and is clear for a moment.
    ...(pin.by.method === "issuer" ? (["issuer-data-clear"] as const) : []),
    ...(proof === "none" ? [] : (["emv-issuer"] as const)),
    ...(dynamic ? (["emv-rsa"] as const) : []),
  ];
}

/**
 * Stripes of payment cards: sealed and signed by the security module, opened by the simulated encoder's own key if one of its lines signed them.
 * A real encoder has its own and is never given this one.
 */
export function paymentStripes(
  order: string,
  encoderKey: string,
  lines: readonly KeyObject[],
): Required<Pick<AssembleLine, "makeStripe" | "openStripe">> {
  let key: string | undefined;
  const inner = (track: 1 | 2, text: string): readonly TrackText[] =>
    // The encoder adds the sentinels itself.
    text === "" ? [] : [{ track, text: text.replaceAll(/^[%;]|\?$/g, "") }];
  return {
    makeStripe: (bound) =>
      bound.secrets.stripe === undefined
        ? placedStripe(bound)
        : {
            coercivity: "high",
            content: { kind: "sealed", order, record: bound.record.number, content: bound.secrets.stripe },
          },
    openStripe: ({ content, ...place }) => {
      key ??= readFileSync(encoderKey, "utf8");
      const { track1, track2 } = openStripe({ own: key, lines }, place, content);
      return [...inner(1, track1), ...inner(2, track2)];
    },
  };
}

/** By which the simulated encoder knows its line. */
export const lineKeysOf = async (hsm: Pick<Hsm, "keys">): Promise<readonly KeyObject[]> =>
  (await hsm.keys()).flatMap(({ use, publicKey }) =>
    use === "sign" && publicKey !== undefined ? [lineKeyOf(publicKey)] : [],
  );

/** Cards of such a product show account numbers. */
export const showsAccountNumbers = (job: Pick<Job, "planned">): boolean => planOf(job) !== undefined;

/** Payment cards of such a product have a stripe. */
export const hasSealedStripe = (job: Pick<Job, "planned">): boolean => planOf(job)?.stripe === true;

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
