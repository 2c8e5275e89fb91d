/** What a laser's beam leaves of a side: the picture that a camera must find. */
import { dotsAt, renderFace, renderOutlines } from "../layout/index.js";
import type { Face } from "../placed.js";
import { picturesOf } from "./job.js";
import type { LaserFormat, LaserSettings } from "./settings.js";
import { type Dotted, rowsOf } from "./time.js";

/** One bit a dot, rows padded to bytes, 1 = dark. */
export interface Burnt {
  readonly dpi: number;
  readonly width: number;
  readonly height: number;
  readonly bits: Uint8Array;
}

/** Fine enough that half a beam is told from a whole one. */
const fine = 1200;

const put = (bits: Uint8Array, at: number, bit: number): void => {
  bits[at] = (bits[at] ?? 0) | bit;
};

/** The same picture in smaller dots. */
function enlarged({ dpi, width, height, bits }: Burnt): Burnt {
  const times = fine / dpi;
  const size = dotsAt(fine);
  const [stride, to] = [Math.ceil(width / 8), Math.ceil(size.width / 8)];
  const large = new Uint8Array(to * size.height);
  for (let y = 0; y < height; y++) {
    const row = y * times * to;
    for (let byte = 0; byte < stride; byte++) {
      const eight = bits[y * stride + byte] ?? 0;
      if (eight === 0) continue;
      for (let bit = 0; bit < 8; bit++) {
        if ((eight & (0x80 >> bit)) === 0) continue;
        const left = (8 * byte + bit) * times;
        for (let x = left; x < Math.min(size.width, left + times); x++)
          put(large, row + (x >> 3), 0x80 >> (x & 7));
      }
    }
    for (let more = 1; more < times && y * times + more < size.height; more++)
      large.copyWithin(row + more * to, row, row + to);
  }
  return { dpi: fine, ...size, bits: large };
}

/** A picture's dots as the beam drives them: each run a line as broad as the beam, with round ends. */
function burn({ width, height, bits }: Burnt, area: Dotted, spot: number): void {
  const stride = Math.ceil(width / 8);
  const dots = (mm: number): number => (mm / 25.4) * fine;
  const radius = dots(spot / 2);
  for (const { y, runs } of rowsOf(area)) {
    const middle = dots(y);
    for (let row = Math.ceil(middle - radius - 0.5); row + 0.5 <= middle + radius; row++) {
      if (row < 0 || row >= height) continue;
      const beyond = Math.sqrt(radius * radius - (row + 0.5 - middle) ** 2);
      for (const [one, other] of runs) {
        const [from, to] = [dots(Math.min(one, other)) - beyond, dots(Math.max(one, other)) + beyond];
        for (let x = Math.max(0, Math.ceil(from - 0.5)); x + 0.5 <= to && x < width; x++)
          put(bits, row * stride + (x >> 3), 0x80 >> (x & 7));
      }
    }
  }
}

/** A picture's dots as they were asked for. */
function dotted(sheet: Burnt, { dpi, left, top, width, height, dots }: Dotted): void {
  const stride = Math.ceil(sheet.width / 8);
  const times = fine / dpi;
  const bottom = Math.min(sheet.height, (top + height) * times);
  const right = Math.min(sheet.width, (left + width) * times);
  for (let y = top * times; y < bottom; y++)
    for (let x = left * times; x < right; x++)
      if (dots[(Math.floor(y / times) - top) * width + Math.floor(x / times) - left] === 1)
        put(sheet.bits, y * stride + (x >> 3), 0x80 >> (x & 7));
}

/** Files that are dots through and through; in all others the beam follows the outlines. */
const isDots = (format: LaserFormat): boolean => format === "bmp" || format === "tiff";

/**
 * A side as a laser leaves it from a file of this format. A beam that follows outlines leaves edges where the layout has them, at 1,200 dpi;
 * one that is given dots leaves them where its dots end, up to half a dot away. Pictures are dots of the laser either way. Where its curve was
 * measured, each is as broad as the beam: a beam broader than a dot, with a curve against it, makes a photo of fewer and larger dots than any
 * other machine. Without a curve nobody has said that the photo comes out as the layout asks for: then it is the dots themselves. Throws
 * LayoutProblem "photo-broken".
 */
export async function seenFace(face: Face, settings: LaserSettings, format: LaserFormat): Promise<Burnt> {
  const { curve, dpi, spot } = settings;
  if (!isDots(format)) {
    const sheet = await renderOutlines(face, fine);
    for (const area of await picturesOf(face, settings))
      if (curve === undefined) dotted(sheet, area);
      else burn(sheet, area, spot);
    return sheet;
  }
  if (curve === undefined) return renderFace(face, dpi);
  const sheet = enlarged(await renderOutlines(face, dpi));
  for (const area of await picturesOf(face, settings)) burn(sheet, area, spot);
  return sheet;
}

/** The same of a machine nobody named, that follows outlines and has pictures in dots of 600 dpi. */
export async function outlinedFace(face: Face): Promise<Burnt> {
  const sheet = await renderOutlines(face, fine);
  for (const area of await picturesOf(face, { dpi: 600 })) dotted(sheet, area);
  return sheet;
}
