/** A payment card's secrets while its commands are made: opened once for all of them, wiped right after. */
import { concat } from "@persoline/card/bytes";
import { kcvDes, pad80Secret } from "@persoline/card/crypto";
import { type ModulePart, pinBlock2, type PinDigits, staticDataOf } from "@persoline/card/emv";
import { nodeCrypto } from "@persoline/card/node";
import type { Part, PaymentSecrets, SealedSecrets } from "@persoline/card/program";
import type { Keyring } from "../keyring.js";
import type { ListedCard } from "../order-policy.js";
import type { PaymentCardAsk } from "../port.js";
import { VaultRefusal } from "../vault-refusal.js";
import { chipTrack2, openedPin, refusing, threeKeys } from "./card-values.js";
import { aidOf, bindingOf, type CardSecrets, openCard, wipeCard } from "./sealed-card.js";

interface Opened {
  readonly payment: PaymentSecrets;
  readonly secrets: CardSecrets;
  /** AC, SMI, SMC; made when they are first asked for. */
  keys?: readonly Uint8Array[];
}

/** Opens what was prepared for this application of this record; the caller wipes it. Throws VaultRefusal. */
export function openedPayment(
  ring: Keyring,
  secrets: SealedSecrets,
  application: string,
  list?: ListedCard,
): { readonly payment: PaymentSecrets; readonly secrets: CardSecrets } {
  const payment = secrets.payment?.[application];
  if (payment === undefined)
    throw new VaultRefusal(`nothing was prepared for application ${application} of this record`);
  const { profile, card, sealed } = payment;
  if (aidOf(profile) !== application)
    throw new VaultRefusal(`application ${application} is another one than its profile's ${aidOf(profile)}`);
  const staticData = refusing(() => staticDataOf(profile, card));
  const place = { order: secrets.order, record: secrets.record, application, ...list };
  return { payment, secrets: openCard(ring, place, bindingOf(card, staticData), sealed) };
}

/** The record's account and its PIN, which lives as long as `work`. Throws VaultRefusal when one of them is another record's, or of another list. */
export function withOwnPin<T>(
  ring: Keyring,
  list: ListedCard,
  { secrets, application }: PaymentCardAsk,
  work: (digits: PinDigits, payment: PaymentSecrets) => T,
): T {
  const { payment, secrets: sealed } = openedPayment(ring, secrets, application, list);
  wipeCard(sealed);
  const pin = openedPin(ring, { ...secrets, list }, payment, secrets.pins[payment.pin]);
  try {
    return work(pin, payment);
  } finally {
    pin.fill(0);
  }
}

/** What any reader of the card sees too; all else leaves under the session's DEK, whatever the program says. */
const READABLE: ReadonlySet<ModulePart["secret"]> = new Set([
  "emv-key-checks",
  "emv-icc-certificate",
  "emv-static-signature",
  "emv-track2",
]);

export class PaymentParts {
  readonly #ring: Keyring;
  readonly #secrets: SealedSecrets | undefined;
  readonly #opened = new Map<string, Opened>();

  constructor(ring: Keyring, secrets: SealedSecrets | undefined) {
    this.#ring = ring;
    this.#secrets = secrets;
  }

  /** A part's value, padded as it goes under the DEK; the caller wipes it. Throws VaultRefusal. */
  value({ application, part, under, pad }: Extract<Part, { secret: "payment" }>): Uint8Array {
    if (under !== "dek" && !READABLE.has(part.secret))
      throw new VaultRefusal(
        `application ${application}: ${part.secret} leaves under the session's data encryption key only`,
      );
    const value = this.#value(this.#of(application), part);
    if (value?.length !== part.length) {
      value?.fill(0);
      throw new VaultRefusal(
        `application ${application}: the module has no ${part.secret} of ${part.length} bytes for this card`,
      );
    }
    if (pad === undefined) return value;
    const padded = pad80Secret(value, pad);
    value.fill(0);
    return padded;
  }

  wipe(): void {
    for (const { secrets, keys = [] } of this.#opened.values()) {
      wipeCard(secrets);
      for (const key of keys) key.fill(0);
    }
    this.#opened.clear();
  }

  #of(application: string): Opened {
    const known = this.#opened.get(application);
    if (known !== undefined) return known;
    if (this.#secrets === undefined)
      throw new VaultRefusal(`nothing was prepared for application ${application} of this record`);
    const opened = openedPayment(this.#ring, this.#secrets, application);
    this.#opened.set(application, opened);
    return opened;
  }

  /** A copy. */
  #value(opened: Opened, part: ModulePart): Uint8Array | undefined {
    const { icc, staticSignature } = opened.secrets;
    switch (part.secret) {
      case "emv-keys":
        return concat(...this.#keys(opened));
      case "emv-key-checks":
        return concat(...this.#keys(opened).map((key) => kcvDes(nodeCrypto, key)));
      case "emv-pin":
        return this.#withPin(opened, pinBlock2);
      case "emv-icc-key":
        return icc?.privateKey[part.part].slice();
      case "emv-icc-certificate":
        return icc?.[part.part].slice();
      case "emv-static-signature":
        return staticSignature?.slice();
      case "emv-track2":
        return this.#withPin(opened, (pin) => chipTrack2(this.#ring, opened.payment, pin, "make"));
    }
  }

  #keys(opened: Opened): readonly Uint8Array[] {
    const { masters, card, profile } = opened.payment;
    opened.keys ??= threeKeys(this.#ring, masters, card, profile);
    return opened.keys;
  }

  #withPin(opened: Opened, make: (pin: Uint8Array) => Uint8Array): Uint8Array {
    const { payment } = opened;
    const secrets = this.#secrets;
    if (secrets === undefined) throw new VaultRefusal(`no sealed PIN "${payment.pin}" came with this record`);
    const pin = openedPin(this.#ring, secrets, payment, secrets.pins[payment.pin]);
    try {
      return make(pin);
    } finally {
      pin.fill(0);
    }
  }
}
