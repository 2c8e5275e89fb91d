/** What stripe and chip say of the account: made when a card is, made anew when it is judged. Each master is used where it is kept. */
import { equalConstantTime } from "@persoline/card/bytes";
import { type PinDigits, track1, track2 } from "@persoline/card/emv";
import type { Keyring } from "../keyring.js";
import type { Purpose } from "../office/life.js";
import type { ListedCard } from "../order-policy.js";
import type { Hsm, PaymentCardAsk } from "../port.js";
import { type Account, chipTrack2, refusing, stripeOf } from "./card-values.js";
import { withOwnPin } from "./session.js";
import { type StripePlace, sealStripe } from "./stripe.js";

/** Tracks 1 and 2, encrypted for the encoder and signed; the caller wipes the digits. */
export function stripeFor(
  ring: Keyring,
  place: StripePlace,
  { masters, profile, card, digits: pin }: Account & { readonly digits: PinDigits },
  purpose: Purpose,
): string {
  const encoder = ring.stripeEncoder();
  const track = profile.serviceCode;
  const data = stripeOf(ring, masters, { profile, card, pin, track, purpose });
  const tracks = refusing(() => ({ track1: track1({ ...data, name: card.name }), track2: track2(data) }));
  return sealStripe(encoder, (bytes) => ring.sign(bytes), place, tracks);
}

/** Every digit of it, those among them that only the module knows. */
export const judgeTrack2 = (
  ring: Keyring,
  list: ListedCard,
  ask: Parameters<Hsm["judgeTrack2"]>[0],
): "right" | "wrong" =>
  withOwnPin(ring, list, ask, (pin, account) =>
    equalConstantTime(chipTrack2(ring, account, pin, "check"), ask.track2) ? "right" : "wrong",
  );

export const stripeAgain = (ring: Keyring, list: ListedCard, ask: PaymentCardAsk): string =>
  withOwnPin(ring, list, ask, (digits, account) =>
    stripeFor(ring, ask.secrets, { ...account, digits }, "check"),
  );
