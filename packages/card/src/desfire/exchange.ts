/** Native commands over a powered card, with their additional frames. */
import type { Command, Response } from "../apdu/index.js";
import { CardProblem, concat } from "../bytes/index.js";
import type { CardChannel } from "../program/index.js";
import { frames, native, statusOf } from "./native.js";

/** What the longest answer may be: the whole of a card of 8 KiB, twice. */
const longest = 16384;
const any = [{ value: 0x9100, mask: 0xff00 }];
const more = [{ value: 0x91af, mask: 0xffff }];

/**
 * Sends a command in as many frames as it needs and gathers the answer's (91AF: the card has more). The answer's status word is the last.
 * An authentication's 91AF is its answer, not a frame: `gather` false leaves it alone. Throws CardProblem `endless-response`.
 */
export async function exchangeNative(
  channel: CardChannel,
  command: Command,
  gather = true,
): Promise<Response> {
  const cut = frames(command);
  const before = cut.slice(0, -1).map((frame) => ({ command: frame, sw: more }));
  const last = cut.at(-1) ?? command;
  let response = lastOf(await channel.exchange([...before, { command: last, sw: any }]));
  if (!gather) return response;
  let data = response.data;
  while (response.sw >> 8 === 0x91 && statusOf(response) === 0xaf) {
    response = lastOf(await channel.exchange([{ command: native(0xaf), sw: any }]));
    data = concat(data, response.data);
    if (data.length > longest || (response.data.length === 0 && response.sw === 0x91af))
      throw new CardProblem("endless-response", "DESFire", "the card announces data without end");
  }
  return { data, sw: response.sw };
}

function lastOf(responses: readonly Response[]): Response {
  const last = responses.at(-1);
  if (last === undefined) throw new CardProblem("bad-response", "DESFire", "the channel gave no answer");
  return last;
}
