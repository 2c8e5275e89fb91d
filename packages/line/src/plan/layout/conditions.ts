import type { Photos } from "./pictures.js";
import type { Condition } from "./template.js";
import type { FieldValues } from "./text.js";

/** Whether a part of a layout is drawn for a record. */
export function holds(when: Condition | undefined, values: FieldValues, photos: Photos): boolean {
  if (when === undefined) return true;
  const value = values[when.field];
  const list = value === undefined ? [] : typeof value === "string" ? [value] : value;
  const empty = list.every((one) => one.trim() === "") && photos[when.field] === undefined;
  const met =
    when.empty !== undefined
      ? empty === when.empty
      : when.has !== undefined
        ? list.includes(when.has)
        : [when.is ?? []].flat().includes(list.join(", "));
  return met !== when.not;
}
