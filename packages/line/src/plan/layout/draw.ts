/** Placed elements as SVG in millimetres: what resvg and browsers draw. */
import type { Box, Layer, PlacedElement } from "../placed.js";
import { mm } from "./art.js";

export interface Palette {
  /** Of marks on the engraver's layers; elements of other layers have colours of their own. */
  readonly mark: string;
  /** Of what takes marks away. */
  readonly clear: string;
}

const paintOf = (layer: Layer, colour: string, clear: boolean, palette: Palette): string =>
  clear ? palette.clear : layer === "laser" || layer === "code" ? palette.mark : colour;

const tag = (box: Box): string =>
  `x="${mm(box.x)}" y="${mm(box.y)}" width="${mm(box.width)}" height="${mm(box.height)}"`;

/** Dark modules as one path, runs of a row joined. */
function modules(element: Extract<PlacedElement, { kind: "code" }>): string {
  const { columns, rows, dark, x, y, module } = element;
  let d = "";
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; ) {
      let run = 0;
      while (column + run < columns && dark[row * columns + column + run] === 1) run++;
      if (run > 0)
        d += `M${mm(x + column * module.width)} ${mm(y + row * module.height)}h${mm(run * module.width)}v${mm(module.height)}h${mm(-run * module.width)}z`;
      column += run + 1;
    }
  }
  return d;
}

/** One element; pictures as `pictureOf` gives them (a data URL), nothing when it gives none. */
export function drawElement(
  element: PlacedElement,
  palette: Palette,
  pictureOf: (image: Extract<PlacedElement, { kind: "image" }>) => string | undefined = () => undefined,
): string {
  switch (element.kind) {
    case "glyphs": {
      const scale = element.scale.toFixed(8);
      const paint = paintOf(element.layer, element.colour, element.clear, palette);
      const paths = element.glyphs.map(
        ({ d, x, y }) => `<path transform="matrix(${scale} 0 0 -${scale} ${mm(x)} ${mm(y)})" d="${d}"/>`,
      );
      return `<g fill="${paint}">${paths.join("")}</g>`;
    }
    case "outline": {
      const paint = paintOf(element.layer, element.colour, element.clear, palette);
      const rule = element.rule === undefined ? "" : ` fill-rule="${element.rule}"`;
      return element.stroke === undefined
        ? `<path d="${element.d}" fill="${paint}"${rule}/>`
        : `<path d="${element.d}" fill="none" stroke="${paint}" stroke-width="${mm(element.stroke)}" stroke-linejoin="round"/>`;
    }
    case "artwork": {
      const data = Buffer.from(element.svg).toString("base64");
      return `<image ${tag(element.box)} href="data:image/svg+xml;base64,${data}"/>`;
    }
    case "image": {
      const href = pictureOf(element);
      return href === undefined
        ? ""
        : `<image ${tag(element.box)} preserveAspectRatio="none" href="${href}"/>`;
    }
    case "code":
      return `<path d="${modules(element)}" fill="${paintOf(element.layer, element.colour, false, palette)}"/>`;
    case "line":
    case "stripe":
      return "";
  }
}
