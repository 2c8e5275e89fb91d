/** Lines for OCR-B readers, and the machine readable zone of ICAO Doc 9303-5 (TD1). */
import { boxOf } from "./art.js";
import type { Fonts } from "./fonts.js";
import { setLine } from "./line.js";
import { type MrzValues, mrzLines } from "./mrz.js";
import { characterName, LayoutProblem } from "./problem.js";
import { checkGlyphs, type Ink, type Placement, placeLine } from "./set-text.js";
import type { FieldOf } from "./template.js";
import { type FieldValues, fill } from "./text.js";

const inkOf = (field: FieldOf<"ocr"> | FieldOf<"mrz">): Ink => ({
  layer: field.layer,
  colour: field.colour,
  clear: false,
});

export function placeOcr(field: FieldOf<"ocr">, text: string, fonts: Fonts): Placement {
  const font = fonts["OCR-B"];
  checkGlyphs([font], text, field);
  const wrong = Array.from(text).find((char) => !/^[A-Z0-9< ./+-]$/.test(char));
  if (wrong !== undefined) {
    throw new LayoutProblem(
      "wrong-character",
      field.place,
      field.name,
      `${characterName(wrong)} is not read by OCR-B readers`,
      "use the modifiers latin and upper; A-Z, 0-9, <, space and . / + - are allowed",
    );
  }
  const box = boxOf(field.box);
  const line = setLine(text, [font]);
  const count = Array.from(text).length;
  const size = field.pitch / (line.width / count);
  if (count * field.pitch > box.width + 1e-9) {
    throw new LayoutProblem(
      "too-long",
      field.place,
      field.name,
      `${field.name} too long for its line: ${String(count)} characters need ${(count * field.pitch).toFixed(1)} of ${box.width.toFixed(1)} mm`,
      "shorten the text or widen the box",
    );
  }
  const free = box.width - count * field.pitch;
  const x = box.x + (field.align === "left" ? 0 : free * (field.align === "center" ? 0.5 : 1));
  const baseline = box.y + (box.height + font.capHeight * size) / 2;
  const { elements, boxes } = placeLine(line, field.name, { x, baseline, size, spacing: 0 }, inkOf(field));
  return {
    elements,
    field: { name: field.name, kind: "ocr", layer: field.layer, box, text, glyphs: boxes },
  };
}

/** OCR-B size I: ten characters and six lines an inch. */
const pitch = 2.54;
const linePitch = 25.4 / 6;

export function placeMrz(field: FieldOf<"mrz">, values: FieldValues, fonts: Fonts): Placement {
  const of = (key: keyof MrzValues): string => fill(field[key], values);
  const lines = mrzLines(
    {
      document: of("document"),
      state: of("state"),
      number: of("number"),
      optional1: of("optional1"),
      birth: of("birth"),
      sex: of("sex"),
      expiry: of("expiry"),
      nationality: of("nationality"),
      optional2: of("optional2"),
      surname: of("surname"),
      given: of("given"),
    },
    field,
  );
  const font = fonts["OCR-B"];
  const box = boxOf(field.box);
  const size = pitch / setLine("<", [font]).width;
  const capital = font.capHeight * size;
  const [width, height] = [30 * pitch, 2 * linePitch + capital];
  if (box.width < width - 1e-9 || box.height < height - 1e-9) {
    throw new LayoutProblem(
      "too-long",
      field.place,
      field.name,
      `three lines of 30 characters need ${width.toFixed(1)} × ${height.toFixed(1)} mm`,
      `give the field a box of that size (it has ${box.width.toFixed(1)} × ${box.height.toFixed(1)})`,
    );
  }
  const x = box.x + (box.width - width) / 2;
  const first = box.y + (box.height - height) / 2 + capital;
  const placed = lines.map((line, i) =>
    placeLine(
      setLine(line, [font]),
      field.name,
      { x, baseline: first + i * linePitch, size, spacing: 0 },
      inkOf(field),
    ),
  );
  return {
    elements: placed.flatMap(({ elements }) => elements),
    field: {
      name: field.name,
      kind: "mrz",
      layer: field.layer,
      box,
      text: lines.join("\n"),
      glyphs: placed.flatMap(({ boxes }) => boxes),
    },
  };
}
