import { CardProblem, unhex } from "@persoline/card/bytes";
import type { KeyRef } from "@persoline/card/program";
import {
  isPan,
  luhnDigit,
  type PaymentProfile,
  type PaymentRecord,
  preparePayment,
} from "@persoline/card/emv";
import type { Values } from "../../content.js";
import type { PaymentFields, PinMethod } from "./model.js";
import type { PaymentPlan } from "./plan.js";

/** What a payment card needs of a record. */
export interface PaymentSource {
  readonly fields: PaymentFields;
  readonly pin?: { readonly by: PinMethod };
  readonly profile: PaymentProfile;
  /** No card outlives the issuer's certificate: YYMM. */
  readonly certified?: string;
}

/** One thing wrong with a record, told without its value. */
export interface PaymentFault {
  readonly field: string;
  readonly code: string;
  readonly message: string;
  readonly remedy: string;
}

const FIRST_SEQUENCE = "01";
const textOf = (values: Values, field: string): string => {
  const value = values[field];
  return typeof value === "string" ? value : "";
};

/** YYMM of `YYMM` or `MM/YY`; undefined: neither. */
function monthOf(text: string): string | undefined {
  const turned = /^(0[1-9]|1[0-2])\/([0-9]{2})$/.exec(text);
  if (turned !== null) return `${turned[2] ?? ""}${turned[1] ?? ""}`;
  return /^[0-9]{2}(?:0[1-9]|1[0-2])$/.test(text) ? text : undefined;
}

/**
 * The card of a record that `paymentFaults` finds nothing in. `attempt`: the record's so manieth card. A remake counts the sequence number
 * up, so that its keys are others than those of the card it takes the place of. Throws CardProblem.
 */
export function paymentCard({ fields }: PaymentSource, values: Values, attempt = 1): PaymentRecord {
  const psn = fields.psn === undefined ? FIRST_SEQUENCE : textOf(values, fields.psn);
  const counted = Number(psn) + attempt - 1;
  if (counted > 99)
    throw new CardProblem("bad-value", "PAN sequence number", "none is left for another remake");
  return {
    pan: textOf(values, fields.pan),
    psn: String(counted).padStart(2, "0"),
    expiry: monthOf(textOf(values, fields.expiry)) ?? "",
    effective: monthOf(textOf(values, fields.effective)) ?? "",
    name: textOf(values, fields.name).toUpperCase(),
  };
}

/** Everything that is wrong with a record as a payment card. */
export function paymentFaults(source: PaymentSource, values: Values): readonly PaymentFault[] {
  const { fields, profile, certified } = source;
  const found: PaymentFault[] = [];
  const tell = (field: string, code: string, message: string, remedy: string): void => {
    found.push({ field, code, message, remedy });
  };
  checkPan(textOf(values, fields.pan), profile, (code, message, remedy) => {
    tell(fields.pan, code, message, remedy);
  });
  if (fields.psn !== undefined && !/^[0-9]{2}$/.test(textOf(values, fields.psn)))
    tell(fields.psn, "sequence-number", "a PAN sequence number has two digits", "write it as 01");
  const [expiry, effective] = [fields.expiry, fields.effective].map((field) => {
    const month = monthOf(textOf(values, field));
    if (month === undefined)
      tell(field, "bad-month", "this is not a month", "write it as 3112 (YYMM) or 12/31 (MM/YY)");
    return month;
  });
  if (expiry !== undefined && effective !== undefined && effective > expiry)
    tell(
      fields.effective,
      "never-valid",
      "the card would expire before it is valid",
      "correct one of the dates",
    );
  if (expiry !== undefined && certified !== undefined && expiry > certified)
    tell(
      fields.expiry,
      "outlives-certificate",
      `the card would outlive the issuer's certificate, which ends ${certified.slice(2)}/${certified.slice(0, 2)}`,
      "give it an earlier date, or the product a newer certificate",
    );
  const by = source.pin?.by;
  if (by?.method === "issuer") {
    const digits = by.format === 4 ? 32 : 16;
    const text = textOf(values, by.field);
    if (text.length !== digits || !/^[0-9A-Fa-f]*$/.test(text))
      tell(
        by.field,
        "pin-block",
        `an enciphered PIN block of format ${by.format} has ${digits} hexadecimal digits`,
        "copy it anew",
      );
  }
  const name = textOf(values, fields.name).toUpperCase();
  if (!/^[A-Z .'/-]{2,26}$/.test(name) || name.split("/").length > 2)
    tell(
      fields.name,
      "embossed-name",
      "a name on stripe and chip has 2 to 26 characters of A to Z, space and . ' -, and at most one /",
      "write it as it is to be embossed, SURNAME/FIRST or FIRST SURNAME, without accents",
    );
  return found.length > 0 ? found : whole(source, values);
}

/** Whether all of it makes a card: the last word is that of who makes it. */
function whole(source: PaymentSource, values: Values): readonly PaymentFault[] {
  try {
    preparePayment(source.profile, paymentCard(source, values));
    return [];
  } catch (problem) {
    if (!(problem instanceof CardProblem)) throw problem;
    return [
      {
        field: source.fields.pan,
        code: "no-card",
        message: problem.message,
        remedy: "correct the record, or the product's payment application",
      },
    ];
  }
}

function checkPan(
  pan: string,
  { issuer }: PaymentProfile,
  tell: (code: string, message: string, remedy: string) => void,
): void {
  if (!/^[0-9]{12,19}$/.test(pan)) {
    const what = /^[0-9]*$/.test(pan) ? `${pan.length} digits` : "characters other than digits";
    tell("pan-form", `a PAN has 12 to 19 digits, this one ${what}`, "write the digits without spaces");
    return;
  }
  if (!isPan(pan))
    tell(
      "pan-check-digit",
      "the last digit does not agree with the others (ISO/IEC 7812-1)",
      "copy the number anew: digits are wrong or exchanged",
    );
  if (!pan.startsWith(issuer))
    tell("pan-issuer", "it is of another issuer", `the product's cards begin with ${issuer}`);
}

/** One card of a payment product, as the stations and the security module are told of it. */
export interface PreparedPayment {
  readonly plan: PaymentPlan;
  readonly card: PaymentRecord;
}

export const preparedPayment = (plan: PaymentPlan, values: Values, attempt?: number): PreparedPayment => ({
  plan,
  card: paymentCard(plan, values, attempt),
});

/** How PINs of this product come about, with nothing of any card; absent: they are drawn. */
export function pinWay({ pin: { by } }: PaymentPlan) {
  switch (by.method) {
    case "drawn":
      return undefined;
    case "issuer":
      return { method: by.method, keys: by.keys, format: by.format };
    default:
      return by;
  }
}

/** How the security module comes to this card's PIN; absent: it draws one. */
export function pinSource(
  { pin }: PaymentPlan,
  values: Values,
):
  | { readonly method: "trivial"; readonly digits: string }
  | { readonly method: "derived"; readonly keys: KeyRef }
  | {
      readonly method: "issuer";
      readonly keys: KeyRef;
      readonly format: 0 | 1 | 3 | 4;
      readonly block: Uint8Array;
    }
  | undefined {
  const { by } = pin;
  switch (by.method) {
    case "drawn":
      return undefined;
    case "trivial":
      return by;
    case "derived":
      return { method: "derived", keys: by.keys };
    case "issuer":
      return {
        method: "issuer",
        keys: by.keys,
        format: by.format,
        block: unhex(textOf(values, by.field)),
      };
  }
}

/** What layouts may name besides the record's own fields: the number in fours, both dates, the name as it is raised. */
export const embossedFields = ["embossedPan", "validFrom", "validThru", "embossedName"] as const;

export function embossedValues(source: PaymentSource, values: Values): Values {
  const { expiry, effective, ...card } = paymentCard(source, values);
  const month = (yymm: string): string => `${yymm.slice(2)}/${yymm.slice(0, 2)}`;
  const [surname = "", first = ""] = card.name.split("/");
  return {
    embossedPan: card.pan.match(/.{1,4}/g)?.join(" ") ?? "",
    validFrom: month(effective),
    validThru: month(expiry),
    embossedName: first === "" ? surname : `${first} ${surname}`,
  };
}

/** A PAN of this issuer that nobody has: for plans and examples. `nth`: another one each. */
export function specimenPan(issuer: string, nth = 0): string {
  const payload = issuer + String(nth).padStart(15 - issuer.length, "0");
  return payload + luhnDigit(payload);
}

/** Cards of nobody, to look at a layout with: an ordinary name, a long one, a short one. */
const specimenNames = [
  "LINDQVIST/MARIA",
  "NUNEZ DE BALBOA/JOSE ANGEL",
  "LI/ANN",
  "O'BRIEN/SIOBHAN M",
] as const;

/** Values of a specimen record for the fields that a payment card is made of. */
export function specimenFields({ fields, pin, profile, certified }: PaymentSource, nth: number): Values {
  const expiry = certified === undefined || certified > "3112" ? "3112" : certified;
  const effective = `${String(Number(expiry.slice(0, 2)) - 5).padStart(2, "0")}${expiry.slice(2)}`;
  return {
    [fields.pan]: specimenPan(profile.issuer, 471_100 + nth),
    ...(fields.psn === undefined ? {} : { [fields.psn]: FIRST_SEQUENCE }),
    [fields.expiry]: expiry,
    [fields.effective]: effective,
    [fields.name]: specimenNames[nth % specimenNames.length] ?? "",
    ...(pin?.by.method === "issuer" ? { [pin.by.field]: "0".repeat(16) } : {}),
  };
}
