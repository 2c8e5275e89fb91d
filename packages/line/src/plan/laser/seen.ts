/** What a laser's beam leaves of a side: the picture that a camera must find. */
import { dotsAt, renderFace } from "../layout/index.js";
import type { Face } from "../placed.js";
import { pictureAreas } from "./job.js";
import type { LaserSettings } from "./settings.js";
import { type DotArea, rowsOf } from "./time.js";

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

/** A picture's dots as the beam drives them: each run a line as broad as the beam, with round ends, over what was there. */
function burn(sheet: Burnt, area: DotArea, spot: number): void {
  const { width, height, bits } = sheet;
  const stride = Math.ceil(width / 8);
  const dots = (mm: number): number => (mm / 25.4) * fine;
  const times = fine / area.dpi;
  for (let y = area.top * times; y < Math.min(height, (area.top + area.height) * times); y++)
    for (let x = area.left * times; x < Math.min(width, (area.left + area.width) * times); x++) {
      const at = y * stride + (x >> 3);
      bits[at] = (bits[at] ?? 0) & ~(0x80 >> (x & 7));
    }
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

/**
 * A side as a calibrated laser leaves it: the layout's dots at the laser's resolution, and its pictures through the laser's curve, each dot
 * as broad as the beam. A beam broader than a dot, with a curve against it, makes a photo of fewer and larger dots than any other machine.
 * Without a curve nobody has said that the photo comes out as the layout asks for: then it is the dots themselves. Throws LayoutProblem
 * "photo-broken".
 */
export async function seenFace(face: Face, settings: LaserSettings): Promise<Burnt> {
  const sent = await renderFace(face, settings.dpi, settings.curve?.table);
  if (settings.curve === undefined) return sent;
  const sheet = enlarged(sent);
  for (const area of await pictureAreas(face, settings)) burn(sheet, area, settings.spot);
  return sheet;
}
