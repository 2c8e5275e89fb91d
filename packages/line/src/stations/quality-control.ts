import type { Finding, Outcome } from "@persoline/card/program";
import type { Camera, Picture } from "../devices/camera/port.js";
import type { Side } from "../devices/marker/port.js";
import { runOn } from "./contact.js";
import { proveByTransaction } from "./transaction.js";
import { type PictureWatch, watchPictures } from "./quality/index.js";
import {
  boundOf,
  chipProvedInQuality,
  type CardInWork,
  type FacesVerdict,
  marksOf,
  type Station,
  type Visit,
} from "./station.js";

/** What each camera delivered last: the same exposure or the same pixels twice is a frozen camera, not a good card. */
const watches = new WeakMap<Camera, PictureWatch>();

/**
 * Both sides judged against what the record says must be there, then the chip proved again: after a power cycle and on another reader
 * than the one that wrote it.
 */
export const quality: Station = {
  name: "quality",
  visit: async (card, visit) => {
    const { camera } = visit.head;
    const { faces } = boundOf(card).prepared;
    const interrupted = card.interrupted !== undefined;
    const seen = camera !== undefined && faces.length > 0 ? await look(card, visit, camera) : undefined;
    if (seen?.kind === "rejected") return seen;
    const proved = await proofOf(card, visit, interrupted);
    if (seen === undefined || proved.kind !== "passed") return proved;
    // The chip is proved for the people who will judge the pictures: they cannot do that by looking.
    for (const finding of proved.findings ?? []) card.findings.push({ ...finding, station: "quality" });
    card.passed.push(chipProvedInQuality);
    return seen;
  },
};

/** Readable files by content, keys and states under the issuer's session; and whatever a payment card shows of itself in a transaction. */
async function proofOf(card: CardInWork, visit: Visit, interrupted: boolean): Promise<Outcome> {
  const { proof, payment } = boundOf(card).prepared;
  const proved = await runOn("quality", card, visit, { program: proof, accepted: ["completed"] });
  if (payment === undefined || proved.kind !== "passed") return proved;
  return proveByTransaction(card, visit, payment, interrupted);
}

async function look(card: CardInWork, visit: Visit, camera: Camera): Promise<Outcome | undefined> {
  const front = await exposed(camera, "front");
  const back = await exposed(camera, "back");
  if (front === "no-picture" || back === "no-picture") {
    return {
      kind: "rejected",
      code: "no-picture",
      detail: `${camera.name} gave no new picture of this card`,
    };
  }
  const { world, outside } = visit;
  const { prepared, record } = boundOf(card);
  card.pictures = await world.outside(
    outside.workerMs,
    (async () => ({
      front: await visit.keepPicture(card.serial, front),
      back: await visit.keepPicture(card.serial, back),
    }))(),
  );
  const marks = await marksOf(card, visit);
  const verdict = await world.outside(
    outside.workerMs,
    visit.judgeFaces({ prepared, record, marks, pictures: { front, back } }),
  );
  const findings: Finding[] = verdict.findings.map((finding) =>
    camera.kind === "simulated" && finding.result === "ok"
      ? { ...finding, detail: [finding.detail, "simulated camera"].filter(Boolean).join("; ") }
      : finding,
  );
  card.findings.push(...findings.map((finding) => ({ ...finding, station: "quality" })));
  return outcomeOf(verdict);
}

async function exposed(camera: Camera, side: Side): Promise<Picture | "no-picture"> {
  const picture = await camera.capture(side);
  if (picture === "no-picture" || picture.side !== side) return "no-picture";
  const watch = watches.get(camera) ?? watchPictures();
  watches.set(camera, watch);
  return watch.look(picture) === undefined ? picture : "no-picture";
}

function outcomeOf({ kind, detail }: FacesVerdict): Outcome | undefined {
  switch (kind) {
    case "passed":
      return undefined;
    case "rejected":
      return { kind: "rejected", code: "picture-wrong", detail };
    case "held":
      return { kind: "held", question: detail };
  }
}
