/** Data preparation of payment cards inside the module: pairs, certificates, signatures, and the stripe for the encoder. */
import { createHash } from "node:crypto";
import { equal, hex, utf8 } from "@persoline/card/bytes";
import {
  certifyCard,
  DATA_AUTHENTICATION_CODE,
  type PreparedCard,
  preparePayment as prepareCard,
  recoverIccCertificate,
  recoverStaticData,
  signStaticData,
} from "@persoline/card/emv";
import { nodeCrypto, type RsaKeyPair } from "@persoline/card/node";
import type { KeyRef } from "@persoline/card/program";
import { random } from "../draw.js";
import type { IssuerSigner, Keyring } from "../keyring.js";
import type { ListedCard } from "../order-policy.js";
import { VaultRefusal } from "../vault-refusal.js";
import type { PaymentAsk, PaymentPrepared } from "../port.js";
import { openedPin, pinKeyUse, refusing } from "./card-values.js";
import { type IccKeys, wipePair } from "./icc-keys.js";
import { aidOf, bindingOf, type CardSecrets, sealCard } from "./sealed-card.js";
import { stripeFor } from "./tracks.js";

/** What is right before any key is drawn. */
interface Judged {
  readonly prepared: PreparedCard;
  readonly issuer?: KeyRef;
  /** Bytes of the card's own modulus, with DDA and CDA. */
  readonly iccBytes?: number;
}

/** Where the keys are found again after a lost connection, and the work is done anew. */
export type Again = <T>(work: () => T) => T;

/** One card of an open order. Throws VaultRefusal. */
export async function preparePayment(
  ring: Keyring,
  icc: IccKeys,
  again: Again,
  ask: PaymentAsk,
  list: ListedCard,
): Promise<PaymentPrepared> {
  const found = again(() => judged(ring, ask));
  const pair = found.iccBytes === undefined ? undefined : await pairFor(icc, ask, found.iccBytes);
  try {
    return again(() => made(ring, ask, found, pair, list));
  } finally {
    if (pair !== undefined) wipePair(pair);
  }
}

/** Every key is asked for now: one that is missing or at its end is told before a card moves. */
function judged(ring: Keyring, { application, profile, card, masters, seed }: PaymentAsk): Judged {
  if (application !== aidOf(profile))
    throw new VaultRefusal(`application ${application} is another one than the profile's ${aidOf(profile)}`);
  if (seed !== undefined && ring.environment === "live")
    throw new VaultRefusal("live cards have keys of chance: a seed makes test cards only");
  const prepared = refusing(() => prepareCard(profile, card));
  for (const use of ["ac", "smi", "smc", "cvk"] as const) ring.paymentMaster(masters[use], `emv-${use}`);
  ring.paymentMaster(masters.pvk, pinKeyUse(profile));
  const { issuerKey, proof } = profile;
  if (proof === "none" || issuerKey === undefined) return { prepared };
  const { issuer } = masters;
  if (issuer === undefined)
    throw new VaultRefusal(`proof "${proof}" needs an issuer's RSA key: name it in the product`);
  judgeCertificate(issuer, ring.issuerSigner(issuer), issuerKey);
  return { prepared, issuer, ...(proof === "sda" ? {} : { iccBytes: issuerKey.iccModulusBytes }) };
}

/** A certificate of another key than the module's would make cards that no terminal believes. */
function judgeCertificate(
  name: string,
  { modulus, publicKey, certificate }: IssuerSigner,
  { modulusBytes, certificate: said, authorityIndex }: NonNullable<PaymentAsk["profile"]["issuerKey"]>,
): void {
  const tail = modulus.subarray(modulus.length - said.remainder.length);
  const fits =
    modulus.length === modulusBytes &&
    equal(tail, said.remainder) &&
    equal(publicKey.exponent, said.exponent) &&
    (certificate === undefined ||
      (certificate.certificate === hex(said.certificate) && certificate.authorityIndex === authorityIndex));
  if (!fits)
    throw new VaultRefusal(
      `the product's issuer certificate is not of key ${name}: take the certificate of this key from the scheme's authority`,
    );
}

const seedOf = ({ order, record, application, seed = "" }: PaymentAsk): string =>
  `${seed}/ICC key/${order}/${record}/${application}`;

const pairFor = (icc: IccKeys, ask: PaymentAsk, bytes: number): Promise<RsaKeyPair> =>
  ask.seed === undefined ? icc.take(bytes) : icc.ofSeed(bytes, seedOf(ask));

/** The issuer's own number of a certificate: three bytes. */
const serialOf = (ask: PaymentAsk): Uint8Array =>
  ask.seed === undefined
    ? random(3)
    : new Uint8Array(
        createHash("sha256")
          .update(utf8(seedOf(ask)))
          .digest()
          .subarray(0, 3),
      );

function made(
  ring: Keyring,
  ask: PaymentAsk,
  { prepared, issuer }: Judged,
  pair: RsaKeyPair | undefined,
  list: ListedCard,
): PaymentPrepared {
  const { order, record, application, card } = ask;
  const { staticData } = prepared;
  const secrets = issuer === undefined ? {} : signed(ring.issuerSigner(issuer), ask, pair, staticData);
  const place = { order, record, application, policy: list.policy };
  const sealed = sealCard(ring, place, bindingOf(card, staticData), secrets);
  // Opened in any case: a PIN of another account or list is told before a card moves.
  const pin = openedPin(ring, { order, record, list }, ask, ask.sealedPin);
  try {
    if (ask.stripe !== true) return { sealed };
    return { sealed, stripe: stripeFor(ring, { order, record }, { ...ask, digits: pin }, "make") };
  } finally {
    pin.fill(0);
  }
}

/** Each signature is judged before it leaves: a wrong one would give the private key away (Boneh, DeMillo, Lipton), or make a dead card. */
function signed(
  signer: IssuerSigner,
  ask: PaymentAsk,
  pair: RsaKeyPair | undefined,
  staticData: Uint8Array,
): CardSecrets {
  return refusing(() => {
    const staticSignature = signStaticData(nodeCrypto, signer, DATA_AUTHENTICATION_CODE, staticData);
    recoverStaticData(nodeCrypto, signer.publicKey, staticSignature, staticData);
    if (pair === undefined) return { staticSignature };
    const { publicKey, privateKey } = pair;
    const certificate = certifyCard(nodeCrypto, signer, {
      record: ask.card,
      icc: { publicKey, serial: serialOf(ask) },
      staticData,
    });
    recoverIccCertificate(nodeCrypto, signer.publicKey, certificate, staticData);
    return { staticSignature, icc: { modulus: publicKey.modulus, privateKey, ...certificate } };
  });
}
