import { type Command, encodeCommand, type Response } from "../apdu/index.js";
import { hex } from "../bytes/index.js";
import { type CardChannel, CardMute } from "../program/index.js";
import { isHarmless } from "./harmless.js";

/** The inspection is over: the card is silent, or has been asked more than any card is worth. */
export class Ended extends Error {
  override readonly name = "Ended";
}

const mostCommands = 256;

export type Ask = (command: Command) => Promise<Response>;

/** Throws Ended when the card is silent or the bound is reached, RangeError for a command that is not harmless. */
export function asking(channel: CardChannel): Ask {
  let asked = 0;
  return async (command) => {
    // So that no later change of this room can burn a counter of somebody's card.
    if (!isHarmless(command)) throw new RangeError("an inspection sends harmless commands only");
    if (++asked > mostCommands)
      throw new Ended(`after ${mostCommands} commands there would still be more to ask`);
    try {
      const [answer] = await channel.exchange([{ command, sw: [{ value: 0, mask: 0 }] }]);
      if (answer === undefined) throw new Ended("the reader handed over no answer");
      return answer;
    } catch (thrown) {
      if (thrown instanceof CardMute)
        throw new Ended(`${thrown.message}; it was asked ${hex(encodeCommand(command))}`);
      throw thrown;
    }
  };
}
