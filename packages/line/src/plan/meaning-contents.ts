import { unhex } from "@persoline/card/bytes";
import type { Tell, YamlPath } from "../orders/yaml.js";
import {
  fieldsOf,
  isTag,
  leastTlv,
  type PlainForm,
  plainForms,
  strayBrace,
  templateOf,
  type ValueForm,
  wrongTags,
} from "./content.js";
import { type EfEntry, isDf, type ProductFile } from "./product-schema.js";

type People = Pick<ProductFile, "person">;

const known = (product: People): string[] => [
  ...Object.keys(product.person),
  "order",
  "record",
  "cardNumber",
];

export function checkTemplate(text: string, path: YamlPath, product: People, tell: Tell): void {
  const stray = strayBrace(text);
  if (stray !== undefined) {
    tell(path, "bad-template", `a brace is left over at "${stray}"`, "write a field as {name}");
  }
  for (const field of fieldsOf(text)) {
    if (!known(product).includes(field)) {
      tell(path, "unknown-field", `there is no field "${field}"`, `use one of ${known(product).join(", ")}`);
    } else if (product.person[field]?.type === "photo") {
      tell(
        path,
        "photo-in-text",
        `"${field}" is a picture`,
        "pictures belong to the layout, not into a file",
      );
    }
  }
}

/** The number under which a card is known outside its chip. */
export function checkCardNumber(product: Pick<ProductFile, "card-number">, tell: Tell): void {
  for (const field of fieldsOf(product["card-number"])) {
    if (!["order", "record"].includes(field)) {
      tell(
        ["card-number"],
        "personal-number",
        `the card number names "${field}"`,
        "make it of {order} and {record} only: it stands in accounts and letters",
      );
    }
  }
}

/** What goes into the files: templates that lead somewhere, values that fit. */
export function checkContents(product: ProductFile, tell: Tell): void {
  checkCardNumber(product, tell);
  const efs = new Map(product.files.flatMap((entry) => (isDf(entry) ? [] : [[entry.ef, entry] as const])));
  for (const [name, content] of Object.entries(product.write)) {
    const path = ["write", name] as const;
    const ef = efs.get(name);
    if (ef === undefined) {
      tell(path, "unknown-file", `there is no EF "${name}"`, `use one of ${[...efs.keys()].join(", ")}`);
      continue;
    }
    if (ef.type === "cyclic" || ef.type === "linear-variable") {
      tell(
        path,
        "not-resumable",
        `records of a ${ef.type} EF cannot be written here: after an interruption nobody could tell how many there are`,
        "leave it empty, or make the EF linear-fixed",
      );
      continue;
    }
    if ("records" in content) checkRecords(content.records, ef, path, product, tell);
    else if ("record" in ef) {
      tell(path, "wrong-content", `EF ${name} has records`, "give `records:` for it");
    } else if ("tlv" in content) checkTlv(content.tlv, ef.size, path, product, tell);
    else checkValue(content.value, ef.size, [...path, "value"], product, tell);
  }
}

export function checkTlv(
  objects: Readonly<Record<string, ValueForm>>,
  size: number,
  path: YamlPath,
  product: People,
  tell: Tell,
): void {
  let least = 0;
  for (const [tag, form] of Object.entries(objects)) {
    const at = [...path, "tlv", tag];
    if (!isTag(tag) || ((unhex(tag)[0] ?? 0) & 0x20) !== 0) {
      tell(
        at,
        "bad-tag",
        `${tag} is not the tag of a primitive object`,
        "use tags as 5F20, DF01, 84 (b6 of the first byte 0)",
      );
    }
    least += leastTlv(tag, checkValue(form, size, at, product, tell));
  }
  if (least > size) {
    tell(
      path,
      "too-long",
      `the longest values take ${least} bytes or more, the EF has ${size}`,
      "make the EF larger, or the fields shorter",
    );
  }
}

/** Returns how many characters or bytes the longest value has at least. */
export function checkValue(
  form: ValueForm,
  room: number,
  path: YamlPath,
  product: People,
  tell: Tell,
): number {
  if (typeof form === "object" && "objects" in form) {
    for (const tag of wrongTags(form.objects)) {
      tell(
        [...path, "objects"],
        "bad-tag",
        `${tag} is not the tag of an object with such a value`,
        "give a list of objects to constructed tags (b6 of the first byte 1), and to no other",
      );
    }
  }
  const least = plainForms(form).reduce((sum, one) => sum + checkPlain(one, room, path, product, tell), 0);
  if (typeof form === "object" && ("parts" in form || "objects" in form) && least > room) {
    tell(
      path,
      "too-long",
      `the longest values take ${least} bytes or more, the file has ${room}`,
      "make the file larger, or the fields shorter",
    );
  }
  return least;
}

function checkPlain(form: PlainForm, room: number, path: YamlPath, product: People, tell: Tell): number {
  const template = templateOf(form);
  if (template === undefined) {
    const bytes = typeof form === "object" && "hex" in form ? form.hex.length / 2 : 0;
    if (bytes > room)
      tell(
        path,
        "too-long",
        `${bytes} bytes do not fit in ${room}`,
        "make the EF larger, or the constant shorter",
      );
    return bytes;
  }
  checkTemplate(template, path, product, tell);
  if (typeof form === "object" && "date" in form) return 3;
  if (typeof form === "object" && "number" in form) return form.bytes;
  const asked = typeof form === "object" && "bytes" in form ? form.bytes : undefined;
  const characters = fieldsOf(template).reduce((sum, field) => {
    const rules = product.person[field];
    return sum + (rules?.list === undefined ? (rules?.max ?? 0) : 0);
  }, 0);
  const packed = typeof form === "object" && ("digits" in form || "swapped" in form);
  const length = packed ? Math.ceil(characters / 2) : characters;
  if (length > (asked ?? room)) {
    tell(
      path,
      "too-long",
      `the field may have ${length} characters, there is room for ${asked ?? room} bytes`,
      "lower max, or make the file larger",
    );
  }
  return asked ?? length;
}

export function checkRecords(
  records: string | readonly ValueForm[],
  ef: EfEntry | { readonly ef: string; readonly record: number; readonly count: number },
  path: YamlPath,
  product: People,
  tell: Tell,
): void {
  const at = [...path, "records"];
  if (!("record" in ef)) {
    tell(at, "wrong-content", `EF ${ef.ef} is transparent`, "give `tlv:` or `value:` for it");
    return;
  }
  if (typeof records !== "string") {
    records.forEach((form, index) => checkValue(form, ef.record, [...at, index], product, tell));
    if (records.length > ef.count)
      tell(at, "too-many-records", `${records.length} records do not fit in ${ef.count}`, "raise count");
    return;
  }
  const field = /^\{([A-Za-z][A-Za-z0-9-]*)\}$/.exec(records)?.[1];
  const rules = field === undefined ? undefined : product.person[field];
  if (rules?.list === undefined) {
    tell(
      at,
      "not-a-list",
      `"${records}" is not a list field`,
      'name one field with `list:`, as "{premises}", or give a list of values',
    );
    return;
  }
  const long = rules.from?.find((one) => new TextEncoder().encode(one).length > ef.record);
  if (long !== undefined)
    tell(
      at,
      "too-long",
      `"${long}" does not fit in a record of ${ef.record} bytes`,
      "make the EF's records longer",
    );
  if ((rules.from?.length ?? 0) > ef.count) {
    tell(
      at,
      "too-many-records",
      `a person may have all ${rules.from?.length ?? 0} values, the EF has ${ef.count} records`,
      "raise count",
    );
  }
}
