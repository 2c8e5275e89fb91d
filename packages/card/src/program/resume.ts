import { asExpected, type Fault, named, plainSent, swMatches } from "./answer.js";
import type { CardChannel, Segment, Step } from "./types.js";

/** What remains of a segment after an interruption. */
export type Remainder =
  | { readonly kind: "done" }
  | { readonly kind: "steps"; readonly steps: readonly Step[] }
  | { readonly kind: "fault"; readonly fault: Fault };

/** Whether a segment's `done` steps all answer as expected. Only plain commands that cost nothing. Throws CardMute, DeviceFault. */
async function isDone(segment: Segment, channel: CardChannel): Promise<boolean> {
  if (segment.done === undefined) return false;
  const answers = await channel.exchange(segment.done.map(plainSent));
  return segment.done.every((step, at) => asExpected(step, answers[at]));
}

/**
 * The rules of `again` for a segment whose intent is open (docs/card-os.md 4, 5): done ones are skipped; a `never` step that nobody can
 * ask about ends the card; a `probe` step found done is replaced by its own question, which costs nothing and leaves the same file
 * selected as the command would have. `begun`: its intent is open; without one it may have been done all the same, where the notes of the
 * segments are there and that of the whole visit is not. Throws CardMute, DeviceFault.
 */
export async function whatRemains(
  segment: Segment,
  channel: CardChannel,
  begun: boolean,
): Promise<Remainder> {
  if (await isDone(segment, channel)) return { kind: "done" };
  const never = segment.steps.find((step) => step.again === "never");
  if (begun && never !== undefined && segment.done === undefined) {
    return {
      kind: "fault",
      fault: {
        code: "interrupted",
        detail: `${named(never)} was interrupted, must not be repeated, and nothing tells whether it was done`,
      },
    };
  }
  const steps: Step[] = [];
  for (const step of segment.steps) {
    if (step.probe === undefined || step.again !== "probe") {
      steps.push(step);
      continue;
    }
    const { ask, absent, instead = ask } = step.probe;
    const answers = await channel.exchange(ask.map(plainSent));
    const other = ask.findIndex((question, at) => !asExpected(question, answers[at]));
    const told = answers[other];
    if (other < 0) {
      steps.push(...instead);
    } else if (told !== undefined && swMatches(told.sw, absent)) {
      steps.push(step);
    } else {
      return {
        kind: "fault",
        fault: {
          code: "interrupted",
          detail: `${named(step)} was interrupted and left the card in a state that cannot be mended`,
        },
      };
    }
  }
  return { kind: "steps", steps };
}
