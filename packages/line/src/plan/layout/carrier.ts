/**
 * Card carriers: the letter that a card is fixed to when it is mailed. A template on paper in the language of layouts, in millimetres from the
 * sheet's upper left corner; each carrier is one page of a PDF, everything on it as outlines, so that any printer prints the same.
 */
import { id1 } from "@persoline/card/id1";
import { z } from "zod";
import type { Box, PlacedField } from "../placed.js";
import { boxOf } from "./art.js";
import { compileLayout, type FaceLayout, layoutFace } from "./face.js";
import type { Fonts } from "./fonts.js";
import { type Outline, outlinesOf } from "./outlines.js";
import { pdfDocument, points } from "./pdf.js";
import {
  fieldOf,
  type LayoutFields,
  onceEach,
  type Part,
  type RawField,
  readTemplate,
  wrong,
} from "./template.js";
import { bodySchema, codeField, limitsSchema, textField } from "./template-schema.js";
import type { FieldValues } from "./text.js";

const length = z.number().gt(0).max(500);
const box = z
  .tuple([z.number().min(0).max(500), z.number().min(0).max(500), length, length])
  .describe("[x, y, width, height] in mm from the sheet's upper left corner");

const sheets = { a4: [210, 297], letter: [215.9, 279.4] } as const;

export const carrierSchema = z.strictObject({
  $schema: z.string().optional(),
  paper: z
    .union([z.enum(["a4", "letter"]), z.tuple([length, length])])
    .default("a4")
    .describe("a4, letter, or [width, height] in mm"),
  card: z
    .tuple([z.number().min(0).max(500), z.number().min(0).max(500)])
    .describe("upper left corner of the place where the card is fixed, lengthwise; its corners are drawn"),
  fields: z
    .array(z.discriminatedUnion("kind", [textField.extend({ box }), codeField.extend({ box })]))
    .min(1)
    .describe("texts, and one code: code128 of {carrier}"),
});

/** JSON Schema for editors. */
export const carrierJsonSchema = (): unknown => ({
  title: "Persoline card carrier",
  ...z.toJSONSchema(carrierSchema, { io: "input" }),
});

export interface CarrierLayout {
  readonly layout: FaceLayout;
  /** Of the sheet, mm. */
  readonly size: { readonly width: number; readonly height: number };
  /** Where the card is fixed. */
  readonly card: Box;
}

/** What the carrier's code holds. */
const number = "{carrier}";
const dpi = 600;

const overlap = (a: Box, b: Box): boolean =>
  a.x < b.x + b.width && b.x < a.x + a.width && a.y < b.y + b.height && b.y < a.y + a.height;

/**
 * Reads a carrier's template. `texts`: fields of the product that may stand on a letter; order, record and carrier are there as well, and the
 * code takes the carrier's number only. Throws LayoutProblem with line and column.
 */
export function parseCarrier(
  text: string,
  file: string,
  texts: readonly string[],
  fonts: Fonts,
): CarrierLayout {
  const { value, place } = readTemplate(text, file, carrierSchema);
  const [width, height] = typeof value.paper === "string" ? sheets[value.paper] : value.paper;
  const offered: LayoutFields = {
    texts: [...texts, "order", "record", "carrier"],
    photos: [],
    codes: ["carrier"],
  };
  onceEach(
    value.fields.map(({ name }) => name),
    (at) => place(["fields", at, "name"]),
  );
  const fixed = { x: value.card[0], y: value.card[1], width: id1.width, height: id1.height };
  if (fixed.x + fixed.width > width || fixed.y + fixed.height > height)
    throw wrong(
      place(["card"]),
      undefined,
      "the card would hang over the paper",
      "move it further up or left",
    );
  const taken: { readonly what: string; readonly box: Box }[] = [{ what: "the card's place", box: fixed }];
  for (const [at, { name, kind, box }] of value.fields.entries()) {
    const own = boxOf(box);
    if (own.x + own.width > width || own.y + own.height > height)
      throw wrong(place(["fields", at, "box"]), name, "its box leaves the paper", "move or shrink it");
    const under = taken.find((other) => overlap(own, other.box));
    if (under !== undefined)
      throw wrong(place(["fields", at, "box"]), name, `its box lies on ${under.what}`, "move or shrink it");
    taken.push({ what: kind === "code" ? "the code and its quiet zone" : `"${name}"`, box: own });
  }
  const codes = value.fields.flatMap((field, at) => (field.kind === "code" ? [{ field, at }] : []));
  const [code, second] = codes;
  if (code === undefined || second !== undefined)
    throw wrong(
      place(["fields", ...(second === undefined ? [] : [second.at])]),
      second?.field.name,
      second === undefined ? "the carrier has no code" : "the carrier has more than one code",
      `give it one: code128 of ${number}`,
    );
  if (code.field.symbology !== "code128" || code.field.text !== number)
    throw wrong(
      place(["fields", code.at]),
      code.field.name,
      "readers at the mailer look for the carrier's number in Code 128",
      `set symbology: code128 and text: "${number}"`,
    );
  const fields = value.fields.map((field, at) => {
    const part: Part<RawField> = {
      value: field,
      name: field.name,
      place: (path) => place(["fields", at, ...path]),
    };
    return fieldOf(part, offered);
  });
  const template = {
    side: "front" as const,
    chip: false,
    dpi: dpi as typeof dpi,
    alphabets: [],
    body: bodySchema.parse({}),
    limits: limitsSchema.parse({}),
    art: [],
    fields,
    file,
  };
  return { layout: compileLayout(template, fonts), size: { width, height }, card: fixed };
}

export interface CarrierPage {
  readonly draw: string;
  /** What stands where, for whoever checks it. */
  readonly fields: readonly PlacedField[];
}

const n = (value: number): string => String(Number(value.toFixed(3)));

/** Operators of ISO 32000-1, 8.5.2: a quadratic curve is written as the cubic that it is. */
function pathOf({ commands, rule }: Outline): string {
  let [x, y] = [0, 0];
  const parts = commands.map((command) => {
    if (command.to === "Z") return "h";
    const from = { x, y };
    ({ x, y } = command);
    const end = `${n(x)} ${n(y)}`;
    switch (command.to) {
      case "M":
        return `${end} m`;
      case "L":
        return `${end} l`;
      case "C":
        return `${n(command.x1)} ${n(command.y1)} ${n(command.x2)} ${n(command.y2)} ${end} c`;
      case "Q": {
        const third = (a: number, b: number): string => n(a + (2 / 3) * (b - a));
        return `${third(from.x, command.x1)} ${third(from.y, command.y1)} ${third(x, command.x1)} ${third(y, command.y1)} ${end} c`;
      }
    }
  });
  return `${parts.join(" ")} ${rule === "evenodd" ? "f*" : "f"}`;
}

/** Corners of the card's place, so that a person lays it right. */
function corners({ x, y, width, height }: Box): string {
  const arm = 4;
  const at = (cx: number, cy: number, dx: number, dy: number): string =>
    `${n(cx + dx * arm)} ${n(cy)} m ${n(cx)} ${n(cy)} l ${n(cx)} ${n(cy + dy * arm)} l S`;
  return `0.6 G 0.2 w ${at(x, y, 1, 1)} ${at(x + width, y, -1, 1)} ${at(x, y + height, 1, -1)} ${at(x + width, y + height, -1, -1)}`;
}

/** One record's carrier. Throws LayoutProblem when a value does not fit or a glyph is missing. */
export function carrierPage({ layout, size, card }: CarrierLayout, values: FieldValues): CarrierPage {
  const face = layoutFace(layout, values, {});
  const outlines = outlinesOf([...face.common.elements, ...face.own]);
  const scale = 72 / 25.4;
  const draw = [
    `${scale.toFixed(6)} 0 0 ${(-scale).toFixed(6)} 0 ${points(size.height)} cm`,
    corners(card),
    "0 g",
    ...outlines.map(pathOf),
  ].join("\n");
  return { draw, fields: face.fields };
}

export const carriersPdf = ({ size }: CarrierLayout, pages: readonly CarrierPage[]): Uint8Array =>
  pdfDocument(
    size,
    pages.map(({ draw }) => ({ draw, images: {} })),
  );
