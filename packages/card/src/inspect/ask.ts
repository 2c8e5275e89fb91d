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
/**
 * The same of DESFire-style cards, whose class is 90: GetVersion, SelectApplication, the lists, settings and versions that are free, and
 * AF for further frames of an answer, which proves nothing because no authentication is ever begun.
 */
const harmlessNative: ReadonlySet<number> = new Set([0x60, 0x5a, 0x6a, 0x6f, 0xf5, 0x45, 0x64, 0x6e, 0xaf]);
const nativeClass = 0x90;

const mostCommands = 256;

export type Ask = (command: Command) => Promise<Response>;

/** Throws Ended when the card is silent or the bound is reached, RangeError for an instruction that is not harmless. */
export function asking(channel: CardChannel): Ask {
  let asked = 0;
  return async (command) => {
    const list = command.cla === nativeClass ? harmlessNative : harmless;
    if (!list.has(command.ins)) throw new RangeError("an inspection sends harmless commands only");
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
