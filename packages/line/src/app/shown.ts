/** What quality control shows of an order's cards and what it does not: for plan and report, nothing of a person. */
import type { AnyPlanned, PreparedRecord } from "../plan/types.js";
import { scopeOf } from "../stations/quality/cross-check.js";
import { hasSealedStripe } from "./payment.js";
import { type Looks, seesRelief, unseen } from "./unseen.js";

export interface Shown {
  /** Which parts of a card are held against one another, and in what. */
  readonly compared: readonly string[];
  /** What no proof and no comparison shows. */
  readonly unshown: readonly string[];
}

/** `example`: any of the order's records; all of them have the same places. */
export function shownOf(planned: AnyPlanned, example: PreparedRecord, looks: Looks): Shown {
  const { told, faces, unproved = [] } = example;
  const sealed = hasSealedStripe({ planned });
  // What nobody saw is no witness.
  const emboss = seesRelief(example, looks) ? example.emboss : [];
  const tracks = faces.flatMap(({ own }) => own.flatMap((one) => (one.kind === "stripe" ? one.tracks : [])));
  const { compared, alone } = scopeOf({
    faces,
    emboss,
    tracks,
    sealed,
    ...(told === undefined ? {} : { told }),
  });
  return {
    compared,
    unshown: [
      ...unproved.map((one) => `not proved: ${one}`),
      ...alone.map((one) => `not cross-checked: ${one}`),
      ...unseen(example, looks, sealed),
    ],
  };
}
