/** The card as it will look, as SVG: for designers, customers and reports. */
import { wheels } from "@persoline/card/id1";
import sharp from "sharp";
import type { Box, Face, Layer, PlacedElement, PlacedImage, PlacedLine } from "../placed.js";
import type { EmbossLine } from "../types.js";
import { boxOf, card, mm } from "./art.js";
import { isOfBody } from "./body.js";
import { drawElement } from "./draw.js";
import type { FaceLayout } from "./face.js";
import type { Fonts } from "./fonts.js";
import { guides } from "./guides.js";
import { pictureDots, pictureRgb } from "./tones.js";
import { stripeBox } from "./zones.js";

export interface PictureOptions {
  /** Layers that are shown; all when not said. */
  readonly layers?: readonly Layer[];
  /** Draws the fields' boxes and names, and the zones that must stay free. */
  readonly guides?: boolean;
  /** Lines raised on this side besides those of its own layout. */
  readonly emboss?: readonly EmbossLine[];
  /** Dots an inch the pictures of records are prepared for. */
  readonly dpi: number;
}

/** Of burnt plastic: never quite black. */
const burnt = "#2c2826";

/** Contacts as on a module of 13 × 11.8 mm around C1..C8 (ISO/IEC 7816-2), mm. */
function contacts(id: string): string {
  const line = `stroke="#7d6526" stroke-width="0.16"`;
  return (
    `<defs><linearGradient id="${id}gold" x1="0" y1="0" x2="1" y2="1"><stop offset="0" stop-color="#f3dd9a"/>` +
    `<stop offset="0.45" stop-color="#d9b860"/><stop offset="0.6" stop-color="#e9cf85"/><stop offset="1" stop-color="#b9923c"/></linearGradient></defs>` +
    `<rect x="9.62" y="18.32" width="11" height="11.16" rx="1.9" fill="#00000030" transform="translate(0.12 0.16)"/>` +
    `<rect x="9.62" y="18.32" width="11" height="11.16" rx="1.9" fill="url(#${id}gold)" stroke="#8d7430" stroke-width="0.14"/>` +
    // Cuts between the eight contacts and around the middle.
    `<g fill="none" ${line}><path d="M9.62 21.2H13.2M9.62 23.9H13.2M9.62 26.6H13.2M17.04 21.2H20.62M17.04 23.9H20.62M17.04 26.6H20.62"/>` +
    `<path d="M15.12 18.32V20.4M15.12 29.48V27.4"/><rect x="13.2" y="20.4" width="3.84" height="7" rx="1.2"/></g>`
  );
}

/** Raised or pressed characters, lit from the upper left. */
function struck(lines: readonly (EmbossLine | PlacedLine)[], fonts: Fonts): string {
  const font = fonts["OCR-B"];
  return lines
    .map((line) => {
      const { height } = wheels[line.font];
      const size = height / font.capHeight;
      const scale = size / font.unitsPerEm;
      const baseline = card.height - line.yFromBottom + height / 2;
      const pressed = "layer" in line && line.layer === "indent";
      return Array.from(line.text)
        .map((char, i) => {
          const [glyph] = font.set(char).glyphs;
          if (glyph?.ink === undefined) return "";
          const x = line.x + i * line.pitch - ((glyph.ink.left + glyph.ink.right) / 2) * size;
          const path = (by: number, fill: string): string =>
            `<path transform="matrix(${scale.toFixed(8)} 0 0 ${(-scale).toFixed(8)} ${mm(x + by)} ${mm(baseline + by)})" fill="${fill}" d="${glyph.outline}"/>`;
          return pressed
            ? path(0.05, "#ffffffb0") + path(0, "#3a3a3a")
            : path(0.17, "#00000026") +
                path(0.1, "#00000059") +
                path(-0.08, "#fffffff2") +
                path(0, "#aab1b5");
        })
        .join("");
    })
    .join("");
}

/** Card outline with its holes cut out, as path data. */
function outline(holes: FaceLayout["template"]["body"]["holes"]): string {
  const rounded = ({ x, y, width, height }: Box, r: number): string =>
    `M${mm(x + r)} ${mm(y)}H${mm(x + width - r)}A${mm(r)} ${mm(r)} 0 0 1 ${mm(x + width)} ${mm(y + r)}V${mm(y + height - r)}` +
    `A${mm(r)} ${mm(r)} 0 0 1 ${mm(x + width - r)} ${mm(y + height)}H${mm(x + r)}A${mm(r)} ${mm(r)} 0 0 1 ${mm(x)} ${mm(y + height - r)}` +
    `V${mm(y + r)}A${mm(r)} ${mm(r)} 0 0 1 ${mm(x + r)} ${mm(y)}Z`;
  return [
    rounded({ x: 0, y: 0, width: card.width, height: card.height }, card.radius),
    ...holes.map(({ box, radius }) =>
      rounded(boxOf(box), Math.min(radius, boxOf(box).width / 2, boxOf(box).height / 2)),
    ),
  ].join("");
}

const url = (png: Uint8Array): string => `data:image/png;base64,${Buffer.from(png).toString("base64")}`;

/** A picture as this machine leaves it on the card: dots of the engraver melt together as they do in the eye. */
async function pictureOf(image: PlacedImage, dpi: number): Promise<string> {
  const at = (resolution: number, length: number): number =>
    Math.max(1, Math.round((length / 25.4) * resolution));
  const { width, height } = image.box;
  const [columns, rows] = [at(dpi, width), at(dpi, height)];
  if (image.layer === "colour") {
    const rgb = await pictureRgb(image, columns, rows);
    const channels = rgb.length === columns * rows ? 1 : 3;
    return url(
      await sharp(rgb, { raw: { width: columns, height: rows, channels } })
        .png()
        .toBuffer(),
    );
  }
  const fine = 600;
  const [w, h] = [at(fine, width), at(fine, height)];
  const dots = await pictureDots(image, w, h);
  const alpha = await sharp(
    dots.map((dot) => dot * 255),
    { raw: { width: w, height: h, channels: 1 } },
  )
    .resize(columns, rows, { kernel: "mitchell" })
    .extractChannel(0)
    .raw()
    .toBuffer();
  const ink = Buffer.alloc(columns * rows * 4);
  const [r, g, b] = [1, 3, 5].map((from) => Number.parseInt(burnt.slice(from, from + 2), 16));
  alpha.forEach((value, i) => ink.set([r ?? 0, g ?? 0, b ?? 0, value], 4 * i));
  return url(
    await sharp(ink, { raw: { width: columns, height: rows, channels: 4 } })
      .png()
      .toBuffer(),
  );
}

const shade = (hex: string, by: number): string =>
  `#${[1, 3, 5]
    .map((at) =>
      Math.max(0, Math.min(255, Math.round(Number.parseInt(hex.slice(at, at + 2), 16) * by)))
        .toString(16)
        .padStart(2, "0"),
    )
    .join("")}`;

/** Marks of the engraver as a mask, so that what is cleared shows what lies under it. */
function engravings(elements: readonly PlacedElement[], id: string): string {
  if (elements.length === 0) return "";
  const shapes = elements.map((element) => drawElement(element, { mark: "#fff", clear: "#000" })).join("");
  if (!elements.some((element) => "clear" in element && element.clear))
    return elements.map((element) => drawElement(element, { mark: burnt, clear: "#fff" })).join("");
  return (
    `<mask id="${id}burnt" maskUnits="userSpaceOnUse" x="0" y="0" width="${mm(card.width)}" height="${mm(card.height)}">${shapes}</mask>` +
    `<rect width="${mm(card.width)}" height="${mm(card.height)}" fill="${burnt}" mask="url(#${id}burnt)"/>`
  );
}

/** One side as an SVG fragment in millimetres, its upper left corner at 0, 0. Every id begins with the side. */
export async function pictureOfFace(
  face: Face,
  layout: FaceLayout,
  options: PictureOptions,
): Promise<string> {
  const { body, chip } = layout.template;
  const shown = (layer: Layer): boolean => options.layers?.includes(layer) ?? true;
  const id = `${face.side}-`;
  // What the blank carries is there whatever is shown of its marks.
  const elements = [...face.common.elements, ...face.own].filter(
    (element) => shown(element.layer) || isOfBody(element),
  );
  const on = (...layers: readonly Layer[]): PlacedElement[] =>
    elements.filter(({ layer }) => layers.includes(layer));
  const images = new Map<PlacedElement, string>();
  for (const element of elements)
    if (element.kind === "image") images.set(element, await pictureOf(element, options.dpi));
  const palette = { mark: burnt, clear: body.colour };
  const inColour = (element: PlacedElement): string =>
    drawElement(element, palette, (image) => images.get(image));
  const stripe = body.stripe === "none" ? undefined : stripeBox(body.stripe);
  const lines: (EmbossLine | PlacedLine)[] = [
    ...(shown("emboss") ? (options.emboss ?? []) : []),
    ...on("emboss", "indent").flatMap((element) => (element.kind === "line" ? [element] : [])),
  ];
  const pictures = on("laser").filter(({ kind }) => kind === "image");
  const drawn = [
    `<defs><linearGradient id="${id}body" x1="0" y1="0" x2="1" y2="1"><stop offset="0" stop-color="${shade(body.colour, 1.02)}"/>` +
      `<stop offset="1" stop-color="${shade(body.colour, 0.955)}"/></linearGradient>` +
      `<clipPath id="${id}card"><path d="${outline(body.holes)}" clip-rule="evenodd"/></clipPath></defs>`,
    `<g clip-path="url(#${id}card)">`,
    `<rect width="${mm(card.width)}" height="${mm(card.height)}" fill="url(#${id}body)"/>`,
    `<g id="${id}preprint">${on("preprint").map(inColour).join("")}</g>`,
    `<g id="${id}colour">${on("colour").map(inColour).join("")}</g>`,
    stripe === undefined
      ? ""
      : `<rect x="0" y="${mm(stripe.y)}" width="${mm(card.width)}" height="${mm(stripe.height * 0.4)}" fill="#ffffff" opacity="0.05"/>`,
    `<g id="${id}laser">${engravings(
      on("laser").filter(({ kind }) => kind !== "image"),
      id,
    )}${pictures.map(inColour).join("")}</g>`,
    `<g id="${id}code">${on("code").map(inColour).join("")}</g>`,
    chip ? contacts(id) : "",
    lines.length === 0 ? "" : `<g id="${id}emboss">${struck(lines, layout.fonts)}</g>`,
    `</g>`,
    `<path d="${outline(body.holes)}" fill="none" stroke="#00000038" stroke-width="0.12"/>`,
    options.guides === true ? guides(face, layout, lines) : "",
  ];
  return drawn.join("\n");
}
