import { concat, unhex, utf8 } from "@persoline/card/bytes";
import { encodeTlv, tlv } from "@persoline/card/tlv";

/** What a record's templates can say: its fields, and `order`, `record`, `cardNumber`. */
export type Values = Readonly<Record<string, string | readonly string[]>>;

/** One value of a product file's `write`. */
export type ValueForm =
  | string
  | { readonly text: string }
  | { readonly date: string }
  | { readonly number: string; readonly bytes: number }
  | { readonly digits: string }
  | { readonly hex: string };

const placeholder = /\{([A-Za-z][A-Za-z0-9-]*)(?::(\d))?\}/g;

export const templateOf = (form: ValueForm): string | undefined => {
  if (typeof form === "string") return form;
  if ("text" in form) return form.text;
  if ("date" in form) return form.date;
  if ("number" in form) return form.number;
  return "digits" in form ? form.digits : undefined;
};

/** The names a template asks for. */
export const fieldsOf = (template: string): string[] =>
  [...template.matchAll(placeholder)].map((found) => found[1] ?? "");

/** What stands in braces but is no placeholder, as `{na me}`; undefined when all is well. */
export const strayBrace = (template: string): string | undefined =>
  /[{}].{0,20}/.exec(template.replaceAll(placeholder, ""))?.[0];

/** The template with all fields in place; a list is joined by ", "; a field that the record lacks is empty. */
export function fill(template: string, values: Values): string {
  return template.replaceAll(placeholder, (_, name: string, width?: string) => {
    const value = values[name] ?? "";
    const text = typeof value === "string" ? value : value.join(", ");
    return width === undefined ? text : text.padStart(Number(width), "0");
  });
}

/** Why a value cannot be written, in words without the value itself. */
export class ContentProblem extends Error {
  override readonly name = "ContentProblem";
}

/** The bytes of one value; empty when its template filled in is empty. Throws ContentProblem. */
export function valueBytes(form: ValueForm, values: Values): Uint8Array {
  if (typeof form === "string") return utf8(fill(form, values));
  if ("hex" in form) return unhex(form.hex);
  if ("text" in form) return utf8(fill(form.text, values));
  const text = fill(templateOf(form) ?? "", values);
  if (text === "") return new Uint8Array(0);
  if ("date" in form) {
    const [, year = "", month = "", day = ""] = /^\d\d(\d\d)-(\d\d)-(\d\d)$/.exec(text) ?? [];
    if (year === "") throw new ContentProblem("is not an ISO 8601 date (YYYY-MM-DD)");
    return unhex(year + month + day);
  }
  if (!/^\d{1,30}$/.test(text)) throw new ContentProblem("has something else than decimal digits");
  if ("digits" in form) return unhex(text.length % 2 === 0 ? text : `${text}F`);
  const digits = BigInt(text)
    .toString(16)
    .padStart(2 * form.bytes, "0");
  if (digits.length > 2 * form.bytes) throw new ContentProblem(`does not fit in ${form.bytes} bytes`);
  return unhex(digits);
}

/** BER-TLV objects in order; empty values leave their object out (ISO/IEC 7816-4, 5.2.2). */
export function tlvBytes(
  objects: readonly (readonly [tag: string, form: ValueForm])[],
  values: Values,
): Uint8Array {
  return concat(
    ...objects.map(([tag, form]) => {
      const value = valueBytes(form, values);
      return value.length === 0 ? value : encodeTlv(tlv(Number.parseInt(tag, 16), value));
    }),
  );
}

/** The least bytes a text of so many characters takes inside its TLV object. */
export const leastTlv = (tag: string, characters: number): number =>
  tag.length / 2 + (characters < 0x80 ? 1 : characters < 0x100 ? 2 : 3) + characters;

/** Filled up with FF as erased memory is: for EF records, which are always whole. */
export function filled(bytes: Uint8Array, length: number): Uint8Array {
  const all = new Uint8Array(length).fill(0xff);
  all.set(bytes);
  return all;
}
