/** The magnetic stripe of a record as its layout has it, and what is said of one that reads wrongly. */
import type { StripeJob, StripeProblem, TrackFault } from "../devices/encoder/port.js";
import type { Bound } from "./station.js";

/** What the faces of a record put on its stripe. */
export function placedStripe({ prepared }: Bound): StripeJob | undefined {
  for (const { own, common } of prepared.faces)
    for (const element of [...own, ...common.elements])
      if (element.kind === "stripe")
        return { coercivity: element.coercivity, content: { kind: "clear", tracks: element.tracks } };
  return undefined;
}

const words: Readonly<Record<TrackFault, string>> = {
  blank: "nothing is written",
  "not-blank": "something is written where nothing should be",
  weak: "the signal is weak: is the stripe of another coercivity?",
  "over-driven": "the signal is over-driven: is the stripe of another coercivity?",
  "no-start": "it has no start sentinel",
  parity: "a character has the wrong parity",
  "no-end": "it has no end sentinel",
  lrc: "its LRC is wrong",
  different: "it says something else than was asked",
};

/** No content, only what is wrong with which track. */
export const stripeDetail = (problems: readonly StripeProblem[]): string =>
  problems.map(({ track, fault }) => `track ${String(track)}: ${words[fault]}`).join("; ");
