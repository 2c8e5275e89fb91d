import type { Tell } from "../orders/yaml.js";
import type { ProductFile } from "./product-schema.js";

/** Columns of the input and their rules. */
export function checkPerson(product: Pick<ProductFile, "person">, tell: Tell): void {
  const columns = new Set<string>();
  for (const [field, rules] of Object.entries(product.person)) {
    const path = ["person", field] as const;
    if (["order", "record", "cardNumber"].includes(field)) {
      tell(path, "field-reserved", `"${field}" is filled in by the line`, "give the field another name");
    }
    if (columns.has(rules.column))
      tell([...path, "column"], "column-twice", "two fields use this column", "give each its own column");
    columns.add(rules.column);
    if (
      rules.from !== undefined &&
      rules.max !== undefined &&
      rules.from.some((one) => one.length > (rules.max ?? 0))
    ) {
      tell(
        [...path, "max"],
        "never-fits",
        "an allowed value is longer than this",
        "raise max, or shorten the value",
      );
    }
    const wrong = rules.pattern === undefined ? undefined : patternFault(rules.pattern);
    if (wrong !== undefined) tell([...path, "pattern"], "bad-pattern", wrong.what, wrong.remedy);
  }
}

/** The access register's fields exist and are of their kind. */
export function checkRegister(
  { register, person }: Pick<ProductFile, "register" | "person">,
  tell: Tell,
): void {
  if (register === undefined || register === "none") return;
  for (const [role, field] of Object.entries(register)) {
    if (field === undefined) continue;
    const path = ["register", role] as const;
    const rules = person[field];
    if (rules === undefined) {
      tell(
        path,
        "unknown-field",
        `there is no field ${field}`,
        `use one of ${Object.keys(person).join(", ")}`,
      );
    } else if (role.startsWith("valid-") && rules.type !== "date") {
      tell(path, "not-a-date", `${field} is no date`, 'give the field "type: date", or name another');
    } else if (role === "zones" && rules.list === undefined) {
      tell(path, "not-a-list", `${field} is no list`, 'give the field "list:", or name another');
    } else if (rules.type === "photo") {
      tell(path, "photo", `${field} is a photo`, "name a field with text");
    }
  }
}

/**
 * Patterns meet every cell of an order, so only such as need time in proportion to the cell are taken: no look-around, no references back,
 * no repeated groups, one open-ended repetition.
 */
function patternFault(text: string): { readonly what: string; readonly remedy: string } | undefined {
  try {
    RegExp(text, "u");
  } catch {
    return {
      what: "this is no regular expression",
      remedy: "correct it; it is matched against the whole value",
    };
  }
  const bare = text.replaceAll(/\\[^1-9k]|\[(?:\\.|[^\]])*\]/g, "x");
  if (/\\[1-9k]|\(\?[=!<]/.test(bare)) {
    return { what: "look-around and references back can take endless time", remedy: "say it without them" };
  }
  if (/\)[*+{]/.test(bare)) {
    return {
      what: "a repeated group can take endless time",
      remedy: "repeat single characters or classes only",
    };
  }
  if ((bare.match(/[*+]|\{\d+,\}/g) ?? []).length > 1) {
    return {
      what: "two open-ended repetitions can take endless time",
      remedy: "give all but one an upper limit, as {1,8}",
    };
  }
  return undefined;
}
