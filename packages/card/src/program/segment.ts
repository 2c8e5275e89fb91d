import type { Response } from "../apdu/index.js";
import { type Fault, firstFault, plainSent, swText } from "./answer.js";
import type {
  CardChannel,
  SealedSecrets,
  SecureChannelSpec,
  SecurityModule,
  Segment,
  Sent,
  Serial,
  SessionId,
  Step,
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
  /** Resolves when the segment's intent is durable; called once, right before the first command that changes the card. */
  readonly aboutToChange: () => Promise<void>;
}

/** How one walk through a segment ended: `mute` leaves it open what the card did with the last command. */
export type SegmentEnd =
  | { readonly kind: "done" }
  | { readonly kind: "fault"; readonly fault: Fault }
  | { readonly kind: "mute"; readonly where: string };

/** A secure session always writes the card's try and sequence counters, so opening one counts as a change. */
export const changesCard = (segment: Segment): boolean =>
  segment.channel !== "plain" || segment.steps.some((step) => step.changes);

/** Sends all steps in as few messages as the channel allows. DeviceFault goes through. */
export function sendSegment(
  channel: "plain" | SecureChannelSpec,
  steps: readonly Step[],
  around: Around,
): Promise<SegmentEnd> {
  if (steps.length === 0) return Promise.resolve({ kind: "done" });
  return channel === "plain" ? sendPlain(steps, around) : sendSecure(channel, steps, around);
}

async function sendPlain(steps: readonly Step[], around: Around): Promise<SegmentEnd> {
  const commands = steps.map(plainSent);
  if (steps.some((step) => step.changes)) await around.aboutToChange();
  const answers = await exchange(around.channel, commands, (answered) => steps[answered]?.why);
  return "kind" in answers ? answers : judged(steps, answers);
}

const openingName = (spec: SecureChannelSpec): string =>
  spec.protocol === "loader" ? "INITIALIZE LOADER" : "INITIALIZE UPDATE";
const authenticateName = (spec: SecureChannelSpec): string =>
  spec.protocol === "loader" ? "AUTHENTICATE LOADER" : "EXTERNAL AUTHENTICATE";

async function sendSecure(
  spec: SecureChannelSpec,
  steps: readonly Step[],
  around: Around,
): Promise<SegmentEnd> {
  const { hsm, world, hsmMs, serial, secrets, channel } = around;
  const asked = await world.outside(
    hsmMs,
    hsm.openSession({ channel: spec, serial, ...(secrets === undefined ? {} : { secrets }) }),
  );
  let session: SessionId | undefined = asked.session;
  try {
    const opening = openingName(spec);
    const opened = await exchange(channel, [{ command: asked.open, sw: [OK] }], () => opening);
    if ("kind" in opened) return opened;
    const answer = opened[0];
    if (answer === undefined) return fault("protocol-error", `${opening}: no answer was handed over`);
    if (answer.sw !== 0x9000) {
      return fault("command-refused", `${opening} (INS 50): the card answered ${swText(answer.sw)}`);
    }
    const ready = await world.outside(
      hsmMs,
      hsm.authenticate({ session: asked.session, answer, steps: steps.map(secureStep) }),
    );
    if (!ready.ok) {
      session = undefined;
      return fault(ready.code === "chip-number" ? "wrong-chip-number" : ready.code, ready.detail);
    }
    await around.aboutToChange();
    const authenticate = authenticateName(spec);
    const answers = await exchange(
      channel,
      ready.commands.map((command, at) => ({ command, sw: steps[at - 1]?.sw ?? [OK] })),
      (at) => (at === 0 ? authenticate : steps[at - 1]?.why),
    );
    if ("kind" in answers) return answers;
    const first = answers[0];
    if (first?.sw !== 0x9000) {
      const sw = first === undefined ? "nothing" : swText(first.sw);
      return fault("command-refused", `${authenticate} (INS 82): the card answered ${sw}`);
    }
    const bare = await world.outside(
      hsmMs,
      hsm.unwrap({ session: asked.session, answers: answers.slice(1) }),
    );
    session = undefined;
    if (!bare.ok) {
      const why = steps[bare.at]?.why ?? "an answer";
      return fault("response-mac", `${why}: the card's response MAC does not match`);
    }
    return judged(steps, bare.answers);
  } finally {
    if (session !== undefined) await world.outside(hsmMs, hsm.closeSession(session));
  }
}

const OK = { value: 0x9000, mask: 0xffff };

const secureStep = ({ cla, ins, p1, p2, data, judge, le }: Step) => ({
  cla,
  ins,
  p1,
  p2,
  data,
  ...(judge === undefined ? {} : { judge }),
  ...(le === undefined ? {} : { le }),
});

const fault = (code: Fault["code"], detail: string): SegmentEnd => ({
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

/** A silent card is a result; whatever else is thrown is not ours to judge. */
async function exchange(
  channel: CardChannel,
  commands: readonly Sent[],
  whyOf: (answered: number) => string | undefined,
): Promise<readonly Response[] | Extract<SegmentEnd, { kind: "mute" }>> {
  try {
    return await channel.exchange(commands);
  } catch (thrown) {
    if (!(thrown instanceof CardMute)) throw thrown;
    return { kind: "mute", where: whyOf(thrown.answers.length) ?? "the last command" };
  }
}
