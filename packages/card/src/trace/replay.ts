import { encodeCommand, type Response, type StatusWord } from "../apdu/index.js";
import { CardProblem, hex, unhex } from "../bytes/index.js";
import { type CardChannel, CardMute } from "../program/index.js";
import type { TraceLine } from "./types.js";

/** A trace as a card: it has an answer to reset, and answers what was asked when it was recorded. */
export interface Replay {
  readonly atr: Uint8Array;
  readonly channel: CardChannel;
  /** Recorded exchanges that nobody has asked for yet. */
  readonly remaining: () => number;
}

/** Masked bytes fit every byte. */
export function fits(recorded: string, sent: string): boolean {
  if (recorded.length !== sent.length) return false;
  for (let at = 0; at < recorded.length; at += 2) {
    const pair = recorded.slice(at, at + 2);
    if (pair !== "**" && pair !== sent.slice(at, at + 2)) return false;
  }
  return true;
}

/** Masked bytes are zeros. */
const bytesOf = (text: string): Uint8Array => unhex(text.replaceAll("**", "00"));

/**
 * Replays from the first reset on, strictly in order. Throws CardProblem `bad-trace` for a trace without reset. The channel throws
 * CardProblem `trace-differs` for any other command than the recorded one, CardMute where the card fell silent.
 */
export function replayed(lines: readonly TraceLine[]): Replay {
  const begin = lines.findIndex(({ what }) => what === "reset");
  const reset = lines[begin];
  if (reset?.what !== "reset") throw new CardProblem("bad-trace", "trace", "there is no reset in it");
  const rest = lines.slice(begin + 1).filter((line) => line.what !== "reset");
  let at = 0;
  const next = (sent: string): TraceLine => {
    const line = rest[at];
    const where = `trace, exchange ${String(at + 1)}`;
    if (line === undefined)
      throw new CardProblem("trace-differs", where, `the trace has ended, ${sent.slice(0, 8)} was sent`);
    if (!fits(line.command, sent)) {
      const hint = `${line.command.slice(0, 8)} was recorded, ${sent.slice(0, 8)} was sent`;
      throw new CardProblem(
        "trace-differs",
        where,
        line.command.slice(0, 8) === sent.slice(0, 8) ? `${hint}, with other lengths or data` : hint,
      );
    }
    at++;
    return line;
  };
  return {
    atr: bytesOf(reset.atr),
    remaining: () => rest.length - at,
    channel: {
      exchange: (commands) => {
        const answers: Response[] = [];
        try {
          for (const { command, sw } of commands) {
            const line = next(hex(encodeCommand(command)));
            if (line.what !== "apdu") return Promise.reject(new CardMute(answers));
            const answer = responseOf(line.answer);
            answers.push(answer);
            if (!sw.some(({ value, mask }) => (answer.sw & mask) === value)) break;
          }
        } catch (thrown) {
          return Promise.reject(thrown instanceof Error ? thrown : new Error(String(thrown)));
        }
        return Promise.resolve(answers);
      },
    },
  };
}

/** The status word as it was recorded, also where it is none. */
function responseOf(text: string): Response {
  const bytes = bytesOf(text);
  const sw = ((bytes.at(-2) ?? 0) << 8) | (bytes.at(-1) ?? 0);
  return { data: bytes.subarray(0, -2), sw: sw as StatusWord };
}
