/** The invariant: received = in stock + in process + held + good + rejected + sample + destroyed + returned. */
import { blankStates } from "./life.js";
import { AccountsProblem } from "./problem.js";
import type { BlankState, Totals } from "./types.js";

/** The term of the invariant each state belongs to. */
export const termOf: Readonly<Record<BlankState, Exclude<keyof Totals, "received">>> = {
  "in-stock": "inStock",
  "in-process": "inProcess",
  held: "held",
  good: "good",
  rejected: "rejected",
  sample: "sample",
  destroyed: "destroyed",
  returned: "returned",
};

export const noBlanks: Totals = {
  received: 0,
  inStock: 0,
  inProcess: 0,
  held: 0,
  good: 0,
  rejected: 0,
  sample: 0,
  destroyed: 0,
  returned: 0,
};

/** Received minus the sum of all terms; 0 when the accounts balance. */
export const difference = (totals: Totals): number =>
  totals.received - blankStates.reduce((sum, state) => sum + totals[termOf[state]], 0);

/** Throws AccountsProblem ("unbalanced") when a blank is missing or there is one too many, or a term is below zero. */
export function invariant(totals: Totals): void {
  const below = blankStates.find((state) => totals[termOf[state]] < 0);
  if (below !== undefined) {
    throw new AccountsProblem(
      "unbalanced",
      `the accounts have ${totals[termOf[below]]} cards ${below}: stop, and recount the cards`,
    );
  }
  const off = difference(totals);
  if (off === 0) return;
  const what =
    off > 0 ? `${off} of ${totals.received} received blanks are in no state` : `${-off} blanks too many`;
  throw new AccountsProblem(
    "unbalanced",
    `the accounts do not balance: ${what}; stop, and recount the cards`,
  );
}

/** Throws AccountsProblem ("unbalanced") naming the first term in which the kept counters differ from a fresh count. */
export function agree(kept: Totals, counted: Totals): void {
  for (const term of Object.keys(noBlanks) as (keyof Totals)[]) {
    if (kept[term] !== counted[term]) {
      throw new AccountsProblem(
        "unbalanced",
        `the counter "${term}" says ${kept[term]}, the cards counted one by one say ${counted[term]}; the line must not run before this is cleared up`,
      );
    }
  }
  invariant(counted);
}
