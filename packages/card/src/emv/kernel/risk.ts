import { SW } from "../../apdu/index.js";
import type { CardChannel } from "../../program/index.js";
import { parseTlv } from "../../tlv/index.js";
import { say } from "./talk.js";
import type { TvrBit } from "./verification.js";

/**
 * Velocity checking (EMV Book 3, 10.6.3): a card with both limits among its data (9F14, 9F23) is asked for its counters. One that does not
 * tell them, or was never offline by them, counts as over both limits.
 */
export async function checkVelocity(
  channel: CardChannel,
  data: ReadonlyMap<number, Uint8Array>,
): Promise<{ readonly bits: readonly TvrBit[]; readonly words: readonly string[] }> {
  const [lower, upper] = [data.get(0x9f14)?.[0], data.get(0x9f23)?.[0]];
  if (lower === undefined || upper === undefined) return { bits: [], words: [] };
  const atc = await counterOf(channel, 0x9f36);
  const last = await counterOf(channel, 0x9f13);
  const since = atc === undefined || last === undefined || atc <= last ? Infinity : atc - last;
  const bits: TvrBit[] = [];
  const words: string[] = [];
  if (since > lower) {
    bits.push("lowerLimitExceeded");
    words.push("more often offline than the card's lower limit");
  }
  if (since > upper) {
    bits.push("upperLimitExceeded");
    words.push("more often offline than its upper limit");
  }
  if (last === 0) {
    bits.push("newCard");
    words.push("never online yet");
  }
  return { bits, words };
}

/** GET DATA of a counter of two bytes; undefined: the card does not tell it. */
async function counterOf(channel: CardChannel, tag: 0x9f36 | 0x9f13): Promise<number | undefined> {
  const { data, sw } = await say(channel, { cla: 0x80, ins: 0xca, p1: 0x9f, p2: tag & 0xff, le: 256 });
  if (sw !== SW.ok) return undefined;
  const [object] = parseTlv(data);
  const [high, low] = object?.value ?? [];
  return object?.tag === tag && object.value.length === 2 && high !== undefined && low !== undefined
    ? (high << 8) | low
    : undefined;
}
