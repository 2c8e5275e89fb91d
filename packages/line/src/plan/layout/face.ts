import { createHash } from "node:crypto";
import type { Face, PlacedElement, PlacedField } from "../placed.js";
import { card, placeArt } from "./art.js";
import { placeArtwork } from "./artwork.js";
import { bodyMarks } from "./body.js";
import { placeCode } from "./codes.js";
import { holds } from "./conditions.js";
import { placeEmboss } from "./emboss.js";
import type { Fonts } from "./fonts.js";
import { placeMrz, placeOcr } from "./ocr.js";
import { type Photos, placePicture } from "./pictures.js";
import { LayoutProblem } from "./problem.js";
import { placeText } from "./set-text.js";
import { placeStripe } from "./stripe.js";
import type { Art, FaceTemplate, LayoutField, SvgArt } from "./template.js";
import { bodySchema, limitsSchema } from "./template-schema.js";
import { type FieldValues, fill, saidBy } from "./text.js";

/** A template with its fonts, its static part laid out once for all cards. */
export interface FaceLayout {
  readonly template: FaceTemplate;
  readonly fonts: Fonts;
  readonly common: Face["common"];
  readonly commonFields: readonly PlacedField[];
  /** Art that stands on some cards only, laid out. */
  readonly sometimes: readonly { readonly art: Art | SvgArt; readonly elements: readonly PlacedElement[] }[];
}

/** What a field becomes; no camera looks for raised characters here, nor for a stripe. */
interface Laid {
  readonly elements: readonly PlacedElement[];
  readonly field?: PlacedField;
}

function lay(
  field: LayoutField,
  values: FieldValues,
  photos: Photos,
  { fonts, template }: Pick<FaceLayout, "fonts" | "template">,
): Laid | undefined {
  if (!holds(field.when, values, photos)) return undefined;
  switch (field.kind) {
    case "photo":
    case "signature":
      return placePicture(field, photos);
    case "mrz": {
      const placed = placeMrz(field, values, fonts);
      return { ...placed, field: { ...placed.field, ...saidBy([field.surname, field.given], values) } };
    }
    case "stripe":
      return { elements: [placeStripe(field, values)] };
    case "emboss":
      return { elements: [placeEmboss(field, values)] };
    case "text":
    case "ocr":
    case "code":
  }
  const text = fill(field.text, values);
  if (text.trim() === "") {
    if (field.kind === "text" && !field.required) return undefined;
    throw new LayoutProblem(
      "field-missing",
      field.place,
      field.name,
      "there is nothing to write",
      "fill the field or drop `required`",
    );
  }
  switch (field.kind) {
    case "text": {
      const placed = placeText(field, text, fonts);
      return { ...placed, field: { ...placed.field, ...saidBy([field.text], values) } };
    }
    case "ocr":
      return placeOcr(field, text, fonts);
    case "code": {
      const { element, placed } = placeCode(field, text, template.dpi);
      return { elements: [element], field: placed };
    }
  }
}

/** Whether it is the same on every card. */
export function isCommon(field: LayoutField): boolean {
  if (field.when !== undefined) return false;
  switch (field.kind) {
    case "text":
    case "ocr":
    case "code":
      return field.text.fields.length === 0;
    case "photo":
    case "signature":
    case "mrz":
    case "emboss":
    case "stripe":
      return false;
  }
}

const elementsOf = (art: Art | SvgArt): readonly PlacedElement[] =>
  art.draw === "svg" ? placeArtwork(art) : placeArt(art);

function digest(side: string, elements: readonly PlacedElement[]): string {
  const hash = createHash("sha256").update(side);
  for (const element of elements)
    hash.update(
      JSON.stringify(element, (_, value: unknown) => (value instanceof Uint8Array ? [...value] : value)),
    );
  return hash.digest("hex");
}

/** Lays out what all cards of the layout share. Throws LayoutProblem. */
export function compileLayout(template: FaceTemplate, fonts: Fonts): FaceLayout {
  const texts = template.fields
    .filter(isCommon)
    .flatMap((field) => lay(field, {}, {}, { fonts, template }) ?? []);
  const always = template.art.filter(({ when }) => when === undefined);
  const elements = [
    ...always.flatMap(elementsOf),
    ...bodyMarks(template.body),
    ...texts.flatMap(({ elements }) => elements),
  ];
  const commonFields = texts.flatMap(({ field }) => field ?? []);
  if (always.some(({ layer }) => layer === "laser")) {
    commonFields.push({
      name: "artwork",
      kind: "art",
      layer: "laser",
      box: { x: 0, y: 0, width: card.width, height: card.height },
    });
  }
  return {
    template,
    fonts,
    common: { key: digest(template.side, elements), elements },
    commonFields,
    sometimes: template.art
      .filter(({ when }) => when !== undefined)
      .map((art) => ({ art, elements: elementsOf(art) })),
  };
}

/**
 * Lays one side out for one record, in millimetres: outlines, and a box for each field and glyph. Pure. Throws LayoutProblem when a
 * value does not fit, a glyph or the photo is missing.
 */
export function layoutFace(layout: FaceLayout, values: FieldValues, photos: Photos): Face {
  const laid = layout.template.fields
    .filter((field) => !isCommon(field))
    .flatMap((field) => lay(field, values, photos, layout) ?? []);
  const art = layout.sometimes.filter(({ art: { when } }) => holds(when, values, photos));
  return {
    side: layout.template.side,
    common: layout.common,
    own: [...art.flatMap(({ elements }) => elements), ...laid.flatMap(({ elements }) => elements)],
    fields: [...layout.commonFields, ...laid.flatMap(({ field }) => field ?? [])],
  };
}

/** The front of a card on which nothing is drawn: characters alone are raised on it. */
export const bareFront = (fonts: Fonts): FaceLayout =>
  compileLayout(
    {
      side: "front",
      chip: true,
      dpi: 300,
      alphabets: [],
      body: bodySchema.parse({}),
      limits: limitsSchema.parse({}),
      art: [],
      fields: [],
      file: "",
    },
    fonts,
  );
