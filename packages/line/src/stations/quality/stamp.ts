/** What a wheel's character raises, as ink is: 1 on its crest, 0 where nothing is struck, as soft as its flanks and a lens make it. */
import { type WheelFont, wheels } from "@persoline/card/id1";
import { Resvg } from "@resvg/resvg-js";
import { struckShape } from "../../plan/layout/index.js";
import { perMm } from "./match.js";
import { boxBlur, type Plane, plane } from "./plane.js";

/** So many parts of a dot a character's place is told by. */
export const parts = 4;

export interface Stamp {
  readonly width: number;
  readonly height: number;
  /** Dot of the card in which its upper left one lies, less the whole dot of the character's middle. */
  readonly left: number;
  readonly top: number;
  readonly data: Float32Array;
  /** Sums of its squares and of those of its slopes, and of one slope times the other: what it would show in any light. */
  readonly sums: { readonly ee: number; readonly xx: number; readonly yy: number; readonly xy: number };
}

const kept = new Map<string, Stamp | undefined>();
const drawn = new Map<
  string,
  { readonly width: number; readonly height: number; readonly ink: Float32Array } | undefined
>();

/** mm that characters and their flanks reach above a wheel's height and below it: a comma hangs 0.75 mm below the others. */
export const beyond = { above: 0.6, below: 1 } as const;

/** Dots from the middle to each side, up and down, whole ones. */
const reachOf = (wheel: WheelFont): Readonly<Record<"x" | "up" | "down", number>> => ({
  x: Math.ceil((wheels[wheel].pitch / 2 + 0.5) * perMm),
  up: Math.ceil((wheels[wheel].height / 2 + beyond.above) * perMm),
  down: Math.ceil((wheels[wheel].height / 2 + beyond.below) * perMm),
});

function sumsOf({ width, height, data }: Plane): Stamp["sums"] {
  let [ee, xx, yy, xy] = [0, 0, 0, 0];
  for (let y = 1; y < height - 1; y++)
    for (let x = 1, at = y * width + 1; x < width - 1; x++, at++) {
      const e = data[at] ?? 0;
      const across = ((data[at + 1] ?? 0) - (data[at - 1] ?? 0)) / 2;
      const down = ((data[at + width] ?? 0) - (data[at - width] ?? 0)) / 2;
      ee += e * e;
      xx += across * across;
      yy += down * down;
      xy += across * down;
    }
  return { ee, xx, yy, xy };
}

/** In parts of a dot, its middle in the middle. */
function fineInk(wheel: WheelFont, char: string, mirrored: boolean) {
  const key = `${wheel}${char}${String(mirrored)}`;
  if (drawn.has(key)) return drawn.get(key);
  const shape = struckShape(wheel, char);
  const reach = reachOf(wheel);
  const [across, down] = [2 * reach.x, reach.up + reach.down];
  const [width, height] = [across * parts, down * parts];
  const view = [-reach.x, -reach.up, across, down].map((dots) => String(dots / perMm)).join(" ");
  const sign = mirrored ? -1 : 1;
  const made =
    shape === undefined
      ? undefined
      : new Resvg(
          `<svg xmlns="http://www.w3.org/2000/svg" width="${String(width)}" height="${String(height)}" viewBox="${view}">` +
            `<path transform="matrix(${String(sign * shape.scale)} 0 0 ${String(-shape.scale)} ${String(sign * shape.x)} ${String(shape.y)})" d="${shape.outline}"/></svg>`,
          { font: { loadSystemFonts: false } },
        ).render().pixels;
  const ink =
    made === undefined
      ? undefined
      : {
          width,
          height,
          ink: Float32Array.from({ length: width * height }, (_, i) => (made[4 * i + 3] ?? 0) / 255),
        };
  drawn.set(key, ink);
  return ink;
}

/** `partX`, `partY`: the middle lies so many parts of a dot right of and below a whole dot. Undefined: a space. Kept; not to be changed. */
export function stampOf(
  wheel: WheelFont,
  char: string,
  partX: number,
  partY: number,
  mirrored: boolean,
): Stamp | undefined {
  const key = `${wheel}${char}${String(partX)}${String(partY)}${String(mirrored)}`;
  if (kept.has(key)) return kept.get(key);
  const fine = fineInk(wheel, char, mirrored);
  if (fine === undefined) {
    kept.set(key, undefined);
    return undefined;
  }
  const reach = reachOf(wheel);
  const ink = plane(2 * reach.x + 1, reach.up + reach.down + 1);
  for (let y = 0; y < fine.height; y++)
    for (let x = 0; x < fine.width; x++) {
      const at = Math.floor((y + partY) / parts) * ink.width + Math.floor((x + partX) / parts);
      ink.data[at] = (ink.data[at] ?? 0) + (fine.ink[y * fine.width + x] ?? 0) / (parts * parts);
    }
  // Two means over three dots: flanks of a fifth of a millimetre, and a lens.
  boxBlur(boxBlur(ink, 1, ink), 1, ink);
  const made = { ...ink, left: -reach.x, top: -reach.up, sums: sumsOf(ink) };
  kept.set(key, made);
  return made;
}
