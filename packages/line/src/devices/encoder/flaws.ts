/** What can be wrong with a stripe, planted in a body (`faults.json`, line file) or in a simulated encoder. */

import { type StripeFlawKind, stripeFlawKinds } from "../flaw-kinds.js";

export interface StripeFlaw {
  readonly kind: StripeFlawKind;
  /** The encoder's nth writing (1 = first), or the body with a label. */
  readonly nth?: number;
  readonly label?: string;
}

/** The flaw in the words of a body's `faults.json`; undefined when they speak of something else than the stripe. */
export function stripeFlawIn(words: string): StripeFlaw | undefined {
  const kind = stripeFlawKinds.find((one) => one === words);
  return kind === undefined ? undefined : { kind };
}
