/** What of a payment card follows from its masters: keys, verification values, tracks. Each master is used where it is kept. */
import { CardProblem } from "@persoline/card/bytes";
import {
  cardVerificationValue,
  iccMasterKey,
  type PaymentProfile,
  type PaymentRecord,
  type PinDigits,
  pinVerificationText,
  SERVICE_CODE,
  type StripeData,
  track2Equivalent,
  verifiedStripe,
} from "@persoline/card/emv";
import { desWeakness } from "@persoline/card/keyblock";
import type { KeyRef, PaymentMasters, PaymentSecrets } from "@persoline/card/program";
import type { Keyring } from "../keyring.js";
import type { ListedCard } from "../order-policy.js";
import { VaultRefusal } from "../vault-refusal.js";
import type { Purpose } from "../office/life.js";
import { accountTag, unseal } from "../seal.js";

/** The readers' own problems become the module's refusals: their texts hold no value. */
export function refusing<T>(work: () => T): T {
  try {
    return work();
  } catch (problem) {
    if (problem instanceof CardProblem) throw new VaultRefusal(problem.message);
    throw problem;
  }
}

/** What a card's keys follow from. */
export const keysOf = ({ card: { pan, psn }, profile }: Pick<PaymentSecrets, "card" | "profile">) => ({
  pan,
  psn,
  option: profile.cryptogram.option,
});

type CardKeyUse = "emv-ac" | "emv-smi" | "emv-smc";

/** The card's own key, 16 bytes; the caller wipes it. Throws VaultRefusal. */
export function cardKey(
  ring: Keyring,
  name: KeyRef,
  use: CardKeyUse,
  card: ReturnType<typeof keysOf>,
  purpose: Purpose = "make",
): Uint8Array {
  const { crypto, key } = ring.paymentMaster(name, use, purpose);
  const made = refusing(() => iccMasterKey(crypto, key, card));
  const weak = desWeakness(made);
  if (weak === undefined) return made;
  made.fill(0);
  throw new VaultRefusal(
    `the key that follows from ${name} for this card cannot be used (${weak}): give the card another sequence number`,
  );
}

/** AC, SMI, SMC; the caller wipes them. */
export function threeKeys(
  ring: Keyring,
  masters: PaymentMasters,
  card: PaymentRecord,
  profile: PaymentProfile,
): readonly Uint8Array[] {
  const whose = keysOf({ card, profile });
  const keys: Uint8Array[] = [];
  try {
    for (const use of ["ac", "smi", "smc"] as const)
      keys.push(cardKey(ring, masters[use], `emv-${use}`, whose));
    return keys;
  } catch (problem) {
    for (const key of keys) key.fill(0);
    throw problem;
  }
}

/**
 * The PIN of this account, its digits 0 to 9; the caller wipes them. An offset beside a PIN that somebody else may know would tell the natural
 * PIN, and with it whatever PIN the holder has or chooses later: such PINs have none. Throws VaultRefusal.
 */
export function openedPin(
  ring: Keyring,
  { order, record, list }: { readonly order: string; readonly record: number; readonly list?: ListedCard },
  { pin: name, card, profile }: Pick<PaymentSecrets, "pin" | "card" | "profile">,
  sealed: Uint8Array | undefined,
): PinDigits {
  if (sealed === undefined) throw new VaultRefusal(`no sealed PIN "${name}" came with this record`);
  const sealing = ring.sealing();
  const kinds = profile.pinVerification.by === "offset" ? [true] : [true, false];
  const accounts = kinds.map((own) => accountTag(sealing, card.pan, own));
  const digits = unseal(ring, { purpose: "pin", order, record, name, accounts, ...list }, sealed);
  for (let at = 0; at < digits.length; at++) digits[at] = (digits[at] ?? 0) - 0x30;
  return digits;
}

/** What the key is for that PVV or offset are made under. */
export const pinKeyUse = ({ pinVerification }: Pick<PaymentProfile, "pinVerification">) =>
  pinVerification.by === "pvv" ? "emv-pvk" : "ibm-3624";

/** What a track says; `track`: the service code its verification value is made with. */
export function stripeOf(
  ring: Keyring,
  masters: PaymentMasters,
  ask: {
    readonly profile: PaymentProfile;
    readonly card: PaymentRecord;
    readonly pin: PinDigits;
    readonly track: string;
    /** Absent: a card is made. */
    readonly purpose?: Purpose;
  },
): StripeData {
  const { profile, card, pin, track, purpose = "make" } = ask;
  const { pan, expiry } = card;
  const pvk = ring.paymentMaster(masters.pvk, pinKeyUse(profile), purpose);
  const cvk = ring.paymentMaster(masters.cvk, "emv-cvk", purpose);
  return refusing(() =>
    verifiedStripe(profile, card, {
      pin: pinVerificationText(pvk.crypto, pvk.key, { pan, pin, said: profile.pinVerification }),
      cvv: cardVerificationValue(cvk.crypto, cvk.key, { pan, expiry, serviceCode: track }),
    }),
  );
}

/** Whose tracks they are. */
export interface Account {
  readonly masters: PaymentMasters;
  readonly profile: PaymentProfile;
  readonly card: PaymentRecord;
}

/** 57 of the chip, whose verification value is another than the stripe's: a stripe copied from a chip is found out. */
export function chipTrack2(
  ring: Keyring,
  { masters, profile, card }: Account,
  pin: PinDigits,
  purpose: Purpose,
): Uint8Array {
  const track = SERVICE_CODE.chip;
  return refusing(() => track2Equivalent(stripeOf(ring, masters, { profile, card, pin, track, purpose })));
}
