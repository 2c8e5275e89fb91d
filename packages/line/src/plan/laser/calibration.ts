/** The calibration card: flat patches of known tones between four square marks, burnt without a curve, kept clear of the chip. */
import { dither } from "../layout/index.js";
import type { Face } from "../placed.js";
import { laserJob, type LaserJob, withPictures } from "./job.js";
import type { LaserSettings } from "./settings.js";

/** mm. Centres of the patches run row by row from the upper left, black first. */
export const patchSize = 7;
export const patches: readonly { readonly tone: number; readonly x: number; readonly y: number }[] =
  Array.from({ length: 17 }, (_, i) => ({
    tone: Math.round((i * 255) / 16),
    x: 27.5 + 9 * (i % 6),
    y: 15 + 12 * Math.floor(i / 6),
  }));
export const markSize = 5;
/** Centres of the square marks: upper left, upper right, lower right, lower left. */
export const cornerMarks = [
  { x: 8, y: 7.5 },
  { x: 77.6, y: 7.5 },
  { x: 77.6, y: 46.5 },
  { x: 8, y: 46.5 },
] as const;

const square = ({ x, y }: { readonly x: number; readonly y: number }): string => {
  const h = markSize / 2;
  return `M${String(x - h)} ${String(y - h)}L${String(x + h)} ${String(y - h)}L${String(x + h)} ${String(y + h)}L${String(x - h)} ${String(y + h)}Z`;
};

const marksFace: Face = {
  side: "front",
  common: { key: "calibration", elements: [] },
  own: cornerMarks.map((mark, i) => ({
    kind: "outline",
    layer: "laser",
    field: `mark-${String(i + 1)}`,
    d: square(mark),
    colour: "#000000",
    clear: false,
  })),
  fields: [],
};

/** Throws LaserProblem when it does not fit between the laser's bounds. */
export async function calibrationCard(
  settings: LaserSettings,
  method: "floyd-steinberg" | "atkinson",
): Promise<{ readonly face: Face; readonly job: LaserJob }> {
  const { dpi, pens } = settings;
  const dots = (mm: number): number => Math.round((mm / 25.4) * dpi);
  const size = dots(patchSize);
  const pictures = patches.map(({ tone, x, y }) => ({
    kind: "photo" as const,
    pen: pens.photo,
    dpi,
    left: dots(x - patchSize / 2),
    top: dots(y - patchSize / 2),
    width: size,
    height: size,
    dots: dither(new Uint8Array(size * size).fill(tone), size, size, method),
  }));
  return { face: marksFace, job: withPictures(await laserJob(marksFace, settings), pictures) };
}
