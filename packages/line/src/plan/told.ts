/**
 * What a record and its chip say of the few things that a card tells more than once: to be held against one another at quality control,
 * where print, raised characters and stripe are heard too.
 */
import { fromUtf8, hex } from "@persoline/card/bytes";
import { parseTlv } from "@persoline/card/tlv";
import { type PlainForm, templateOf, type ValueForm, type Values } from "./content.js";
import type { ContentModel } from "./product-model.js";
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
  /** By the chip: in the data objects of ISO/IEC 7816-6 and EMV (5A, 5F24, 5F20), or as a field of those above. Proven by the time it is heard. */
  readonly chip: Sayings;
  /** What else of the record's texts stands in the chip just so, by field: an employee's number, a department. Both name the same fields. */
  readonly others?: { readonly record: Texts; readonly chip: Texts };
}

type Texts = Readonly<Record<string, string>>;
/** What a chip was proven to hold. */
export interface ChipSays {
  readonly things: Sayings;
  readonly fields: Texts;
  /** Fields that stand in the objects of the few things: of a record without a register they are the name, the number, the day. */
  readonly of?: Readonly<Partial<Record<Thing, string>>>;
}

/** One content of a chip that a proof shows, and what it is made of where the product says it. */
export interface ShownContent {
  readonly bytes: Uint8Array;
  readonly content?: ContentModel;
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

/**
 * Of other cards: name and validity as the access register has them, and whatever number is a card's. `own`: the record's fields alone;
 * `values`: with what the line adds.
 */
export function recordTold(
  register:
    | { readonly name?: string | undefined; readonly validUntil?: string | undefined }
    | "none"
    | undefined,
  own: Values,
  chip: ChipSays,
  values: Values = own,
): Told {
  const known = register === "none" || register === undefined ? {} : register;
  const { name = chip.of?.name, validUntil = chip.of?.expiry } = known;
  const number = numberField(own) ?? chip.of?.number;
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
    chip: {
      ...said([
        ["number", number === undefined ? undefined : chip.fields[number]],
        ["expiry", validUntil === undefined ? undefined : chip.fields[validUntil]],
        ["name", name === undefined ? undefined : chip.fields[name]],
      ]),
      ...chip.things,
    },
    ...othersOf(chip.fields, values, [number, validUntil, name]),
  };
}

/** Texts of the record that the chip says just so, but for the few things above. */
function othersOf(
  chip: Texts,
  values: Values,
  things: readonly (string | undefined)[],
): Pick<Told, "others"> {
  const fields = Object.keys(chip).filter(
    (field) => !things.includes(field) && typeof values[field] === "string",
  );
  if (fields.length === 0) return {};
  const of = (texts: Values): Texts =>
    Object.fromEntries(fields.map((field) => [field, String(texts[field])]));
  return { others: { record: of(values), chip: of(chip) } };
}

const TAGS: Readonly<Record<number, Thing>> = { 0x5a: "number", 0x5f24: "expiry", 0x5f20: "name" };

/** What contents say that hold data objects, or one field of the record as it is. Others say nothing. */
export function chipSays(contents: readonly ShownContent[]): ChipSays {
  const pairs: (readonly [Thing, string])[] = [];
  const fields: Record<string, string> = {};
  const of: Partial<Record<Thing, string>> = {};
  for (const { bytes, content } of contents) {
    if (content?.kind === "value") Object.assign(fields, fieldSaid(content.form, bytes));
    if (content?.kind === "value" || content?.kind === "records" || content?.kind === "list") continue;
    const objects = objectsIn(bytes);
    for (const { tag, value } of objects) {
      const about = TAGS[tag];
      if (about === undefined) continue;
      const text = about === "name" ? textIn(value) : hex(value).replace(/F$/, "");
      if (text !== undefined) pairs.push([about, text]);
    }
    for (const [name, form] of content?.objects ?? []) {
      const tag = Number.parseInt(name, 16);
      const object = objects.find((one) => one.tag === tag);
      if (object === undefined) continue;
      const own = fieldSaid(form, object.value);
      Object.assign(fields, own);
      const [field] = Object.keys(own);
      const about = TAGS[tag];
      if (about !== undefined && field !== undefined) of[about] ??= field;
    }
  }
  return { things: said(pairs), fields, of };
}

/** Nothing where the bytes are no data objects. */
function objectsIn(bytes: Uint8Array): readonly { readonly tag: number; readonly value: Uint8Array }[] {
  try {
    return parseTlv(bytes);
  } catch {
    return [];
  }
}

const isPlain = (form: ValueForm): form is PlainForm =>
  typeof form === "string" || !("parts" in form || "objects" in form);

/** The one field that a value is made of, with its text read out of the chip's own bytes. Dates are YYMMDD there. */
function fieldSaid(form: ValueForm, bytes: Uint8Array): Texts {
  if (!isPlain(form)) return {};
  const [, field] = /^\{([A-Za-z][A-Za-z0-9-]*)\}$/.exec(templateOf(form) ?? "") ?? [];
  if (field === undefined) return {};
  if (typeof form === "string" || "text" in form) {
    const text = textIn(bytes);
    return text === undefined ? {} : { [field]: text };
  }
  if ("date" in form) return { [field]: hex(bytes) };
  return "digits" in form ? { [field]: hex(bytes).replace(/F$/, "") } : {};
}

/** Without what fills a fixed length up. */
function textIn(bytes: Uint8Array): string | undefined {
  const filling = (byte: number): boolean => byte === 0xff || byte === 0x00;
  const end = bytes.findLastIndex((byte) => !filling(byte)) + 1;
  try {
    return fromUtf8(bytes.subarray(0, end));
  } catch {
    return undefined;
  }
}
