/** What a designer lays over the picture: boxes and names of the fields, zones that must stay free, millimetres along the edges. */
import type { Box, Face, PlacedLine } from "../placed.js";
import type { EmbossLine } from "../types.js";
import { boxOf, card, mm } from "./art.js";
import { drawElement } from "./draw.js";
import type { FaceLayout } from "./face.js";
import type { Fonts } from "./fonts.js";
import { setLine } from "./line.js";
import { placeLine } from "./set-text.js";
import { border, chipKeepOut, stripeZone, struckBoxes } from "./zones.js";

const free = "#d0342c";
const field = "#1668c7";
const area = "#7a3fb0";

/** A word in the package's own font: pictures must not need one. */
export function word(
  text: string,
  at: {
    readonly x: number;
    readonly y: number;
    readonly size: number;
    readonly colour: string;
    readonly anchor?: "middle" | "end";
  },
  fonts: Fonts,
): string {
  const line = setLine(text, [fonts["Inter-SemiBold"], fonts["DejaVuSans-Bold"]]);
  const wide = line.width * at.size;
  const x = at.x - (at.anchor === "middle" ? wide / 2 : at.anchor === "end" ? wide : 0);
  const { elements } = placeLine(
    line,
    "word",
    { x, baseline: at.y, size: at.size, spacing: 0 },
    { layer: "colour", colour: at.colour, clear: false },
  );
  return elements.map((element) => drawElement(element, { mark: at.colour, clear: "#fff" })).join("");
}

const frame = ({ x, y, width, height }: Box, colour: string, more = ""): string =>
  `<rect x="${mm(x)}" y="${mm(y)}" width="${mm(width)}" height="${mm(height)}" fill="${colour}" fill-opacity="0.07" stroke="${colour}" stroke-width="0.09"${more}/>`;
const dashed = ` stroke-dasharray="0.7 0.45"`;

export function guides(face: Face, layout: FaceLayout, lines: readonly (EmbossLine | PlacedLine)[]): string {
  const { body, chip } = layout.template;
  const label = (text: string, box: Box, colour: string): string =>
    word(
      text,
      { x: box.x + box.width - 0.2, y: box.y + 0.95, size: 1.1, colour, anchor: "end" },
      layout.fonts,
    );
  const zones: readonly (readonly [string, Box])[] = [
    ...(chip ? [["contacts", chipKeepOut] as const] : []),
    ...(body.stripe === "none" ? [] : [["magnetic stripe", stripeZone(body.stripe)] as const]),
    ...(body.panel === undefined ? [] : [["signature panel", boxOf(body.panel)] as const]),
    ...body.holes.map(({ box }) => ["hole", boxOf(box)] as const),
  ];
  const edge: Box = {
    x: border,
    y: border,
    width: card.width - 2 * border,
    height: card.height - 2 * border,
  };
  const ticks = Array.from({ length: 17 }, (_, i) => (i + 1) * 5).flatMap((at) => [
    at < card.width ? `M${mm(at)} 0v${at % 10 === 0 ? "1.2" : "0.7"}` : "",
    at < card.height ? `M0 ${mm(at)}h${at % 10 === 0 ? "1.2" : "0.7"}` : "",
  ]);
  return [
    `<g>`,
    `<rect x="${mm(edge.x)}" y="${mm(edge.y)}" width="${mm(edge.width)}" height="${mm(edge.height)}" rx="${mm(card.radius - border)}" fill="none" stroke="${free}" stroke-width="0.08"${dashed}/>`,
    `<path d="${ticks.join("")}" stroke="#0008" stroke-width="0.08" fill="none"/>`,
    ...zones.map(([name, box]) => frame(box, free, dashed) + label(name, box, free)),
    ...lines.flatMap(struckBoxes).map((box) => frame(box, area, dashed)),
    ...face.fields
      .filter(({ kind }) => kind !== "art")
      .map((one) => frame(one.box, field) + label(one.name, one.box, field)),
    `</g>`,
  ].join("");
}
