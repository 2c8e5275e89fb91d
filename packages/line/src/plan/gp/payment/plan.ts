import { hex } from "@persoline/card/bytes";
import type { PaymentProfile } from "@persoline/card/emv";
import type { PaymentMasters } from "@persoline/card/program";
import type { GpApplication, GpProduct } from "../model.js";
import { PAYMENT_PIN, type PaymentFields, type PaymentModel, type PinMethod } from "./model.js";
import type { Scheme } from "./scheme.js";
import { type ProofTerminal, proofTerminal } from "./terminal.js";

export type PaymentApplication = GpApplication & { readonly payment: PaymentModel };

/** What all cards of a payment product have in common; no secret, no personal datum. */
export interface PaymentPlan {
  readonly app: PaymentApplication;
  /** AID, hexadecimal in capitals: how the security module knows the application. */
  readonly application: string;
  readonly profile: PaymentProfile;
  readonly masters: PaymentMasters;
  readonly fields: PaymentFields;
  readonly pin: {
    readonly name: string;
    readonly length: number;
    readonly tries: number;
    readonly letter: boolean;
    readonly by: PinMethod;
  };
  readonly stripe: boolean;
  /** Where its cards are proved. */
  readonly terminal: ProofTerminal;
  /** Whether a contact directory names it: terminals then ask that first. */
  readonly directory: boolean;
  /** Last month of the issuer's certificate, YYMM. */
  readonly certified?: string;
  /** Absent with proof "none". */
  readonly scheme?: Scheme;
}

const pays = (app: GpApplication): app is PaymentApplication => app.payment !== undefined;

/** Undefined: the product has no payment application. */
export function planPayment(
  { applications }: GpProduct,
  scheme: Scheme | undefined,
): PaymentPlan | undefined {
  const app = applications.find(pays);
  if (app === undefined) return undefined;
  const { profile, masters, fields, pin, stripe } = app.payment;
  const terminal = proofTerminal(profile);
  if (terminal === undefined) throw new Error("a product whose cards may be used for nothing was read");
  return {
    app,
    application: hex(app.aid),
    profile: { ...profile, ...(scheme === undefined ? {} : { issuerKey: scheme.issuerKey }) },
    masters,
    fields,
    pin: { name: PAYMENT_PIN, ...pin },
    stripe,
    terminal,
    directory: applications.some(({ directory }) => directory === "contact"),
    ...(scheme === undefined ? {} : { certified: scheme.expiry, scheme }),
  };
}
