import bwip from "bwip-js";
import type { Photo } from "../../orders/types.js";
import type { Face, PlacedField } from "../types.js";
import { type Box, boxOf, card, drawArt, mm } from "./art.js";
import type { Fonts, LayoutFont, SetLine } from "./fonts.js";
import { characterName, LayoutProblem } from "./problem.js";
import type { FaceTemplate, LayoutField } from "./schema.js";
import { type FieldValues, fill } from "./text.js";

/** A template with its fonts, its static part drawn once for all cards. */
export interface FaceLayout {
  readonly template: FaceTemplate;
  readonly fonts: Fonts;
  /** SVG of the art and of the texts that name no field. */
  readonly art: string;
  readonly artFields: readonly PlacedField[];
}

type TextField = Extract<LayoutField, { kind: "text" }>;
type Drawn = { readonly svg: string; readonly field: PlacedField };

const point = 25.4 / 72;
/** Distance of base lines, in font sizes. */
const leading = 1.22;
/** The dot of a 300 dpi engraver: modules of a code are whole dots, so that all are equally wide. */
const dot = 25.4 / 300;

function drawGlyphs(
  font: LayoutFont,
  line: SetLine,
  at: { readonly x: number; readonly baseline: number; readonly size: number; readonly spacing: number },
): { svg: string; glyphs: { char: string; box: Box }[] } {
  const scale = at.size / font.unitsPerEm;
  let svg = "";
  const glyphs: { char: string; box: Box }[] = [];
  line.glyphs.forEach((glyph, i) => {
    if (glyph.ink === undefined) return;
    const x = at.x + glyph.x * at.size + i * at.spacing;
    svg += `<path transform="matrix(${scale.toFixed(8)} 0 0 ${(-scale).toFixed(8)} ${mm(x)} ${mm(at.baseline)})" d="${glyph.outline}"/>`;
    const { left, right, bottom, top } = glyph.ink;
    glyphs.push({
      char: glyph.char,
      box: {
        x: x + left * at.size,
        y: at.baseline - top * at.size,
        width: (right - left) * at.size,
        height: (top - bottom) * at.size,
      },
    });
  });
  return { svg, glyphs };
}

function checkGlyphs(font: LayoutFont, text: string, field: LayoutField): void {
  const lacking = font.lacks(text);
  if (lacking === undefined) return;
  throw new LayoutProblem(
    "missing-glyph",
    field.place,
    field.name,
    `the font ${font.name} has no glyph for ${characterName(lacking)}`,
    "spell the value otherwise, or give this field the modifier latin or another font",
  );
}

/** Words over at most so many lines, none wider than the box; undefined when they do not fit. */
function breakLines(
  words: readonly string[],
  lines: number,
  fits: (text: string) => boolean,
): string[] | undefined {
  const done: string[] = [];
  let current = "";
  for (const word of words) {
    const longer = current === "" ? word : `${current} ${word}`;
    if (fits(longer)) current = longer;
    else {
      if (current === "" || !fits(word)) return undefined;
      done.push(current);
      current = word;
    }
  }
  done.push(current);
  return done.length <= lines ? done : undefined;
}

function drawText(field: TextField, text: string, font: LayoutFont): Drawn {
  checkGlyphs(font, text, field);
  const box = boxOf(field.box);
  const smallest = field.min ?? field.size;
  // In em, so it is the same at every size that is tried.
  const widths = new Map<string, number>();
  const wide = (line: string, size: number): number => {
    let em = widths.get(line);
    if (em === undefined) {
      em = font.set(line).width;
      widths.set(line, em);
    }
    return em * size + field.spacing * Math.max(0, Array.from(line).length - 1);
  };
  let lines: string[] | undefined;
  let points = field.size;
  for (;;) {
    const size = points * point;
    const room = Math.floor((box.height - font.capHeight * size) / (leading * size) + 1 + 1e-9);
    const allowed = Math.min(field.lines, room);
    const words = text.split(" ").filter((word) => word !== "");
    lines =
      allowed < 1 ? undefined : breakLines(words, allowed, (line) => wide(line, size) <= box.width + 1e-9);
    if (lines !== undefined || points <= smallest) break;
    points = Math.max(smallest, points - 0.25);
  }
  if (lines === undefined) {
    const needs = wide(text, smallest * point);
    throw new LayoutProblem(
      "too-long",
      field.place,
      field.name,
      `${field.name} too long for its line: ${String(Array.from(text).length)} characters need ${needs.toFixed(1)} mm at ${String(smallest)} pt, ` +
        `and there is room for ${String(field.lines)} × ${box.width.toFixed(1)} mm`,
      "shorten the value, or give the field a wider box, more lines or a smaller min",
    );
  }
  const size = points * point;
  const height = font.capHeight * size + (lines.length - 1) * leading * size;
  const slack = field.valign === "top" ? 0 : (box.height - height) * (field.valign === "middle" ? 0.5 : 1);
  const first = box.y + slack + font.capHeight * size;
  let svg = "";
  const glyphs: { char: string; box: Box }[] = [];
  lines.forEach((line, i) => {
    const free = box.width - wide(line, size);
    const x = box.x + (field.align === "left" ? 0 : free * (field.align === "center" ? 0.5 : 1));
    const drawn = drawGlyphs(font, font.set(line), {
      x,
      baseline: first + i * leading * size,
      size,
      spacing: field.spacing,
    });
    svg += drawn.svg;
    glyphs.push(...drawn.glyphs);
  });
  const colour = field.ink === "clear" ? ' fill="#fff"' : "";
  return {
    svg: `<g${colour}>${svg}</g>`,
    field: { name: field.name, kind: "text", box, text: lines.join("\n"), glyphs },
  };
}

function drawOcr(field: Extract<LayoutField, { kind: "ocr" }>, text: string, font: LayoutFont): Drawn {
  checkGlyphs(font, text, field);
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
  const set = font.set(text);
  const count = Array.from(text).length;
  const size = field.pitch / (set.width / count);
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
  const { svg, glyphs } = drawGlyphs(font, set, { x, baseline, size, spacing: 0 });
  return { svg: `<g>${svg}</g>`, field: { name: field.name, kind: "ocr", box, text, glyphs } };
}

function drawQr(field: Extract<LayoutField, { kind: "qr" }>, text: string): Drawn {
  const box = boxOf(field.box);
  const ask = { bcid: "qrcode", text, eclevel: field.level };
  const [code] = bwip.raw(ask);
  if (code === undefined || !("pixs" in code)) throw new Error("bwip-js drew no matrix for a QR code");
  const side = code.pixx;
  const module = Math.floor(Math.min(box.width, box.height) / (side + 8) / dot + 1e-9) * dot;
  if (module < 3 * dot - 1e-9) {
    throw new LayoutProblem(
      "code-too-dense",
      field.place,
      field.name,
      `${String(side)} modules and the quiet zone leave less than 3 dots of 300 dpi a module`,
      "widen the box, lower the error correction level or shorten the content",
    );
  }
  const left = Math.round((box.x + (box.width - module * side) / 2) / dot) * dot;
  const top = Math.round((box.y + (box.height - module * side) / 2) / dot) * dot;
  let d = "";
  for (let row = 0; row < side; row++) {
    for (let column = 0; column < side; ) {
      let run = 0;
      while (column + run < side && code.pixs[row * side + column + run] === 1) run++;
      if (run > 0) {
        d += `M${mm(left + column * module)} ${mm(top + row * module)}h${mm(run * module)}v${mm(module)}h${mm(-run * module)}z`;
      }
      column += run + 1;
    }
  }
  const quiet = 4 * module;
  const symbol = {
    x: left - quiet,
    y: top - quiet,
    width: module * side + 2 * quiet,
    height: module * side + 2 * quiet,
  };
  return { svg: `<path d="${d}"/>`, field: { name: field.name, kind: "qr", box: symbol, text } };
}

/** The picture lies in the SVG as it came; the engraver's dots are made at its resolution (raster.ts). */
function drawPhoto(
  field: Extract<LayoutField, { kind: "photo" }>,
  photos: Readonly<Record<string, Photo>>,
): Drawn | undefined {
  const photo = photos[field.photo];
  if (photo === undefined) {
    if (!field.required) return undefined;
    throw new LayoutProblem(
      "photo-missing",
      field.place,
      field.name,
      "the record has no photo",
      "add it to the input",
    );
  }
  const box = boxOf(field.box);
  const data = Buffer.from(photo.png.buffer, photo.png.byteOffset, photo.png.byteLength).toString("base64");
  return {
    svg:
      `<image x="${mm(box.x)}" y="${mm(box.y)}" width="${mm(box.width)}" height="${mm(box.height)}" ` +
      `preserveAspectRatio="xMidYMid slice" data-dither="${field.dither}" href="data:image/png;base64,${data}"/>`,
    field: { name: field.name, kind: "photo", box },
  };
}

function draw(
  field: LayoutField,
  values: FieldValues,
  photos: Readonly<Record<string, Photo>>,
  fonts: Fonts,
): Drawn | undefined {
  if (field.kind === "photo") return drawPhoto(field, photos);
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
    case "text":
      return drawText(field, text, fonts[field.font]);
    case "ocr":
      return drawOcr(field, text, fonts["OCR-B"]);
    case "qr":
      return drawQr(field, text);
  }
}

const isStatic = (field: LayoutField): boolean => field.kind !== "photo" && field.text.fields.length === 0;

/** Draws what all cards of the layout share. Throws LayoutProblem. */
export function compileLayout(template: FaceTemplate, fonts: Fonts): FaceLayout {
  const texts = template.fields.filter(isStatic).flatMap((field) => draw(field, {}, {}, fonts) ?? []);
  const art = template.art.map(drawArt).join("") + texts.map(({ svg }) => svg).join("");
  const artFields = texts.map(({ field }) => field);
  if (template.art.length > 0) {
    artFields.push({
      name: "artwork",
      kind: "art",
      box: { x: 0, y: 0, width: card.width, height: card.height },
    });
  }
  return { template, fonts, art, artFields };
}

/**
 * Lays one side out for one record, in millimetres: outlines, and a box for each field and glyph. Pure. Throws LayoutProblem when a
 * value does not fit, a glyph or the photo is missing.
 */
export function layoutFace(
  layout: FaceLayout,
  values: FieldValues,
  photos: Readonly<Record<string, Photo>>,
): Face {
  const drawn = layout.template.fields
    .filter((field) => !isStatic(field))
    .flatMap((field) => draw(field, values, photos, layout.fonts) ?? []);
  return {
    side: layout.template.side,
    svg:
      `<svg xmlns="http://www.w3.org/2000/svg" width="${mm(card.width)}mm" height="${mm(card.height)}mm" ` +
      `viewBox="0 0 ${mm(card.width)} ${mm(card.height)}">\n<g id="art">${layout.art}</g>\n` +
      `<g id="fields">${drawn.map(({ svg }) => svg).join("")}</g>\n</svg>\n`,
    fields: [...layout.artFields, ...drawn.map(({ field }) => field)],
  };
}
