/** The issuer's side of a card's transaction, inside the module: cryptograms judged, scripts secured, the PIN enciphered for the card. */
import type { Command } from "@persoline/card/apdu";
import { equal } from "@persoline/card/bytes";
import {
  encipherPinForCard,
  type IssuerVerdict,
  judgeByCardKey,
  pinBlock2,
  ScriptSession,
} from "@persoline/card/emv";
import { nodeCrypto } from "@persoline/card/node";
import type { PaymentSecrets } from "@persoline/card/program";
import { random } from "../draw.js";
import type { Keyring } from "../keyring.js";
import type { ListedCard } from "../order-policy.js";
import { type Hsm, type PaymentCardAsk, type PaymentJudgement, transactionsAtMost } from "../port.js";
import { VaultRefusal } from "../vault-refusal.js";
import { cardKey, keysOf, refusing } from "./card-values.js";
import { wipeCard } from "./sealed-card.js";
import { openedPayment, withOwnPin } from "./session.js";

/** The only answer that production needs: whoever declines needs no proof of it. */
const APPROVED = "00";

/** Keys that make no new cards any more still know their old ones. */
export function judgeCryptogram(ring: Keyring, list: ListedCard, ask: PaymentJudgement): IssuerVerdict {
  return judged(ring, ownPayment(ring, list, ask), ask);
}

function ownPayment(
  ring: Keyring,
  list: ListedCard,
  { secrets, application }: PaymentCardAsk,
): PaymentSecrets {
  const { payment, secrets: sealed } = openedPayment(ring, secrets, application, list);
  wipeCard(sealed);
  return payment;
}

/** Of any other card than the record's, and of one that is in use already, nothing is said but "wrong": cards in the field are none of the line's. */
function judged(ring: Keyring, payment: PaymentSecrets, { request }: PaymentJudgement): IssuerVerdict {
  const { masters, card } = payment;
  const [high = 0xff, low = 0xff] = request.data.atc;
  const own = request.pan === card.pan && request.psn === card.psn;
  if (!own || ((high << 8) | low) > transactionsAtMost) return { verdict: "wrong" };
  const key = cardKey(ring, masters.ac, "emv-ac", keysOf(payment), "check");
  try {
    return refusing(() => judgeByCardKey(nodeCrypto, key, request, APPROVED));
  } finally {
    key.fill(0);
  }
}

/** None but what a good card is left by as it was: with others, or for other cards, this would be the issuer's host. */
export function paymentScripts(ring: Keyring, list: ListedCard, ask: PaymentJudgement): Command[] {
  const payment = ownPayment(ring, list, ask);
  // A script is an answer to a card that has proved itself, and to no other.
  if (judged(ring, payment, ask).verdict === "wrong")
    throw new VaultRefusal(
      `record ${String(ask.secrets.record)}: the cryptogram is wrong, or of another card: no script is made for it`,
    );
  const { masters, profile } = payment;
  const whose = keysOf(payment);
  const integrity = cardKey(ring, masters.smi, "emv-smi", whose, "check");
  const confidentiality = cardKey(ring, masters.smc, "emv-smc", whose, "check");
  const session = new ScriptSession(nodeCrypto, { integrity, confidentiality }, ask.request.cryptogram);
  try {
    return refusing(() => [
      withPinBlock(ring, list, ask, (block) => session.pinChange(block)),
      session.pinUnblock(),
      session.putData(LOWER_LIMIT, Uint8Array.of(profile.offlineLimits.lower)),
    ]);
  } finally {
    session.wipe();
    integrity.fill(0);
    confidentiality.fill(0);
  }
}

/** 9F14, lower consecutive offline limit. */
const LOWER_LIMIT = 0x9f14;

/** The block, ISO 9564 format 2, lives as long as `work`. */
const withPinBlock = <T>(
  ring: Keyring,
  list: ListedCard,
  ask: PaymentCardAsk,
  work: (block: Uint8Array) => T,
): T =>
  withOwnPin(ring, list, ask, (pin) => {
    const block = pinBlock2(pin);
    try {
      return work(block);
    } finally {
      block.fill(0);
    }
  });

/** With a key of the caller's own this would be "give me the PIN": it must be of the pair that was drawn for this card. */
export function encipherPin(
  ring: Keyring,
  list: ListedCard,
  ask: Parameters<Hsm["encipherPin"]>[0],
): Uint8Array {
  const { secrets, application, publicKey, challenge } = ask;
  const { secrets: card } = openedPayment(ring, secrets, application, list);
  const own = card.icc?.modulus;
  wipeCard(card);
  if (own === undefined || !equal(own, publicKey.modulus) || !equal(publicKey.exponent, Uint8Array.of(0x03)))
    throw new VaultRefusal(
      `record ${String(secrets.record)}: this public key is not of the pair that was drawn for the card; its PIN is enciphered for no other`,
    );
  return withPinBlock(ring, list, ask, (block) =>
    refusing(() => encipherPinForCard(nodeCrypto, publicKey, { block, challenge, random })),
  );
}
