/** What of a payment card cannot be derived again, sealed for its place in the order: key pair, certificate, signature. */
import { createHash } from "node:crypto";
import { concat, equalConstantTime, hex, u16, utf8 } from "@persoline/card/bytes";
import type { RsaCrt } from "@persoline/card/crypto";
import type { PaymentProfile, PaymentRecord } from "@persoline/card/emv";
import { VaultRefusal } from "../vault-refusal.js";
import { seal, type SealKeys, unseal } from "../seal.js";

/** Of one card, in clear: within the module's process only. */
export interface CardSecrets {
  /** With DDA and CDA. */
  readonly icc?: {
    readonly modulus: Uint8Array;
    readonly privateKey: RsaCrt;
    readonly certificate: Uint8Array;
    readonly remainder: Uint8Array;
  };
  /** With SDA and above. */
  readonly staticSignature?: Uint8Array;
}

export interface CardPlace {
  readonly order: string;
  readonly record: number;
  /** AID, hexadecimal in capitals. */
  readonly application: string;
  /** As `Belonging` has them. */
  readonly policy?: string;
  readonly unlisted?: boolean;
}

/** Whose card it is: the seal opens with no other person's data, and with no other static data than were signed. */
export const bindingOf = (card: PaymentRecord, staticData: Uint8Array): Uint8Array =>
  new Uint8Array(
    createHash("sha256")
      .update(utf8(JSON.stringify([card.pan, card.psn, card.expiry, card.effective, card.name])))
      .update(staticData)
      .digest(),
  );

const none = new Uint8Array(0);
const belonging = ({ application, ...place }: CardPlace) =>
  ({ purpose: "payment", name: application, ...place }) as const;

/** Fields with their lengths, in this order: binding, modulus, p, q, dp, dq, q⁻¹, certificate, remainder, signature. */
export function sealCard(
  keys: SealKeys,
  place: CardPlace,
  binding: Uint8Array,
  { icc, staticSignature = none }: CardSecrets,
): Uint8Array {
  const key = icc?.privateKey;
  const fields = [
    binding,
    icc?.modulus ?? none,
    ...[key?.p, key?.q, key?.dp, key?.dq, key?.qInverse].map((part) => part ?? none),
    icc?.certificate ?? none,
    icc?.remainder ?? none,
    staticSignature,
  ];
  const clear = concat(...fields.flatMap((field) => [u16(field.length), field]));
  try {
    return seal(keys, belonging(place), clear);
  } finally {
    clear.fill(0);
  }
}

/** The caller wipes it (`wipeCard`). Throws VaultRefusal for a seal of another place or another card. */
export function openCard(
  keys: SealKeys,
  place: CardPlace,
  binding: Uint8Array,
  sealed: Uint8Array,
): CardSecrets {
  const clear = unseal(keys, belonging(place), sealed);
  const fields: Uint8Array[] = [];
  for (let at = 0; at + 2 <= clear.length; ) {
    const end = at + 2 + ((clear[at] ?? 0) << 8) + (clear[at + 1] ?? 0);
    fields.push(clear.slice(at + 2, end));
    at = end;
  }
  clear.fill(0);
  const [bound = none, modulus = none, p = none, q = none, dp = none, dq = none, qInverse = none] = fields;
  const [certificate = none, remainder = none, staticSignature = none] = fields.slice(7);
  if (!equalConstantTime(bound, binding)) {
    for (const field of fields) field.fill(0);
    throw new VaultRefusal(
      `record ${place.record} of order ${place.order}: its payment application was prepared for other data than these; prepare it anew`,
    );
  }
  return {
    ...(modulus.length === 0
      ? {}
      : { icc: { modulus, privateKey: { p, q, dp, dq, qInverse }, certificate, remainder } }),
    ...(staticSignature.length === 0 ? {} : { staticSignature }),
  };
}

export function wipeCard({ icc }: CardSecrets): void {
  if (icc === undefined) return;
  const { p, q, dp, dq, qInverse } = icc.privateKey;
  for (const part of [p, q, dp, dq, qInverse]) part.fill(0);
}

/** As program and seals name an application. */
export const aidOf = ({ aid }: Pick<PaymentProfile, "aid">): string => hex(aid);
