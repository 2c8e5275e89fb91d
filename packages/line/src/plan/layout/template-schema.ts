/** The shape of a layout file, as zod checks it and editors complete it. What it means is in template.ts. */
import { z } from "zod";
import { symbologies } from "../placed.js";
import { alphabetNames } from "./alphabets.js";
import { fontNames } from "./fonts.js";

/** Millimetres from the card's upper left corner (ID-1, 85.60 × 53.98; x right, y down). */
const millimetre = z.number().min(-100).max(200);
const length = z.number().gt(0).max(100);
const box = z.tuple([millimetre, millimetre, length, length]).describe("[x, y, width, height] in mm");
const ink = z
  .enum(["mark", "clear"])
  .default("mark")
  .describe("clear takes marks of its layer away that were drawn before it");
export const fieldName = z
  .string()
  .regex(/^[a-z][A-Za-z0-9-]*$/, "a name begins with a small letter; letters, digits and dashes follow");
const stroke = length.optional().describe("width of the outline in mm; without it the shape is filled");
const colour = z
  .string()
  .regex(/^#[0-9a-f]{6}$/, "a colour is written #rrggbb, with small letters")
  .describe("of the layers preprint and colour");
const when = z
  .strictObject({
    field: z.string().describe("the record's field that decides"),
    is: z
      .union([z.string(), z.array(z.string()).min(1)])
      .optional()
      .describe("has this value, or one of these"),
    has: z.string().optional().describe("the field's list contains it"),
    empty: z.boolean().optional(),
    not: z.boolean().default(false).describe("turns the condition round"),
  })
  .optional()
  .describe("drawn only then");
const artLayer = z.enum(["preprint", "colour", "laser"]).default("laser");
const drawn = { name: fieldName.optional(), layer: artLayer, colour: colour.default("#000000"), ink, when };

export const artSchema = z.discriminatedUnion("draw", [
  z.strictObject({ draw: z.literal("rect"), box, radius: length.optional(), stroke, ...drawn }),
  z.strictObject({
    draw: z.literal("circle"),
    at: z.tuple([millimetre, millimetre]),
    radius: length,
    stroke,
    ...drawn,
  }),
  z.strictObject({
    draw: z.literal("line"),
    from: z.tuple([millimetre, millimetre]),
    to: z.tuple([millimetre, millimetre]),
    stroke: length,
    ...drawn,
  }),
  z.strictObject({
    draw: z.literal("path"),
    d: z.string().regex(/^[MmLlHhVvCcSsQqTtAaZz0-9eE+\-., \n]+$/, "SVG path data"),
    at: z.tuple([millimetre, millimetre]).default([0, 0]),
    scale: z.number().gt(0).max(100).default(1),
    stroke,
    ...drawn,
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
    ...drawn,
  }),
  z.strictObject({
    draw: z.literal("rosette"),
    at: z.tuple([millimetre, millimetre]),
    radius: length,
    inner: length,
    petals: z.int().min(3).max(60),
    turns: z.int().min(1).max(40),
    stroke: length,
    ...drawn,
  }),
  z.strictObject({
    draw: z.literal("svg"),
    file: z.string().min(1).describe("relative to this file; texts as outlines, nothing from outside"),
    box: box.describe("[x, y, width, height] in mm the drawing's viewBox is fitted to"),
    name: fieldName.optional(),
    layer: artLayer,
    when,
  }),
]);

const size = z.number().min(3).max(72).describe("points (0.3528 mm)");
const alphabets = z
  .array(z.enum(alphabetNames))
  .min(1)
  .describe("what names may be written in: the linter checks that the fonts have every letter of it");
const fonts = z
  .union([z.enum(fontNames), z.array(z.enum(fontNames)).min(1).max(4)])
  .describe("a font, or several: each word takes the first that has all its letters");
const align = z
  .enum(["start", "left", "center", "right", "end"])
  .default("start")
  .describe("start is left, and right for a text that is read from right to left");
const marked = z.enum(["laser", "colour", "preprint"]).default("laser");
const template = z.string().min(1).describe("{field} and {field|modifier} are filled in for each record");

export const textField = z.strictObject({
  kind: z.literal("text"),
  name: fieldName,
  text: template,
  font: fonts,
  size,
  min: size.optional().describe("smallest size the text may be shrunk to; without it the text never shrinks"),
  lines: z.int().min(1).max(6).default(1),
  leading: z.number().min(0.9).max(3).default(1.22).describe("distance of base lines, in font sizes"),
  wrap: z
    .enum(["words", "hyphens", "balance"])
    .default("words")
    .describe(
      "where a line may end: between words; also after a hyphen; balance makes lines alike in length",
    ),
  direction: z.enum(["auto", "ltr", "rtl"]).default("auto").describe("auto: as the first letter has it"),
  box,
  align,
  valign: z.enum(["top", "middle", "bottom"]).default("middle"),
  spacing: z.number().min(-1).max(5).default(0).describe("mm added after each character"),
  required: z.boolean().default(true),
  alphabets: alphabets.optional(),
  layer: marked,
  colour: colour.default("#000000"),
  ink,
  when,
});

export const codeField = z.strictObject({
  kind: z.literal("code"),
  name: fieldName,
  symbology: z.enum(symbologies),
  text: template,
  level: z
    .union([z.enum(["L", "M", "Q", "H"]), z.int().min(0).max(90)])
    .optional()
    .describe("error correction: qrcode L M Q H; pdf417 0 to 8; azteccode per cent"),
  columns: z.int().min(1).max(30).optional().describe("pdf417: data columns"),
  module: z
    .number()
    .gt(0)
    .max(3)
    .optional()
    .describe("mm; a whole number of dots; without it the widest that fits the box"),
  box: box.describe("[x, y, width, height] in mm with the quiet zone"),
  layer: z.enum(["code", "colour"]).default("code"),
  colour: colour.default("#000000"),
  when,
});

export const fieldSchema = z.discriminatedUnion("kind", [
  textField,
  z.strictObject({
    kind: z.literal("ocr"),
    name: fieldName,
    text: template,
    pitch: z.number().min(1).max(5).default(2.54).describe("mm; 2.54 = 10 characters an inch, OCR-B size I"),
    box,
    align: z.enum(["left", "center", "right"]).default("left"),
    layer: marked,
    colour: colour.default("#000000"),
    when,
  }),
  z.strictObject({
    kind: z.literal("mrz"),
    name: fieldName,
    box: box.describe("at least 76.2 × 11.0 mm: three lines of 30 characters (ICAO Doc 9303-5, TD1)"),
    document: template.describe("1 or 2 letters; the first is A, C or I"),
    state: template.describe("issuing state, 3 letters"),
    number: template,
    optional1: z.string().default(""),
    birth: template.describe("ISO 8601 date"),
    sex: z.string().default("").describe("M, F, or nothing"),
    expiry: template.describe("ISO 8601 date"),
    nationality: template,
    optional2: z.string().default(""),
    surname: template,
    given: z.string().default(""),
    layer: marked,
    colour: colour.default("#000000"),
    when,
  }),
  z.strictObject({
    kind: z.literal("photo"),
    name: fieldName,
    photo: z.string().describe("the record's photo field"),
    dither: z.enum(["floyd-steinberg", "atkinson"]).default("floyd-steinberg"),
    box,
    required: z.boolean().default(true),
    layer: z.enum(["laser", "colour"]).default("laser"),
    when,
  }),
  z.strictObject({
    kind: z.literal("signature"),
    name: fieldName,
    photo: z.string().describe("the record's photo field that holds the signature, dark on light"),
    box,
    required: z.boolean().default(true),
    layer: z.enum(["laser", "colour"]).default("laser"),
    when,
  }),
  codeField,
  z.strictObject({
    kind: z.literal("emboss"),
    name: fieldName,
    text: template,
    layer: z.enum(["emboss", "indent"]).default("emboss"),
    font: z.enum(["7B", "4B", "rear"]).default("4B"),
    transliterate: z.enum(["icao"]).optional(),
    x: z.number().default(7.65).describe("mm, centre of the first character from the left edge"),
    yFromBottom: z.number().describe("mm, middle of the characters from the bottom edge"),
    max: z.int().min(1).max(27).optional(),
    when,
  }),
  z.strictObject({
    kind: z.literal("stripe"),
    name: fieldName,
    coercivity: z.enum(["low", "high"]).default("high"),
    track1: template.optional().describe("ISO/IEC 7811: 76 characters of ASCII 20 to 5F, without sentinels"),
    track2: template.optional().describe("37 digits and = :, without sentinels"),
    track3: template.optional().describe("104 digits and = :, without sentinels"),
    when,
  }),
]);

const body = z
  .strictObject({
    colour: colour.default("#fbfbf8"),
    stripe: z
      .enum(["none", "two-track", "three-track"])
      .default("none")
      .describe("magnetic stripe on this side"),
    panel: box.optional().describe("signature panel"),
    holes: z
      .array(
        z.strictObject({
          box,
          radius: z.number().min(0).max(50).default(0).describe("of the hole's corners"),
        }),
      )
      .default([])
      .describe("punched holes and slots"),
  })
  .describe("what the blank brings with it on this side");

const limits = z
  .strictObject({
    shrunk: z
      .number()
      .min(0.3)
      .max(1)
      .default(0.7)
      .describe("share of its size a text may be shrunk to unnoticed"),
    smallest: z.number().min(2).max(10).default(4.5).describe("points below which a text is hard to read"),
    contrast: z
      .number()
      .min(1)
      .max(15)
      .default(3.5)
      .describe("least luminance ratio of a mark and its ground"),
    portrait: z
      .number()
      .min(8)
      .max(35)
      .default(15)
      .describe("mm: width of a photo below which a face is told with trouble"),
    near: z.number().min(0).max(5).default(0.3).describe("mm: clearances smaller than this are mentioned"),
  })
  .describe("of the linter");

const partial = z.record(z.string(), z.unknown());

export const layoutSchema = z.strictObject({
  $schema: z.string().optional(),
  side: z.enum(["front", "back"]),
  extends: z
    .string()
    .min(1)
    .optional()
    .describe("another layout file, relative to this one, whose heir this is"),
  without: z.array(fieldName).default([]).describe("fields and art of the base that are left out"),
  change: z
    .record(fieldName, partial)
    .default({})
    .describe("fields and art of the base by name, with the keys that are different here"),
  chip: z.boolean().optional().describe("this side carries the contacts"),
  dpi: z
    .union([z.literal(300), z.literal(600)])
    .optional()
    .describe("resolution of engraver and printer: modules of codes are whole dots of it; 300 when not said"),
  alphabets: alphabets.optional(),
  body: body.optional(),
  limits: limits.optional(),
  art: z.array(artSchema).default([]),
  fields: z.array(fieldSchema).default([]),
});

export const bodySchema = body;
export const limitsSchema = limits;

export const embossSchema = z.strictObject({
  $schema: z.string().optional(),
  side: z.enum(["front", "back"]),
  transliterate: z
    .enum(["icao"])
    .optional()
    .describe("letters outside the wheel become Latin by ICAO Doc 9303-3"),
  lines: z
    .array(
      z.strictObject({
        name: fieldName,
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

/** JSON Schemas for editors, from the same definitions that check the files. */
export const layoutJsonSchemas = (): Readonly<Record<"layout" | "emboss", unknown>> => ({
  layout: z.toJSONSchema(layoutSchema, { io: "input" }),
  emboss: z.toJSONSchema(embossSchema, { io: "input" }),
});
