import { boxBlur, type Plane, plane, soften } from "./plane.js";

/** One bit a dot, as it was sent to the engraver. */
export interface Dots {
  readonly dpi: number;
  readonly width: number;
  readonly height: number;
  readonly bits: Uint8Array;
}

/** Dots an inch at which cards are judged. */
export const judgedAt = 300;

/**
 * Ink that must be there, 0..1, as sharp as a camera sees it. Finer jobs are brought to 300 dpi. `printed`: what a printer adds, 255 = none;
 * `full`: ink that a full mark of the engraver leaves, in whose terms a print's darkness is told.
 */
export function expectedInk(dots: Dots, printed?: Uint8Array, full = 1): Plane {
  const fine = Math.max(1, Math.round(dots.dpi / judgedAt));
  const ink = plane(Math.floor((dots.width + fine - 1) / fine), Math.floor((dots.height + fine - 1) / fine));
  const stride = Math.ceil(dots.width / 8);
  for (let y = 0; y < dots.height; y++) {
    const row = Math.floor(y / fine) * ink.width;
    for (let byte = 0; byte < stride; byte++) {
      const eight = dots.bits[y * stride + byte] ?? 0;
      if (eight === 0) continue;
      for (let bit = 0; bit < 8; bit++) {
        if ((eight & (0x80 >> bit)) === 0) continue;
        const at = row + Math.floor((byte * 8 + bit) / fine);
        ink.data[at] = (ink.data[at] ?? 0) + 1 / (fine * fine);
      }
    }
  }
  if (printed !== undefined) {
    for (let i = 0; i < ink.data.length; i++) {
      const dark = (255 - (printed[i] ?? 255)) / (255 * full);
      if (dark > (ink.data[i] ?? 0)) ink.data[i] = dark;
    }
  }
  return soften(soften(ink));
}

/** Expected ink at half resolution spread over four full dots around: where it is nothing, the card must be bare. */
export const nearInk = (expectedHalf: Plane): Plane => boxBlur(expectedHalf, 2);
