/** Rules about what lies under a mark: the ground's brightness, and lines of the artwork running through. */
import { Resvg } from "@resvg/resvg-js";
import { type Box, engraved, type Face, type PlacedElement, type PlacedField } from "../placed.js";
import { aspectOf } from "./artwork.js";
import { boxOf, card, mm } from "./art.js";
import { isOfBody } from "./body.js";
import { dotOf } from "./codes.js";
import { drawElement } from "./draw.js";
import type { FaceLayout } from "./face.js";
import { inkBoxes } from "./lint-geometry.js";
import type { Say } from "./lint-finding.js";

const dpi = 200;

interface Picture {
  readonly width: number;
  readonly height: number;
  /** RGBA. */
  readonly pixels: Uint8Array;
}

function drawn(
  elements: readonly PlacedElement[],
  ground: string,
  palette = { mark: "#000000", clear: "#ffffff" },
): Picture {
  const width = Math.round((card.width / 25.4) * dpi);
  const height = Math.round((card.height / 25.4) * dpi);
  const svg =
    `<svg xmlns="http://www.w3.org/2000/svg" width="${String(width)}" height="${String(height)}" viewBox="0 0 ${mm(card.width)} ${mm(card.height)}">` +
    elements.map((element) => drawElement(element, palette)).join("") +
    `</svg>`;
  const { pixels } = new Resvg(svg, { background: ground, font: { loadSystemFonts: false } }).render();
  return { width, height, pixels };
}

const linear = (value: number): number =>
  value <= 10.31475 ? value / 255 / 12.92 : ((value / 255 + 0.055) / 1.055) ** 2.4;

/** Relative luminance (sRGB), 0 black … 1 white. */
const luminance = (r: number, g: number, b: number): number =>
  0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);

const luminanceOf = (hex: string): number => {
  const [r = 0, g = 0, b = 0] = [1, 3, 5].map((at) => Number.parseInt(hex.slice(at, at + 2), 16));
  return luminance(r, g, b);
};

function* dotsIn({ width, height }: Picture, box: Box): Generator<number> {
  const dot = 25.4 / dpi;
  const [left, right] = [
    Math.max(0, Math.floor(box.x / dot)),
    Math.min(width, Math.ceil((box.x + box.width) / dot)),
  ];
  const [top, bottom] = [
    Math.max(0, Math.floor(box.y / dot)),
    Math.min(height, Math.ceil((box.y + box.height) / dot)),
  ];
  for (let y = top; y < bottom; y++) for (let x = left; x < right; x++) yield y * width + x;
}

/** The dark end of the ground under a field: a tenth of it is darker. */
function groundUnder(picture: Picture, boxes: readonly Box[]): number {
  const values: number[] = [];
  for (const box of boxes)
    for (const at of dotsIn(picture, box)) {
      const { pixels } = picture;
      values.push(luminance(pixels[4 * at] ?? 255, pixels[4 * at + 1] ?? 255, pixels[4 * at + 2] ?? 255));
    }
  values.sort((a, b) => a - b);
  return values[Math.floor(values.length / 10)] ?? 1;
}

/** Burnt polycarbonate is never quite black. */
const burnt = "#2c2826";

const ratio = (a: number, b: number): number => (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);

function contrast(face: Face, layout: FaceLayout, say: Say): void {
  const { body, limits, fields } = layout.template;
  // Marks on the stripe or the panel have rules of their own.
  const under = [...face.common.elements, ...face.own].filter(
    (element) =>
      (element.layer === "preprint" || element.layer === "colour") &&
      (element.kind === "artwork" || element.kind === "outline") &&
      !isOfBody(element),
  );
  const ground = drawn(under, body.colour);
  for (const placed of face.fields) {
    const field = fields.find(({ name }) => name === placed.name);
    if (placed.kind === "art" || placed.kind === "photo" || field === undefined) continue;
    if (field.kind === "text" && field.ink === "clear") continue;
    const mark = engraved.includes(placed.layer) || !("colour" in field) ? burnt : field.colour;
    const light = groundUnder(ground, inkBoxes(placed));
    const found = ratio(light, luminanceOf(mark));
    // A decoder needs more than a reader, and dark marks on light ground.
    const least = placed.kind === "code" ? Math.max(limits.contrast, 4.5) : limits.contrast;
    if (found < least)
      say(
        "contrast",
        found < least * 0.75 || placed.kind === "code" ? "error" : "warning",
        [placed.name],
        `its marks stand on a ground that is too much like them (contrast ${found.toFixed(1)} : 1, wanted ${least.toFixed(1)} : 1)`,
        light < luminanceOf(mark)
          ? "lighten the mark, or put a light field under it"
          : "lighten the artwork under it",
      );
  }
}

/** Box around some boxes of a field that stand in one line. */
function linesOf(field: PlacedField): Box[] {
  const lines: Box[] = [];
  for (const box of inkBoxes(field)) {
    const last = lines.at(-1);
    if (
      last !== undefined &&
      Math.min(last.y + last.height, box.y + box.height) > Math.max(last.y, box.y) &&
      box.x >= last.x - 0.01
    ) {
      const x = Math.min(last.x, box.x);
      const y = Math.min(last.y, box.y);
      lines[lines.length - 1] = {
        x,
        y,
        width: Math.max(last.x + last.width, box.x + box.width) - x,
        height: Math.max(last.y + last.height, box.y + box.height) - y,
      };
    } else lines.push(box);
  }
  return lines;
}

/** Share of a field's lines that artwork of the laser may take: more cannot be judged by the camera, nor read by a decoder. */
const through = {
  code: 0.002,
  ocr: 0.005,
  mrz: 0.005,
  text: 0.05,
  photo: 0.02,
  signature: 0.02,
  art: 1,
} as const;

function artUnder(face: Face, layout: FaceLayout, say: Say): void {
  const lines = [...face.common.elements, ...face.own].filter(
    ({ layer, kind }) => layer === "laser" && kind === "outline",
  );
  if (lines.length === 0) return;
  const picture = drawn(lines, "#ffffff");
  for (const placed of face.fields) {
    const field = layout.template.fields.find(({ name }) => name === placed.name);
    if (placed.kind === "art" || !engraved.includes(placed.layer)) continue;
    if (field?.kind === "text" && field.ink === "clear") continue;
    let [dark, all] = [0, 0];
    for (const box of placed.glyphs === undefined ? [placed.box] : linesOf(placed))
      for (const at of dotsIn(picture, box)) {
        all++;
        if ((picture.pixels[4 * at] ?? 255) < 128) dark++;
      }
    const share = all === 0 ? 0 : dark / all;
    if (share > through[placed.kind])
      say(
        placed.kind === "code" ? "quiet-zone" : "art-under",
        placed.kind === "text" || placed.kind === "photo" || placed.kind === "signature"
          ? "warning"
          : "error",
        [placed.name],
        `engraved artwork runs through it (${(100 * share).toFixed(1)} % of its place is marked)`,
        "leave the place free, or put the artwork on the layer colour, in a light tint",
      );
  }
}

function ofArt(layout: FaceLayout, say: Say): void {
  const { template } = layout;
  const dot = dotOf(template.dpi);
  for (const art of template.art) {
    if (art.draw === "svg") {
      const { width, height } = boxOf(art.box);
      const off = aspectOf(art) / (width / height);
      if (Math.abs(off - 1) > 0.01)
        say(
          "artwork-shape",
          "warning",
          [art.name],
          `the drawing is ${aspectOf(art).toFixed(3)} times as wide as high, and its box ${(width / height).toFixed(3)} times`,
          `it is fitted into the middle; make the box ${width.toFixed(2)} × ${(width / aspectOf(art)).toFixed(2)} mm`,
        );
    } else if (art.layer === "laser" && art.stroke !== undefined && art.stroke < dot - 1e-6)
      say(
        "hairline",
        "warning",
        [art.name],
        `a line of ${art.stroke.toFixed(3)} mm is thinner than a dot of ${String(template.dpi)} dpi and breaks up`,
        `make it ${dot.toFixed(3)} mm or wider`,
      );
  }
}

/** What is wrong with what lies under the marks of one laid-out side. */
export function lintInk(face: Face, layout: FaceLayout, say: Say): void {
  contrast(face, layout, say);
  artUnder(face, layout, say);
}

export const lintArt = ofArt;
