import { unhex } from "@persoline/card/bytes";
import type { PaymentProfile } from "@persoline/card/emv";
import type { KeyRef, PaymentMasters } from "@persoline/card/program";
import type { PaymentFile } from "./schema.js";

/** How the holder's PIN comes about; no digit of it is here but those of a trivial one, which everybody knows. */
export type PinMethod =
  | { readonly method: "drawn" }
  | { readonly method: "derived"; readonly keys: KeyRef }
  | { readonly method: "trivial"; readonly digits: string }
  | {
      readonly method: "issuer";
      readonly field: string;
      readonly format: 0 | 1 | 3 | 4;
      readonly keys: KeyRef;
    };

export interface PaymentFields {
  readonly pan: string;
  readonly psn?: string;
  readonly expiry: string;
  readonly effective: string;
  readonly name: string;
}

/** A payment application of a product file, in the words of EMV. */
export interface PaymentModel {
  /** All but the issuer's certificate, which stands in a file of its own. */
  readonly profile: Omit<PaymentProfile, "issuerKey">;
  readonly iccModulusBytes: number;
  /** Both relative to the product file. */
  readonly certificate?: string;
  readonly authority?: string;
  readonly masters: PaymentMasters;
  readonly pin: {
    readonly by: PinMethod;
    readonly length: number;
    readonly tries: number;
    readonly letter: boolean;
  };
  readonly fields: PaymentFields;
  readonly stripe: boolean;
  readonly personalized: "security-domain" | "application";
}

/** What the record's PIN is called: a product has one payment application. */
export const PAYMENT_PIN = "pin";

export function paymentModel(file: PaymentFile, aid: Uint8Array): PaymentModel {
  const { pin, keys, fields, certificate, authority } = file;
  const { psn, ...needed } = fields;
  const { issuer, ...masters } = keys;
  const named = Object.fromEntries(Object.entries(masters).map(([use, name]) => [use, name as KeyRef]));
  return {
    profile: profileOf(file, aid),
    iccModulusBytes: file["icc-key"] / 8,
    ...(certificate === undefined ? {} : { certificate }),
    ...(authority === undefined ? {} : { authority }),
    masters: {
      ...(named as unknown as PaymentMasters),
      ...(issuer === undefined ? {} : { issuer: issuer as KeyRef }),
    },
    pin: { by: methodOf(pin), length: lengthOf(pin), tries: pin.tries, letter: pin.letter },
    fields: { ...needed, ...(psn === undefined ? {} : { psn }) },
    stripe: file.stripe,
    personalized: file.personalized,
  };
}

const lengthOf = ({ digits, length }: PaymentFile["pin"]): number => digits?.length ?? length;

/** The checks of meaning have seen to it that the parts of a method are there. */
function methodOf({ method, digits = "", keys, block }: PaymentFile["pin"]): PinMethod {
  if (method === "trivial") return { method, digits };
  if (method === "derived" && keys !== undefined) return { method, keys: keys as KeyRef };
  if (method === "issuer" && block !== undefined)
    return { method, field: block.field, format: block.format, keys: block.keys as KeyRef };
  return { method: "drawn" };
}

function profileOf(file: PaymentFile, aid: Uint8Array): PaymentModel["profile"] {
  const { label, language, issuer, country, currency, proof, actions, cryptogram, pin } = file;
  const { x, y } = file["cvm-amounts"];
  return {
    aid,
    label,
    language,
    issuer,
    country,
    currency,
    currencyExponent: file["currency-exponent"],
    serviceCode: file["service-code"],
    proof,
    cvm: {
      x,
      y,
      rules: file.cvm.map(({ method, when, "or-next": orNext }) => ({ method, when, orNext })),
    },
    actions: {
      default: unhex(actions.default),
      denial: unhex(actions.denial),
      online: unhex(actions.online),
    },
    usage: unhex(file.usage),
    applicationVersion: unhex(file.version),
    offlineLimits: file["offline-limits"],
    pinTries: pin.tries,
    cryptogram: {
      version: cryptogram.version,
      keyIndex: cryptogram["key-index"],
      option: cryptogram.option,
    },
    pinVerification: {
      keyIndex: pin["key-index"],
      ...(pin.verification === "pvv" ? { by: "pvv" } : { by: "offset", digits: lengthOf(pin) }),
    },
  };
}
