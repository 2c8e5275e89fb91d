/**
 * What a record and its chip say of the few things that a card tells more than once: to be held against one another at quality control,
 * where print, raised characters and stripe are heard too.
 */
import { fromUtf8, hex } from "@persoline/card/bytes";
import { parseTlv } from "@persoline/card/tlv";
import type { Values } from "./content.js";
import type { PaymentRecord } from "@persoline/card/emv";
import type { PaymentFields } from "./gp/payment/model.js";

/** `number`: the card's (ISO/IEC 7812); `expiry`: the month it ends in; `name`: the holder's. */
export const things = ["number", "expiry", "name"] as const;
export type Thing = (typeof things)[number];
export type Sayings = Readonly<Partial<Record<Thing, string>>>;

export interface Told {
  /** By the record. */
  readonly record: Sayings;
  /** Names of the record's fields that say it: a text of the layout that holds one of them says it too. */
  readonly fields: Readonly<Partial<Record<Thing, readonly string[]>>>;
  /** By the chip, in the data objects of ISO/IEC 7816-6 and EMV: 5A, 5F24, 5F20. Proven by the time it is heard. */
  readonly chip: Sayings;
}

function luhn(digits: string): boolean {
  let sum = 0;
  for (const [at, digit] of Array.from(digits).reverse().entries()) {
    const value = Number(digit) * (at % 2 === 0 ? 1 : 2);
    sum += value > 9 ? value - 9 : value;
  }
  return sum % 10 === 0;
}

/** The only field whose value is a number as long as a card's with the right check digit (ISO/IEC 7812-1); undefined: none, or several. */
function numberField(values: Values): string | undefined {
  const found = Object.entries(values).flatMap(([field, value]) => {
    const digits = typeof value === "string" ? value.replaceAll(/[ -]/g, "") : "";
    return /^\d{12,19}$/.test(digits) && luhn(digits) ? [field] : [];
  });
  return found.length === 1 ? found[0] : undefined;
}

const said = (pairs: readonly (readonly [Thing, string | readonly string[] | undefined])[]): Sayings =>
  Object.fromEntries(pairs.filter(([, text]) => typeof text === "string" && text !== ""));

/** Of a payment card: the record is the card, and its transaction proves the chip against it. */
export function paymentTold(fields: PaymentFields, { pan, expiry, name }: PaymentRecord): Told {
  const says = { number: pan, expiry, name };
  return {
    record: says,
    fields: {
      number: [fields.pan, "embossedPan"],
      expiry: [fields.expiry, "validThru"],
      name: [fields.name, "embossedName"],
    },
    chip: says,
  };
}

/** Of other cards: name and validity as the access register has them, and whatever number is a card's. `own`: the record's fields alone. */
export function recordTold(
  register:
    | { readonly name?: string | undefined; readonly validUntil?: string | undefined }
    | "none"
    | undefined,
  own: Values,
  chip: Sayings,
): Told {
  const { name, validUntil } = register === "none" || register === undefined ? {} : register;
  const number = numberField(own);
  const of = (field: string | undefined): string | readonly string[] | undefined =>
    field === undefined ? undefined : own[field];
  const named = (field: string | undefined): readonly string[] => (field === undefined ? [] : [field]);
  return {
    record: said([
      ["number", of(number)],
      ["expiry", of(validUntil)],
      ["name", of(name)],
    ]),
    fields: { number: named(number), expiry: named(validUntil), name: named(name) },
    chip,
  };
}

/** What files say that hold data objects. Others say nothing. */
export function chipSays(files: readonly Uint8Array[]): Sayings {
  const pairs: (readonly [Thing, string])[] = [];
  for (const bytes of files) {
    let objects: readonly { readonly tag: number; readonly value: Uint8Array }[];
    try {
      objects = parseTlv(bytes);
    } catch {
      continue;
    }
    for (const { tag, value } of objects) {
      if (tag === 0x5a) pairs.push(["number", hex(value).replace(/F$/, "")]);
      if (tag === 0x5f24) pairs.push(["expiry", hex(value)]);
      if (tag === 0x5f20) pairs.push(["name", fromUtf8(value)]);
    }
  }
  return said(pairs);
}
