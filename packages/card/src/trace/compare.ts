import { decodeCommand, encodeResponse } from "../apdu/index.js";
import { hex, unhex } from "../bytes/index.js";
import { type CardChannel, CardMute } from "../program/index.js";
import { fits } from "./replay.js";
import type { TraceLine } from "./types.js";

/** One recorded exchange against a card. Bytes as in the trace. */
export interface Comparison {
  readonly command: string;
  readonly recorded: string;
  /** What the card answers now; "mute", or "not sent": the command is masked, changes cards, or could burn a try. */
  readonly now: string;
  readonly same: boolean;
}

/** SELECT, GET DATA, READ BINARY, READ RECORD, GET CHALLENGE: asked again as often as anybody likes. */
const harmless = new Set([0xa4, 0xca, 0xcb, 0xb0, 0xb1, 0xb2, 0xb3, 0x84]);

/** Asks a card what a trace asked, where that is harmless, and compares the answers; masked bytes fit every byte. A mute card ends it. */
export async function compareWith(
  lines: readonly TraceLine[],
  channel: CardChannel,
): Promise<readonly Comparison[]> {
  const found: Comparison[] = [];
  for (const line of lines) {
    if (line.what === "reset") continue;
    const { command } = line;
    const recorded = line.what === "apdu" ? line.answer : "mute";
    const ins = Number.parseInt(command.slice(2, 4), 16);
    // A session cannot be taken up again: what was secured by it would only be refused.
    const plain = (Number.parseInt(command.slice(0, 2), 16) & 0x0c) === 0;
    if (command.includes("*") || !harmless.has(ins) || !plain) {
      found.push({ command, recorded, now: "not sent", same: true });
      continue;
    }
    try {
      const [answer] = await channel.exchange([
        { command: decodeCommand(unhex(command)), sw: [{ value: 0, mask: 0 }] },
      ]);
      const now = answer === undefined ? "mute" : hex(encodeResponse(answer));
      // Challenges are another each time.
      const same = ins === 0x84 ? now.length === recorded.length : fits(recorded, now);
      found.push({ command, recorded, now, same });
    } catch (thrown) {
      if (!(thrown instanceof CardMute)) throw thrown;
      found.push({ command, recorded, now: "mute", same: recorded === "mute" });
      return found;
    }
  }
  return found;
}
