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
import type { PaymentSecrets, SealedSecrets } from "@persoline/card/program";
import { random } from "../draw.js";
import type { Keyring } from "../keyring.js";
import { VaultRefusal } from "../vault-refusal.js";
import type { Hsm, PaymentJudgement, PaymentScript } from "../port.js";
import { cardKey, openedPin, refusing } from "./card-values.js";
import { wipeCard } from "./sealed-card.js";
import { openedPayment } from "./session.js";

type Ask<Name extends "judgeCryptogram" | "paymentScripts" | "encipherPin"> = Parameters<Hsm[Name]>[0];

/** Keys that make no new cards any more still know their old ones. */
export function judgeCryptogram(ring: Keyring, ask: Ask<"judgeCryptogram">): IssuerVerdict {
  return judged(ring, ask, ask.responseCode);
}

function judged(
  ring: Keyring,
  { masters, option, request }: PaymentJudgement,
  responseCode: string,
): IssuerVerdict {
  const key = cardKey(ring, masters.ac, "emv-ac", { ...request, option }, "check");
  try {
    return refusing(() => judgeByCardKey(nodeCrypto, key, request, responseCode));
  } finally {
    key.fill(0);
  }
}

export function paymentScripts(ring: Keyring, ask: Ask<"paymentScripts">): Command[] {
  const { masters, option, request, scripts } = ask;
  // A script is an answer to a card that has proved itself, and to no other.
  if (judged(ring, ask, "00").verdict === "wrong")
    throw new VaultRefusal("the card's cryptogram is wrong: no script is made for it");
  const whose = { ...request, option };
  const integrity = cardKey(ring, masters.smi, "emv-smi", whose, "check");
  const confidentiality = cardKey(ring, masters.smc, "emv-smc", whose, "check");
  const session = new ScriptSession(nodeCrypto, { integrity, confidentiality }, request.cryptogram);
  try {
    return refusing(() =>
      scripts.map((script) =>
        script.do === "pin-change" ? ownPinSet(ring, session, ask, script) : secured(session, script),
      ),
    );
  } finally {
    session.wipe();
    integrity.fill(0);
    confidentiality.fill(0);
  }
}

type PinChange = Extract<PaymentScript, { do: "pin-change" }>;

/** To another card, or under keys that somebody else may have, this would be a way to read PINs. */
function ownPinSet(
  ring: Keyring,
  session: ScriptSession,
  { masters, option, request }: Ask<"paymentScripts">,
  { secrets, application }: PinChange,
): Command {
  const { payment, secrets: sealed } = openedPayment(ring, secrets, application);
  wipeCard(sealed);
  const { card, profile, masters: own } = payment;
  const same =
    card.pan === request.pan &&
    card.psn === request.psn &&
    profile.cryptogram.option === option &&
    (["ac", "smi", "smc"] as const).every((use) => own[use] === masters[use]);
  if (!same)
    throw new VaultRefusal(
      `record ${secrets.record}: the cryptogram is of another card, or under other keys: its PIN is set on no other`,
    );
  return withPinBlock(ring, secrets, payment, (block) => session.pinChange(block));
}

/** The block, ISO 9564 format 2, lives as long as `work`. */
function withPinBlock<T>(
  ring: Keyring,
  secrets: SealedSecrets,
  { pin: name }: PaymentSecrets,
  work: (block: Uint8Array) => T,
): T {
  const pin = openedPin(ring, secrets, name, secrets.pins[name]);
  const block = pinBlock2(pin);
  pin.fill(0);
  try {
    return work(block);
  } finally {
    block.fill(0);
  }
}

function secured(session: ScriptSession, script: Exclude<PaymentScript, PinChange>): Command {
  switch (script.do) {
    case "pin-unblock":
      return session.pinUnblock();
    case "application-block":
      return session.applicationBlock();
    case "application-unblock":
      return session.applicationUnblock();
    case "card-block":
      return session.cardBlock();
    case "put-data":
      return session.putData(script.tag, script.value);
  }
}

/** With a key of the caller's own this would be "give me the PIN": it must be of the pair that was drawn for this card. */
export function encipherPin(ring: Keyring, ask: Ask<"encipherPin">): Uint8Array {
  const { secrets, application, publicKey, challenge } = ask;
  const { payment, secrets: card } = openedPayment(ring, secrets, application);
  const own = card.icc?.modulus;
  wipeCard(card);
  if (own === undefined || !equal(own, publicKey.modulus) || !equal(publicKey.exponent, Uint8Array.of(0x03)))
    throw new VaultRefusal(
      `record ${secrets.record}: this public key is not of the pair that was drawn for the card; its PIN is enciphered for no other`,
    );
  return withPinBlock(ring, secrets, payment, (block) =>
    refusing(() => encipherPinForCard(nodeCrypto, publicKey, { block, challenge, random })),
  );
}
