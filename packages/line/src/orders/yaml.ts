import { isMap, isNode, isPair, isScalar, LineCounter, parseDocument } from "yaml";
import type { Document, Node } from "yaml";
import { z } from "zod";
import { nearest } from "./near.js";

/** One thing wrong with a YAML file, with the place to look at (1-based). */
export interface FileProblem {
  readonly file: string;
  readonly line: number;
  readonly column: number;
  /** Dotted way to the key: `files.1.size`. Empty: the file as a whole. */
  readonly path: string;
  readonly code: string;
  readonly message: string;
  readonly remedy: string;
}

export type YamlPath = readonly (string | number)[];

/** Notes a problem at a key. */
export type Tell = (path: YamlPath, code: string, message: string, remedy: string) => void;

export interface ReadYaml<T> {
  readonly value: T;
  /** Builds a problem at a key, for checks of meaning that come after the schema. */
  readonly problem: (path: YamlPath, code: string, message: string, remedy: string) => FileProblem;
}

export type YamlResult<T> =
  | ({ readonly ok: true } & ReadYaml<T>)
  | { readonly ok: false; readonly problems: readonly FileProblem[] };

/**
 * Reads a YAML 1.2 file (one document, no aliases) against a zod schema. Unknown keys, wrong types, doubled keys: all at once, each with
 * line and column. Reads nothing from disk: `file` is only for messages.
 */
export function strictYaml<S extends z.ZodType>(
  schema: S,
  text: string,
  file: string,
): YamlResult<z.output<S>> {
  const lines = new LineCounter();
  const document = parseDocument(text.replace(/^\uFEFF/, ""), { lineCounter: lines, version: "1.2" });
  const place = (offset: number) => {
    const { line, col } = lines.linePos(offset);
    return { line: Math.max(line, 1), column: Math.max(col, 1) };
  };
  if (document.errors.length > 0) {
    return {
      ok: false,
      problems: document.errors.map((error) => ({
        file,
        ...place(error.pos[0]),
        path: "",
        code: error.code === "DUPLICATE_KEY" ? "duplicate-key" : "yaml-syntax",
        message: error.message.split(" at line ")[0] ?? "this is not YAML",
        remedy:
          error.code === "DUPLICATE_KEY"
            ? "keep one of the two"
            : "correct the syntax (indentation with spaces, quotes in pairs)",
      })),
    };
  }
  const problem = (path: YamlPath, code: string, message: string, remedy: string): FileProblem => ({
    file,
    ...place(offsetOf(document, path, code === "unknown-key" ? "key" : "value")),
    path: path.join("."),
    code,
    message,
    remedy,
  });
  let plain: unknown;
  try {
    plain = document.toJS({ maxAliasCount: 0 });
  } catch {
    return {
      ok: false,
      problems: [
        problem([], "yaml-alias", "anchors and aliases are not read", "write the value out in full"),
      ],
    };
  }
  const result = schema.safeParse(plain);
  if (result.success) return { ok: true, value: result.data, problem };
  const problems = result.error.issues.flatMap((issue) => told(issue, schema, document, problem));
  return { ok: false, problems: problems.toSorted((a, b) => a.line - b.line || a.column - b.column) };
}

/** `file:line:column path: what is wrong; what to do`. */
export const problemText = (p: FileProblem): string =>
  `${p.file}:${p.line}:${p.column} ${p.path === "" ? "" : `${p.path}: `}${p.message}; ${p.remedy}`;

type Problem = ReadYaml<unknown>["problem"];

function told(
  issue: z.core.$ZodIssue,
  schema: z.core.$ZodType,
  document: Document,
  problem: Problem,
): FileProblem[] {
  const path = issue.path.map((step) => (typeof step === "number" ? step : String(step)));
  switch (issue.code) {
    case "unrecognized_keys":
      return issue.keys.map((key) => {
        const known = keysAt(schema, path);
        if (known.includes(key)) return misplaced(key, path, schema, document, problem);
        const meant = nearest(key, known);
        return problem(
          [...path, key],
          "unknown-key",
          `the key "${key}" is not known here`,
          meant === undefined ? "remove it, or correct its spelling" : `did you mean "${meant}"?`,
        );
      });
    case "invalid_type": {
      const source = sourceOf(document, path);
      if (source === undefined) {
        return [problem(path, "missing", "this key is missing", `add it (${issue.expected})`)];
      }
      if (issue.expected === "string" && typeof source.value !== "object") {
        return [
          problem(
            path,
            "unquoted",
            `without quotes YAML reads ${source.text} as ${reading(source.value)}`,
            `put it in quotes: "${source.text}"`,
          ),
        ];
      }
      return [
        problem(
          path,
          "wrong-type",
          `this must be ${article(issue.expected)}`,
          "see the schema named at the top of the file",
        ),
      ];
    }
    case "invalid_union": {
      if ("options" in issue) return [oneOf(issue.options, path, document, problem)];
      const branches = issue.errors.map((issues) =>
        issues.map((inner) => ({ ...inner, path: [...issue.path, ...inner.path] })),
      );
      const meant = branches.filter((issues) =>
        mayBeMeant(issues, path, sourceOf(document, path), keysAt(schema, path)),
      );
      // Values that are listed one by one are one list to whoever reads it.
      const listed = meant.map((issues) => valuesListed(issues, path));
      if (listed.length > 1 && listed.every((values) => values !== undefined))
        return [oneOf(listed.flat(), path, document, problem)];
      // Of the forms that this could be, the one with the least to correct is the one that was meant.
      const [best] = meant.toSorted((a, b) => corrections(a) - corrections(b) || depth(b) - depth(a));
      return best === undefined
        ? [problem(path, "wrong-form", "this has none of the forms that are allowed", formsAt(schema, path))]
        : best.flatMap((inner) => told(inner, schema, document, problem));
    }
    case "invalid_value":
      return [oneOf(issue.values.map(String), path, document, problem)];
    case "too_small":
    case "too_big":
      return [problem(path, "bad-value", ...outOfBounds(issue))];
    default:
      return [problem(path, "bad-value", issue.message, "correct the value")];
  }
}

/** What a form allows that is a list of values and nothing else. */
function valuesListed(issues: readonly z.core.$ZodIssue[], path: YamlPath): readonly unknown[] | undefined {
  const [first] = issues;
  return issues.length === 1 && first?.code === "invalid_value" && first.path.length === path.length
    ? first.values
    : undefined;
}

function oneOf(
  values: readonly unknown[],
  path: YamlPath,
  document: Document,
  problem: Problem,
): FileProblem {
  const source = sourceOf(document, path);
  const known = values.map(String);
  if (source === undefined) {
    return problem(path, "missing", "this key is missing", `add it: ${known.join(" or ")}`);
  }
  const meant = nearest(source.text, known);
  return problem(
    path,
    "not-allowed",
    "this value is not one of those allowed",
    `${meant === undefined || known.length < 4 ? "" : `did you mean "${meant}"? `}use ${known.join(", ")}`,
  );
}

/** Another form has this key: of what was chosen here it is none. */
function misplaced(
  key: string,
  path: YamlPath,
  schema: z.core.$ZodType,
  document: Document,
  problem: Problem,
): FileProblem {
  const [choice] = schemasAt(schema, path).flatMap((one) =>
    one instanceof z.ZodDiscriminatedUnion ? [one.def.discriminator] : [],
  );
  const chosen = choice === undefined ? undefined : sourceOf(document, [...path, choice])?.value;
  const [what, remedy] =
    choice === undefined || typeof chosen !== "string"
      ? [`the key "${key}" does not go with the others here`, "remove it, or those of the other form"]
      : [`"${choice}: ${chosen}" takes no "${key}"`, `remove it, or choose another ${choice}`];
  return problem([...path, key], "unknown-key", what, remedy);
}

const counted: Readonly<Record<string, string>> = { string: "characters", array: "entries" };

/** In the schema's own words where it has some; the validator's are none for people. */
function outOfBounds(
  issue: z.core.$ZodIssueTooSmall | z.core.$ZodIssueTooBig,
): [message: string, remedy: string] {
  const { origin, message, inclusive = true } = issue;
  if (!/^Too (small|big): /.test(message)) return [message, "correct the value"];
  const small = issue.code === "too_small";
  const limit = String(small ? issue.minimum : issue.maximum);
  const least = small ? "at least" : "at most";
  const more = small ? "more than" : "less than";
  const what = counted[origin];
  const bound = `${inclusive ? least : more} ${limit}`;
  return what === undefined
    ? [`this must be ${bound}`, "correct the value"]
    : [`this must have ${bound} ${what}`, `write ${small ? "more" : "fewer"}`];
}

/** Whether a value of a union was meant to have this form: it is of its kind, and of a group of keys one at least is known, or nearly. */
function mayBeMeant(
  issues: readonly z.core.$ZodIssue[],
  path: YamlPath,
  source: ReturnType<typeof sourceOf>,
  known: readonly string[],
): boolean {
  return !issues.some(
    (issue) =>
      issue.path.length === path.length &&
      (issue.code === "invalid_type" ||
        (issue.code === "unrecognized_keys" &&
          issue.keys.length === source?.keys &&
          issue.keys.every((key) => nearest(key, known) === undefined))),
  );
}

/** "write a number or { number }: what that means", as far as the schema says. */
function formsAt(schema: z.core.$ZodType, path: YamlPath): string {
  const union = schemasAt(schema, path).find((one) => one instanceof z.ZodUnion);
  if (union === undefined) return "see the schema named at the top of the file";
  const forms = union.options.map((option) => formOf(option));
  const { description } = union;
  return `write ${[...new Set(forms)].join(" or ")}${description === undefined ? "" : `: ${description}`}`;
}

function formOf(schema: z.core.$ZodType): string {
  const [form = schema] = schemasAt(schema, []);
  if (form instanceof z.ZodObject) {
    const keys = Object.entries<z.core.$ZodType>(form.shape).filter(
      ([, inner]) => !(inner instanceof z.ZodOptional || inner instanceof z.ZodDefault),
    );
    return `{ ${keys.map(([key]) => `${key}: …`).join(", ")} }`;
  }
  if (form instanceof z.ZodEnum) return form.options.join(" or ");
  if (form instanceof z.ZodLiteral) return [...form.values].map(String).join(" or ");
  return article(form._zod.def.type);
}

const corrections = (issues: readonly z.core.$ZodIssue[]): number =>
  issues.reduce((sum, issue) => sum + (issue.code === "unrecognized_keys" ? issue.keys.length : 1), 0);

/** The keys a schema knows at a place; of a union, those of all its forms. */
const keysAt = (schema: z.core.$ZodType, path: YamlPath): string[] =>
  schemasAt(schema, path).flatMap((one) =>
    one instanceof z.ZodObject
      ? Object.keys(one.shape)
      : one instanceof z.ZodUnion
        ? one.options.flatMap((option) => keysAt(option, []))
        : [],
  );

/** The schemas of a place: several where the way leads through a union. */
function schemasAt(schema: z.core.$ZodType, path: YamlPath): z.core.$ZodType[] {
  if (schema instanceof z.ZodPipe) return schemasAt(schema.in, path);
  if (schema instanceof z.ZodOptional || schema instanceof z.ZodNullable || schema instanceof z.ZodDefault)
    return schemasAt(schema.unwrap(), path);
  const [step, ...rest] = path;
  if (step === undefined) return [schema];
  if (schema instanceof z.ZodObject) {
    const shape: Readonly<Record<string, z.core.$ZodType>> = schema.shape;
    const inner = shape[String(step)];
    return inner === undefined ? [] : schemasAt(inner, rest);
  }
  if (schema instanceof z.ZodUnion) return schema.options.flatMap((option) => schemasAt(option, path));
  if (schema instanceof z.ZodArray) return schemasAt(schema.element, rest);
  if (schema instanceof z.ZodRecord) return schemasAt(schema.valueType, rest);
  return [];
}

const depth = (issues: readonly { readonly path: readonly PropertyKey[] }[]): number =>
  Math.max(0, ...issues.map((inner) => inner.path.length));

const article = (expected: string): string =>
  ({
    object: "a group of keys",
    array: "a list",
    number: "a number",
    int: "a whole number",
    boolean: "true or false",
    record: "a group of keys",
  })[expected] ?? expected;

const reading = (value: unknown): string =>
  typeof value === "boolean"
    ? `the truth value ${value}`
    : typeof value === "number"
      ? `the number ${value}`
      : "nothing";

/** `keys`: how many a group has. */
function sourceOf(
  document: Document,
  path: YamlPath,
): { readonly text: string; readonly value: unknown; readonly keys?: number } | undefined {
  const node = document.getIn(path, true);
  if (node === undefined) return undefined;
  if (isScalar(node)) return { text: node.source ?? String(node.value), value: node.value };
  return { text: "", value: {}, ...(isMap(node) ? { keys: node.items.length } : {}) };
}

/** Where a key stands in a YAML text, 1-based; undefined: it is not there. */
export function placeInYaml(
  text: string,
  path: YamlPath,
): { readonly line: number; readonly column: number } | undefined {
  const lines = new LineCounter();
  const document = parseDocument(text.replace(/^\uFEFF/, ""), { lineCounter: lines, version: "1.2" });
  const offset = keyOffset(document, path, "key");
  if (offset === undefined) return undefined;
  const { line, col } = lines.linePos(offset);
  return { line: Math.max(line, 1), column: Math.max(col, 1) };
}

/** Where a key stands; for a missing one, the nearest thing around it that is there. */
function offsetOf(document: Document, path: YamlPath, part: "key" | "value"): number {
  for (let length = path.length; length >= 0; length--) {
    const offset = keyOffset(document, path.slice(0, length), part);
    if (offset !== undefined) return offset;
  }
  return 0;
}

function keyOffset(document: Document, path: YamlPath, part: "key" | "value"): number | undefined {
  const last = path.at(-1);
  const parent: unknown = path.length > 1 ? document.getIn(path.slice(0, -1), true) : document.contents;
  if (last === undefined) return rangeOf(document.contents);
  if (typeof parent !== "object" || parent === null || !("items" in parent) || !Array.isArray(parent.items)) {
    return undefined;
  }
  const items: readonly unknown[] = parent.items;
  for (const [at, item] of items.entries()) {
    if (isPair(item)) {
      const { key, value } = item;
      const name: unknown = isScalar(key) ? key.value : key;
      if (String(name) === String(last)) {
        return (
          (part === "value" && isScalar(value) ? rangeOf(value) : undefined) ??
          rangeOf(isNode(key) ? key : null)
        );
      }
    } else if (at === last) {
      return rangeOf(isNode(item) ? item : null);
    }
  }
  return undefined;
}

const rangeOf = (node: Node | null): number | undefined => node?.range?.[0];
