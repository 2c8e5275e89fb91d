/** What simulated machines can do wrong, in the words of a line file and of a body's `faults.json`. */

/** Of an engraver's or a printer's marks, and of the plastic under them. */
export const visualFlawKinds = [
  "missing-line",
  "wrong-text",
  "wrong-character",
  "look-alike",
  "wrong-photo",
  "shift",
  "shift-field",
  "faint",
  "faint-field",
  "wrong-code",
  "unreadable-code",
  "scratch",
  "spot",
  "upside-down",
  "mirrored",
  "wrong-side",
  "wrong-stock",
  "double-print",
] as const;
export type VisualFlawKind = (typeof visualFlawKinds)[number];

/** Of a magnetic stripe. */
export const stripeFlawKinds = ["weak-stripe", "wrong-coercivity", "stripe-parity", "stripe-lrc"] as const;
export type StripeFlawKind = (typeof stripeFlawKinds)[number];

/** At a mailer, at one place of its stack of carriers. */
export const mailerFaults = [
  /** It lies behind the one that should follow it. */
  "swapped",
  "missing",
  /** It was printed twice. */
  "twice",
  "unreadable",
  /** The reader makes nothing of its card. */
  "unreadable-card",
  /** The mailer stops when it was told to fix, and does not say whether it did. */
  "stops",
] as const;
export type MailerFault = (typeof mailerFaults)[number];
