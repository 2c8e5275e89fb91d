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
