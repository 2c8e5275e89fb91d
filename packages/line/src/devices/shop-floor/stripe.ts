/** The magnetic stripe of a body: what is written on it, bit by bit, and how strongly. `stripe.json` in the body's folder. */
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

export type Coercivity = "low" | "high";

export interface StripeTrack {
  /** One bit a byte, clock zeros before and behind. */
  readonly bits: Uint8Array;
  /** Signal against a reference card's: 1 = as it should be. */
  readonly strength: number;
}

export interface MagneticStripe {
  /** Of the material: a blank's maker fixed it. */
  readonly coercivity: Coercivity;
  readonly tracks: Readonly<Partial<Record<1 | 2 | 3, StripeTrack>>>;
}

interface StripeText {
  readonly coercivity: Coercivity;
  readonly tracks: Readonly<Record<string, { readonly bits: string; readonly strength: number }>>;
}

const stripeFile = (body: string): string => join(body, "stripe.json");
const underWayFile = (body: string): string => join(body, "stripe.under-way");

/** Undefined: nothing was ever written, and nobody said what the material is. */
export function readStripe(body: string): MagneticStripe | undefined {
  if (!existsSync(stripeFile(body))) return undefined;
  const { coercivity, tracks } = JSON.parse(readFileSync(stripeFile(body), "utf8")) as StripeText;
  const known = ([1, 2, 3] as const).flatMap((track) => {
    const found = tracks[String(track)];
    if (found === undefined) return [];
    return [[track, { bits: Uint8Array.from(found.bits, Number), strength: found.strength }] as const];
  });
  return { coercivity, tracks: Object.fromEntries(known) };
}

function keep(body: string, { coercivity, tracks }: MagneticStripe): void {
  const text: StripeText = {
    coercivity,
    tracks: Object.fromEntries(
      Object.entries(tracks).map(([track, { bits, strength }]) => [track, { bits: bits.join(""), strength }]),
    ),
  };
  writeFileSync(`${stripeFile(body)}.new`, JSON.stringify(text, undefined, 1));
  renameSync(`${stripeFile(body)}.new`, stripeFile(body));
}

/** Writes track after track as the head passes; tracks that are not named are erased. A kill leaves the first ones, and a mark of it. */
export async function writeStripe(
  body: string,
  stripe: MagneticStripe,
  pause: (track: number, tracks: number) => Promise<void>,
): Promise<void> {
  mkdirSync(body, { recursive: true });
  writeFileSync(underWayFile(body), "");
  const tracks = Object.entries(stripe.tracks);
  for (let so = 0; so < tracks.length; so++) {
    keep(body, { ...stripe, tracks: Object.fromEntries(tracks.slice(0, so + 1)) });
    await pause(so, tracks.length);
  }
  rmSync(underWayFile(body));
}

/** Writing began and did not end. */
export const stripeUnderWay = (body: string): boolean => existsSync(underWayFile(body));
