import { nearest } from "../../orders/near.js";
import type { Said } from "../placed.js";
import { modifiers } from "./modifiers.js";

/** Values of one record, by field. */
export type FieldValues = Readonly<Record<string, string | readonly string[]>>;

type Modifier = { readonly name: string; readonly argument: string };
type Part =
  | { readonly literal: string }
  | { readonly field: string; readonly modifiers: readonly Modifier[] };

/** A text with `{field}` or `{field|modifier|modifier:argument}` in it. */
export interface TextTemplate {
  readonly source: string;
  readonly parts: readonly Part[];
  /** Fields it names. */
  readonly fields: readonly string[];
}

/** What is wrong with a text, and what to do. */
export interface TextProblem {
  readonly what: string;
  readonly remedy: string;
}

/** The template, or what is wrong with it. */
export function parseTemplate(source: string): TextTemplate | TextProblem {
  const parts: Part[] = [];
  let rest = source;
  while (rest !== "") {
    const open = rest.search(/[{}]/);
    if (open !== 0) {
      const literal = open < 0 ? rest : rest.slice(0, open);
      parts.push({ literal });
      rest = rest.slice(literal.length);
      continue;
    }
    const found = /^\{([A-Za-z][A-Za-z0-9]*)((?:\|[^{}|]+)*)\}/.exec(rest);
    if (found === null)
      return {
        what: `a field is written {name} or {name|modifier}, which is not so from character ${String(source.length - rest.length + 1)}`,
        remedy: "correct the text",
      };
    const [whole, field = "", tail = ""] = found;
    const list: Modifier[] = [];
    for (const word of tail.split("|").slice(1)) {
      const colon = word.indexOf(":");
      const name = colon < 0 ? word : word.slice(0, colon);
      const argument = colon < 0 ? "" : word.slice(colon + 1);
      const known = modifiers[name];
      if (known === undefined) {
        const near = nearest(name, Object.keys(modifiers));
        return {
          what: `"${name}" is not a modifier`,
          remedy: `${near === undefined ? "" : `did you mean "${near}"? `}there are ${Object.keys(modifiers).join(", ")}`,
        };
      }
      const wrong = known.wrong(argument);
      if (wrong !== undefined) return { what: `"${word}" ${wrong}`, remedy: `write ${known.write}` };
      list.push({ name, argument });
    }
    parts.push({ field, modifiers: list });
    rest = rest.slice(whole.length);
  }
  return {
    source,
    parts,
    fields: [...new Set(parts.flatMap((part) => ("field" in part ? [part.field] : [])))],
  };
}

function filled(part: Part, values: FieldValues): string {
  if ("literal" in part) return part.literal;
  const value = values[part.field] ?? "";
  const glue = part.modifiers.find(({ name }) => name === "join")?.argument ?? ", ";
  const text = typeof value === "string" ? value : value.join(glue);
  return part.modifiers.reduce(
    (done, { name, argument }) => modifiers[name]?.act(done, argument) ?? done,
    text,
  );
}

/** The text for one record, NFC; a field the record lacks is the empty text. */
export const fill = (template: TextTemplate, values: FieldValues): string =>
  template.parts
    .map((part) => filled(part, values))
    .join("")
    .normalize("NFC");

/** Modifiers after which a text is not that of its field in other letters. */
const changing: readonly string[] = ["short", "first", "fill", "check", "date"];

/** Which fields of the record a text says, each in its own words; nothing where it says none. */
export function saidBy(
  templates: readonly TextTemplate[],
  values: FieldValues,
): { readonly said?: readonly Said[] } {
  const said = templates.flatMap(({ parts }) =>
    parts.flatMap((part): Said[] => {
      const text = "field" in part ? filled(part, values).normalize("NFC") : "";
      if (!("field" in part) || text === "") return [];
      const changed = part.modifiers.some(({ name }) => changing.includes(name));
      return [{ field: part.field, text, ...(changed ? { changed } : {}) }];
    }),
  );
  return said.length === 0 ? {} : { said };
}
