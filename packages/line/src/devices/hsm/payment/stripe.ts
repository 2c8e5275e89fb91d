/** Tracks 1 and 2 for the stripe's encoder: made inside the module, encrypted for that machine, signed, bound to the record they are of. */
import type { KeyObject } from "node:crypto";
import { boxFor, type LineSign, type MachineKeys, openBox, type SealedBox } from "../sealed-box.js";

/** Which record's stripe it is. */
export interface StripePlace {
  readonly order: string;
  readonly record: number;
}

export interface Tracks {
  /** With sentinels (ISO/IEC 7813). */
  readonly track1: string;
  readonly track2: string;
}

interface SealedStripe extends SealedBox {
  readonly format: "persoline-stripe";
  /** 1: of former programs, unsigned. */
  readonly version: 1 | 2;
}

const label = ({ order, record }: StripePlace) => ({
  kind: "stripe" as const,
  purpose: "stripe",
  belongs: JSON.stringify([order, record]),
});

/** As the encoder takes it. */
export function sealStripe(
  encoder: KeyObject,
  sign: LineSign,
  place: StripePlace,
  { track1, track2 }: Tracks,
): string {
  const box = boxFor(encoder, sign, label(place), Buffer.from(`${track1}\n${track2}`, "ascii"));
  const content: SealedStripe = { format: "persoline-stripe", version: 2, ...box };
  return JSON.stringify(content);
}

/** At the encoder. Throws NotOfTheLine for what none of its lines signed for this record, Error when it is for another encoder. */
export function openStripe(keys: MachineKeys, place: StripePlace, content: string): Tracks {
  const clear = openBox(keys, label(place), JSON.parse(content) as SealedStripe);
  const [track1 = "", track2 = ""] = Buffer.from(clear).toString("ascii").split("\n");
  clear.fill(0);
  return { track1, track2 };
}
