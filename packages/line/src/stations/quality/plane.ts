/** A picture as numbers, rows top to bottom. What they mean (grey, density 0..1) the maker says. */
export interface Plane {
  readonly width: number;
  readonly height: number;
  readonly data: Float32Array;
}

/** Whole pixels; right and bottom are outside. */
export interface Window {
  readonly left: number;
  readonly top: number;
  readonly right: number;
  readonly bottom: number;
}

/** On `data` where it is given: what it held is still there. */
export const plane = (width: number, height: number, data?: Float32Array): Plane => ({
  width,
  height,
  data: data === undefined ? new Float32Array(width * height) : data.subarray(0, width * height),
});

export const windowAll = ({ width, height }: Plane): Window => ({
  left: 0,
  top: 0,
  right: width,
  bottom: height,
});

/** Each pixel the mean of two by two. */
export function halve(from: Plane, to: Plane = plane(from.width >> 1, from.height >> 1)): Plane {
  const [data, half, width] = [from.data, to.data, from.width];
  for (let y = 0, out = 0; y < to.height; y++) {
    let at = 2 * y * width;
    let below = at + width;
    for (let x = 0; x < to.width; x++, at += 2, below += 2) {
      half[out++] = ((data[at] ?? 0) + (data[at + 1] ?? 0) + (data[below] ?? 0) + (data[below + 1] ?? 0)) / 4;
    }
  }
  return to;
}

/** Running mean over 2·reach + 1 values of a row; at its ends over those there are. */
function blurRow(from: Float32Array, start: number, length: number, reach: number, to: Float32Array): void {
  let sum = 0;
  let count = Math.min(reach, length);
  for (let x = 0; x < count; x++) sum += from[start + x] ?? 0;
  let x = 0;
  for (; x < length && x <= reach; x++) {
    if (x + reach < length) {
      sum += from[start + x + reach] ?? 0;
      count++;
    }
    to[start + x] = sum / count;
  }
  const part = 1 / (2 * reach + 1);
  for (; x + reach < length; x++) {
    sum += (from[start + x + reach] ?? 0) - (from[start + x - reach - 1] ?? 0);
    to[start + x] = sum * part;
  }
  for (; x < length; x++) {
    sum -= from[start + x - reach - 1] ?? 0;
    to[start + x] = sum / (length - x + reach);
  }
}

/** A mean over 2·reach + 1 pixels in both directions, by running sums. `to` and `across` may be given; `to` may be `from`. */
export function boxBlur(
  from: Plane,
  reach: number,
  to: Plane = plane(from.width, from.height),
  across: Float32Array = new Float32Array(from.width * from.height),
): Plane {
  const { width, height } = from;
  for (let y = 0; y < height; y++) blurRow(from.data, y * width, width, reach, across);
  const sums = new Float32Array(width);
  const first = Math.min(reach, height);
  for (let y = 0; y < first; y++)
    for (let x = 0; x < width; x++) sums[x] = (sums[x] ?? 0) + (across[y * width + x] ?? 0);
  for (let y = 0; y < height; y++) {
    const part = 1 / (Math.min(height, y + reach + 1) - Math.max(0, y - reach));
    if (y + reach < height) addRow(sums, across, (y + reach) * width, 1);
    if (y > reach) addRow(sums, across, (y - reach - 1) * width, -1);
    for (let x = 0, out = y * width; x < width; x++) to.data[out++] = (sums[x] ?? 0) * part;
  }
  return to;
}

function addRow(sums: Float32Array, from: Float32Array, start: number, sign: number): void {
  for (let x = 0; x < sums.length; x++) sums[x] = (sums[x] ?? 0) + sign * (from[start + x] ?? 0);
}

/** The part a window shows; what lies outside is 0. `dx`, `dy`: the window is read that far to the right and below, between pixels too. */
export function cut(from: Plane, window: Window, dx = 0, dy = 0, room?: Float32Array): Plane {
  const to = plane(window.right - window.left, window.bottom - window.top, room);
  const [wholeX, wholeY] = [Math.floor(dx), Math.floor(dy)];
  const [fx, fy] = [dx - wholeX, dy - wholeY];
  const left = window.left + wholeX;
  for (let y = 0; y < to.height; y++) cutRow(from, left, window.top + y + wholeY, fx, fy, to, y);
  return to;
}

function cutRow(from: Plane, left: number, sy: number, fx: number, fy: number, to: Plane, y: number): void {
  const { width, height, data } = from;
  const [a, b, c, d] = [(1 - fx) * (1 - fy), fx * (1 - fy), (1 - fx) * fy, fx * fy];
  let out = y * to.width;
  if (left >= 0 && left + to.width < width && sy >= 0 && sy + 1 < height) {
    let i = sy * width + left;
    for (const end = i + to.width; i < end; i++)
      to.data[out++] =
        a * (data[i] ?? 0) +
        b * (data[i + 1] ?? 0) +
        c * (data[i + width] ?? 0) +
        d * (data[i + width + 1] ?? 0);
    return;
  }
  const at = (x: number, row: number): number =>
    x < 0 || row < 0 || x >= width || row >= height ? 0 : (data[row * width + x] ?? 0);
  for (let x = left; x < left + to.width; x++)
    to.data[out++] = a * at(x, sy) + b * at(x + 1, sy) + c * at(x, sy + 1) + d * at(x + 1, sy + 1);
}

export interface Agreement {
  /** Normalised cross-correlation, -1..1; 0 when one of the two is flat. */
  readonly correlation: number;
  /** Slope of the first over the second: how much ink for the ink expected. */
  readonly gain: number;
  /** Variance of the second: how much there is to see. */
  readonly contrast: number;
}

/** How far `seen` (read at whole dx, dy) agrees with `expected` inside the window, in every `step`th row. Both of one size. */
export function agreement(seen: Plane, expected: Plane, window: Window, dx = 0, dy = 0, step = 1): Agreement {
  const width = expected.width;
  const left = Math.max(window.left, -dx, 0);
  const right = Math.min(window.right, width - dx, width);
  const top = Math.max(window.top, -dy, 0);
  const bottom = Math.min(window.bottom, expected.height - dy, expected.height);
  const n = Math.max(0, right - left) * Math.max(0, Math.ceil((bottom - top) / step));
  const [from, wanted] = [seen.data, expected.data];
  const away = dy * width + dx;
  let s = 0;
  let e = 0;
  let ss = 0;
  let ee = 0;
  let se = 0;
  for (let y = top; y < bottom; y += step) {
    const end = y * width + right;
    for (let at = y * width + left; at < end; at++) {
      const a = from[at + away] ?? 0;
      const b = wanted[at] ?? 0;
      s += a;
      e += b;
      ss += a * a;
      ee += b * b;
      se += a * b;
    }
  }
  if (n === 0) return { correlation: 0, gain: 0, contrast: 0 };
  const contrast = ee / n - (e / n) ** 2;
  const spread = ss / n - (s / n) ** 2;
  const common = se / n - (s / n) * (e / n);
  const flat = contrast < 1e-6 || spread < 1e-9;
  return {
    correlation: flat ? 0 : common / Math.sqrt(contrast * spread),
    gain: flat ? 0 : common / contrast,
    contrast: Math.max(contrast, 0),
  };
}
