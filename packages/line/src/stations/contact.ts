/** What every visit with contacts begins with: power, ATR, and the question who this card is (a bad seat is not a bad card). */
import { atrDifference, atrIsValid, matchAtr, parseAtr } from "@persoline/card/atr";
import { equal } from "@persoline/card/bytes";
import {
  type CardChannel,
  CardMute,
  type CardProgram,
  digest,
  type Finding,
  type Outcome,
  type Run,
  type RunEnd,
  runProgram,
  type SealedSecrets,
} from "@persoline/card/program";
import type { Watched } from "./challenges.js";
import { identityOf } from "./identity.js";
import { type CardInWork, hasReached, type Visit, type Work } from "./station.js";

export type ExpectedAtr = "blank" | "completed";

type Contact =
  | { readonly kind: "card"; readonly channel: CardChannel }
  /** `seat`: another try with the contacts lifted may show that the card is good. */
  | { readonly kind: "no-card"; readonly outcome: Outcome; readonly seat: boolean };

const rejected = (
  code: Extract<Outcome, { kind: "rejected" }>["code"],
  detail: string,
  seat: boolean,
): Contact => ({ kind: "no-card", outcome: { kind: "rejected", code, detail }, seat });

/** Cold reset, ATR, chip number. */
async function contact(card: CardInWork, visit: Visit, accepted: readonly ExpectedAtr[]): Promise<Contact> {
  const reset = await visit.head.reader.insert();
  if (reset === "mute") return rejected("mute", "no answer to reset", true);
  for (const finding of reset.findings) remember(card, visit, finding);
  const wrong = judgeAtr(card, visit, accepted, reset.atr);
  if (wrong !== undefined) return wrong;
  try {
    const { ask, what, serialIn } = identityOf(visit.product);
    const told = serialIn(await reset.channel.exchange(ask));
    if (told === undefined) return rejected("protocol-error", `${what} was not answered as it must be`, true);
    // A card that was told to hide its UID shows who it is by its own keys, under which alone it can be worked on.
    const isHidden = told === "hidden" && visit.product.identity === "random-uid" && card.bound !== undefined;
    // It lies where this card was put, and gets its number here.
    const isNew = told === "none" && !hasReached(card.stage, "completed");
    if (told === card.serial || isHidden || isNew) return { kind: "card", channel: reset.channel };
  } catch (thrown) {
    if (!(thrown instanceof CardMute)) throw thrown;
    return rejected("mute", "the card fell silent when it was asked for its chip number", true);
  }
  // A body of the stock with another chip in it is a bad blank; later on it means that two cards were mixed up, which people clear up.
  if (card.stage === "blank") {
    return rejected("wrong-chip-number", "the chip is not the one that the stock list names", false);
  }
  const question = `at ${visit.head.station} lies another card than the ${card.label} expected there: find out where they were mixed up`;
  return { kind: "no-card", outcome: { kind: "held", question }, seat: false };
}

function judgeAtr(
  card: CardInWork,
  visit: Visit,
  accepted: readonly ExpectedAtr[],
  atr: Uint8Array,
): Contact | undefined {
  const { blank, completed } = visit.product.atr;
  const expected = accepted.map((name) => visit.product.atr[name]);
  if (expected.some((bytes) => matchAtr(bytes, atr))) return undefined;
  const parsed = parseAtr(atr);
  if (!atrIsValid(parsed)) {
    const what = parsed.problems.find(({ severity }) => severity === "error")?.text ?? "malformed";
    return rejected("atr-malformed", what, true);
  }
  const untouched = card.stage === "blank";
  if (untouched && equal(atr, completed) && !equal(blank, completed)) {
    return {
      kind: "no-card",
      outcome: {
        kind: "returned",
        code: "already-personalized",
        detail: "the stock list says blank, but an operating system is in this card already",
      },
      seat: false,
    };
  }
  const difference = atrDifference(expected[0] ?? blank, atr) ?? "another one";
  if (!untouched)
    return rejected("wrong-atr", `the answer to reset is not the expected one: ${difference}`, true);
  return {
    kind: "no-card",
    outcome: {
      kind: "returned",
      code: "wrong-card-type",
      detail: `this is another type of card; its answer to reset: ${difference}`,
    },
    seat: true,
  };
}

function remember(card: CardInWork, visit: Visit, finding: Finding): void {
  const known = card.findings.some(
    ({ what, station }) => what === finding.what && station === visit.head.station,
  );
  if (!known) card.findings.push({ ...finding, station: visit.head.station });
}

/** Whatever is to be done with a powered card that is known to be the right one. `changed`: the card may no longer be as it was. */
export type ChipWork = (
  channel: CardChannel,
  powerCycle: () => Promise<CardChannel | "mute">,
) => Promise<Outcome & { readonly changed: boolean }>;

/** Seats the card, at most `reseats` times again, does the work and takes the power away. */
export async function withChip(
  card: CardInWork,
  visit: Visit,
  accepted: readonly ExpectedAtr[],
  work: ChipWork,
): Promise<Outcome> {
  const { reader } = visit.head;
  const watched: Watched[] = [];
  const watch = (channel: CardChannel): CardChannel => {
    const one = visit.challenges.watch(channel, card.serial);
    watched.push(one);
    return one.channel;
  };
  const powerCycle = async (): Promise<CardChannel | "mute"> => {
    for (let seats = 0; ; seats++) {
      // A completion that was interrupted after its last command answers as a completed card.
      const again = await contact(card, visit, ["blank", "completed"]);
      if (again.kind === "card") return watch(again.channel);
      if (!again.seat || seats >= visit.limits.reseats) return "mute";
      await reader.reseat();
    }
  };
  try {
    for (let seats = 0; ; seats++) {
      const now = await contact(card, visit, accepted);
      const end = now.kind === "card" ? await work(watch(now.channel), powerCycle) : now.outcome;
      const weakness = watched.map((one) => one.weakness()).find((found) => found !== undefined);
      // The session itself was good; but who can foretell this card's challenges can speak in its place.
      if (end.kind === "passed" && weakness !== undefined)
        return { kind: "rejected", code: "weak-challenge", detail: weakness };
      const seat =
        now.kind === "card"
          ? end.kind === "rejected" && end.code === "mute" && "changed" in end && end.changed === false
          : now.seat;
      if (!seat || seats >= visit.limits.reseats) {
        return seats > 0 && end.kind === "rejected"
          ? { ...end, detail: `${end.detail} (also after ${String(seats)} re-seats)` }
          : end;
      }
      await reader.reseat();
    }
  } finally {
    await reader.remove();
  }
}

const digests = new WeakMap<CardProgram, string>();

/** Programs that all cards of a product share are digested once. */
function digestOf(program: CardProgram, visit: Visit): string {
  const known = digests.get(program);
  if (known !== undefined) return known;
  const made = digest(program, visit.sha256);
  digests.set(program, made);
  return made;
}

/** A PIN that the card draws is kept for the record whose secrets are in hand. */
function keeping({ order, record }: SealedSecrets, { keepPin, world, outside }: Visit): Pick<Run, "keep"> {
  if (keepPin === undefined) return {};
  return {
    keep: (pin, sealed) => world.outside(outside.journalMs, keepPin({ order, record }, pin, sealed)),
  };
}

/** One program on one card, taken up where an interruption left it. */
export async function runOn(
  work: Work,
  card: CardInWork,
  visit: Visit,
  ask: {
    readonly program: CardProgram;
    readonly accepted: readonly ExpectedAtr[];
    readonly secrets?: SealedSecrets;
  },
): Promise<Outcome> {
  const { hsm, journal, world, limits, outside } = visit;
  let before = card.interrupted;
  card.interrupted = undefined;
  if (before !== undefined && before.resumes >= limits.resumes) {
    return {
      kind: "rejected",
      code: "too-many-resumes",
      detail: `interrupted at ${work} after it had been taken up ${String(before.resumes)} times`,
    };
  }
  const accepted: readonly ExpectedAtr[] =
    before !== undefined && !hasReached(card.stage, "completed") ? ["blank", "completed"] : ask.accepted;
  return withChip(card, visit, accepted, async (channel, powerCycle) => {
    const open = before?.open?.station === work ? before.open : undefined;
    const resume =
      before === undefined
        ? undefined
        : {
            segment: open?.segment ?? 0,
            resumes: before.resumes,
            ...(open === undefined ? {} : { program: open.program }),
          };
    const end: RunEnd = await runProgram({
      program: ask.program,
      digest: digestOf(ask.program, visit),
      station: work,
      serial: card.serial,
      channel,
      powerCycle,
      hsm,
      journal,
      world,
      maxResumes: limits.resumes,
      outside,
      ...(ask.secrets === undefined ? {} : { secrets: ask.secrets, ...keeping(ask.secrets, visit) }),
      ...(resume === undefined ? {} : { resume }),
    });
    if (before !== undefined) before = { ...before, resumes: end.resumes };
    return end;
  });
}
