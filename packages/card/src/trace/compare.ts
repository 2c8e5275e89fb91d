import { type Command, decodeCommand, encodeResponse, type Response } from "../apdu/index.js";
import { CardProblem, hex, unhex } from "../bytes/index.js";
import { isHarmless, knownSilent } from "../inspect/index.js";
import { type CardChannel, CardMute } from "../program/index.js";
import { isFurtherFrame, maskedAnswer, maskedData } from "./mask.js";
import { fits } from "./replay.js";
import type { TraceLine } from "./types.js";

/** One recorded exchange against a card. Bytes as in the trace. */
export interface Comparison {
  readonly command: string;
  readonly recorded: string;
  /**
   * What the card answers now; "mute", or "not sent". Masked where the recorded answer is, or where it has no data and a recording would
   * mask them: the card that is compared may be another person's.
   */
  readonly now: string;
  /** `null`: not compared, `why` says the reason. Lengths and status words of masked answers are compared all the same. */
  readonly same: boolean | null;
  readonly why?: string;
}

/** A trace held against a card. */
export interface Compared {
  /** How many the trace has. */
  readonly exchanges: number;
  /** How many of them were sent. */
  readonly asked: number;
  readonly different: number;
  /** Answers that fit, with masked bytes, which were not compared. */
  readonly masked: number;
  /** Why the rest is missing: the card went away, and the command at which it did. Not where the recorded one fell silent last, too. */
  readonly ended?: string;
  /** In the order of the trace, up to the one at which the card went away. */
  readonly results: readonly Comparison[];
}

/** Asks a card what a trace asked, where that is harmless, and compares the answers. A mute card ends it. */
export async function compareWith(
  lines: readonly TraceLine[],
  { atr, channel }: { readonly atr: Uint8Array; readonly channel: CardChannel },
): Promise<Compared> {
  const exchanges = lines.filter((line) => line.what !== "reset");
  const results: Comparison[] = [];
  const silently = knownSilent(atr);
  /** The command that answers and further frames belong to; undefined: it was not sent. */
  let begun: Command | undefined;
  let ended: string | undefined;
  for (const [at, line] of exchanges.entries()) {
    const { command } = line;
    const recorded = line.what === "apdu" ? line.answer : "mute";
    const sent = toSend(command, { first: at === 0, begun, silently });
    if (typeof sent === "string") {
      begun = undefined;
      results.push({ command, recorded, now: "not sent", same: null, why: sent });
      continue;
    }
    if (!isFurtherFrame(sent) || begun === undefined) begun = sent;
    const answer = await answerTo(sent, channel);
    if (typeof answer === "string") {
      results.push({ command, recorded, now: "mute", same: recorded === "mute" });
      if (recorded !== "mute" || at + 1 < exchanges.length) ended = `${answer}; it was asked ${command}`;
      break;
    }
    results.push({ command, recorded, ...judged(recorded, { command: begun, answer }) });
  }
  const asked = results.filter(({ now }) => now !== "not sent");
  return {
    exchanges: exchanges.length,
    asked: asked.length,
    different: asked.filter(({ same }) => same === false).length,
    masked: asked.filter(({ same }) => same === null).length,
    ...(ended === undefined ? {} : { ended }),
    results,
  };
}

interface Asked {
  readonly first: boolean;
  readonly begun: Command | undefined;
  readonly silently: string | undefined;
}

/** A text: why it is not sent. */
function toSend(command: string, { first, begun, silently }: Asked): Command | string {
  if (command.includes("*")) return "its data are masked in the trace";
  const sent = whole(command);
  if (sent === undefined) return "it is no whole command";
  if (!isHarmless(sent)) return "it may change the card or cost a try";
  if (silently !== undefined && wantsAnswer(sent)) return `it would end this card: ${silently}`;
  if (isFurtherFrame(sent) && begun === undefined && !first)
    return "it goes on with a command that was not sent";
  return sent;
}

/** A text: why there is no answer. */
async function answerTo(command: Command, channel: CardChannel): Promise<Response | string> {
  try {
    const [answer] = await channel.exchange([{ command, sw: [{ value: 0, mask: 0 }] }]);
    return answer ?? "the reader handed over no answer";
  } catch (thrown) {
    if (thrown instanceof CardMute) return thrown.message;
    throw thrown;
  }
}

function judged(
  recorded: string,
  { command, answer }: { readonly command: Command; readonly answer: Response },
): Pick<Comparison, "now" | "same" | "why"> {
  const text = hex(encodeResponse(answer));
  const masked = recorded.includes("*");
  const inClear = !masked && recorded !== "mute" && recorded.length > 4;
  const now = masked ? maskedData(answer) : inClear ? text : maskedAnswer(command, answer, "hidden");
  // Challenges are another each time.
  const expected = command.ins === 0x84 ? text.slice(0, -4) + recorded.slice(-4) : recorded;
  const same = recorded.length === text.length && fits(expected, text);
  return masked && same ? { now, same: null, why: "masked, not compared" } : { now, same };
}

/** SELECT that is to be answered with what was selected (ISO/IEC 7816-4, 7.1.1). */
const wantsAnswer = ({ ins, p2 }: Command): boolean => ins === 0xa4 && (p2 & 0x0c) !== 0x0c;

/** Undefined: bytes that are no command, which a trace from elsewhere may hold. */
function whole(command: string): Command | undefined {
  try {
    return decodeCommand(unhex(command));
  } catch (thrown) {
    if (thrown instanceof CardProblem) return undefined;
    throw thrown;
  }
}
