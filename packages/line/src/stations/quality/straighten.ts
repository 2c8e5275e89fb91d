import { faintBorder, type FromSide, type Line } from "./border.js";
import { type Plane, plane } from "./plane.js";

/** An 8-bit picture as a camera gives it. */
export interface Grey {
  readonly width: number;
  readonly height: number;
  readonly grey: Uint8Array;
}

type Point = readonly [x: number, y: number];

/** Where the card lies in the picture. */
export interface Outline {
  /** Upper left, upper right, lower right, lower left, in pixels (the middle of the first pixel is 0.5, 0.5). */
  readonly corners: readonly [Point, Point, Point, Point];
  readonly pixelsPerMm: number;
  readonly degrees: number;
}

const card = { width: 85.6, height: 53.98 } as const;
const scans = 64;

/** Room for the sums along one scan. */
const line = new Float64Array(8192);

/**
 * First border of the card on a scan from outside, between pixels; undefined when there is none. The belt may be darker or lighter, and
 * lighter on one end than on the other: a border is a step against what lies just before it.
 */
function edgeOnScan(read: (i: number) => number, length: number, contrast: number): number | undefined {
  // Sums of all that was read up to a place: means of any stretch are differences.
  line[0] = 0;
  let known = 0;
  const mean = (from: number, to: number): number => ((line[to] ?? 0) - (line[from] ?? 0)) / (to - from);
  for (let i = 14; i + 12 < length; i++) {
    for (; known < i + 10; known++) line[known + 1] = (line[known] ?? 0) + read(known);
    const outside = mean(i - 12, i - 2);
    if (Math.abs(mean(i, i + 3) - outside) < contrast) continue;
    const plateau = mean(i + 4, i + 10);
    // A speck on the belt is no card.
    if (Math.abs(plateau - outside) < contrast) continue;
    const middle = (plateau + outside) / 2;
    for (let j = i - 6; j < i + 8; j++) {
      const [a, b] = [read(j - 1), read(j)];
      if ((a - middle) * (b - middle) <= 0 && a !== b) return j - 1 + (middle - a) / (b - a) + 0.5;
    }
    return undefined;
  }
  return undefined;
}

const median = (values: readonly number[]): number => {
  const sorted = Float64Array.from(values).sort();
  return sorted[sorted.length >> 1] ?? Number.NaN;
};

/** `across = at + slope · along` through points with strays among them: median of slopes, then least squares over those that fit. */
function robustLine(points: readonly { along: number; across: number }[]): Line | undefined {
  if (points.length < scans / 2) return undefined;
  const slopes: number[] = [];
  for (const [i, a] of points.entries()) {
    for (let j = i + 8; j < points.length; j++) {
      const b = points[j];
      if (b !== undefined) slopes.push((b.across - a.across) / (b.along - a.along));
    }
  }
  let slope = median(slopes);
  let at = median(points.map((p) => p.across - slope * p.along));
  for (const reach of [2, 1]) {
    const good = points.filter((p) => Math.abs(p.across - at - slope * p.along) < reach);
    if (good.length < scans / 2) return undefined;
    const along = good.reduce((sum, p) => sum + p.along, 0) / good.length;
    const across = good.reduce((sum, p) => sum + p.across, 0) / good.length;
    const spread = good.reduce((sum, p) => sum + (p.along - along) ** 2, 0);
    slope = good.reduce((sum, p) => sum + (p.along - along) * (p.across - across), 0) / spread;
    at = across - slope * along;
  }
  return { at, slope };
}

type Side = "left" | "right" | "top" | "bottom";

/** A side's border from its scans, each for itself. */
function borderOf({ along, reach, grey }: FromSide, contrast: number): Line | undefined {
  const points: { along: number; across: number }[] = [];
  for (let i = 0; i < scans; i++) {
    const at = Math.round(along * (0.2 + (0.6 * i) / (scans - 1)));
    const found = edgeOnScan((j) => grey(at, j), reach, contrast);
    if (found !== undefined) points.push({ along: at + 0.5, across: found });
  }
  return robustLine(points);
}

/** Finds the card by its four straight sides; undefined when there is no ID-1 card in the picture. */
export function findCard({ width, height, grey }: Grey): Outline | undefined {
  const histogram = new Uint32Array(256);
  for (let i = 0; i < grey.length; i += 7) histogram[grey[i] ?? 0] = (histogram[grey[i] ?? 0] ?? 0) + 1;
  const total = Math.ceil(grey.length / 7);
  const level = (share: number): number => {
    let seen = 0;
    for (let i = 0; i < 256; i++) {
      seen += histogram[i] ?? 0;
      if (seen >= total * share) return i;
    }
    return 255;
  };
  const range = level(0.95) - level(0.05);
  if (range < 32) return undefined;
  // The border of a dark print on a dark belt is faint; a belt's weave is fainter.
  const contrast = Math.max(16, range * 0.12);
  const pixel = (x: number, y: number): number => grey[y * width + x] ?? 0;
  const from = (name: Side): FromSide => {
    const upright = name === "left" || name === "right";
    const read: Readonly<Record<Side, FromSide["grey"]>> = {
      left: (at, j) => pixel(j, at),
      right: (at, j) => pixel(width - 1 - j, at),
      top: (at, j) => pixel(at, j),
      bottom: (at, j) => pixel(at, height - 1 - j),
    };
    return {
      along: upright ? height : width,
      reach: Math.floor((upright ? width : height) * 0.4),
      grey: read[name],
    };
  };
  const within = (border: (side: FromSide) => Line | undefined): Outline | undefined => {
    const [left, right, top, bottom] = [
      border(from("left")),
      border(from("right")),
      border(from("top")),
      border(from("bottom")),
    ];
    if (!left || !right || !top || !bottom) return undefined;
    const opposite = ({ at, slope }: Line, across: number): Line => ({ at: across - at, slope: -slope });
    return outlineOf(left, opposite(right, width), top, opposite(bottom, height));
  };
  return within((side) => borderOf(side, contrast)) ?? within(faintBorder);
}

/** x = v.at + v.slope · y of the upright sides and y = h.at + h.slope · x of the others; undefined: they do not enclose an ID-1 card. */
function outlineOf(left: Line, right: Line, top: Line, bottom: Line): Outline | undefined {
  const meet = (v: Line, h: Line): Point => {
    const x = (v.at + v.slope * h.at) / (1 - v.slope * h.slope);
    return [x, h.at + h.slope * x];
  };
  const corners = [meet(left, top), meet(right, top), meet(right, bottom), meet(left, bottom)] as const;
  const far = (a: Point, b: Point): number => Math.hypot(b[0] - a[0], b[1] - a[1]);
  const [a, b, c, d] = corners;
  const wide = (far(a, b) + far(d, c)) / 2;
  const high = (far(a, d) + far(b, c)) / 2;
  const ratio = wide / high / (card.width / card.height);
  const even = Math.max(Math.abs(far(a, b) / far(d, c) - 1), Math.abs(far(a, d) / far(b, c) - 1));
  // A camera that looks aslant sees opposite sides of unequal length; anything more is no ID-1 card.
  if (Math.abs(ratio - 1) > 0.04 || even > 0.06) return undefined;
  return {
    corners,
    pixelsPerMm: (wide / card.width + high / card.height) / 2,
    degrees: (Math.atan2(b[1] - a[1], b[0] - a[0]) * 180) / Math.PI,
  };
}

/** Projective map of the unit square onto four corners (Heckbert): x = (a u + b v + c) / (g u + h v + 1). */
function homography([[x0, y0], [x1, y1], [x2, y2], [x3, y3]]: Outline["corners"]): readonly number[] {
  const [dx1, dx2, sx] = [x1 - x2, x3 - x2, x0 - x1 + x2 - x3];
  const [dy1, dy2, sy] = [y1 - y2, y3 - y2, y0 - y1 + y2 - y3];
  const area = dx1 * dy2 - dx2 * dy1;
  const g = (sx * dy2 - dx2 * sy) / area;
  const h = (dx1 * sy - sx * dy1) / area;
  return [x1 - x0 + g * x1, x3 - x0 + h * x3, x0, y1 - y0 + g * y1, y3 - y0 + h * y3, y0, g, h];
}

/** The card alone, straight, dot by dot: nothing is kept, every row is read from the picture anew. */
export interface Straight {
  readonly width: number;
  readonly height: number;
  readonly picture: Grey;
  /** From dots (their middles at 0, 0, 1, 1 …) to pixels, projectively: x = (a u + b v + c) / (g u + h v + 1). */
  readonly way: Float64Array;
}

/** The card as it lies in the picture, at so many dots an inch. */
export function straightened(picture: Grey, outline: Outline, dpi: number): Straight {
  const [a = 0, b = 0, c = 0, d = 0, e = 0, f = 0, g = 0, h = 0] = homography(outline.corners);
  const [perU, perV] = [25.4 / dpi / card.width, 25.4 / dpi / card.height];
  return {
    width: Math.round((card.width / 25.4) * dpi),
    height: Math.round((card.height / 25.4) * dpi),
    picture: { width: picture.width, height: picture.height, grey: picture.grey },
    way: Float64Array.of(a * perU, b * perV, c, d * perU, e * perV, f, g * perU, h * perV),
  };
}

/** Dots over which the way through the picture is taken as straight: the bend within them is under a hundredth of a pixel. */
const run = 16;

/** Grey 0..255 of the dots from `from` up to `to` of row `y`, written into `into` at their columns. */
export function readRow(
  { picture, way }: Straight,
  y: number,
  from: number,
  to: number,
  into: Float32Array,
): void {
  const v = y + 0.5;
  const [ax, ay, aw] = [
    (way[1] ?? 0) * v + (way[2] ?? 0),
    (way[4] ?? 0) * v + (way[5] ?? 0),
    (way[7] ?? 0) * v + 1,
  ];
  const [a, d, g] = [way[0] ?? 0, way[3] ?? 0, way[6] ?? 0];
  const { width, height, grey } = picture;
  const [lastX, lastY] = [width - 1.001, height - 1.001];
  for (let x = from; x < to; x += run) {
    const end = Math.min(to, x + run);
    const w0 = 1 / (g * (x + 0.5) + aw);
    const w1 = 1 / (g * (end + 0.5) + aw);
    let px = (a * (x + 0.5) + ax) * w0 - 0.5;
    let py = (d * (x + 0.5) + ay) * w0 - 0.5;
    const stepX = ((a * (end + 0.5) + ax) * w1 - 0.5 - px) / (end - x);
    const stepY = ((d * (end + 0.5) + ay) * w1 - 0.5 - py) / (end - x);
    for (let i = x; i < end; i++, px += stepX, py += stepY) {
      const left = px < 0 ? 0 : px > lastX ? lastX : px;
      const top = py < 0 ? 0 : py > lastY ? lastY : py;
      const column = left | 0;
      const line = top | 0;
      const fx = left - column;
      const at = line * width + column;
      const p = grey[at] ?? 0;
      const q = grey[at + width] ?? 0;
      const upper = p + fx * ((grey[at + 1] ?? 0) - p);
      into[i] = upper + (top - line) * (q + fx * ((grey[at + width + 1] ?? 0) - q) - upper);
    }
  }
}

/** The straightened card as a picture, for whoever shows it: grey 0..255. */
export function straighten(picture: Grey, outline: Outline, dpi: number): Plane {
  const straight = straightened(picture, outline, dpi);
  const to = plane(straight.width, straight.height);
  for (let y = 0; y < to.height; y++)
    readRow(straight, y, 0, to.width, to.data.subarray(y * to.width, (y + 1) * to.width));
  return to;
}
