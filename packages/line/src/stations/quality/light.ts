/** The light on the card, measured where the card is bare, and the ink that is left when it is divided out. */
import { judgedAt } from "./density.js";
import { type Plane, plane, soften } from "./plane.js";

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

/** A printed picture of a side as it must be: 8-bit grey at the judged resolution, of which 255 is the bare body. */
export interface ExpectedGround {
  readonly width: number;
  readonly height: number;
  readonly grey: Uint8Array;
}

const softened = new WeakMap<ExpectedGround, Plane>();

/** The same as sharp as a camera sees it, as a share of the bare body's light; kept as long as the ground is. */
export function groundSeen(ground: ExpectedGround): Plane {
  const known = softened.get(ground);
  if (known !== undefined) return known;
  const { width, height, grey } = ground;
  const sharp = plane(width, height);
  for (let i = 0; i < grey.length; i++) sharp.data[i] = (grey[i] ?? 255) / 255;
  const soft = soften(soften(sharp));
  softened.set(ground, soft);
  return soft;
}

interface Sample {
  readonly x: number;
  readonly y: number;
  readonly value: number;
}

/** Distance of samples, and of the knots between which the light runs straight, in dots. */
const step = 10;
const knot = 32;

export interface Light {
  /** Grey of the bare body at knots, row by row, `knot` dots apart. */
  readonly knots: Float32Array;
  readonly columns: number;
  /** Mean grey of the body: another stock has another. */
  readonly level: number;
  /** Share of the bare body that has another tone than the light on it explains. */
  readonly strange: number;
}

/**
 * The light on the bare card: a surface of second order through the places where nothing should be engraved, then what a reflection
 * adds to it, knot by knot. Strays (contacts, ink that should not be there) are left out. `near`: where ink may be.
 */
export function lightOn(
  seen: Plane,
  near: Plane,
  ground: Plane | undefined,
  leftOut: (x: number, y: number) => boolean,
): Light {
  const samples: Sample[] = [];
  const rim = 8;
  for (let y = rim; y < seen.height - rim; y += step) {
    for (let x = rim; x < seen.width - rim; x += step) {
      const at = y * seen.width + x;
      if ((near.data[(y >> 1) * near.width + (x >> 1)] ?? 1) >= 0.002 || leftOut(x, y)) continue;
      const printed = ground?.data[at] ?? 1;
      // Dark print says little about the light.
      if (printed > 0.35) samples.push({ x, y, value: (seen.data[at] ?? 0) / printed });
    }
  }
  if (samples.length < 100)
    throw new Error("too little of the bare card can be seen to measure the light on it");
  const fit = bowl(samples, seen);
  const off = samples.map(({ x, y, value }) => value - fit(x, y));
  const columns = Math.ceil(seen.width / knot) + 1;
  const rows = Math.ceil(seen.height / knot) + 1;
  const sums = new Float32Array(columns * rows);
  const weights = new Float32Array(columns * rows);
  for (const [i, { x, y }] of samples.entries()) {
    const rest = off[i] ?? 0;
    if (Math.abs(rest) > 26) continue;
    const [column, row] = [Math.round(x / knot), Math.round(y / knot)];
    for (let dy = -1; dy <= 1; dy++) {
      for (let dx = -1; dx <= 1; dx++) {
        const [c, r] = [column + dx, row + dy];
        if (c < 0 || r < 0 || c >= columns || r >= rows) continue;
        const weight = Math.exp(-((x / knot - c) ** 2 + (y / knot - r) ** 2) * 1.2);
        sums[r * columns + c] = (sums[r * columns + c] ?? 0) + weight * rest;
        weights[r * columns + c] = (weights[r * columns + c] ?? 0) + weight;
      }
    }
  }
  const knots = new Float32Array(columns * rows);
  let level = 0;
  for (let r = 0; r < rows; r++) {
    for (let c = 0; c < columns; c++) {
      const at = r * columns + c;
      knots[at] = fit(c * knot, r * knot) + (sums[at] ?? 0) / ((weights[at] ?? 0) + 1.5);
      level += knots[at] ?? 0;
    }
  }
  let strange = 0;
  for (const [i, { x, y }] of samples.entries()) {
    const at = Math.round(y / knot) * columns + Math.round(x / knot);
    if (Math.abs(off[i] ?? 0) > 26 && Math.abs(off[i] ?? 0) > 0.12 * (knots[at] ?? 0)) strange++;
  }
  return { knots, columns, level: level / knots.length, strange: strange / samples.length };
}

/** Second order, by least squares over those samples that fit it. */
function bowl(samples: readonly Sample[], { width, height }: Plane): (x: number, y: number) => number {
  const middle =
    samples.map(({ value }) => value).toSorted((a, b) => a - b)[Math.floor(samples.length * 0.6)] ?? 0;
  let [c, cu, cv, cuu, cuv, cvv] = [middle, 0, 0, 0, 0, 0];
  const at = (x: number, y: number): number => {
    const [u, v] = [(2 * x) / width - 1, (2 * y) / height - 1];
    return c + cu * u + cv * v + cuu * u * u + cuv * u * v + cvv * v * v;
  };
  // What fits is looked for ever more strictly; the first fit has no slope yet.
  for (const tolerance of [45, 24, 14]) {
    const sums = new Float64Array(42);
    const t = new Float64Array(7);
    let kept = 0;
    for (const { x, y, value } of samples) {
      if (Math.abs(value - at(x, y)) >= tolerance) continue;
      kept++;
      const [u, v] = [(2 * x) / width - 1, (2 * y) / height - 1];
      t.set([1, u, v, u * u, u * v, v * v, value]);
      for (let i = 0; i < 6; i++)
        for (let j = 0; j < 7; j++) sums[i * 7 + j] = (sums[i * 7 + j] ?? 0) + (t[i] ?? 0) * (t[j] ?? 0);
    }
    if (kept < 100) throw new Error("too little of the bare card can be seen to measure the light on it");
    const rows = Array.from({ length: 6 }, (_, i) => Array.from(sums.subarray(i * 7, i * 7 + 7)));
    [c = 0, cu = 0, cv = 0, cuu = 0, cuv = 0, cvv = 0] = solve(rows);
  }
  return at;
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

/** Takes away what is expected where nothing is seen: print that runs off the edge. */
export function trimToCard({ width, height, data }: Plane): void {
  for (let y = 0; y < height; y++) {
    const { from, to } = onCard(y, width, height);
    data.fill(0, y * width, y * width + from);
    data.fill(0, y * width + to, (y + 1) * width);
  }
}

/** Ink seen, 0 = bare card, 1 = no light comes back: light and printed ground divided out. Beyond the card there is none. */
export function seenInk(seen: Plane, { knots, columns }: Light, ground?: Plane): Plane {
  if (knots.some((value) => value < 8))
    throw new Error("the picture is too dark to measure the light on the card");
  const ink = plane(seen.width, seen.height);
  const row = new Float32Array(columns);
  for (let y = 0; y < seen.height; y++) {
    const { from, to } = onCard(y, seen.width, seen.height);
    const above = Math.floor(y / knot);
    const part = y / knot - above;
    for (let c = 0; c < columns; c++) {
      const upper = knots[above * columns + c] ?? 0;
      row[c] = upper + part * ((knots[(above + 1) * columns + c] ?? upper) - upper);
    }
    for (let c = Math.floor(from / knot); c * knot < to; c++) {
      const left = row[c] ?? 0;
      const slope = ((row[c + 1] ?? left) - left) / knot;
      const end = Math.min(to, (c + 1) * knot);
      for (let x = Math.max(from, c * knot); x < end; x++) {
        const at = y * seen.width + x;
        const there = left + slope * (x - c * knot);
        const printed = ground === undefined ? 1 : Math.max(0.08, ground.data[at] ?? 1);
        ink.data[at] = 1 - (seen.data[at] ?? 0) / (there * printed);
      }
    }
  }
  return ink;
}
