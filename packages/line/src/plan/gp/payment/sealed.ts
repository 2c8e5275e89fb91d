import { utf8 } from "@persoline/card/bytes";
import type { SealedSecrets } from "@persoline/card/program";
import type { PreparedPayment } from "./record.js";

/**
 * What the security module sealed for one record is kept by name: PINs under their own, a payment application's key pair and certificates
 * under its AID, and its stripe. All of it comes, goes and dies together.
 */
export type Sealed = Readonly<Record<string, Uint8Array>>;

const CARD = "payment/";
const STRIPE = "stripe/";
export const sealedCardName = (application: string): string => CARD + application;
export const sealedStripeName = (application: string): string => STRIPE + application;

/** The stripe is text for its encoder, in ASCII. */
export const stripeBytes = (content: string): Uint8Array => utf8(content);

/** As a card's program is filled in from. */
export function secretsFor(
  sealed: Sealed,
  payment: PreparedPayment | undefined,
): Pick<SealedSecrets, "pins" | "payment" | "stripe"> {
  const pins = Object.fromEntries(
    Object.entries(sealed).filter(([name]) => !name.startsWith(CARD) && !name.startsWith(STRIPE)),
  );
  if (payment === undefined) return { pins };
  const { application, masters, profile, pin } = payment.plan;
  const own = sealed[sealedCardName(application)];
  if (own === undefined) return { pins };
  const stripe = sealed[sealedStripeName(application)];
  return {
    pins,
    ...(stripe === undefined ? {} : { stripe: String.fromCharCode(...stripe) }),
    payment: { [application]: { masters, profile, card: payment.card, pin: pin.name, sealed: own } },
  };
}
