import type { Command, Response } from "../apdu/index.js";
import { hex } from "../bytes/index.js";
import { type CardChannel, CardMute } from "../program/index.js";
import { isFurtherFrame, maskedAnswer, maskedCommand, type Personal } from "./mask.js";
import type { TraceLine } from "./types.js";

export interface Recorder {
  /** Milliseconds since the recording began. */
  readonly now: () => number;
  readonly write: (line: TraceLine) => void;
  /** Default "hidden". */
  readonly personal?: Personal;
}

/**
 * The same channel, with a line for each command. Commands go one by one, so that each has its own time: an exchange of many takes as
 * many messages to the reader.
 */
export function recorded(channel: CardChannel, atr: Uint8Array, recorder: Recorder): CardChannel {
  const { now, write, personal = "hidden" } = recorder;
  write({ what: "reset", ms: now(), atr: hex(atr) });
  let begun: Command | undefined;
  return {
    exchange: async (commands) => {
      const answers: Response[] = [];
      for (const sent of commands) {
        const command = maskedCommand(sent.command);
        if (begun === undefined || !isFurtherFrame(sent.command)) begun = sent.command;
        try {
          const [answer] = await channel.exchange([sent]);
          if (answer === undefined) break;
          write({
            what: "apdu",
            ms: now(),
            command,
            answer: maskedAnswer(begun, answer, personal),
          });
          answers.push(answer);
          if (!sent.sw.some(({ value, mask }) => (answer.sw & mask) === value)) break;
        } catch (thrown) {
          if (!(thrown instanceof CardMute)) throw thrown;
          write({ what: "mute", ms: now(), command });
          throw new CardMute(answers, thrown.message);
        }
      }
      return answers;
    },
  };
}
