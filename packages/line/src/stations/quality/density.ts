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

/** Ink that must be there, 0..1, as sharp as a camera sees it. Finer jobs are brought to 300 dpi. */
export function expectedInk(dots: Dots): Plane {
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
  return soften(soften(ink));
}

/** Expected ink spread over four dots around: where it is nothing, the card must be bare. */
export const nearInk = (expected: Plane): Plane => boxBlur(expected, 4);

/** Solves a small system of equations (Gauss, largest pivot first); the last column is the right side. */
function solve(rows: number[][]): number[] {
  const n = rows.length;
  for (let column = 0; column < n; column++) {
    let best = column;
    for (let row = column + 1; row < n; row++) {
      if (Math.abs(rows[row]?.[column] ?? 0) > Math.abs(rows[best]?.[column] ?? 0)) best = row;
    }
    const pivot = rows[best] ?? [];
    rows[best] = rows[column] ?? [];
    rows[column] = pivot;
    for (let row = 0; row < n; row++) {
      const other = rows[row];
      if (row === column || other === undefined) continue;
      const factor = (other[column] ?? 0) / (pivot[column] ?? 1);
      for (let k = column; k <= n; k++) other[k] = (other[k] ?? 0) - factor * (pivot[k] ?? 0);
    }
  }
  return rows.map((row, i) => (row[n] ?? 0) / (row[i] ?? 1));
}

/**
 * The light on the bare card: a surface of second order through the places where nothing should be engraved; strays (contacts, ink that
 * should not be there) are left out. `seen`: grey of the straightened card;
 * `near`: where ink may be.
 */
function lightField(seen: Plane, near: Plane): Plane {
  const samples: { terms: number[]; value: number }[] = [];
  const terms = (x: number, y: number): number[] => {
    const [u, v] = [(2 * x) / seen.width - 1, (2 * y) / seen.height - 1];
    return [1, u, v, u * u, u * v, v * v];
  };
  for (let y = 8; y < seen.height - 8; y += 9) {
    for (let x = 8; x < seen.width - 8; x += 9) {
      const at = y * seen.width + x;
      if ((near.data[at] ?? 1) < 0.002) samples.push({ terms: terms(x, y), value: seen.data[at] ?? 0 });
    }
  }
  let kept = samples;
  let fit: number[] = [];
  for (const tolerance of [40, 14, 10]) {
    const rows = Array.from({ length: 6 }, () => Array.from({ length: 7 }, () => 0));
    for (const { terms: t, value } of kept) {
      for (const [i, row] of rows.entries()) {
        const factor = t[i] ?? 0;
        for (let j = 0; j < 6; j++) row[j] = (row[j] ?? 0) + factor * (t[j] ?? 0);
        row[6] = (row[6] ?? 0) + factor * value;
      }
    }
    fit = solve(rows);
    const field = fit;
    kept = samples.filter(
      ({ terms: t, value }) =>
        Math.abs(value - t.reduce((sum, term, i) => sum + term * (field[i] ?? 0), 0)) < tolerance,
    );
  }
  if (kept.length < 100)
    throw new Error("too little of the bare card can be seen to measure the light on it");
  const [c = 0, cu = 0, cv = 0, cuu = 0, cuv = 0, cvv = 0] = fit;
  const light = plane(seen.width, seen.height);
  for (let y = 0; y < seen.height; y++) {
    const v = (2 * y) / seen.height - 1;
    for (let x = 0; x < seen.width; x++) {
      const u = (2 * x) / seen.width - 1;
      light.data[y * seen.width + x] = c + cu * u + cv * v + cuu * u * u + cuv * u * v + cvv * v * v;
    }
  }
  return light;
}

/** Columns of a row that lie on the card: beyond its rounded corners (and a rim of half a millimetre) there is belt. */
function onCard(y: number, width: number, height: number): { readonly from: number; readonly to: number } {
  const perMm = judgedAt / 25.4;
  const rim = 0.5 * perMm;
  const radius = 3.18 * perMm;
  if (y < rim || y >= height - rim) return { from: 0, to: 0 };
  const up = Math.max(radius - y, y - (height - radius), 0);
  const inner = radius - rim;
  const side = up === 0 ? rim : radius - Math.sqrt(Math.max(0, inner * inner - up * up));
  return { from: Math.ceil(side), to: Math.floor(width - side) };
}

/** Ink seen, 0 = bare card, 1 = no light comes back: the light field divided out. Beyond the card there is none. */
export function seenInk(seen: Plane, near: Plane): Plane {
  const light = lightField(seen, near);
  const ink = plane(seen.width, seen.height);
  for (let y = 0; y < seen.height; y++) {
    const { from, to } = onCard(y, seen.width, seen.height);
    for (let i = y * seen.width + from; i < y * seen.width + to; i++) {
      const there = light.data[i] ?? 0;
      if (there < 8) throw new Error("the picture is too dark to measure the light on the card");
      ink.data[i] = 1 - (seen.data[i] ?? 0) / there;
    }
  }
  return ink;
}
