/** What a gate and any card say to each other, and what the bytes that come back mean. */
import type { Response } from "@persoline/card/apdu";
import { fromUtf8, hex } from "@persoline/card/bytes";
import { type CardChannel, CardMute, type Sent } from "@persoline/card/program";
import { findTlv, parseTlv } from "@persoline/card/tlv";
import type { HolderTags } from "./gate-card.js";
import type { CardData } from "./types.js";

export const ok: Sent["sw"] = [{ value: 0x9000, mask: 0xffff }];

/** One command; a card that falls silent has said nothing. */
export async function said(channel: CardChannel, sent: Sent): Promise<Response | undefined> {
  return (await saidAll(channel, [sent]))[0];
}

export async function saidAll(channel: CardChannel, sent: readonly Sent[]): Promise<readonly Response[]> {
  try {
    return await channel.exchange(sent);
  } catch (thrown) {
    if (thrown instanceof CardMute) return thrown.answers;
    throw thrown;
  }
}

export const word = (sw: number | undefined): string =>
  sw === undefined ? "silence" : sw.toString(16).toUpperCase().padStart(4, "0");

/** Throws what the bytes are not: TLV objects, UTF-8. */
export function holderIn(bytes: Uint8Array, { validUntil, reference }: HolderTags): Omit<CardData, "zones"> {
  const objects = parseTlv(bytes);
  const until = validUntil === undefined ? undefined : findTlv(objects, validUntil)?.value;
  const number = reference === undefined ? undefined : findTlv(objects, reference)?.value;
  return {
    ...(until === undefined ? {} : { validUntil: dateOf(until) }),
    ...(number === undefined ? {} : { reference: fromUtf8(number) }),
  };
}

/** Without what was never written: FF in erased memory, 00 in a new file. */
export function unpadded(bytes: Uint8Array, ...fillers: readonly number[]): Uint8Array {
  let end = bytes.length;
  while (end > 0 && fillers.includes(bytes[end - 1] ?? 0)) end--;
  return bytes.subarray(0, end);
}

/** YYMMDD in packed digits (ISO/IEC 7816-6, 5F24): this century's. */
const dateOf = (bytes: Uint8Array): string => hex(bytes).replace(/^(..)(..)(..)$/, "20$1-$2-$3");
