import type { Finding, Outcome, Serial } from "@persoline/card/program";
import type { Encoder, StripeJob } from "../devices/encoder/port.js";
import type { Camera, Picture } from "../devices/camera/port.js";
import type { Side } from "../devices/marker/port.js";
import { runOn } from "./contact.js";
import { proveByTransaction } from "./transaction.js";
import { afterFindings, shownFindings } from "./shown.js";
import { stripeDetail } from "./stripe.js";
import {
  chipSays,
  crossCheck,
  embossSays,
  type PictureWatch,
  printSays,
  recordSays,
  type Statement,
  stripeSays,
  watchPictures,
} from "./quality/index.js";
import {
  type Bound,
  boundOf,
  chipProvedInQuality,
  type CardInWork,
  type FacesVerdict,
  marksOf,
  proofSecrets,
  type Station,
  type Visit,
} from "./station.js";

/** What each camera delivered last: the same exposure or the same pixels twice is a frozen camera, not a good card. */
const watches = new WeakMap<Camera, PictureWatch>();

/**
 * Both sides judged against what the record says must be there, then the chip proved again, after a power cycle and on another reader
 * than the one that wrote it; then all that the card says of itself held against one another.
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
    if (proved.kind !== "passed") return proved;
    const crossed = await crossChecked(card, visit);
    if (crossed !== undefined) return { ...crossed, findings: proved.findings ?? [] };
    if (seen === undefined) return proved;
    // The chip is proved for the people who will judge the pictures: they cannot do that by looking.
    for (const finding of proved.findings ?? []) card.findings.push({ ...finding, station: "quality" });
    card.passed.push(chipProvedInQuality);
    return seen;
  },
};

/** Readable files by content, keys and states under the issuer's session; and whatever a payment card shows of itself in a transaction. */
async function proofOf(card: CardInWork, visit: Visit, interrupted: boolean): Promise<Outcome> {
  const { proof, payment } = boundOf(card).prepared;
  const proved = await runOn("quality", card, visit, {
    program: proof,
    accepted: ["completed"],
    ...proofSecrets(boundOf(card)),
  });
  if (proved.kind !== "passed") return proved;
  const shown = shownFindings(proof);
  if (payment === undefined) return afterFindings(shown, proved);
  return afterFindings(shown, await proveByTransaction(card, visit, payment, interrupted));
}

type Pair = Readonly<Record<Side, Picture>>;

/** Both sides taken and judged; once more when nothing is known against the card but what its pictures may be to blame for. */
async function look(card: CardInWork, visit: Visit, camera: Camera): Promise<Outcome | undefined> {
  const again = (why: string): void => {
    card.findings.push({ what: "pictures", result: "not measured", detail: why, station: "quality" });
  };
  let pair = await taken(camera, card.serial);
  if (pair === undefined) again("taken once more: there was no new picture of this card");
  else {
    const first = await judged(card, visit, camera, pair);
    if (first.kind === "passed" || first.retake !== true) return told(card, camera, first);
    again(`taken once more: ${first.detail}`);
  }
  pair = await taken(camera, card.serial);
  if (pair === undefined) {
    return {
      kind: "rejected",
      code: "no-picture",
      detail: `${camera.name} gave no new picture of this card`,
    };
  }
  return told(card, camera, await judged(card, visit, camera, pair));
}

async function taken(camera: Camera, serial: Serial): Promise<Pair | undefined> {
  const front = await exposed(camera, "front", serial);
  const back = await exposed(camera, "back", serial);
  return front === "no-picture" || back === "no-picture" ? undefined : { front, back };
}

async function judged(
  card: CardInWork,
  visit: Visit,
  camera: Camera,
  { front, back }: Pair,
): Promise<FacesVerdict> {
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
  return world.outside(
    outside.workerMs,
    visit.judgeFaces({
      prepared,
      record,
      marks,
      pictures: { front, back },
      camera: camera.name,
      serial: card.serial,
    }),
  );
}

function told(card: CardInWork, camera: Camera, verdict: FacesVerdict): Outcome | undefined {
  const findings: Finding[] = verdict.findings.map((finding) =>
    camera.kind === "simulated" && finding.result === "ok"
      ? { ...finding, detail: [finding.detail, "simulated camera"].filter(Boolean).join("; ") }
      : finding,
  );
  card.findings.push(...findings.map((finding) => ({ ...finding, station: "quality" })));
  return outcomeOf(verdict);
}

/** Chip, print, raised characters, stripe and record against one another; at a head with an encoder the stripe is read once more. */
async function crossChecked(
  card: CardInWork,
  visit: Visit,
): Promise<Extract<Outcome, { kind: "rejected" }> | undefined> {
  const bound = boundOf(card);
  const { told, faces, emboss } = bound.prepared;
  const { encoder } = visit.head;
  const made = visit.makeStripe(bound);
  const stripe = made === undefined || encoder === undefined ? made : await judgedBy(bound, visit, made);
  let read: readonly Statement[] = [];
  if (stripe !== undefined && encoder !== undefined) {
    const problems = await encoder.verify(stripe);
    if (problems.length > 0) {
      const detail = stripeDetail(problems);
      card.findings.push({ what: "stripe", result: "wrong", detail, station: "quality" });
      return { kind: "rejected", code: "mark-wrong", detail };
    }
    const simulated = encoder.kind === "simulated";
    card.findings.push({ what: "stripe", result: simulated ? "simulated" : "ok", station: "quality" });
    const tracks = await encoder.read(stripe);
    read = tracks === undefined ? await sealedSays(card, visit, { encoder, stripe }) : stripeSays(tracks);
  } else if (stripe?.content.kind === "clear") read = stripeSays(stripe.content.tracks);
  const contradictions = crossCheck([
    ...recordSays(told),
    ...chipSays(told),
    ...printSays(
      faces.flatMap(({ fields }) => fields),
      told,
    ),
    ...embossSays(emboss, told),
    ...read,
  ]);
  if (contradictions.length === 0) return undefined;
  const detail = contradictions.map((one) => one.detail).join("; ");
  card.findings.push({ what: "cross-check", result: "wrong", detail, station: "quality" });
  return { kind: "rejected", code: "contradiction", detail };
}

/** A payment card's stripe is judged by what the security module makes of the record now, not by what was kept to be written. */
async function judgedBy(
  { prepared, secrets }: Bound,
  { payment: desk, world, outside }: Visit,
  stripe: StripeJob,
): Promise<StripeJob> {
  const { payment } = prepared;
  const { content: kept } = stripe;
  if (payment === undefined || desk === undefined || kept.kind !== "sealed") return stripe;
  const { application } = payment.plan;
  const content = await world.outside(outside.hsmMs, desk.hsm.stripeAgain({ secrets, application }));
  return { ...stripe, content: { ...kept, content } };
}

/** What is sealed stays in the encoder: it compares its number with the record's and the raised one's by their digests. */
async function sealedSays(
  card: CardInWork,
  { world, hmacSha256 }: Visit,
  { encoder, stripe }: { readonly encoder: Encoder; readonly stripe: StripeJob },
): Promise<Statement[]> {
  const { told, emboss } = boundOf(card).prepared;
  const statements: Statement[] = [];
  for (const other of [...recordSays(told), ...embossSays(emboss)]) {
    if (!("says" in other) || other.about !== "number") continue;
    const salt = world.random(16);
    const digest = hmacSha256(salt, other.says.replaceAll(/\D/g, ""));
    const agrees = await encoder.confirms(stripe, { salt, digest });
    statements.push({ witness: "stripe", with: other.witness, about: "number", agrees });
  }
  return statements;
}

async function exposed(camera: Camera, side: Side, card: Serial): Promise<Picture | "no-picture"> {
  const picture = await camera.capture(side, card);
  // A picture of another side or card is none of this card.
  if (picture === "no-picture" || picture.side !== side || (picture.card ?? card) !== card)
    return "no-picture";
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
