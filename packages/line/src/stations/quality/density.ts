import type { Plane } from "./plane.js";

/** One bit a dot, as it was sent to the engraver. */
export interface Dots {
  readonly dpi: number;
  readonly width: number;
  readonly height: number;
  readonly bits: Uint8Array;
}

/** Dots an inch at which cards are judged. */
export const judgedAt = 300;

/** Set bits of a byte. */
const ones = Uint8Array.from({ length: 256 }, (_, byte) => {
  let count = 0;
  for (let rest = byte; rest !== 0; rest &= rest - 1) count++;
  return count;
});

/** Adds a row of dots to the row of ink in which they lie, `fine` × `fine` dots in one. Returns false when it holds none. */
function addDots(dots: Dots, y: number, fine: number, ink: Float32Array): boolean {
  const stride = Math.ceil(dots.width / 8);
  const share = 1 / (fine * fine);
  let any = false;
  for (let byte = 0; byte < stride; byte++) {
    const eight = dots.bits[y * stride + byte] ?? 0;
    if (eight === 0) continue;
    any = true;
    if (fine === 2) {
      for (let pair = 0; pair < 4; pair++) {
        const x = byte * 4 + pair;
        const marked = ones[(eight >> (6 - 2 * pair)) & 3] ?? 0;
        if (marked > 0 && x < ink.length) ink[x] = (ink[x] ?? 0) + marked * share;
      }
      continue;
    }
    for (let bit = 0; bit < 8; bit++) {
      const x = Math.floor((byte * 8 + bit) / fine);
      if ((eight & (0x80 >> bit)) !== 0 && x < ink.length) ink[x] = (ink[x] ?? 0) + share;
    }
  }
  return any;
}

/** Adds what a printer leaves where it is darker than the marks. Returns false when it leaves nothing in that row. */
function addPrint(printed: Uint8Array, y: number, full: number, ink: Float32Array): boolean {
  let any = false;
  for (let x = 0, at = y * ink.length; x < ink.length; x++, at++) {
    const grey = printed[at] ?? 255;
    if (grey === 255) continue;
    const dark = (255 - grey) / (255 * full);
    if (dark > (ink[x] ?? 0)) ink[x] = dark;
    any = true;
  }
  return any;
}

/** 1 8 18 8 1 over 36: a deviation of 0.82 dots, about as sharp as cameras see. Beyond the ends there is nothing. */
function softenRow(from: Float32Array, to: Float32Array, start: number): void {
  const last = from.length - 1;
  let [a, b, c, d] = [0, 0, from[0] ?? 0, from[1] ?? 0];
  for (let x = 0; x <= last; x++) {
    const e = x + 2 <= last ? (from[x + 2] ?? 0) : 0;
    to[start + x] = (a + e + 8 * (b + d) + 18 * c) / 36;
    [a, b, c, d] = [b, c, d, e];
  }
}

/** What a row of a plane holds before it is softened; false when it holds nothing, as most rows of a card. */
type Rows = (y: number, into: Float32Array) => boolean;

/** Drawn row by row, then softened in both directions into `to`; `across` is room as large as `to`. */
export function softened(rows: Rows, to: Plane, across: Float32Array): Plane {
  const { width, height } = to;
  const filled = new Uint8Array(height + 4);
  const row = new Float32Array(width);
  for (let y = 0; y < height; y++) {
    row.fill(0);
    if (rows(y, row)) {
      filled[y + 2] = 1;
      softenRow(row, across, y * width);
    } else across.fill(0, y * width, (y + 1) * width);
  }
  for (let y = 0; y < height; y++) {
    if (filled.subarray(y, y + 5).includes(1)) softenColumns(across, to, y);
    else to.data.fill(0, y * width, (y + 1) * width);
  }
  return to;
}

function softenColumns(from: Float32Array, { width, height, data }: Plane, y: number): void {
  const out = y * width;
  // Rows beyond the plane: the outermost stands for them, as good as bare on any card.
  const up = y > 0 ? width : 0;
  const down = y < height - 1 ? width : 0;
  const up2 = y > 1 ? 2 * width : up;
  const down2 = y < height - 2 ? 2 * width : down;
  for (let at = out, end = out + width; at < end; at++) {
    data[at] =
      ((from[at - up2] ?? 0) +
        (from[at + down2] ?? 0) +
        8 * ((from[at - up] ?? 0) + (from[at + down] ?? 0)) +
        18 * (from[at] ?? 0)) /
      36;
  }
}

/**
 * Ink that must be there, 0..1, as sharp as a camera sees it. Finer jobs are brought to 300 dpi. `printed`: what a printer adds, 255 = none;
 * `full`: ink that a full mark of the engraver leaves, in whose terms a print's darkness is told.
 */
export function expectedInk(
  dots: Dots,
  to: Plane,
  across: Float32Array,
  printed?: Uint8Array,
  full = 1,
): Plane {
  const fine = Math.max(1, Math.round(dots.dpi / judgedAt));
  const rows: Rows = (y, row) => {
    let any = false;
    for (let part = y * fine; part < Math.min(dots.height, (y + 1) * fine); part++)
      any = addDots(dots, part, fine, row) || any;
    return printed === undefined ? any : addPrint(printed, y, full, row) || any;
  };
  return softened(rows, to, across);
}
