/** The light on the bare card, measured where the card is bare, and the ink that is left when it is divided out. */
import { judgedAt, softened } from "./density.js";
import { type Plane, plane } from "./plane.js";
import { solve } from "./solve.js";
import { readRow, type Straight } from "./straighten.js";

/** A printed picture of a side as it must be: 8-bit grey at the judged resolution, of which 255 is the bare body. */
export interface ExpectedGround {
  readonly width: number;
  readonly height: number;
  readonly grey: Uint8Array;
}

const seenGrounds = new WeakMap<ExpectedGround, Plane>();

/** The same as sharp as a camera sees it, as a share of the bare body's light; kept as long as the ground is. */
export function groundSeen(ground: ExpectedGround): Plane {
  const known = seenGrounds.get(ground);
  if (known !== undefined) return known;
  const { width, height, grey } = ground;
  const to = plane(width, height);
  softened(
    (y, row) => {
      for (let x = 0; x < width; x++) row[x] = 1 - (grey[y * width + x] ?? 255) / 255;
      return true;
    },
    to,
    new Float32Array(width * height),
  );
  for (let i = 0; i < to.data.length; i++) to.data[i] = 1 - (to.data[i] ?? 0);
  seenGrounds.set(ground, to);
  return to;
}

/** Light on single bare dots. */
interface Samples {
  readonly count: number;
  readonly x: Float32Array;
  readonly y: Float32Array;
  readonly value: Float32Array;
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

const tooLittle = "too little of the bare card can be seen to measure the light on it";

function sample(
  straight: Straight,
  near: Plane,
  ground: Plane | undefined,
  leftOut: (x: number, y: number) => boolean,
): Samples {
  const { width, height } = straight;
  const most = Math.ceil(width / step) * Math.ceil(height / step);
  const [xs, ys, values] = [new Float32Array(most), new Float32Array(most), new Float32Array(most)];
  const row = new Float32Array(width);
  const rim = 8;
  let count = 0;
  for (let y = rim; y < height - rim; y += step) {
    for (let x = rim; x < width - rim; x += step) {
      if ((near.data[(y >> 1) * near.width + (x >> 1)] ?? 1) >= 0.002 || leftOut(x, y)) continue;
      const printed = ground?.data[y * width + x] ?? 1;
      // Dark print says little about the light.
      if (printed <= 0.35) continue;
      readRow(straight, y, x, x + 1, row);
      [xs[count], ys[count], values[count]] = [x, y, (row[x] ?? 0) / printed];
      count++;
    }
  }
  if (count < 100) throw new Error(tooLittle);
  return { count, x: xs, y: ys, value: values };
}

/**
 * The light on the bare card: a surface of second order through the places where nothing should be engraved, then what a reflection
 * adds to it, knot by knot. Strays (contacts, ink that should not be there) are left out. `near`: where ink may be. `otherTone`: share of the
 * light from which a difference is another tone and no reflection.
 */
export function lightOn(
  straight: Straight,
  near: Plane,
  ground: Plane | undefined,
  leftOut: (x: number, y: number) => boolean,
  otherTone: number,
): Light {
  const { width, height } = straight;
  const samples = sample(straight, near, ground, leftOut);
  const fit = bowl(samples, straight);
  const columns = Math.ceil(width / knot) + 1;
  const rows = Math.ceil(height / knot) + 1;
  const sums = new Float32Array(columns * rows);
  const weights = new Float32Array(columns * rows);
  const off = new Float32Array(samples.count);
  for (let i = 0; i < samples.count; i++) {
    const [x, y] = [samples.x[i] ?? 0, samples.y[i] ?? 0];
    const fitted = fit(x, y);
    const rest = (samples.value[i] ?? 0) - fitted;
    off[i] = rest;
    if (Math.abs(rest) > otherTone * fitted) continue;
    const [column, row] = [Math.round(x / knot), Math.round(y / knot)];
    for (let r = Math.max(0, row - 1); r <= Math.min(rows - 1, row + 1); r++) {
      for (let c = Math.max(0, column - 1); c <= Math.min(columns - 1, column + 1); c++) {
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
  for (let i = 0; i < samples.count; i++) {
    const at = Math.round((samples.y[i] ?? 0) / knot) * columns + Math.round((samples.x[i] ?? 0) / knot);
    if (Math.abs(off[i] ?? 0) > otherTone * (knots[at] ?? 0)) strange++;
  }
  return { knots, columns, level: level / knots.length, strange: strange / samples.count };
}

/** Second order, by least squares over those samples that fit it. */
function bowl(
  { count, x, y, value }: Samples,
  { width, height }: Straight,
): (x: number, y: number) => number {
  const middle = value.slice(0, count).sort()[Math.floor(count * 0.6)] ?? 0;
  let [c, cu, cv, cuu, cuv, cvv] = [middle, 0, 0, 0, 0, 0];
  const at = (px: number, py: number): number => {
    const [u, v] = [(2 * px) / width - 1, (2 * py) / height - 1];
    return c + cu * u + cv * v + cuu * u * u + cuv * u * v + cvv * v * v;
  };
  // What fits is looked for ever more strictly; the first fit has no slope yet.
  for (const share of [0.21, 0.11, 0.065]) {
    const tolerance = share * middle;
    const sums = new Float64Array(42);
    const t = new Float64Array(7);
    let kept = 0;
    for (let s = 0; s < count; s++) {
      const [u, v] = [(2 * (x[s] ?? 0)) / width - 1, (2 * (y[s] ?? 0)) / height - 1];
      const there = value[s] ?? 0;
      const fitted = c + cu * u + cv * v + cuu * u * u + cuv * u * v + cvv * v * v;
      if (Math.abs(there - fitted) >= tolerance) continue;
      kept++;
      t[0] = 1;
      t[1] = u;
      t[2] = v;
      t[3] = u * u;
      t[4] = u * v;
      t[5] = v * v;
      t[6] = there;
      for (let i = 0; i < 6; i++) {
        const ti = t[i] ?? 0;
        for (let j = i; j < 7; j++) sums[i * 7 + j] = (sums[i * 7 + j] ?? 0) + ti * (t[j] ?? 0);
      }
    }
    if (kept < 100) throw new Error(tooLittle);
    const rows = Array.from({ length: 6 }, (_, i) =>
      Array.from({ length: 7 }, (_none, j) => sums[j < i ? j * 7 + i : i * 7 + j] ?? 0),
    );
    [c = 0, cu = 0, cv = 0, cuu = 0, cuv = 0, cvv = 0] = solve(rows);
  }
  return at;
}

/** Columns of a row that lie on the card: beyond its rounded corners (and a rim of half a millimetre) there is belt. */
function onCard(
  y: number,
  width: number,
  height: number,
  more = 0,
): { readonly from: number; readonly to: number } {
  const perMm = judgedAt / 25.4;
  const rim = 0.5 * perMm + more;
  const radius = 3.18 * perMm;
  if (y < rim || y >= height - rim) return { from: 0, to: 0 };
  const up = Math.max(radius - y, y - (height - radius), 0);
  const inner = radius - rim;
  const side = up === 0 ? rim : radius - Math.sqrt(Math.max(0, inner * inner - up * up));
  return { from: Math.ceil(side), to: Math.floor(width - side) };
}

/** Takes away what is expected where nothing is seen: print that runs off the edge. `more`: so many dots farther in as well. */
export function trimToCard({ width, height, data }: Plane, more = 0): void {
  for (let y = 0; y < height; y++) {
    const { from, to } = onCard(y, width, height, more);
    data.fill(0, y * width, y * width + from);
    data.fill(0, y * width + to, (y + 1) * width);
  }
}

/**
 * On a ground darker than this, as a magnetic stripe's, the sensor's noise is a large part of the little light: differences count by what
 * they would be on this one.
 */
export const dim = 0.4;
/** Print this dark hides what is marked on it: it counts as no darker. */
const darkest = 0.08;

/** Ink seen, 0 = bare card, 1 = no light comes back: light and printed ground divided out. Beyond the card there is none. */
export function seenInk(
  straight: Straight,
  { knots, columns }: Light,
  ground: Plane | undefined,
  ink: Plane,
): Plane {
  if (knots.some((value) => value < 8))
    throw new Error("the picture is too dark to measure the light on the card");
  const { width, height } = ink;
  const grey = new Float32Array(width);
  // What a dot must be multiplied with: one over the light, at the knots of this row.
  const scale = new Float32Array(columns);
  for (let y = 0; y < height; y++) {
    const { from, to } = onCard(y, width, height);
    ink.data.fill(0, y * width, y * width + from);
    ink.data.fill(0, y * width + to, (y + 1) * width);
    if (from >= to) continue;
    readRow(straight, y, from, to, grey);
    const above = Math.floor(y / knot);
    const part = y / knot - above;
    for (let c = 0; c < columns; c++) {
      const upper = knots[above * columns + c] ?? 0;
      scale[c] = 1 / (upper + part * ((knots[(above + 1) * columns + c] ?? upper) - upper));
    }
    const row = y * width;
    for (let c = Math.floor(from / knot); c * knot < to; c++) {
      const left = scale[c] ?? 0;
      const slope = ((scale[c + 1] ?? left) - left) / knot;
      const first = Math.max(from, c * knot);
      let factor = left + slope * (first - c * knot);
      for (let x = first, end = Math.min(to, (c + 1) * knot); x < end; x++, factor += slope)
        ink.data[row + x] = 1 - (grey[x] ?? 0) * factor;
    }
    if (ground !== undefined) onGround(ink.data, ground.data, row + from, row + to);
  }
  return ink;
}

function onGround(ink: Float32Array, ground: Float32Array, from: number, to: number): void {
  for (let at = from; at < to; at++) {
    const printed = ground[at] ?? 1;
    const tone = printed < darkest ? darkest : printed;
    const share = 1 - (1 - (ink[at] ?? 0)) / tone;
    ink[at] = tone < dim ? (share * tone) / dim : share;
  }
}
