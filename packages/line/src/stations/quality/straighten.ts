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

/**
 * First border of the card on a scan from outside, between pixels; undefined when there is none. The belt may be darker or lighter, and
 * lighter on one end than on the other: a border is a step against what lies just before it.
 */
function edgeOnScan(read: (i: number) => number, length: number, contrast: number): number | undefined {
  const line = new Float32Array(length + 1);
  for (let i = 0; i < length; i++) line[i + 1] = (line[i] ?? 0) + read(i);
  const mean = (from: number, to: number): number => ((line[to] ?? 0) - (line[from] ?? 0)) / (to - from);
  for (let i = 14; i + 12 < length; i++) {
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
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[sorted.length >> 1] ?? Number.NaN;
};

/** `across = at + slope · along` through points with strays among them: median of slopes, then least squares over those that fit. */
function robustLine(
  points: readonly { along: number; across: number }[],
): { at: number; slope: number } | undefined {
  if (points.length < scans / 2) return undefined;
  const slopes: number[] = [];
  for (const [i, a] of points.entries()) {
    for (const b of points.slice(i + 8)) slopes.push((b.across - a.across) / (b.along - a.along));
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
  const side = (name: "left" | "right" | "top" | "bottom"): { at: number; slope: number } | undefined => {
    const upright = name === "left" || name === "right";
    const along = upright ? height : width;
    const across = upright ? width : height;
    const points: { along: number; across: number }[] = [];
    for (let i = 0; i < scans; i++) {
      const at = Math.round(along * (0.2 + (0.6 * i) / (scans - 1)));
      const read = {
        left: (j: number) => pixel(j, at),
        right: (j: number) => pixel(width - 1 - j, at),
        top: (j: number) => pixel(at, j),
        bottom: (j: number) => pixel(at, height - 1 - j),
      }[name];
      const found = edgeOnScan(read, Math.floor(across * 0.4), contrast);
      if (found !== undefined) {
        points.push({
          along: at + 0.5,
          across: name === "right" || name === "bottom" ? across - found : found,
        });
      }
    }
    return robustLine(points);
  };
  const [left, right, top, bottom] = [side("left"), side("right"), side("top"), side("bottom")];
  if (!left || !right || !top || !bottom) return undefined;
  // x = v.at + v.slope · y and y = h.at + h.slope · x.
  const meet = (v: { at: number; slope: number }, h: { at: number; slope: number }): Point => {
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

/** The card alone, straight, at so many dots an inch: grey 0..255. */
export function straighten(picture: Grey, outline: Outline, dpi: number): Plane {
  const [a = 0, b = 0, c = 0, d = 0, e = 0, f = 0, g = 0, h = 0] = homography(outline.corners);
  const width = Math.round((card.width / 25.4) * dpi);
  const height = Math.round((card.height / 25.4) * dpi);
  const to = plane(width, height);
  const perDot = 25.4 / dpi;
  const lastX = picture.width - 1.001;
  const lastY = picture.height - 1.001;
  for (let y = 0; y < height; y++) {
    const v = ((y + 0.5) * perDot) / card.height;
    for (let x = 0; x < width; x++) {
      const u = ((x + 0.5) * perDot) / card.width;
      const w = 1 / (g * u + h * v + 1);
      const px = Math.min(Math.max((a * u + b * v + c) * w - 0.5, 0), lastX);
      const py = Math.min(Math.max((d * u + e * v + f) * w - 0.5, 0), lastY);
      const left = Math.trunc(px);
      const top = Math.trunc(py);
      const fx = px - left;
      const fy = py - top;
      const at = top * picture.width + left;
      const upper = (picture.grey[at] ?? 0) * (1 - fx) + (picture.grey[at + 1] ?? 0) * fx;
      const lower =
        (picture.grey[at + picture.width] ?? 0) * (1 - fx) + (picture.grey[at + picture.width + 1] ?? 0) * fx;
      to.data[y * width + x] = upper * (1 - fy) + lower * fy;
    }
  }
  return to;
}
