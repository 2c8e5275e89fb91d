import { type Command, decodeCommand, encodeResponse } from "../apdu/index.js";
import { CardProblem, hex, unhex } from "../bytes/index.js";
import { isHarmless, knownSilent } from "../inspect/index.js";
import { type CardChannel, CardMute } from "../program/index.js";
import { fits } from "./replay.js";
import type { TraceLine } from "./types.js";

/** One recorded exchange against a card. Bytes as in the trace. */
export interface Comparison {
  readonly command: string;
  readonly recorded: string;
  /** What the card answers now; "mute", or "not sent": the command is masked, changes cards, could burn a try, or is known to end this card. */
  readonly now: string;
  readonly same: boolean;
}

/** Asks a card what a trace asked, where that is harmless, and compares the answers; masked bytes fit every byte. A mute card ends it. */
export async function compareWith(
  lines: readonly TraceLine[],
  { atr, channel }: { readonly atr: Uint8Array; readonly channel: CardChannel },
): Promise<readonly Comparison[]> {
  const found: Comparison[] = [];
  const silently = knownSilent(atr) !== undefined;
  for (const line of lines) {
    if (line.what === "reset") continue;
    const { command } = line;
    const recorded = line.what === "apdu" ? line.answer : "mute";
    const sent = command.includes("*") ? undefined : whole(command);
    if (sent === undefined || !isHarmless(sent) || (silently && wantsAnswer(sent))) {
      found.push({ command, recorded, now: "not sent", same: true });
      continue;
    }
    try {
      const [answer] = await channel.exchange([{ command: sent, sw: [{ value: 0, mask: 0 }] }]);
      const now = answer === undefined ? "mute" : hex(encodeResponse(answer));
      // Challenges are another each time.
      const same = sent.ins === 0x84 ? now.length === recorded.length : fits(recorded, now);
      found.push({ command, recorded, now, same });
    } catch (thrown) {
      if (!(thrown instanceof CardMute)) throw thrown;
      found.push({ command, recorded, now: "mute", same: recorded === "mute" });
      return found;
    }
  }
  return found;
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
