import type { Command, Response } from "../apdu/index.js";
import { type CardChannel, CardMute } from "../program/index.js";

/** The inspection is over: the card is silent, or has been asked more than any card is worth. */
export class Ended extends Error {
  override readonly name = "Ended";
}

/**
 * Instructions that cost no try and change nothing: SELECT, GET DATA, READ BINARY, READ RECORD (ISO/IEC 7816-4, 7). Everything else is
 * refused here, so that no later change of this room can burn a counter of somebody's card.
 */
const harmless: ReadonlySet<number> = new Set([0xa4, 0xca, 0xb0, 0xb2]);

const mostCommands = 256;

export type Ask = (command: Command) => Promise<Response>;

/** Throws Ended when the card is silent or the bound is reached, RangeError for an instruction that is not harmless. */
export function asking(channel: CardChannel): Ask {
  let asked = 0;
  return async (command) => {
    if (!harmless.has(command.ins)) throw new RangeError("an inspection sends harmless commands only");
    if (++asked > mostCommands)
      throw new Ended(`after ${mostCommands} commands there would still be more to ask`);
    try {
      const [answer] = await channel.exchange([{ command, sw: [{ value: 0, mask: 0 }] }]);
      if (answer === undefined) throw new Ended("the reader handed over no answer");
      return answer;
    } catch (thrown) {
      if (thrown instanceof CardMute) throw new Ended(thrown.message);
      throw thrown;
    }
  };
}
