/** An encoder over bodies of the shop floor: it writes bits as a real head would, and reads what is there, not what it was told. */
import { headOf } from "../shop-floor/places.js";
import { stripeFlawKinds } from "../flaw-kinds.js";
import { createHmac, timingSafeEqual } from "node:crypto";
import { basename } from "node:path";
import { DeviceFault } from "../problem.js";
import { faultsOf } from "../shop-floor/lot-book.js";
import type { Spoiler } from "../shop-floor/spoiler.js";
import { type Coercivity, type MagneticStripe, readStripe, writeStripe } from "../shop-floor/stripe.js";
import type { Place } from "../transport/port.js";
import { bitsOf, charactersOf, readBits, trackForms } from "./bits.js";
import type { Encoder, StripeContent, StripeJob, StripeProblem, TrackFault, TrackText } from "./port.js";
import { stripeFlawIn, type StripeFlaw } from "./flaws.js";

export interface SimulatedEncoderOptions {
  readonly name: string;
  readonly place: Place;
  readonly bodyAt: (place: Place) => string | undefined;
  readonly world: { sleep(ms: number): Promise<void> };
  /**
   * Opens what the security module sealed for this encoder: tracks with their sentinels. Throws when its line did not sign it so, or it is for
   * another encoder or another record's. Without it the encoder takes contents in clear only.
   */
  readonly open?: (sealed: Extract<StripeContent, { kind: "sealed" }>) => readonly TrackText[];
  readonly flaws?: readonly StripeFlaw[];
  /** Spoils a share of the cards at this head. */
  readonly spoiler?: Spoiler;
}

/** Card past the head at 500 mm/s, twice (write and read), and its handling; ms. */
const passMs = (85.6 / 500) * 1000;
const handlingMs = 250;

/** Writing and reading back; for the planner. */
export const encodingMs = handlingMs + 2 * passMs;

/**
 * Signal against the reference. A low field does not turn a high-coercivity stripe round; a high field over-drives a low one
 * (visual ranges: 250..600 Oe and 2500..4000 Oe).
 */
function strengthOf(field: Coercivity, material: Coercivity): number {
  if (field === material) return 1;
  return field === "low" ? 0.3 : 1.7;
}

/** Readers need so much of the reference signal, and no more (ISO/IEC 7811-2 and -6 allow returned cards 0.6, new ones up to 1.3). */
const readable = { least: 0.6, most: 1.36 } as const;

export function simulatedEncoder(options: SimulatedEncoderOptions): Encoder {
  const { name, place, world } = options;
  let nth = 0;
  /** Whatever is wrong at the head for a card stays wrong when it is written once more. */
  let spoilt: { readonly label: string; readonly flaw: StripeFlaw } | undefined;
  const spoiltBy = (label: string): StripeFlaw | undefined => {
    if (spoilt?.label === label) return spoilt.flaw;
    const job = {
      label,
      head: headOf(place),
      machine: name,
      side: "back",
      kinds: stripeFlawKinds,
      can: () => true,
    } as const;
    const kind = options.spoiler?.next(job);
    if (kind === undefined) return undefined;
    options.spoiler?.made({ label, machine: name, side: "back", kind });
    spoilt = { label, flaw: { kind } };
    return spoilt.flaw;
  };
  const refuse = (message: string): DeviceFault => new DeviceFault(name, "refused", `${name} ${message}`);
  const body = (): string => {
    const found = options.bodyAt(place);
    if (found === undefined) throw refuse("has no card");
    return found;
  };
  const tracksOf = ({ content }: StripeJob): readonly TrackText[] => {
    if (content.kind === "clear") return content.tracks;
    if (options.open === undefined) throw refuse("has no key to open a sealed stripe with");
    try {
      return options.open(content);
    } catch {
      throw refuse(
        "cannot open the sealed stripe: its line did not sign it (orders of former programs are finished with those), it was altered, or is for another encoder or record",
      );
    }
  };

  return {
    name,
    kind: "simulated",
    ready: () => Promise.resolve(),
    duration: () => encodingMs,
    async encode(job) {
      const dir = body();
      let characters: readonly { readonly track: 1 | 2 | 3; readonly bits: Uint8Array }[];
      try {
        characters = tracksOf(job).map(({ track, text }) => ({
          track,
          bits: bitsOf(track, charactersOf(track, text)),
        }));
      } catch (thrown) {
        if (thrown instanceof RangeError) throw refuse(thrown.message);
        throw thrown;
      }
      nth++;
      const label = basename(dir).replace(/^\d{6}-/, "");
      const planted = [
        ...faultsOf(dir).faces.flatMap((words) => stripeFlawIn(words) ?? []),
        ...(options.flaws ?? []).filter((one) =>
          one.label === undefined ? one.nth === nth : one.label === label,
        ),
      ][0];
      const flaw = planted ?? spoiltBy(label);
      // Blanks come with the stripe that was ordered, unless the flaw is that they did not.
      const material =
        readStripe(dir)?.coercivity ??
        (flaw?.kind === "wrong-coercivity" ? otherThan(job.coercivity) : job.coercivity);
      const tracks = Object.fromEntries(
        characters.map(({ track, bits }) => [
          track,
          {
            bits: flaw === undefined ? bits : spoiltBits(bits, flaw, track),
            strength: strengthOf(job.coercivity, material) * (flaw?.kind === "weak-stripe" ? 0.4 : 1),
          },
        ]),
      );
      await writeStripe(dir, { coercivity: material, tracks }, (_, of) =>
        world.sleep((handlingMs + passMs) / of),
      );
    },
    async verify(job) {
      const dir = body();
      const asked = tracksOf(job);
      await world.sleep(passMs);
      return problemsOf(readStripe(dir), asked);
    },
    confirms(_, { salt, digest }) {
      const number = numberOn(tracksOn(body()));
      const own = createHmac("sha256", salt)
        .update(number ?? "")
        .digest();
      return Promise.resolve(
        number !== undefined && own.length === digest.length && timingSafeEqual(own, digest),
      );
    },
    read(job) {
      const dir = body();
      return Promise.resolve(job.content.kind === "sealed" ? undefined : tracksOn(dir));
    },
  };
}

/** Tracks that can be read. */
function tracksOn(dir: string): TrackText[] {
  const stripe = readStripe(dir);
  return ([1, 2, 3] as const).flatMap((track) => {
    const found = stripe?.tracks[track];
    if (found === undefined || signal(found.strength) !== undefined) return [];
    const read = readBits(track, found.bits);
    return read.ok ? [{ track, text: read.text }] : [];
  });
}

/** ISO/IEC 7813: what stands before the separator. */
function numberOn(tracks: readonly TrackText[]): string | undefined {
  const text = (track: number): string => tracks.find((one) => one.track === track)?.text ?? "";
  return /^(\d{8,19})=/.exec(text(2))?.[1] ?? /^B(\d{8,19})\^/.exec(text(1))?.[1];
}

const otherThan = (coercivity: Coercivity): Coercivity => (coercivity === "low" ? "high" : "low");

const signal = (strength: number): TrackFault | undefined => {
  if (strength < readable.least) return "weak";
  return strength > readable.most ? "over-driven" : undefined;
};

function problemsOf(stripe: MagneticStripe | undefined, asked: readonly TrackText[]): StripeProblem[] {
  return ([1, 2, 3] as const).flatMap((track): StripeProblem[] => {
    const want = asked.find((one) => one.track === track)?.text;
    const found = stripe?.tracks[track];
    const written = found?.bits.includes(1) === true;
    if (want === undefined) return written ? [{ track, fault: "not-blank" }] : [];
    if (found === undefined || !written) return [{ track, fault: "blank" }];
    const weak = signal(found.strength);
    if (weak !== undefined) return [{ track, fault: weak }];
    const read = readBits(track, found.bits);
    if (!read.ok) return [{ track, fault: read.fault }];
    return read.text === want ? [] : [{ track, fault: "different" }];
  });
}

/** A scratch turns bits round: one is seen by its character's parity, two in one character's data by the LRC alone. */
function spoiltBits(bits: Uint8Array, { kind }: StripeFlaw, track: 1 | 2 | 3): Uint8Array {
  if (kind !== "stripe-parity" && kind !== "stripe-lrc") return bits;
  const spoilt = bits.slice();
  const width = trackForms[track].width + 1;
  // The second character of the text: past the start sentinel and one more.
  const at = bits.indexOf(1) + 2 * width;
  const turned = kind === "stripe-parity" ? [at] : [at, at + 1];
  for (const bit of turned) spoilt[bit] = spoilt[bit] === 1 ? 0 : 1;
  return spoilt;
}
