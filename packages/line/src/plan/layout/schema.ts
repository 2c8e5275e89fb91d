import { z } from "zod";
import { strictYaml, type YamlPath } from "../../orders/yaml.js";
import { fontNames } from "./fonts.js";
import { LayoutProblem, type LayoutPlace } from "./problem.js";
import { parseTemplate, type TextTemplate } from "./text.js";

/** Millimetres from the card's upper left corner (ID-1, 85.60 × 53.98; x right, y down). */
const millimetre = z.number().min(-100).max(200);
const length = z.number().gt(0).max(100);
const box = z.tuple([millimetre, millimetre, length, length]).describe("[x, y, width, height] in mm");
const ink = z
  .enum(["mark", "clear"])
  .default("mark")
  .describe("clear takes marks away that were drawn before it");
const name = z
  .string()
  .regex(/^[a-z][A-Za-z0-9-]*$/, "a name begins with a small letter; letters, digits and dashes follow");
const stroke = length.optional().describe("width of the outline in mm; without it the shape is filled");

const art = z.discriminatedUnion("draw", [
  z.strictObject({ draw: z.literal("rect"), box, radius: length.optional(), stroke, ink }),
  z.strictObject({
    draw: z.literal("circle"),
    at: z.tuple([millimetre, millimetre]),
    radius: length,
    stroke,
    ink,
  }),
  z.strictObject({
    draw: z.literal("line"),
    from: z.tuple([millimetre, millimetre]),
    to: z.tuple([millimetre, millimetre]),
    stroke: length,
    ink,
  }),
  z.strictObject({
    draw: z.literal("path"),
    d: z.string().regex(/^[MmLlHhVvCcSsQqTtAaZz0-9eE+\-., \n]+$/, "SVG path data"),
    at: z.tuple([millimetre, millimetre]).default([0, 0]),
    scale: z.number().gt(0).max(100).default(1),
    stroke,
    ink,
  }),
  z.strictObject({
    draw: z.literal("waves"),
    box,
    lines: z.int().min(1).max(200),
    amplitude: z.number().min(0).max(20),
    period: length,
    drift: z
      .number()
      .min(-50)
      .max(50)
      .default(0)
      .describe("mm each line is shifted against the one before it"),
    stroke: length,
    ink,
  }),
  z.strictObject({
    draw: z.literal("rosette"),
    at: z.tuple([millimetre, millimetre]),
    radius: length,
    inner: length,
    petals: z.int().min(3).max(60),
    turns: z.int().min(1).max(40),
    stroke: length,
    ink,
  }),
]);

const size = z.number().min(3).max(72).describe("points (0.3528 mm)");
const fields = z.discriminatedUnion("kind", [
  z.strictObject({
    kind: z.literal("text"),
    name,
    text: z.string().min(1),
    font: z.enum(fontNames),
    size,
    min: size
      .optional()
      .describe("smallest size the text may be shrunk to; without it the text never shrinks"),
    lines: z.int().min(1).max(4).default(1),
    box,
    align: z.enum(["left", "center", "right"]).default("left"),
    valign: z.enum(["top", "middle", "bottom"]).default("middle"),
    spacing: z.number().min(-1).max(5).default(0).describe("mm added after each character"),
    required: z.boolean().default(true),
    ink,
  }),
  z.strictObject({
    kind: z.literal("ocr"),
    name,
    text: z.string().min(1),
    pitch: z.number().min(1).max(5).default(2.54).describe("mm; 2.54 = 10 characters an inch, OCR-B size I"),
    box,
    align: z.enum(["left", "center", "right"]).default("left"),
  }),
  z.strictObject({
    kind: z.literal("photo"),
    name,
    photo: z.string().describe("the record's photo field"),
    dither: z.enum(["floyd-steinberg", "atkinson"]).default("floyd-steinberg"),
    box,
    required: z.boolean().default(true),
  }),
  z.strictObject({
    kind: z.literal("qr"),
    name,
    text: z.string().min(1),
    level: z.enum(["L", "M", "Q", "H"]).default("M"),
    box: box.describe("[x, y, width, height] in mm with the quiet zone of 4 modules"),
  }),
]);

const layoutSchema = z.strictObject({
  $schema: z.string().optional(),
  side: z.enum(["front", "back"]),
  /** The back of a chip card has no contacts: there is no keep-out zone. */
  chip: z.boolean().default(false),
  art: z.array(art).default([]),
  fields: z.array(fields).min(1),
});

const embossSchema = z.strictObject({
  $schema: z.string().optional(),
  side: z.enum(["front", "back"]),
  transliterate: z
    .enum(["icao"])
    .optional()
    .describe("letters outside the wheel become Latin by ICAO Doc 9303-3"),
  lines: z
    .array(
      z.strictObject({
        name,
        text: z.string().min(1),
        font: z.enum(["7B", "4B"]).default("4B"),
        x: z.number().default(7.65).describe("mm, centre of the first character from the left edge"),
        yFromBottom: z.number().describe("mm, middle of the characters from the bottom edge"),
        max: z.int().min(1).max(27).optional(),
      }),
    )
    .min(1)
    .max(4),
});

export type Art = z.output<typeof art>;
type WithTemplate<F> = F extends { text: string } ? Omit<F, "text"> & { readonly text: TextTemplate } : F;
export type LayoutField = WithTemplate<z.output<typeof fields>> & { readonly place: LayoutPlace };
export type EmbossField = WithTemplate<z.output<typeof embossSchema>["lines"][number]> & {
  readonly place: LayoutPlace;
};

export interface FaceTemplate {
  readonly side: "front" | "back";
  readonly chip: boolean;
  readonly art: readonly Art[];
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

interface Read<T> {
  readonly value: T;
  readonly place: (path: YamlPath) => LayoutPlace;
}

function read<S extends z.ZodType>(text: string, file: string, schema: S): Read<z.output<S>> {
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

function template(source: string, place: LayoutPlace, field: string, known: readonly string[]): TextTemplate {
  const parsed = parseTemplate(source);
  if (typeof parsed === "string") {
    throw new LayoutProblem("wrong-layout", place, field, parsed, "correct the text");
  }
  const unknown = parsed.fields.find((one) => !known.includes(one));
  if (unknown !== undefined) {
    throw new LayoutProblem(
      "unknown-field",
      place,
      field,
      `the product has no field "${unknown}"`,
      `use one of ${known.join(", ")}`,
    );
  }
  return parsed;
}

function onceEach(names: readonly string[], place: (i: number) => LayoutPlace): void {
  names.forEach((one, i) => {
    if (names.indexOf(one) !== i) {
      throw new LayoutProblem(
        "wrong-layout",
        place(i),
        one,
        "the name is used twice",
        "give every field its own name",
      );
    }
  });
}

/** Reads a layout file of one side. Throws LayoutProblem with line and column. */
export function parseLayout(text: string, file: string, offered: LayoutFields): FaceTemplate {
  const { value, place } = read(text, file, layoutSchema);
  onceEach(
    value.fields.map((field) => field.name),
    (i) => place(["fields", i, "name"]),
  );
  const all = value.fields.map((field, i): LayoutField => {
    const own = place(["fields", i]);
    if (field.kind === "photo") {
      if (!offered.photos.includes(field.photo)) {
        throw new LayoutProblem(
          "unknown-field",
          place(["fields", i, "photo"]),
          field.name,
          `the product has no photo "${field.photo}"`,
          offered.photos.length === 0 ? "declare one" : `use one of ${offered.photos.join(", ")}`,
        );
      }
      return { ...field, place: own };
    }
    const where = place(["fields", i, "text"]);
    const source = template(field.text, where, field.name, offered.texts);
    if (field.kind === "qr") {
      const personal = source.fields.find((one) => !offered.codes.includes(one));
      if (personal !== undefined) {
        throw new LayoutProblem(
          "personal-data-in-code",
          where,
          field.name,
          `"${personal}" would stand in a code that anybody can read`,
          `use only ${offered.codes.join(", ")}`,
        );
      }
      return { ...field, text: source, place: own };
    }
    if (field.kind === "ocr") return { ...field, text: source, place: own };
    if (field.ink === "clear" && source.fields.length > 0) {
      throw new LayoutProblem(
        "wrong-layout",
        own,
        field.name,
        "a personal text cannot be cleared out of the art",
        "mark it",
      );
    }
    if (field.min !== undefined && field.min > field.size) {
      throw new LayoutProblem("wrong-layout", own, field.name, "min is larger than size", "make it smaller");
    }
    return { ...field, text: source, place: own };
  });
  return { side: value.side, chip: value.chip, art: value.art, fields: all, file };
}

/** Reads an embossing layout. Throws LayoutProblem with line and column. */
export function parseEmboss(text: string, file: string, offered: LayoutFields): EmbossTemplate {
  const { value, place } = read(text, file, embossSchema);
  onceEach(
    value.lines.map((line) => line.name),
    (i) => place(["lines", i, "name"]),
  );
  const lines = value.lines.map((line, i): EmbossField => {
    const where = place(["lines", i, "text"]);
    return { ...line, text: template(line.text, where, line.name, offered.texts), place: where };
  });
  return { side: value.side, transliterate: value.transliterate, lines, file };
}

/** JSON Schemas for editors, from the same definitions that check the files. */
export const layoutJsonSchemas = (): Readonly<Record<"layout" | "emboss", unknown>> => ({
  layout: z.toJSONSchema(layoutSchema, { io: "input" }),
  emboss: z.toJSONSchema(embossSchema, { io: "input" }),
});
