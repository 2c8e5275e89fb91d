/** What a layout file means: inheritance, names, and fields that the product has. */
import type { z } from "zod";
import { nearest } from "../../orders/near.js";
import { strictYaml, type YamlPath } from "../../orders/yaml.js";
import type { AlphabetName } from "./alphabets.js";
import { type LayoutPlace, LayoutProblem } from "./problem.js";
import {
  artSchema,
  bodySchema,
  embossSchema,
  fieldSchema,
  layoutSchema,
  limitsSchema,
} from "./template-schema.js";
import { parseTemplate, type TextTemplate } from "./text.js";

type RawArt = z.output<typeof artSchema>;
export type RawField = z.output<typeof fieldSchema>;
export type Condition = NonNullable<RawArt["when"]>;

/** A shape of a layout, with a name even where the file gives none. */
export type Art = Exclude<RawArt, { draw: "svg" }> & { readonly name: string; readonly place: LayoutPlace };
export type SvgArt = Extract<RawArt, { draw: "svg" }> & {
  readonly name: string;
  readonly place: LayoutPlace;
  /** Text of the drawing's file. */
  readonly source: string;
  readonly sourceFile: string;
};

/** The keys of each kind that hold a text with fields in it. */
const templateKeys = {
  text: ["text"],
  ocr: ["text"],
  code: ["text"],
  emboss: ["text"],
  mrz: [
    "document",
    "state",
    "number",
    "optional1",
    "birth",
    "sex",
    "expiry",
    "nationality",
    "optional2",
    "surname",
    "given",
  ],
  stripe: ["track1", "track2", "track3"],
  photo: [],
  signature: [],
} as const satisfies Readonly<Record<RawField["kind"], readonly string[]>>;

type TemplateKey<K extends RawField["kind"]> = (typeof templateKeys)[K][number];
type Filled<F extends RawField> = F extends RawField
  ? {
      readonly [P in keyof F]: P extends TemplateKey<F["kind"]>
        ? F[P] extends string
          ? TextTemplate
          : TextTemplate | undefined
        : F[P];
    }
  : never;
export type LayoutField = Filled<RawField> & { readonly place: LayoutPlace };
export type FieldOf<K extends RawField["kind"]> = Extract<LayoutField, { kind: K }>;

export type EmbossField = Omit<z.output<typeof embossSchema>["lines"][number], "text" | "font"> & {
  readonly text: TextTemplate;
  readonly font: "7B" | "4B";
  readonly place: LayoutPlace;
};

export interface FaceTemplate {
  readonly side: "front" | "back";
  /** This side carries the contacts. */
  readonly chip: boolean;
  readonly dpi: 300 | 600;
  readonly alphabets: readonly AlphabetName[];
  readonly body: z.output<typeof bodySchema>;
  readonly limits: z.output<typeof limitsSchema>;
  readonly art: readonly (Art | SvgArt)[];
  readonly fields: readonly LayoutField[];
  readonly file: string;
}

export interface EmbossTemplate {
  readonly side: "front" | "back";
  readonly transliterate: "icao" | undefined;
  readonly lines: readonly EmbossField[];
  readonly file: string;
}

/** What a product offers to its layouts. */
export interface LayoutFields {
  /** Fields that texts may name. */
  readonly texts: readonly string[];
  readonly photos: readonly string[];
  /** The only ones a clear code may carry: opaque numbers, nothing about the person. */
  readonly codes: readonly string[];
}

/** Fetches a file that a layout names (its base, its artwork), relative to that layout; undefined when it cannot be read. */
export type LayoutReader = (
  relative: string,
  from: string,
) => { readonly file: string; readonly text: string } | undefined;

interface Read<T> {
  readonly value: T;
  readonly place: (path: YamlPath) => LayoutPlace;
}

/** Throws LayoutProblem with the file's first problem. */
export function readTemplate<S extends z.ZodType>(text: string, file: string, schema: S): Read<z.output<S>> {
  const result = strictYaml(schema, text, file);
  if (!result.ok) {
    const [first] = result.problems;
    throw new LayoutProblem(
      first?.code === "yaml-syntax" ? "not-yaml" : "wrong-layout",
      first === undefined ? { file } : { file, line: first.line, column: first.column },
      first?.path === "" ? undefined : first?.path,
      first?.message ?? "this is not a layout",
      first?.remedy ?? "see the JSON Schema of layouts",
    );
  }
  const place = (path: YamlPath): LayoutPlace => {
    const { line, column } = result.problem(path, "", "", "");
    return { file, line, column };
  };
  return { value: result.value, place };
}

/** A part of a layout and where each key of it stands: an heir's change stands in the heir. */
export interface Part<T> {
  readonly value: T;
  readonly name: string;
  readonly place: (path: YamlPath) => LayoutPlace;
}

interface Parts extends Omit<z.output<typeof layoutSchema>, "art" | "fields"> {
  readonly art: readonly Part<RawArt>[];
  readonly fields: readonly Part<RawField>[];
  readonly file: string;
}

const deepest = 5;

export const wrong = (
  at: LayoutPlace,
  field: string | undefined,
  what: string,
  remedy: string,
): LayoutProblem => new LayoutProblem("wrong-layout", at, field, what, remedy);

const meant = (name: string, known: readonly string[]): string => {
  const near = nearest(name, known);
  return near === undefined ? `use one of ${known.join(", ")}` : `did you mean "${near}"?`;
};

function changed<T extends { readonly [key: string]: unknown }>(
  part: Part<T>,
  change: Readonly<Record<string, unknown>>,
  schema: z.ZodType<T>,
  place: (path: YamlPath) => LayoutPlace,
): Part<T> {
  const result = schema.safeParse({ ...part.value, ...change });
  if (!result.success) {
    const [issue] = result.error.issues;
    const path = (issue?.path ?? []).map((step) => (typeof step === "number" ? step : String(step)));
    const key = issue?.code === "unrecognized_keys" ? issue.keys : path;
    throw wrong(
      place(["change", part.name, ...key]),
      part.name,
      issue?.message ?? "the change does not fit the field",
      "correct it, or see the schema named at the top of the file",
    );
  }
  const own = (path: YamlPath): LayoutPlace =>
    path[0] !== undefined && String(path[0]) in change
      ? place(["change", part.name, ...path])
      : part.place(path);
  return { value: result.data, name: part.name, place: own };
}

function readParts(text: string, file: string, load: LayoutReader, heirs: readonly string[]): Parts {
  const { value, place } = readTemplate(text, file, layoutSchema);
  const own = {
    art: value.art.map(
      (art, i): Part<RawArt> => ({
        value: art,
        name: art.name ?? `art-${String(i + 1)}`,
        place: (path) => place(["art", i, ...path]),
      }),
    ),
    fields: value.fields.map(
      (field, i): Part<RawField> => ({
        value: field,
        name: field.name,
        place: (path) => place(["fields", i, ...path]),
      }),
    ),
  };
  if (value.extends === undefined) {
    for (const key of ["without", "change"] as const) {
      if (Object.keys(value[key]).length > 0)
        throw wrong(
          place([key]),
          undefined,
          `${key} is for layouts that extend another`,
          "name the base with extends",
        );
    }
    return { ...value, ...own, file };
  }
  const where = place(["extends"]);
  const source = load(value.extends, file);
  if (source === undefined)
    throw new LayoutProblem(
      "no-file",
      where,
      undefined,
      `the base layout ${value.extends} cannot be opened`,
      "check the path; it is relative to this file",
    );
  if (heirs.includes(source.file) || heirs.length >= deepest)
    throw wrong(
      where,
      undefined,
      "the layouts extend one another in a circle or too deeply",
      `at most ${String(deepest)} in a row, none of them twice`,
    );
  const base = readParts(source.text, source.file, load, [...heirs, source.file]);
  if (base.side !== value.side)
    throw wrong(
      place(["side"]),
      undefined,
      `the base is for the ${base.side}`,
      "extend a layout of the same side",
    );
  const known = [...base.art, ...base.fields].map(({ name }) => name);
  value.without.forEach((name, i) => {
    if (!known.includes(name))
      throw wrong(place(["without", i]), name, "the base has nothing of this name", meant(name, known));
  });
  for (const name of Object.keys(value.change)) {
    if (!known.includes(name) || value.without.includes(name))
      throw wrong(
        place(["change", name]),
        name,
        "the base has nothing of this name to change",
        meant(name, known),
      );
  }
  const inherit = <T extends RawArt | RawField>(
    theirs: readonly Part<T>[],
    mine: readonly Part<T>[],
    schema: z.ZodType<T>,
  ): Part<T>[] => [
    ...theirs
      .filter(({ name }) => !value.without.includes(name))
      .map((part) => {
        const replaced = mine.find(
          ({ name, value: { name: said } }) => said !== undefined && name === part.name,
        );
        const change = value.change[part.name];
        return replaced ?? (change === undefined ? part : changed(part, change, schema, place));
      }),
    ...mine.filter(
      ({ name, value: { name: said } }) => said === undefined || !theirs.some((part) => part.name === name),
    ),
  ];
  return {
    ...value,
    chip: value.chip ?? base.chip,
    dpi: value.dpi ?? base.dpi,
    alphabets: value.alphabets ?? base.alphabets,
    body: value.body ?? base.body,
    limits: value.limits ?? base.limits,
    art: inherit(base.art, own.art, artSchema),
    fields: inherit(base.fields, own.fields, fieldSchema),
    file,
  };
}

function textOf(source: string, place: LayoutPlace, field: string, known: readonly string[]): TextTemplate {
  const parsed = parseTemplate(source);
  if ("what" in parsed) throw wrong(place, field, parsed.what, parsed.remedy);
  const unknown = parsed.fields.find((one) => !known.includes(one));
  if (unknown !== undefined) {
    throw new LayoutProblem(
      "unknown-field",
      place,
      field,
      `the product has no field "${unknown}"`,
      meant(unknown, known),
    );
  }
  return parsed;
}

export function onceEach(names: readonly string[], place: (i: number) => LayoutPlace): void {
  names.forEach((one, i) => {
    if (names.indexOf(one) !== i)
      throw wrong(place(i), one, "the name is used twice", "give every field its own name");
  });
}

function conditionKnown(part: Part<RawArt | RawField>, offered: LayoutFields): void {
  const { when } = part.value;
  if (when === undefined) return;
  const known = [...offered.texts, ...offered.photos];
  if (!known.includes(when.field))
    throw new LayoutProblem(
      "unknown-field",
      part.place(["when", "field"]),
      part.name,
      `the product has no field "${when.field}"`,
      meant(when.field, known),
    );
  const asked = [when.is, when.has, when.empty].filter((one) => one !== undefined).length;
  if (asked !== 1)
    throw wrong(
      part.place(["when"]),
      part.name,
      "a condition asks one thing",
      "give it one of is, has and empty",
    );
}

function artOf(part: Part<RawArt>, load: LayoutReader, offered: LayoutFields, layout: string): Art | SvgArt {
  conditionKnown(part, offered);
  const { value, name } = part;
  const place = part.place([]);
  if (value.draw !== "svg") return { ...value, name, place };
  const at = part.place(["file"]);
  const found = load(value.file, at.file === "" ? layout : at.file);
  if (found === undefined)
    throw new LayoutProblem(
      "no-file",
      at,
      name,
      `the artwork ${value.file} cannot be opened`,
      "check the path; it is relative to the layout",
    );
  return { ...value, name, place, source: found.text, sourceFile: found.file };
}

/** Throws LayoutProblem: a field that the product has not, or that must not stand there. */
export function fieldOf(part: Part<RawField>, offered: LayoutFields): LayoutField {
  conditionKnown(part, offered);
  const { value, name } = part;
  const place = part.place([]);
  if (value.kind === "photo" || value.kind === "signature") {
    if (!offered.photos.includes(value.photo)) {
      throw new LayoutProblem(
        "unknown-field",
        part.place(["photo"]),
        name,
        `the product has no photo "${value.photo}"`,
        offered.photos.length === 0 ? "declare one" : meant(value.photo, offered.photos),
      );
    }
    return { ...value, place };
  }
  const of = (key: string, source: string): TextTemplate => {
    const at = part.place([key]);
    const parsed = textOf(source, at, name, offered.texts);
    if (value.kind !== "code") return parsed;
    const personal = parsed.fields.find((one) => !offered.codes.includes(one));
    if (personal === undefined) return parsed;
    throw new LayoutProblem(
      "personal-data-in-code",
      at,
      name,
      `"${personal}" would stand in a code that anybody can read`,
      `use only ${offered.codes.join(", ")}`,
    );
  };
  switch (value.kind) {
    case "text": {
      const text = of("text", value.text);
      if (value.ink === "clear" && (text.fields.length > 0 || value.when !== undefined))
        throw wrong(place, name, "a personal text cannot be cleared out of the art", "mark it");
      if (value.min !== undefined && value.min > value.size)
        throw wrong(part.place(["min"]), name, "min is larger than size", "make it smaller");
      return { ...value, text, place };
    }
    case "ocr":
    case "code":
    case "emboss":
      return { ...value, text: of("text", value.text), place };
    case "mrz":
      return {
        ...value,
        document: of("document", value.document),
        state: of("state", value.state),
        number: of("number", value.number),
        optional1: of("optional1", value.optional1),
        birth: of("birth", value.birth),
        sex: of("sex", value.sex),
        expiry: of("expiry", value.expiry),
        nationality: of("nationality", value.nationality),
        optional2: of("optional2", value.optional2),
        surname: of("surname", value.surname),
        given: of("given", value.given),
        place,
      };
    case "stripe": {
      const track = (key: "track1" | "track2" | "track3"): TextTemplate | undefined => {
        const source = value[key];
        return source === undefined ? undefined : of(key, source);
      };
      const [track1, track2, track3] = [track("track1"), track("track2"), track("track3")];
      if (track1 === undefined && track2 === undefined && track3 === undefined)
        throw wrong(place, name, "a stripe without a track", "give it track1, track2 or track3");
      return { ...value, track1, track2, track3, place };
    }
  }
}

const noFiles: LayoutReader = () => undefined;

/** Reads a layout file of one side, with what it extends and its artwork. Throws LayoutProblem with line and column. */
export function parseLayout(
  text: string,
  file: string,
  offered: LayoutFields,
  load: LayoutReader = noFiles,
): FaceTemplate {
  const parts = readParts(text, file, load, [file]);
  const all = [...parts.art, ...parts.fields];
  onceEach(
    all.map(({ name }) => name),
    (i) => all[i]?.place(["name"]) ?? { file },
  );
  if (parts.fields.length === 0)
    throw wrong({ file, line: 1, column: 1 }, "fields", "the layout has no field", "give it one");
  return {
    side: parts.side,
    chip: parts.chip ?? false,
    dpi: parts.dpi ?? 300,
    alphabets: parts.alphabets ?? [],
    body: parts.body ?? bodySchema.parse({}),
    limits: parts.limits ?? limitsSchema.parse({}),
    art: parts.art.map((part) => artOf(part, load, offered, file)),
    fields: parts.fields.map((part) => fieldOf(part, offered)),
    file,
  };
}

/** Reads an embossing layout. Throws LayoutProblem with line and column. */
export function parseEmboss(text: string, file: string, offered: LayoutFields): EmbossTemplate {
  const { value, place } = readTemplate(text, file, embossSchema);
  onceEach(
    value.lines.map((line) => line.name),
    (i) => place(["lines", i, "name"]),
  );
  const lines = value.lines.map((line, i): EmbossField => {
    const where = place(["lines", i, "text"]);
    return { ...line, text: textOf(line.text, where, line.name, offered.texts), place: where };
  });
  return { side: value.side, transliterate: value.transliterate, lines, file };
}
