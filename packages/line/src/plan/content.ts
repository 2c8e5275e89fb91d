import { concat, unhex, utf8 } from "@persoline/card/bytes";
import { encodeTlv, tlv } from "@persoline/card/tlv";

/** What a record's templates can say: its fields, and `order`, `record`, `cardNumber`. */
export type Values = Readonly<Record<string, string | readonly string[]>>;

/** One value that does not consist of others. */
export type PlainForm =
  | string
  | { readonly text: string; readonly bytes?: number | undefined }
  | { readonly date: string }
  | { readonly number: string; readonly bytes: number }
  | { readonly digits: string }
  | { readonly swapped: string; readonly bytes?: number | undefined }
  | { readonly hex: string };

/** One BER-TLV object by its tag: its value, or the objects in it. */
export interface ObjectForm {
  readonly [tag: string]: PlainForm | readonly ObjectForm[];
}

/** One value of a product file's `write`. */
export type ValueForm =
  | PlainForm
  | { readonly parts: readonly PlainForm[] }
  | { readonly objects: readonly ObjectForm[] };

const placeholder = /\{([A-Za-z][A-Za-z0-9-]*)(?::(\d))?\}/g;

export const templateOf = (form: PlainForm): string | undefined => {
  if (typeof form === "string") return form;
  if ("text" in form) return form.text;
  if ("date" in form) return form.date;
  if ("number" in form) return form.number;
  if ("swapped" in form) return form.swapped;
  return "digits" in form ? form.digits : undefined;
};

/** The values that a value consists of, in their order. */
export function plainForms(form: ValueForm): readonly PlainForm[] {
  if (typeof form === "string") return [form];
  if ("parts" in form) return form.parts;
  return "objects" in form ? formsIn(form.objects) : [form];
}

const isNested = (form: PlainForm | readonly ObjectForm[]): form is readonly ObjectForm[] =>
  Array.isArray(form);

const formsIn = (objects: readonly ObjectForm[]): PlainForm[] =>
  objects.flatMap((object) =>
    Object.values(object).flatMap((inner) => (isNested(inner) ? formsIn(inner) : [inner])),
  );

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
  if ("parts" in form) return concat(...form.parts.map((part) => valueBytes(part, values)));
  if ("objects" in form) return objectBytes(form.objects, values);
  if ("hex" in form) return unhex(form.hex);
  if ("text" in form) return fixed(utf8(fill(form.text, values)), form.bytes);
  const text = fill(templateOf(form) ?? "", values);
  if (text === "") return "swapped" in form ? fixed(new Uint8Array(0), form.bytes) : new Uint8Array(0);
  if ("date" in form) {
    const [, year = "", month = "", day = ""] = /^\d\d(\d\d)-(\d\d)-(\d\d)$/.exec(text) ?? [];
    if (year === "") throw new ContentProblem("is not an ISO 8601 date (YYYY-MM-DD)");
    return unhex(year + month + day);
  }
  if (!/^\d{1,30}$/.test(text)) throw new ContentProblem("has something else than decimal digits");
  const even = text.length % 2 === 0 ? text : `${text}F`;
  if ("digits" in form) return unhex(even);
  if ("swapped" in form) return fixed(unhex(even.replaceAll(/(.)(.)/g, "$2$1")), form.bytes);
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

/** Filled up with FF to a length that was asked for. */
function fixed(bytes: Uint8Array, length: number | undefined): Uint8Array {
  if (length === undefined) return bytes;
  if (bytes.length > length) throw new ContentProblem(`does not fit in ${length} bytes`);
  return filled(bytes, length);
}

/** Objects in the order given; a constructed one holds those of its list. */
function objectBytes(objects: readonly ObjectForm[], values: Values): Uint8Array {
  return concat(
    ...objects.flatMap((object) =>
      Object.entries(object).map(([tag, inner]) => {
        const content = isNested(inner) ? objectBytes(inner, values) : valueBytes(inner, values);
        return encodeTlv(tlv(Number.parseInt(tag, 16), content));
      }),
    ),
  );
}

/** Tags of objects that hold a value where they should hold objects, or the other way round, and tags that are none. */
export function wrongTags(objects: readonly ObjectForm[]): string[] {
  return objects.flatMap((object) =>
    Object.entries(object).flatMap(([tag, inner]) => {
      const nested = isNested(inner);
      const fits = isTag(tag) && (((unhex(tag)[0] ?? 0) & 0x20) !== 0) === nested;
      return [...(fits ? [] : [tag]), ...(nested ? wrongTags(inner) : [])];
    }),
  );
}

/** A whole BER tag (ISO/IEC 7816-4, 5.2.2.1). */
export function isTag(tag: string): boolean {
  const [first = 0, ...rest] = unhex(tag);
  const whole =
    (first & 0x1f) === 0x1f
      ? rest.length > 0 && rest.every((byte, at) => byte >= 0x80 === at < rest.length - 1)
      : rest.length === 0;
  return first !== 0 && whole;
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
