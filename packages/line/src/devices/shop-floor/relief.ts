/**
 * What the light of a side lamp makes of characters that wheels struck: a bright flank towards it, a dark one behind, foil on the crests
 * where the card was topped. Simulators have the wheels' shapes from OCR-B (7B and 4B are nobody's to give away), read here by themselves:
 * the judge reads its own.
 */
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import type * as fontkit from "fontkit";
import { id1, wheels } from "@persoline/card/id1";
import { Resvg } from "@resvg/resvg-js";
import type { RaisedLine, Side } from "./faces.js";

/** Where the light comes from, as a unit vector over the card (x right, y down), and how strong flanks shine: 0.35 is plain to see. */
export interface SideLight {
  readonly x: number;
  readonly y: number;
  readonly strength: number;
}

/** Dots an inch of the relief: two by two in one of the camera's. */
const fine = 600;
const perMm = fine / 25.4;
/** mm across which a flank rises. */
const flank = 0.2;
/** A dent behind is shallower than the character in front. */
const behind = 0.6;

interface Shape {
  /** SVG path data, font units, y up. */
  readonly d: string;
  /** Middle of its ink. */
  readonly middle: number;
}

interface Shapes {
  readonly of: (char: string) => Shape | undefined;
  /** Height of a capital, font units. */
  readonly capital: number;
}

let read: Shapes | undefined;

function shapes(): Shapes {
  if (read !== undefined) return read;
  const { create } = createRequire(import.meta.url)("fontkit") as typeof fontkit;
  const font = create(readFileSync(new URL("../../../fonts/OCR-B.otf", import.meta.url)));
  const known = new Map<string, Shape | undefined>();
  const glyphOf = (char: string) => font.glyphForCodePoint(char.codePointAt(0) ?? 0);
  const draw = (char: string): Shape | undefined => {
    const { path, bbox } = glyphOf(char);
    const d = path.toSVG();
    return d === "" ? undefined : { d, middle: (bbox.minX + bbox.maxX) / 2 };
  };
  read = {
    capital: glyphOf("H").bbox.maxY,
    of(char) {
      if (!known.has(char)) known.set(char, draw(char));
      return known.get(char);
    },
  };
  return read;
}

interface Part {
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
  /** 0 = the body's surface, 1 = a crest. */
  readonly data: Float32Array;
}

/** Running mean over 2·reach + 1 values, `count` of them `step` apart, from `start`; `room` has as many. Plain loops: a line has half a million dots. */
function smooth(
  data: Float32Array,
  start: number,
  step: number,
  count: number,
  reach: number,
  room: Float32Array,
): void {
  for (let i = 0, at = start; i < count; i++, at += step) room[i] = data[at] ?? 0;
  const part = 1 / (2 * reach + 1);
  let sum = 0;
  for (let i = 0; i < Math.min(reach, count); i++) sum += room[i] ?? 0;
  for (let i = 0, at = start; i < count; i++, at += step) {
    if (i + reach < count) sum += room[i + reach] ?? 0;
    if (i > reach) sum -= room[i - reach - 1] ?? 0;
    data[at] = sum * part;
  }
}

/** The heights of a line, flanks and all. Undefined: nothing of it is on the card. */
function heightOf(line: RaisedLine, mirrored: boolean): Part | undefined {
  const { capital, of } = shapes();
  const { height } = wheels[line.font];
  const pad = 1.5;
  const last = line.x + (line.text.length - 1) * line.pitch;
  const [from, to] = [line.x - line.pitch - pad, last + line.pitch + pad];
  const dot = (mm: number): number => Math.floor(mm * perMm);
  const left = Math.max(0, dot(mirrored ? id1.width - to : from));
  const right = Math.min(dot(id1.width), dot(mirrored ? id1.width - from : to));
  const middle = id1.height - line.yFromBottom;
  const top = Math.max(0, dot(middle - height / 2 - pad));
  const bottom = Math.min(dot(id1.height), dot(middle + height / 2 + pad));
  if (right <= left || bottom <= top) return undefined;
  const scale = height / capital;
  const paths = Array.from(line.text).map((char, i) => {
    const shape = of(char);
    if (shape === undefined) return "";
    const x = line.x + i * line.pitch;
    const [sign, at] = mirrored ? [-1, id1.width - x] : [1, x];
    const move = `${String(sign * scale)} 0 0 ${String(-scale)} ${String(at - sign * shape.middle * scale)} ${String(middle + height / 2)}`;
    return `<path transform="matrix(${move})" d="${shape.d}"/>`;
  });
  const [width, high] = [right - left, bottom - top];
  const view = `${String(left / perMm)} ${String(top / perMm)} ${String(width / perMm)} ${String(high / perMm)}`;
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="${String(width)}" height="${String(high)}" viewBox="${view}">${paths.join("")}</svg>`;
  const { pixels } = new Resvg(svg, { font: { loadSystemFonts: false } }).render();
  const data = new Float32Array(width * high);
  for (let i = 0; i < data.length; i++) data[i] = (pixels[4 * i + 3] ?? 0) / 255;
  const room = new Float32Array(Math.max(width, high));
  const reach = Math.max(1, Math.round((flank * perMm) / 4));
  for (let round = 0; round < 2; round++) {
    for (let y = 0; y < high; y++) smooth(data, y * width, 1, width, reach, room);
    for (let x = 0; x < width; x++) smooth(data, x, width, high, reach, room);
  }
  return { left, top, width, height: high, data };
}

/** Lights the lines in a picture of 300 dpi, `body` grey levels where nothing is printed; on the back they are dents, mirrored. */
export function lightRelief(
  picture: { readonly grey: Uint8Array; readonly width: number; readonly height: number },
  side: Side,
  lines: readonly RaisedLine[],
  light: SideLight,
  body: number,
): void {
  const dents = side === "back";
  const strength = light.strength * (dents ? -behind : 1);
  for (const line of lines) {
    const part = heightOf(line, dents);
    if (part !== undefined) shine(picture, part, { ...light, strength }, dents ? undefined : line.foil, body);
  }
}

function shine(
  { grey, width, height }: { readonly grey: Uint8Array; readonly width: number; readonly height: number },
  part: Part,
  light: SideLight,
  foil: number | undefined,
  body: number,
): void {
  const { data } = part;
  const at = (x: number, y: number): number =>
    x < 0 || y < 0 || x >= part.width || y >= part.height ? 0 : (data[y * part.width + x] ?? 0);
  // A flank as steep as they are shines with all its strength.
  const steep = flank * perMm;
  const [firstX, firstY] = [part.left >> 1, part.top >> 1];
  for (let y = firstY; y < Math.min(height, (part.top + part.height) >> 1); y++) {
    for (let x = firstX; x < Math.min(width, (part.left + part.width) >> 1); x++) {
      const under = grey[y * width + x] ?? 0;
      let sum = 0;
      for (let k = 0; k < 4; k++) {
        const [px, py] = [2 * x + (k & 1) - part.left, 2 * y + (k >> 1) - part.top];
        const slope =
          light.x * (at(px + 1, py) - at(px - 1, py)) + light.y * (at(px, py + 1) - at(px, py - 1));
        const crest = foil === undefined ? 0 : Math.min(1, Math.max(0, (at(px, py) - 0.6) / 0.2));
        const tone = under * (1 - crest) + body * (foil ?? 0) * crest;
        // The flank that falls away from the light is dark: heights rise towards the lamp on the near side.
        sum += tone * (1 - (light.strength * steep * slope) / 2);
      }
      grey[y * width + x] = Math.min(255, Math.max(0, Math.round(sum / 4)));
    }
  }
}
