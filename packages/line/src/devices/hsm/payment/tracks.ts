/** What stripe and chip say of the account: made when a card is, made anew when it is judged. Each master is used where it is kept. */
import { equalConstantTime } from "@persoline/card/bytes";
import { type PinDigits, track1, track2 } from "@persoline/card/emv";
import type { PaymentSecrets, SealedSecrets } from "@persoline/card/program";
import type { Keyring } from "../keyring.js";
import type { Purpose } from "../office/life.js";
import type { Hsm } from "../port.js";
import { type Account, chipTrack2, openedPin, refusing, stripeOf } from "./card-values.js";
import { wipeCard } from "./sealed-card.js";
import { openedPayment } from "./session.js";
import { type StripePlace, sealStripe } from "./stripe.js";

/** Tracks 1 and 2, encrypted for the encoder; the caller wipes the digits. */
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
  return sealStripe(encoder, place, tracks);
}

/** The record's account and its PIN, which lives as long as `work`. */
function withAccount<T>(
  ring: Keyring,
  secrets: SealedSecrets,
  application: string,
  work: (account: PaymentSecrets, digits: PinDigits) => T,
): T {
  const { payment, secrets: sealed } = openedPayment(ring, secrets, application);
  wipeCard(sealed);
  const pin = openedPin(ring, secrets, payment.pin, secrets.pins[payment.pin]);
  try {
    return work(payment, pin);
  } finally {
    pin.fill(0);
  }
}

/** Every digit of it, those among them that only the module knows. */
export function judgeTrack2(
  ring: Keyring,
  { secrets, application, track2: said }: Parameters<Hsm["judgeTrack2"]>[0],
): "right" | "wrong" {
  return withAccount(ring, secrets, application, (account, pin) => {
    const right = chipTrack2(ring, account, pin, "check");
    return equalConstantTime(right, said) ? "right" : "wrong";
  });
}

export function stripeAgain(
  ring: Keyring,
  { secrets, application }: Parameters<Hsm["stripeAgain"]>[0],
): string {
  return withAccount(ring, secrets, application, (account, digits) =>
    stripeFor(ring, secrets, { ...account, digits }, "check"),
  );
}
