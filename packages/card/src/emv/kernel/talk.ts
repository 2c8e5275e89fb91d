import { type Command, describeSw, type Response, SW } from "../../apdu/index.js";
import { CardProblem, hex } from "../../bytes/index.js";
import type { CardChannel } from "../../program/index.js";
import { findTlv, parseTlv, type Tlv } from "../../tlv/index.js";

/** One command, its answer as it is; 61XX and 6CXX are the channel's. */
export async function say(channel: CardChannel, command: Command): Promise<Response> {
  const [response] = await channel.exchange([{ command, sw: [{ value: SW.ok, mask: 0xffff }] }]);
  if (response === undefined) throw new CardProblem("emv-answer", nameOf(command), "there is no answer");
  return response;
}

/** Its data, when all is well. Throws CardProblem `emv-answer`. */
export async function ask(channel: CardChannel, command: Command): Promise<Uint8Array> {
  const { data, sw } = await say(channel, command);
  if (sw !== SW.ok) throw new CardProblem("emv-answer", nameOf(command), describeSw(sw));
  return data;
}

const nameOf = ({ cla, ins, p1, p2 }: Command): string => `command ${hex(Uint8Array.of(cla, ins, p1, p2))}`;

/** Into `data`: all primitive objects; one that comes twice is refused (EMV Book 3, 7.2). */
export function keep(data: Map<number, Uint8Array>, objects: readonly Tlv[], where: string): void {
  for (const { tag, value, children } of objects) {
    if (children !== undefined) keep(data, children, where);
    else if (data.has(tag))
      throw new CardProblem("emv-answer", where, `${tag.toString(16).toUpperCase()} comes twice`);
    else data.set(tag, value.slice());
  }
}

/** The value of a template that is the whole answer. */
export function templateIn(bytes: Uint8Array, tag: number, where: string): readonly Tlv[] {
  const found = findTlv(parseTlv(bytes), tag);
  if (found?.children === undefined)
    throw new CardProblem("emv-answer", where, `template ${tag.toString(16).toUpperCase()} is missing`);
  return found.children;
}

export function need(data: ReadonlyMap<number, Uint8Array>, tag: number): Uint8Array {
  const value = data.get(tag);
  if (value === undefined)
    throw new CardProblem("emv-answer", "card data", `${tag.toString(16).toUpperCase()} is missing`);
  return value;
}
