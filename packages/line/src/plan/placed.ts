/**
 * What a layout puts where on one card, in millimetres from the side's upper left corner (ISO/IEC 7810 ID-1, 85.60 × 53.98 mm; x right,
 * y down). It is laid out once; the printer, the laser, the embosser, the stripe's encoder, the preview and the camera all take it from here.
 */

/** From the bottom to the top of a card. `preprint` is there before the line begins; nothing of the line makes it. */
export const layers = ["preprint", "colour", "laser", "code", "indent", "emboss", "stripe"] as const;
export type Layer = (typeof layers)[number];
/** What the engraver burns, and what the camera therefore compares with the dots it was sent. */
export const engraved: readonly Layer[] = ["laser", "code"];

export interface Box {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

/** A colour as #rrggbb. The engraver's layers have none: they are marked or not. */
type Colour = string;

interface Placed {
  readonly layer: Layer;
  /** Name of the layout's field or of its art; unique within a side. */
  readonly field: string;
}

/** One glyph, or the few characters that one glyph draws (an Arabic ligature). */
export interface PlacedGlyph {
  /** The characters it draws, in the order they are read. */
  readonly char: string;
  /** Outline as SVG path data: absolute M L Q C Z, in font units, y up. */
  readonly d: string;
  /** Its origin on the base line, mm. */
  readonly x: number;
  readonly y: number;
}

/** A text as outlines, in the order it is seen from left to right. */
export interface PlacedGlyphs extends Placed {
  readonly kind: "glyphs";
  /** mm a font unit: a point (u, v) of the outline lies at (x + scale·u, y − scale·v). */
  readonly scale: number;
  readonly colour: Colour;
  /** Takes away what lies under it on its layer, instead of marking. */
  readonly clear: boolean;
  readonly glyphs: readonly PlacedGlyph[];
}

/** A drawn shape. */
export interface PlacedOutline extends Placed {
  readonly kind: "outline";
  /** SVG path data, mm. */
  readonly d: string;
  /** Filled, or drawn along its line with this width in mm. */
  readonly stroke?: number;
  readonly rule?: "evenodd";
  readonly colour: Colour;
  readonly clear: boolean;
}

/** A designer's drawing for the printer or of the blank: SVG without texts, scripts and references, with its own colours. */
export interface PlacedArtwork extends Placed {
  readonly kind: "artwork";
  readonly box: Box;
  /** A whole `<svg>` element. */
  readonly svg: string;
}

/** A picture of the record: a portrait in tones, or a signature in lines. */
export interface PlacedImage extends Placed {
  readonly kind: "image";
  readonly box: Box;
  /** PNG or JPEG. */
  readonly bytes: Uint8Array;
  readonly tones: "grey" | "colour" | "line";
  readonly dither: "floyd-steinberg" | "atkinson";
}

/** A code as modules, each a whole number of dots wide at the layout's resolution. A linear code is one row of modules as high as its bars. */
export interface PlacedCode extends Placed {
  readonly kind: "code";
  readonly symbology: Symbology;
  /** What a reader gets. */
  readonly text: string;
  /** Upper left corner of the first module. */
  readonly x: number;
  readonly y: number;
  /** mm. */
  readonly module: { readonly width: number; readonly height: number };
  readonly columns: number;
  readonly rows: number;
  /** Row by row, 1 = dark. */
  readonly dark: Uint8Array;
  readonly colour: Colour;
}

export const symbologies = [
  "qrcode",
  "datamatrix",
  "pdf417",
  "azteccode",
  "code128",
  "code39",
  "interleaved2of5",
  "ean13",
  "ean8",
] as const;
export type Symbology = (typeof symbologies)[number];

/** Characters that a wheel strikes: raised (`emboss`) or pressed in (`indent`). */
export interface PlacedLine extends Placed {
  readonly kind: "line";
  readonly layer: "emboss" | "indent";
  /** Parts of it that come of the record. */
  readonly said?: readonly Said[];
  readonly text: string;
  /** 7B: digits of the number line; 4B: letters of the name lines; rear: digits of an indent printer. */
  readonly font: "7B" | "4B" | "rear";
  /** Centre of the first character from the left edge, middle of the characters from the bottom edge, distance of centres; mm. */
  readonly x: number;
  readonly yFromBottom: number;
  readonly pitch: number;
  /** Height of a character, mm. */
  readonly height: number;
}

/** Contents of the magnetic stripe, without sentinels and LRC, which the encoder adds. */
export interface PlacedStripe extends Placed {
  readonly kind: "stripe";
  readonly layer: "stripe";
  readonly coercivity: "low" | "high";
  readonly tracks: readonly { readonly track: 1 | 2 | 3; readonly text: string }[];
}

export type PlacedElement =
  | PlacedGlyphs
  | PlacedOutline
  | PlacedArtwork
  | PlacedImage
  | PlacedCode
  | PlacedLine
  | PlacedStripe;

/** A part of a text that comes of one field of the record, as it is drawn. */
export interface Said {
  readonly field: string;
  readonly text: string;
  /** Cut, or with something added to it: no longer the field's own text. */
  readonly changed?: true;
}

/** One expected field of one side as laid out: what is drawn and what the camera must find, in millimetres. */
export interface PlacedField {
  readonly name: string;
  readonly kind: "text" | "ocr" | "mrz" | "photo" | "signature" | "code" | "art";
  readonly layer: Layer;
  /** The field's box; of a code its symbol with the quiet zone. */
  readonly box: Box;
  /** Text as drawn (after shrink or transliteration), a line feed between lines; content of a code; absent for a picture. */
  readonly text?: string;
  readonly symbology?: Symbology;
  /** Parts of the text that come of the record. */
  readonly said?: readonly Said[];
  /** One box a glyph, for text, ocr and mrz, from left to right. */
  readonly glyphs?: readonly { readonly char: string; readonly box: Box }[];
  /** Size a text was set at, and the size it should have, in points: less means it was shrunk. */
  readonly points?: { readonly set: number; readonly wanted: number };
}

export interface Face {
  readonly side: "front" | "back";
  /** What all cards of the layout share, in the order it is drawn. `key` is a digest of it: draw it once and keep the picture. */
  readonly common: { readonly key: string; readonly elements: readonly PlacedElement[] };
  /** What is this record's, in the order it is drawn. */
  readonly own: readonly PlacedElement[];
  /** What the camera must find, from both. */
  readonly fields: readonly PlacedField[];
}
