import { CardProblem, concat } from "../../bytes/index.js";
import { type Crypto, kcvDes, type RsaCrt, type RsaPublicKey } from "../../crypto/index.js";
import type { NewDgi } from "../../globalplatform/index.js";
import {
  type Certificate,
  cardVerificationValue,
  iccMasterKey,
  pinBlock2,
  type PinDigits,
  pinVerificationText,
  SERVICE_CODE,
  type Signer,
  signIccCertificate,
  signStaticData,
  type StripeData,
  track1,
  track2,
  track2Equivalent,
} from "../basics.js";
import type { ModulePart, PaymentProfile, PaymentRecord, PreparedCard, PreparedDgi } from "./types.js";

/** Keys of an issuer, 16 bytes each, as they lie in a security module. `pvk`: of PIN verification values, or of IBM 3624. */
export interface IssuerMasterKeys {
  readonly ac: Uint8Array;
  readonly smi: Uint8Array;
  readonly smc: Uint8Array;
  readonly cvk: Uint8Array;
  readonly pvk: Uint8Array;
}

/** What a security module needs to fill a card in: only its own process holds such a thing. */
export interface IssuerSecrets {
  readonly keys: IssuerMasterKeys;
  readonly pin: PinDigits;
  /** With proof "sda" and above. */
  readonly signer?: Signer;
  /** With "dda" and "cda": the card's own pair, and the number of its certificate (3 bytes). */
  readonly icc?: {
    readonly publicKey: RsaPublicKey;
    readonly privateKey: RsaCrt;
    readonly serial: Uint8Array;
  };
}

/** Everything in clear, ready for STORE DATA and stripe: only within the security module. */
export interface IssuedCard {
  readonly dgis: readonly NewDgi[];
  readonly track1: string;
  readonly track2: string;
}

/** The card's three master keys; the caller wipes them. */
export function cardKeys(
  crypto: Crypto,
  keys: Pick<IssuerMasterKeys, "ac" | "smi" | "smc">,
  card: Pick<PaymentRecord, "pan" | "psn">,
  option: PaymentProfile["cryptogram"]["option"],
): { readonly ac: Uint8Array; readonly smi: Uint8Array; readonly smc: Uint8Array } {
  const derived = (master: Uint8Array): Uint8Array => iccMasterKey(crypto, master, { ...card, option });
  return { ac: derived(keys.ac), smi: derived(keys.smi), smc: derived(keys.smc) };
}

/**
 * Fills in what preparation left open. `block`: of the session's data encryption, 8 under SCP02, 16 under SCP03. Throws CardProblem
 * `bad-key`, `bad-value`, and `bad-value` for a part whose length is another than prepared.
 */
export function issueCard(
  crypto: Crypto,
  ask: {
    readonly profile: PaymentProfile;
    readonly record: PaymentRecord;
    readonly prepared: PreparedCard;
    readonly secrets: IssuerSecrets;
    readonly block: 8 | 16;
  },
): IssuedCard {
  const { profile, record, prepared, secrets, block } = ask;
  const { pan, expiry } = record;
  const { ac, smi, smc } = cardKeys(crypto, secrets.keys, record, profile.cryptogram.option);
  const { pin } = secrets;
  const verification = pinVerificationText(crypto, secrets.keys.pvk, {
    pan,
    pin,
    said: profile.pinVerification,
  });
  const stripeFor = (serviceCode: string): StripeData =>
    verifiedStripe(profile, record, {
      pin: verification,
      cvv: cardVerificationValue(crypto, secrets.keys.cvk, { pan, expiry, serviceCode }),
    });
  const certificate = iccCertificate(crypto, ask);
  const values: Readonly<Record<ModulePart["secret"], (part: ModulePart) => Uint8Array | undefined>> = {
    "emv-keys": () => concat(ac, smi, smc),
    "emv-key-checks": () => concat(...[ac, smi, smc].map((key) => kcvDes(crypto, key))),
    "emv-pin": () => pinBlock2(secrets.pin),
    "emv-icc-key": (part) => (part.secret === "emv-icc-key" ? secrets.icc?.privateKey[part.part] : undefined),
    "emv-icc-certificate": (part) =>
      part.secret === "emv-icc-certificate" ? certificate?.[part.part] : undefined,
    "emv-static-signature": () =>
      secrets.signer && signStaticData(crypto, secrets.signer, DATA_AUTHENTICATION_CODE, prepared.staticData),
    "emv-track2": () => track2Equivalent(stripeFor(SERVICE_CODE.chip)),
  };
  const dgis = prepared.dgis.map((dgi) => filled(dgi, values, block));
  for (const key of [ac, smi, smc]) key.fill(0);
  const stripe = stripeFor(profile.serviceCode);
  return { dgis, track1: track1({ ...stripe, name: record.name }), track2: track2(stripe) };
}

function iccCertificate(
  crypto: Crypto,
  { profile, record, prepared, secrets }: Parameters<typeof issueCard>[1],
): Certificate | undefined {
  const { icc, signer } = secrets;
  if (icc === undefined || signer === undefined || profile.issuerKey === undefined) return undefined;
  return certifyCard(crypto, signer, { record, icc, staticData: prepared.staticData });
}

/** 9F45 of every card: the issuer tells nothing by it. */
export const DATA_AUTHENTICATION_CODE = Uint8Array.of(0xda, 0xc0);

/** The card's own certificate, as long valid as the card. */
export function certifyCard(
  crypto: Crypto,
  signer: Signer,
  ask: {
    readonly record: Pick<PaymentRecord, "pan" | "expiry">;
    readonly icc: { readonly publicKey: RsaPublicKey; readonly serial: Uint8Array };
    readonly staticData: Uint8Array;
  },
): Certificate {
  const { pan, expiry } = ask.record;
  const content = { pan, expiry: `${expiry.slice(2)}${expiry.slice(0, 2)}`, ...ask.icc };
  return signIccCertificate(crypto, signer, content, ask.staticData);
}

/** What a track says with its verification values: of the PIN (with its key's index), and of the card on this track. */
export const verifiedStripe = (
  { serviceCode }: Pick<PaymentProfile, "serviceCode">,
  { pan, expiry }: Pick<PaymentRecord, "pan" | "expiry">,
  { pin, cvv }: { readonly pin: string; readonly cvv: string },
): StripeData => ({ pan, expiry, serviceCode, discretionary: `${pin}${cvv}` });

function filled(
  { id, parts, encrypted }: PreparedDgi,
  values: Readonly<Record<ModulePart["secret"], (part: ModulePart) => Uint8Array | undefined>>,
  block: 8 | 16,
): NewDgi {
  const value = concat(
    ...parts.map((part) => {
      if (part instanceof Uint8Array) return part;
      const bytes = values[part.secret](part);
      if (bytes?.length !== part.length)
        throw new CardProblem(
          "bad-value",
          `DGI ${id.toString(16).padStart(4, "0")}`,
          `the security module has no ${part.secret} of ${part.length} bytes`,
        );
      return bytes;
    }),
  );
  if (encrypted === undefined) return { id, value };
  const bare =
    encrypted === "whole-blocks" || (encrypted === "pad-80-if-needed" && value.length % block === 0);
  return { id, value, secret: bare ? "whole-blocks" : "pad-80" };
}
