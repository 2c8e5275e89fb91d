/** The simulated camera's light, lens and sensor: everything that is between a card and its picture. */

/** Bounds of what chance does to an exposure. */
export interface Conditions {
  readonly width: number;
  readonly height: number;
  readonly perMm: number;
  /** Turned by at most so many degrees, off the middle by at most so many pixels. */
  readonly turn: number;
  readonly off: number;
  /** A corner lies off its place by at most so many pixels: the camera looks aslant. */
  readonly aslant: number;
  /** Deviation of the lens's blur in pixels, from sharpest to poorest. */
  readonly blur: readonly [number, number];
  /** Pixels the card travels while the shutter is open, at most. */
  readonly motion: number;
  /** Deviation of the sensor's noise in grey levels. */
  readonly noise: number;
  /** Slope of the light across the picture, loss towards the corners, range of its strength. */
  readonly slope: number;
  readonly bowl: readonly [number, number];
  readonly strength: readonly [number, number];
  /** A reflection of a lamp, grey levels at its middle, at most. */
  readonly glare: number;
  /** Grey of the belt. */
  readonly belt: readonly [number, number];
}

/** A well kept machine: what the line's own simulated camera is. */
export const kept: Conditions = {
  width: 1200,
  height: 800,
  perMm: 12.2,
  turn: 1,
  off: 14,
  aslant: 0,
  blur: [0.57, 0.59],
  motion: 0,
  noise: 2.4,
  slope: 0.1,
  bowl: [0.02, 0.12],
  strength: [0.92, 1.06],
  glare: 0,
  belt: [52, 52],
};

const fine = { ...kept, width: 1600, height: 1200, perMm: 16.6 } as const;

/** Three severities for the bench: as it should be, as it is, as it must not stay. */
export const severities = {
  mild: { ...fine, aslant: 3, blur: [0.5, 0.7], motion: 0.3, glare: 6, belt: [30, 80] },
  middle: {
    ...fine,
    turn: 2,
    off: 25,
    aslant: 8,
    blur: [0.6, 1],
    motion: 0.8,
    noise: 3,
    slope: 0.15,
    glare: 12,
    belt: [15, 110],
  },
  hard: {
    ...fine,
    turn: 3,
    off: 35,
    aslant: 14,
    blur: [0.9, 1.5],
    motion: 1.6,
    noise: 4.5,
    slope: 0.22,
    bowl: [0.05, 0.2],
    glare: 22,
    belt: [10, 130],
  },
} as const satisfies Record<string, Conditions>;

type Point = readonly [x: number, y: number];

/** Rows of a projective map of the plane. */
export type Projection = readonly [
  a: number,
  b: number,
  c: number,
  d: number,
  e: number,
  f: number,
  g: number,
  h: number,
  i: number,
];

/** Projective map of the unit square onto four corners (Heckbert). */
function homography([[x0, y0], [x1, y1], [x2, y2], [x3, y3]]: readonly [
  Point,
  Point,
  Point,
  Point,
]): number[] {
  const [dx1, dx2, sx] = [x1 - x2, x3 - x2, x0 - x1 + x2 - x3];
  const [dy1, dy2, sy] = [y1 - y2, y3 - y2, y0 - y1 + y2 - y3];
  const area = dx1 * dy2 - dx2 * dy1;
  const g = (sx * dy2 - dx2 * sy) / area;
  const h = (dx1 * sy - sx * dy1) / area;
  return [x1 - x0 + g * x1, x3 - x0 + h * x3, x0, y1 - y0 + g * y1, y3 - y0 + h * y3, y0, g, h, 1];
}

function inverse(m: readonly number[]): number[] {
  const [a = 0, b = 0, c = 0, d = 0, e = 0, f = 0, g = 0, h = 0, i = 0] = m;
  return [
    e * i - f * h,
    c * h - b * i,
    b * f - c * e,
    f * g - d * i,
    a * i - c * g,
    c * d - a * f,
    d * h - e * g,
    b * g - a * h,
    a * e - b * d,
  ];
}

/**
 * Where the pixels of a picture look on a card whose corners lie there: the card, as unit square, is at
 * ((ax + by + c) / (gx + hy + i), (dx + ey + f) / (gx + hy + i)).
 */
export function looks(corners: readonly [Point, Point, Point, Point]): Projection {
  const [a = 0, b = 0, c = 0, d = 0, e = 0, f = 0, g = 0, h = 0, i = 1] = inverse(homography(corners));
  return [a, b, c, d, e, f, g, h, i];
}

/** Blurs rows, then columns, with one kernel each; the border stays. */
export function convolve(
  picture: Float32Array,
  width: number,
  height: number,
  across: readonly number[],
  down: readonly number[],
): void {
  if (across.length > 1) blurRows(picture, width, height, across);
  if (down.length > 1) blurColumns(picture, width, height, down);
}

function blurRows(picture: Float32Array, width: number, height: number, kernel: readonly number[]): void {
  const reach = kernel.length >> 1;
  const row = new Float32Array(width);
  for (let from = 0; from < height * width; from += width) {
    row.set(picture.subarray(from, from + width));
    blend(picture.subarray(from + reach, from + width - reach), row, 1, kernel);
  }
}

/** Row by row too: down a column, every step would be another line of the processor's cache. */
function blurColumns(picture: Float32Array, width: number, height: number, kernel: readonly number[]): void {
  const reach = kernel.length >> 1;
  // The rows under the kernel as they were before they were blurred.
  const rows = new Float32Array(width * kernel.length);
  rows.set(picture.subarray(0, width * kernel.length));
  for (let y = reach; y < height - reach; y++) {
    blend(picture.subarray(y * width, (y + 1) * width), rows, width, kernel);
    rows.copyWithin(0, width);
    rows.set(picture.subarray((y + reach + 1) * width, (y + reach + 2) * width), width * (kernel.length - 1));
  }
}

/** Every value becomes the sum of those that follow it in `source` by this step, weighed; most kernels have five weights. */
function blend(target: Float32Array, source: Float32Array, step: number, kernel: readonly number[]): void {
  const [first = 0, second = 0, third = 0, fourth = 0, fifth = 0, ...more] = kernel;
  for (let x = 0; x < target.length; x++) {
    let sum =
      first * (source[x] ?? 0) +
      second * (source[x + step] ?? 0) +
      third * (source[x + 2 * step] ?? 0) +
      fourth * (source[x + 3 * step] ?? 0) +
      fifth * (source[x + 4 * step] ?? 0);
    for (let k = 0; k < more.length; k++) sum += (more[k] ?? 0) * (source[x + (5 + k) * step] ?? 0);
    target[x] = sum;
  }
}

/** A bell of this deviation, drawn out by a motion of so many pixels; sums to 1. */
export function kernel(deviation: number, motion = 0): number[] {
  const spread = Math.sqrt(deviation * deviation + (motion * motion) / 12);
  const reach = Math.max(1, Math.ceil(2.5 * spread));
  const values = Array.from({ length: 2 * reach + 1 }, (_, i) =>
    Math.exp(-((i - reach) ** 2) / (2 * spread * spread)),
  );
  const sum = values.reduce((all, one) => all + one, 0);
  return values.map((value) => value / sum);
}
