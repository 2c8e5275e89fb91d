/** Reads a picture of the calibration card, from any camera or scanner: finds the four marks, straightens, measures each patch against the bare plastic beside it. */
import sharp from "sharp";
import { cornerMarks, patchSize, patches } from "./calibration.js";
import type { Patch } from "./curve.js";
import { LaserProblem } from "./problem.js";

interface Grey {
  readonly width: number;
  readonly height: number;
  readonly pixels: Uint8Array;
}

interface Point {
  readonly x: number;
  readonly y: number;
}

/** Larger pictures are scaled down: a patch still has some hundred pixels a side. */
const widest = 2400;

async function decoded(bytes: Uint8Array): Promise<Grey> {
  try {
    const { data, info } = await sharp(bytes)
      .rotate()
      .flatten({ background: "#fff" })
      .greyscale()
      .resize({ width: widest, height: widest, fit: "inside", withoutEnlargement: true })
      .extractChannel(0)
      .raw()
      .toBuffer({ resolveWithObject: true });
    return { width: info.width, height: info.height, pixels: data };
  } catch (cause) {
    throw new LaserProblem(
      "the picture of the calibration card cannot be decoded: take it again as PNG or JPEG",
      { cause },
    );
  }
}

/** Otsu's threshold: the two groups of tones are as much alike within themselves as they can be. */
function threshold({ pixels }: Grey): number {
  const counts = new Float64Array(256);
  for (const value of pixels) counts[value] = (counts[value] ?? 0) + 1;
  const total = counts.reduce((sum, count, value) => sum + count * value, 0);
  let [best, found, below, sum] = [-1, 128, 0, 0];
  for (let value = 0; value < 255; value++) {
    below += counts[value] ?? 0;
    sum += value * (counts[value] ?? 0);
    const above = pixels.length - below;
    if (below === 0 || above === 0) continue;
    const between = below * above * (sum / below - (total - sum) / above) ** 2;
    if (between > best) [best, found] = [between, value + 1];
  }
  return found;
}

/** Middles of dark squares, whatever their size, that do not run out of the picture. */
function squares(grey: Grey): Point[] {
  const { width, height, pixels } = grey;
  const limit = threshold(grey);
  const seen = new Uint8Array(pixels.length);
  const stack: number[] = [];
  const found: Point[] = [];
  for (let start = 0; start < pixels.length; start++) {
    if (seen[start] === 1 || (pixels[start] ?? 255) >= limit) continue;
    seen[start] = 1;
    stack.push(start);
    let [count, sumX, sumY, left, right, top, bottom] = [0, 0, 0, width, 0, height, 0];
    for (let at = stack.pop(); at !== undefined; at = stack.pop()) {
      const [x, y] = [at % width, Math.floor(at / width)];
      count++;
      sumX += x;
      sumY += y;
      [left, right, top, bottom] = [
        Math.min(left, x),
        Math.max(right, x),
        Math.min(top, y),
        Math.max(bottom, y),
      ];
      for (const next of [x > 0 ? at - 1 : -1, x + 1 < width ? at + 1 : -1, at - width, at + width]) {
        if (next < 0 || next >= pixels.length || seen[next] === 1 || (pixels[next] ?? 255) >= limit) continue;
        seen[next] = 1;
        stack.push(next);
      }
    }
    const [w, h] = [right - left + 1, bottom - top + 1];
    const whole = left > 0 && top > 0 && right < width - 1 && bottom < height - 1;
    const large = w > width / 60 && w < width / 6;
    if (whole && large && w / h > 0.55 && w / h < 1.8 && count / (w * h) > 0.6)
      found.push({ x: sumX / count, y: sumY / count });
  }
  return found;
}

/** The projective map of four points onto four others, as nine numbers. */
function projection(from: readonly Point[], to: readonly Point[]): number[] {
  const rows = from.flatMap(({ x, y }, i) => {
    const { x: u, y: v } = to[i] ?? { x: 0, y: 0 };
    return [
      [x, y, 1, 0, 0, 0, -x * u, -y * u, u],
      [0, 0, 0, x, y, 1, -x * v, -y * v, v],
    ];
  });
  for (let column = 0; column < 8; column++) {
    let pivot = column;
    for (let row = column; row < 8; row++)
      if (Math.abs(rows[row]?.[column] ?? 0) > Math.abs(rows[pivot]?.[column] ?? 0)) pivot = row;
    const [a, b] = [rows[column] ?? [], rows[pivot] ?? []];
    [rows[column], rows[pivot]] = [b, a];
    const head = b[column] ?? 0;
    if (Math.abs(head) < 1e-12)
      throw new LaserProblem(
        "the four marks of the calibration card lie in one line: take the picture from above",
      );
    for (let row = 0; row < 8; row++) {
      const own = rows[row] ?? [];
      if (row === column) continue;
      const share = (own[column] ?? 0) / head;
      for (let k = column; k < 9; k++) own[k] = (own[k] ?? 0) - share * (b[k] ?? 0);
    }
  }
  return [...rows.map((row, i) => (row[8] ?? 0) / (row[i] ?? 1)), 1];
}

const mapped = (m: readonly number[], x: number, y: number): Point => {
  const [a = 1, b = 0, c = 0, d = 0, e = 1, f = 0, g = 0, h = 0, i = 1] = m;
  const w = g * x + h * y + i;
  return { x: (a * x + b * y + c) / w, y: (d * x + e * y + f) / w };
};

/** sRGB (IEC 61966-2-1) to and from light: dots of plastic and burnt plastic add up as light does. */
const toLight = (value: number): number => {
  const v = value / 255;
  return v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
};
const toTone = (light: number): number =>
  255 * (light <= 0.0031308 ? 12.92 * light : 1.055 * light ** (1 / 2.4) - 0.055);

const lights = Float64Array.from({ length: 256 }, (_, value) => toLight(value));

/** Mean light over a place of the card; mm. */
function lightAt(
  grey: Grey,
  m: readonly number[],
  place: { readonly left: number; readonly top: number; readonly width: number; readonly height: number },
): number {
  const { width, height, pixels } = grey;
  const steps = 48;
  let [sum, count] = [0, 0];
  for (let row = 0; row < steps; row++)
    for (let column = 0; column < steps; column++) {
      const { x, y } = mapped(
        m,
        place.left + ((column + 0.5) / steps) * place.width,
        place.top + ((row + 0.5) / steps) * place.height,
      );
      const [px, py] = [Math.round(x), Math.round(y)];
      if (px < 0 || py < 0 || px >= width || py >= height) continue;
      sum += lights[pixels[py * width + px] ?? 0] ?? 0;
      count++;
    }
  return count === 0 ? 0 : sum / count;
}

/** Patch against the bare plastic on its four sides, so that uneven light does not count. */
function measured(grey: Grey, m: readonly number[]): Patch[] {
  const half = patchSize / 2;
  const [near, strip] = [0.6, 0.7];
  return patches.map(({ tone, x, y }) => {
    const inner = half * 0.7;
    const own = lightAt(grey, m, { left: x - inner, top: y - inner, width: 2 * inner, height: 2 * inner });
    const beside = [
      { left: x - half, top: y - half - near - strip, width: patchSize, height: strip },
      { left: x - half, top: y + half + near, width: patchSize, height: strip },
      { left: x - half - near - strip, top: y - half, width: strip, height: patchSize },
      { left: x + half + near, top: y - half, width: strip, height: patchSize },
    ];
    const bare = beside.reduce((sum, place) => sum + lightAt(grey, m, place), 0) / beside.length;
    return { asked: tone, measured: Math.min(255, toTone(bare === 0 ? 0 : own / bare)) };
  });
}

/** How well the measured tones follow the asked ones, −1 to 1. */
function agreement(found: readonly Patch[]): number {
  const mean = (pick: (one: Patch) => number): number =>
    found.reduce((sum, one) => sum + pick(one), 0) / found.length;
  const [a, b] = [mean((one) => one.asked), mean((one) => one.measured)];
  let [ab, aa, bb] = [0, 0, 0];
  for (const { asked, measured: got } of found) {
    ab += (asked - a) * (got - b);
    aa += (asked - a) ** 2;
    bb += (got - b) ** 2;
  }
  return bb === 0 ? 0 : ab / Math.sqrt(aa * bb);
}

/**
 * Tones of the patches in a picture (PNG, JPEG, …; sRGB) that shows the whole card, either way up, at a slant or not. Throws LaserProblem
 * when the marks are not found or the patches do not rise from black to white.
 */
export async function readCapture(bytes: Uint8Array): Promise<readonly Patch[]> {
  const grey = await decoded(bytes);
  const found = squares(grey);
  const most = (score: (point: Point) => number): Point | undefined =>
    found.toSorted((a, b) => score(b) - score(a))[0];
  const corners = [
    most(({ x, y }) => -x - y),
    most(({ x, y }) => x - y),
    most(({ x, y }) => x + y),
    most(({ x, y }) => y - x),
  ].filter((point): point is Point => point !== undefined);
  if (new Set(corners).size < 4)
    throw new LaserProblem(
      "the four square marks of the calibration card are not to be seen: show the whole card on an even ground, without glare",
    );
  const turns = [0, 1, 2, 3].map((turn) =>
    measured(grey, projection(cornerMarks, [...corners.slice(turn), ...corners.slice(0, turn)])),
  );
  const best = turns.toSorted((a, b) => agreement(b) - agreement(a))[0] ?? [];
  if (agreement(best) < 0.8)
    throw new LaserProblem(
      "the patches of this picture do not rise from black to white: is it the calibration card of this program, and is it sharp?",
    );
  return best;
}
