import type { Command, Response } from "../apdu/index.js";
import { type Fault, firstFault, plainSent, toldSw } from "./answer.js";
import type { SecureChannelSpec } from "./channel-spec.js";
import { asksIssuer } from "./placement.js";
import type {
  CardChannel,
  OpenJudge,
  Part,
  Ready,
  SealedSecrets,
  SecureStep,
  SecurityModule,
  Segment,
  Sent,
  Serial,
  SessionId,
  Step,
  UnwrappedAnswer,
  World,
} from "./types.js";
import { CardMute } from "./types.js";

/** What one segment needs of the outside. */
export interface Around {
  readonly channel: CardChannel;
  readonly hsm: SecurityModule;
  readonly serial: Serial;
  readonly secrets: SealedSecrets | undefined;
  readonly world: World;
  /** Modelled duration of one message to the security module, for virtual time. */
  readonly hsmMs: number;
  /** Resolves when what the security module sealed of the card's own PIN is durable. */
  readonly keep: ((pin: string, sealed: Uint8Array) => Promise<void>) | undefined;
  /** Resolves when the segment's intent is durable; called once, right before the first command that changes the card. */
  readonly aboutToChange: () => Promise<void>;
}

/**
 * How one walk through a segment ended: `mute` leaves it open what the card did with the last command; `opening`: it was one of an
 * authentication, which the card may have counted.
 */
export type SegmentEnd =
  | { readonly kind: "done" }
  | { readonly kind: "fault"; readonly fault: Fault }
  | { readonly kind: "mute"; readonly where: string; readonly opening?: true };

/** A secure session always writes the card's try and sequence counters, so opening one counts as a change. */
export const changesCard = (segment: Segment): boolean =>
  segment.channel !== "plain" || segment.steps.some((step) => step.changes);

/** Sends all steps in as few messages as the channel allows. DeviceFault goes through. */
export function sendSegment(
  channel: "plain" | SecureChannelSpec,
  steps: readonly Step[],
  around: Around,
  before: readonly Step[] = [],
): Promise<SegmentEnd> {
  if (steps.length === 0) return Promise.resolve({ kind: "done" });
  return channel === "plain" ? sendPlain(steps, around) : sendLed(channel, steps, around, before);
}

/** The session is opened by whom `before` has selected. */
async function sendLed(
  channel: SecureChannelSpec,
  steps: readonly Step[],
  around: Around,
  before: readonly Step[],
): Promise<SegmentEnd> {
  const led = before.length === 0 ? { kind: "done" as const } : await sendPlain(before, around);
  return led.kind === "done" ? sendSecure(channel, steps, around) : led;
}

async function sendPlain(steps: readonly Step[], around: Around): Promise<SegmentEnd> {
  const proof = await openProof(steps, around);
  const commands = (proof?.steps ?? steps).map(plainSent);
  if (steps.some((step) => step.changes)) await around.aboutToChange();
  const answers = await exchange(around.channel, commands, (answered) => steps[answered]?.why);
  if ("kind" in answers) return answers;
  return judged(steps, proof === undefined ? answers : await proof.judge(answers));
}

const openJudge = ({ judge }: Step): readonly OpenJudge[] =>
  judge?.proof === "internal" || judge?.proof === "grouping" ? [judge] : [];

/** Outside of a session the security module is asked for the challenges before, and judges the answers afterwards. */
async function openProof(steps: readonly Step[], { hsm, serial, secrets, world, hsmMs }: Around) {
  const judges = steps.flatMap(openJudge);
  if (judges.length === 0) return undefined;
  const whose = secrets === undefined || !judges.some(asksIssuer) ? {} : { secrets };
  const { proof, challenges } = await world.outside(hsmMs, hsm.openProof({ serial, judges, ...whose }));
  let next = 0;
  const places = steps.map((step) => (openJudge(step).length === 0 ? undefined : next++));
  return {
    steps: steps.map((step, at) => {
      const challenge = challenges[places[at] ?? -1];
      return challenge === undefined
        ? step
        : { ...step, data: step.data.map((part) => (isChallenge(part) ? challenge : part)) };
    }),
    judge: async (answers: readonly Response[]): Promise<readonly UnwrappedAnswer[]> => {
      const proofs = places.flatMap((place, at) =>
        place === undefined ? [] : [answers[at]?.data ?? new Uint8Array(0)],
      );
      const verdicts = await world.outside(hsmMs, hsm.judgeProof({ proof, answers: proofs }));
      return answers.map((answer, at) => {
        const verdict = verdicts[places[at] ?? -1];
        return verdict === undefined ? answer : { ...answer, verdict };
      });
    },
  };
}

const isChallenge = (part: Part): boolean => !(part instanceof Uint8Array) && part.secret === "challenge";

/** `free`: no card counts how often it is asked that. There are cards that count each INITIALIZE UPDATE. */
const openings = {
  loader: { open: "INITIALIZE LOADER (INS 50)", free: false, authenticate: "AUTHENTICATE LOADER" },
  scp02: { open: "INITIALIZE UPDATE (INS 50)", free: false, authenticate: "EXTERNAL AUTHENTICATE" },
  scp03: { open: "INITIALIZE UPDATE (INS 50)", free: false, authenticate: "EXTERNAL AUTHENTICATE" },
  desfire: { open: "SelectApplication (INS 5A)", free: true, authenticate: "Authenticate" },
  scp11: { open: "GET DATA BF21, the card's certificates", free: true, authenticate: "the key agreement" },
} as const;

async function sendSecure(
  spec: SecureChannelSpec,
  steps: readonly Step[],
  around: Around,
): Promise<SegmentEnd> {
  const { hsm, world, hsmMs, serial, secrets, keep } = around;
  // Nobody would ever know the card's PIN.
  if (keep === undefined && steps.some(({ draws }) => draws !== undefined))
    throw new TypeError("the card is to draw a PIN, and nobody keeps it");
  const asked = await world.outside(
    hsmMs,
    hsm.openSession({ channel: spec, serial, ...(secrets === undefined ? {} : { secrets }) }),
  );
  let session: SessionId | undefined = asked.session;
  try {
    const ready = await authenticated(spec, asked, steps, around);
    if ("kind" in ready) {
      if (ready.closed) session = undefined;
      return ready.end;
    }
    await around.aboutToChange();
    const answers = await sendWrapped(spec, ready, steps, around);
    if ("kind" in answers) return answers;
    const bare = await world.outside(hsmMs, hsm.unwrap({ session: asked.session, answers }));
    session = undefined;
    if (!bare.ok) {
      // An answer other than foreseen may be why later ones do not fit.
      const before = firstFault(steps.slice(0, bare.at), bare.answers);
      if (before !== undefined) return { kind: "fault", fault: before };
      const why = steps[bare.at]?.why ?? "an answer";
      return fault("response-mac", `${why}: the card's response MAC does not match`);
    }
    const end = judged(steps, bare.answers);
    if (end.kind === "done" && keep !== undefined)
      for (const [at, { draws }] of steps.entries()) {
        if (draws === undefined) continue;
        const sealed = bare.answers[at]?.sealed;
        if (sealed === undefined)
          return fault("protocol-error", "the security module gave no sealed PIN for the one the card drew");
        await keep(draws.pin, sealed);
      }
    return end;
  } finally {
    if (session !== undefined) await world.outside(hsmMs, hsm.closeSession(session));
  }
}

type AllReady = Extract<Ready, { commands: readonly unknown[] }>;
/** `closed`: the security module has ended the session itself. */
interface Refused {
  readonly kind: "refused";
  readonly end: SegmentEnd;
  readonly closed: boolean;
}
const refused = (end: SegmentEnd, closed = false): Refused => ({ kind: "refused", end, closed });

/** Opening, and as many passes as the protocol has: each answer goes to the security module, which judges it. */
async function authenticated(
  spec: SecureChannelSpec,
  asked: { readonly session: SessionId; readonly open: Command },
  steps: readonly Step[],
  { channel, hsm, world, hsmMs }: Around,
): Promise<AllReady | Refused> {
  const names = openings[spec.protocol];
  const expected = spec.protocol === "desfire" ? DONE : OK;
  const wanted = steps.map(secureStep);
  let command = asked.open;
  for (let pass = 0; pass < mostPasses; pass++) {
    const [name, sw] = pass === 0 ? [names.open, expected] : [names.authenticate, ANY];
    const answers = await exchange(channel, [{ command, sw: [sw] }], () => name);
    if ("kind" in answers) return refused(pass === 0 && names.free ? answers : { ...answers, opening: true });
    const answer = answers[0];
    if (answer === undefined) return refused(fault("protocol-error", `${name}: no answer was handed over`));
    if ((answer.sw & sw.mask) !== sw.value)
      return refused(fault("command-refused", `${name}: the card answered ${toldSw(answer.sw)}`));
    const ready = await world.outside(
      hsmMs,
      hsm.authenticate({ session: asked.session, answer, steps: wanted }),
    );
    if (!ready.ok) {
      const code = ready.code === "chip-number" ? "wrong-chip-number" : ready.code;
      return refused(fault(code, ready.detail), true);
    }
    if ("commands" in ready) return ready;
    command = ready.more;
  }
  return refused(fault("protocol-error", `${names.authenticate}: no end after ${mostPasses} passes`));
}
/**
 * SelectApplication, challenge, proof; or certificates in parts of 255 bytes, and the agreement: more is somebody's mistake.
 */
const mostPasses = 24;

/** The answers of the steps alone. */
async function sendWrapped(
  spec: SecureChannelSpec,
  { commands, opened }: AllReady,
  steps: readonly Step[],
  { channel }: Around,
): Promise<readonly Response[] | Extract<SegmentEnd, { kind: "mute" | "fault" }>> {
  const authenticate = openings[spec.protocol].authenticate;
  const before = opened === true ? 0 : 1;
  const answers = await exchange(
    channel,
    commands.map((command, at) => ({ command, sw: steps[at - before]?.sw ?? [OK] })),
    (at) => (at < before ? authenticate : steps[at - before]?.why),
  );
  if ("kind" in answers) return answers.answered < before ? { ...answers, opening: true } : answers;
  if (before === 0) return answers;
  const first = answers[0];
  if (first?.sw === 0x9000) return answers.slice(1);
  const sw = first === undefined ? "nothing" : toldSw(first.sw);
  return fault("command-refused", `${authenticate} (INS 82): the card answered ${sw}`);
}

const OK = { value: 0x9000, mask: 0xffff };
const DONE = { value: 0x9100, mask: 0xffff };
const ANY = { value: 0, mask: 0 };

const secureStep = ({ cla, ins, p1, p2, data, judge, draws, le, native, answer }: Step): SecureStep => ({
  cla,
  ins,
  p1,
  p2,
  data,
  ...(judge === undefined ? {} : { judge }),
  ...(draws === undefined ? {} : { draws }),
  ...(le === undefined ? {} : { le }),
  ...(native === undefined ? {} : { native }),
  ...(native === undefined || answer === undefined || answer.mask !== undefined
    ? {}
    : { answer: answer.value }),
});

const fault = (code: Fault["code"], detail: string): Extract<SegmentEnd, { kind: "fault" }> => ({
  kind: "fault",
  fault: { code, detail },
});

function judged(
  steps: readonly Step[],
  answers: readonly (Response & { readonly verdict?: "right" | "wrong" })[],
): SegmentEnd {
  const found = firstFault(steps, answers);
  return found === undefined ? { kind: "done" } : { kind: "fault", fault: found };
}

type Silence = Extract<SegmentEnd, { kind: "mute" }> & { readonly answered: number };

/** A silent card is a result; whatever else is thrown is not ours to judge. */
async function exchange(
  channel: CardChannel,
  commands: readonly Sent[],
  whyOf: (answered: number) => string | undefined,
): Promise<readonly Response[] | Silence> {
  try {
    return await channel.exchange(commands);
  } catch (thrown) {
    if (!(thrown instanceof CardMute)) throw thrown;
    const answered = thrown.answers.length;
    return { kind: "mute", where: whyOf(answered) ?? "the last command", answered };
  }
}
