import type { Note, Outcome } from "@persoline/card/program";
import type { StripeProblem } from "../devices/encoder/port.js";
import type { MarkedCard, Marker, MarkJob } from "../devices/marker/port.js";
import { DeviceFault } from "../devices/problem.js";
import { withChip } from "./contact.js";
import { passedDetail } from "./history.js";
import { stripeDetail } from "./stripe.js";
import { judgeEmboss } from "./quality/index.js";
import { boundOf, type CardInWork, markName, marksOf, type Station, type Visit } from "./station.js";

/**
 * Engraving, print, embossing: cannot be undone. The serial is read again at the marking place; the intent of each mark is durable
 * before it begins; a mark whose outcome is unknown means reject, never marking again.
 */
export const visual: Station = {
  name: "visual",
  visit: async (card, visit) => {
    const open = card.interrupted?.open;
    card.interrupted = undefined;
    if (open?.station === "visual")
      return markUnknown(open.segment, "the line was interrupted in the middle of it");
    const identity = await withChip(card, visit, ["completed"], () =>
      Promise.resolve({ kind: "passed", changed: false }),
    );
    if (identity.kind !== "passed") return identity;
    const jobs = await marksOf(card, visit);
    for (const [number, job] of jobs.entries()) {
      if (card.passed.includes(markName(number)) || isEmpty(job, visit)) continue;
      const marker = markerFor(job, visit);
      if (marker.room !== undefined) {
        card.tray = "due";
        card.elsewhere = { mark: number, job };
        return { kind: "passed" };
      }
      const unknown = await mark(card, visit, { number, job, marker });
      if (unknown !== undefined) return unknown;
    }
    return (await encodeStripe(card, visit, jobs.length)) ?? { kind: "passed" };
  },
};

/** A side on which nothing is burnt needs no engraver: cards that are only printed have two of them. */
const isEmpty = (job: MarkJob, { head }: Visit): boolean =>
  job.kind === "raster" &&
  !head.markers.some(({ does }) => does === "raster") &&
  job.bits.every((byte) => byte === 0);

function markerFor(job: MarkJob, visit: Visit): Marker {
  const marker = visit.head.markers.find(({ does }) => does === job.kind);
  if (marker !== undefined) return marker;
  const { station, number } = visit.head;
  throw new DeviceFault(
    `${station}, head ${String(number + 1)}`,
    "refused",
    `this head has no marker for "${job.kind}": name one in the line file`,
  );
}

async function mark(
  card: CardInWork,
  visit: Visit,
  { number, job, marker }: { readonly number: number; readonly job: MarkJob; readonly marker: Marker },
): Promise<Outcome | undefined> {
  const { serial } = card;
  const write = (note: Pick<Note, "station" | "segment" | "event" | "detail">): Promise<void> =>
    visit.world.outside(visit.outside.journalMs, visit.journal.write({ serial, program: "visual", ...note }));
  // A machine that cannot begin stops the line: once there is an intent, its failure would cost the card.
  await marker.ready?.();
  await write({ station: "visual", segment: number, event: "intent" });
  if (marker.residue !== undefined)
    card.findings.push({ what: marker.name, result: "ok", detail: marker.residue, station: "visual" });
  try {
    await marker.mark(job, markedCard(card));
  } catch (thrown) {
    if (!(thrown instanceof DeviceFault)) throw thrown;
    card.findings.push({ what: marker.name, result: "wrong", detail: thrown.message, station: "visual" });
    return markUnknown(number, `${marker.name} did not confirm it: ${thrown.message}`);
  }
  // The machine confirmed the card; what it says it raised is compared before anybody relies on it.
  const struck = "lines" in job ? job.lines : undefined;
  const raised = struck === undefined ? undefined : await marker.embossed?.();
  const problems = struck !== undefined && raised !== undefined ? judgeEmboss(raised, struck) : [];
  if (problems.length > 0) {
    const detail = problems.join("; ");
    card.findings.push({ what: marker.name, result: "wrong", detail, station: "visual" });
    return { kind: "rejected", code: "mark-wrong", detail };
  }
  if (marker.confirmedBy === "camera") {
    const detail =
      "its machine tells the end of the job only: the card counts when the camera has seen the mark";
    card.findings.push({
      what: `${job.kind} ${job.side}`,
      result: "not measured",
      detail,
      station: "visual",
    });
  }
  if (marker.kind === "simulated") {
    card.findings.push({ what: `${job.kind} ${job.side}`, result: "simulated", station: "visual" });
  }
  await Promise.all([
    write({ station: "visual", segment: number, event: "done" }),
    write({ station: markName(number), segment: -1, event: "passed", ...passedDetail(card) }),
  ]);
  card.passed.push(markName(number));
  return undefined;
}

/** For a marker in another room, which reads the chip again. */
function markedCard(card: CardInWork): MarkedCard {
  const { record, attempt } = boundOf(card);
  return { serial: card.serial, record: record.number, attempt };
}

/**
 * The stripe after all marks: written, read back on all three tracks, written once more when it does not read as it should, then
 * rejected (ISO/IEC 7811-2, -6). Like any mark it has an intent, and an unknown outcome is a reject.
 */
async function encodeStripe(card: CardInWork, visit: Visit, number: number): Promise<Outcome | undefined> {
  const job = visit.makeStripe(boundOf(card));
  if (job === undefined || card.passed.includes(markName(number))) return undefined;
  const { encoder } = visit.head;
  if (encoder === undefined) {
    const { station, number: head } = visit.head;
    throw new DeviceFault(
      `${station}, head ${String(head + 1)}`,
      "refused",
      "this head has no encoder for the magnetic stripe: name one in the line file",
    );
  }
  const { serial } = card;
  const write = (note: Pick<Note, "station" | "segment" | "event" | "detail">): Promise<void> =>
    visit.world.outside(visit.outside.journalMs, visit.journal.write({ serial, program: "visual", ...note }));
  // As with every mark: an encoder that is not there stops the line, and costs no card.
  await encoder.ready();
  await write({ station: "visual", segment: number, event: "intent" });
  let problems: readonly StripeProblem[] = [];
  try {
    for (let times = 0; times < 2; times++) {
      await encoder.encode(job);
      problems = await encoder.verify(job);
      if (problems.length === 0) break;
    }
  } catch (thrown) {
    if (!(thrown instanceof DeviceFault)) throw thrown;
    card.findings.push({ what: encoder.name, result: "wrong", detail: thrown.message, station: "visual" });
    return markUnknown(number, `${encoder.name} did not confirm it: ${thrown.message}`);
  }
  if (problems.length > 0) {
    const detail = stripeDetail(problems);
    card.findings.push({ what: "stripe", result: "wrong", detail, station: "visual" });
    return { kind: "rejected", code: "mark-wrong", detail };
  }
  const simulated = encoder.kind === "simulated";
  card.findings.push({ what: "stripe", result: simulated ? "simulated" : "ok", station: "visual" });
  await Promise.all([
    write({ station: "visual", segment: number, event: "done" }),
    write({ station: markName(number), segment: -1, event: "passed", ...passedDetail(card) }),
  ]);
  card.passed.push(markName(number));
  return undefined;
}

const markUnknown = (number: number, why: string): Outcome => ({
  kind: "rejected",
  code: "mark-unknown",
  detail: `nobody knows whether mark ${String(number + 1)} was made: ${why}`,
});
