import { id1 } from "@persoline/card/id1";
import type { Box, PlacedOutline } from "../placed.js";
import { plainPaths } from "./paths.js";
import type { Art } from "./template.js";

/** ISO/IEC 7810 ID-1, mm. */
export const card = id1;

/** Four decimals of a millimetre: the same text on every machine. */
export const mm = (value: number): string => {
  const text = value.toFixed(4);
  return String(Number(text === "-0.0000" ? "0" : text));
};

export const boxOf = ([x, y, width, height]: readonly [number, number, number, number]): Box => ({
  x,
  y,
  width,
  height,
});

/** Smooth closed or open curve through points: each segment a cubic with Catmull-Rom tangents. */
function curve(points: readonly (readonly [number, number])[], closed: boolean): string {
  const count = points.length;
  const at = (i: number): readonly [number, number] =>
    points[closed ? (i + count) % count : Math.min(Math.max(i, 0), count - 1)] ?? [0, 0];
  const [startX, startY] = at(0);
  let d = `M${mm(startX)} ${mm(startY)}`;
  for (let i = 0; i < (closed ? count : count - 1); i++) {
    const [ax, ay] = at(i - 1);
    const [bx, by] = at(i);
    const [cx, cy] = at(i + 1);
    const [dx, dy] = at(i + 2);
    d += `C${mm(bx + (cx - ax) / 6)} ${mm(by + (cy - ay) / 6)} ${mm(cx - (dx - bx) / 6)} ${mm(cy - (dy - by) / 6)} ${mm(cx)} ${mm(cy)}`;
  }
  return closed ? `${d}Z` : d;
}

function waves(art: Extract<Art, { draw: "waves" }>): string {
  const { x, y, width, height } = boxOf(art.box);
  const room = height - 2 * art.amplitude;
  const steps = Math.max(2, Math.ceil((width / art.period) * 12));
  return Array.from({ length: art.lines }, (_, line) => {
    const middle = y + art.amplitude + (art.lines === 1 ? room / 2 : (room * line) / (art.lines - 1));
    const points = Array.from({ length: steps + 1 }, (__, i): [number, number] => {
      const along = (width * i) / steps;
      return [
        x + along,
        middle + art.amplitude * Math.sin((2 * Math.PI * (along + line * art.drift)) / art.period),
      ];
    });
    return curve(points, false);
  }).join("");
}

/** Loops between two radii, as on a bank note. */
function rosette(art: Extract<Art, { draw: "rosette" }>): string {
  const [x, y] = art.at;
  const middle = (art.radius + art.inner) / 2;
  const swing = (art.radius - art.inner) / 2;
  const steps = art.petals * 16;
  return Array.from({ length: art.turns }, (_, turn) => {
    const phase = (2 * Math.PI * turn) / art.turns;
    const points = Array.from({ length: steps }, (__, i): [number, number] => {
      const angle = (2 * Math.PI * i) / steps;
      const reach = middle + swing * Math.sin(art.petals * angle + phase);
      return [x + reach * Math.cos(angle), y + reach * Math.sin(angle)];
    });
    return curve(points, true);
  }).join("");
}

/** The shape as an SVG element, filled or stroked in black: what usvg turns into a plain path. */
function element(art: Art): string {
  const paint =
    art.stroke === undefined ? `fill="#000"` : `fill="none" stroke="#000" stroke-width="${mm(art.stroke)}"`;
  switch (art.draw) {
    case "rect": {
      const { x, y, width, height } = boxOf(art.box);
      const round = art.radius === undefined ? "" : ` rx="${mm(art.radius)}"`;
      return `<rect x="${mm(x)}" y="${mm(y)}" width="${mm(width)}" height="${mm(height)}"${round} ${paint}/>`;
    }
    case "circle":
      return `<circle cx="${mm(art.at[0])}" cy="${mm(art.at[1])}" r="${mm(art.radius)}" ${paint}/>`;
    case "line":
      return `<path d="M${mm(art.from[0])} ${mm(art.from[1])}L${mm(art.to[0])} ${mm(art.to[1])}" ${paint}/>`;
    case "path": {
      const move = `translate(${mm(art.at[0])} ${mm(art.at[1])}) scale(${mm(art.scale)})`;
      const unscaled =
        art.stroke === undefined
          ? paint
          : `fill="none" stroke="#000" stroke-width="${mm(art.stroke / art.scale)}"`;
      return `<path transform="${move}" d="${art.d.replaceAll(/\s+/g, " ")}" ${unscaled}/>`;
    }
    case "waves":
      return `<path d="${waves(art)}" ${paint}/>`;
    case "rosette":
      return `<path d="${rosette(art)}" ${paint}/>`;
  }
}

/** One shape as outlines in millimetres. */
export function placeArt(art: Art): readonly PlacedOutline[] {
  const svg =
    `<svg xmlns="http://www.w3.org/2000/svg" width="${mm(card.width)}" height="${mm(card.height)}" ` +
    `viewBox="0 0 ${mm(card.width)} ${mm(card.height)}">${element(art)}</svg>`;
  return plainPaths(svg).paths.map(({ d, rule }) => ({
    kind: "outline",
    layer: art.layer,
    field: art.name,
    d,
    ...(rule === undefined ? {} : { rule }),
    ...(art.stroke === undefined ? {} : { stroke: art.stroke }),
    colour: art.colour,
    clear: art.ink === "clear",
  }));
}
