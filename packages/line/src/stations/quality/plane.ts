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

export const plane = (width: number, height: number): Plane => ({
  width,
  height,
  data: new Float32Array(width * height),
});

/** Each pixel the mean of two by two. */
export function halve(from: Plane): Plane {
  const to = plane(from.width >> 1, from.height >> 1);
  for (let y = 0; y < to.height; y++) {
    for (let x = 0; x < to.width; x++) {
      const at = 2 * y * from.width + 2 * x;
      const below = at + from.width;
      to.data[y * to.width + x] =
        ((from.data[at] ?? 0) +
          (from.data[at + 1] ?? 0) +
          (from.data[below] ?? 0) +
          (from.data[below + 1] ?? 0)) /
        4;
    }
  }
  return to;
}

/** A mean over 2·reach + 1 pixels in both directions, by running sums. */
export function boxBlur(from: Plane, reach: number): Plane {
  const { width, height } = from;
  const half = new Float32Array(width * height);
  for (let y = 0; y < height; y++) {
    const row = y * width;
    let sum = 0;
    let count = 0;
    for (let x = 0; x < Math.min(reach, width); x++) {
      sum += from.data[row + x] ?? 0;
      count++;
    }
    for (let x = 0; x < width; x++) {
      if (x + reach < width) {
        sum += from.data[row + x + reach] ?? 0;
        count++;
      }
      if (x - reach - 1 >= 0) {
        sum -= from.data[row + x - reach - 1] ?? 0;
        count--;
      }
      half[row + x] = sum / count;
    }
  }
  const to = plane(width, height);
  const sums = new Float32Array(width);
  let count = 0;
  const take = (y: number, sign: number): void => {
    for (let x = 0; x < width; x++) sums[x] = (sums[x] ?? 0) + sign * (half[y * width + x] ?? 0);
    count += sign;
  };
  for (let y = 0; y < Math.min(reach, height); y++) take(y, 1);
  for (let y = 0; y < height; y++) {
    if (y + reach < height) take(y + reach, 1);
    if (y - reach - 1 >= 0) take(y - reach - 1, -1);
    for (let x = 0; x < width; x++) to.data[y * width + x] = (sums[x] ?? 0) / count;
  }
  return to;
}

/** 1 4 1 in both directions: a deviation of 0.58 pixels. */
export function soften(from: Plane): Plane {
  const { width, height } = from;
  const half = new Float32Array(from.data);
  for (let y = 0; y < height; y++) {
    for (let x = 1; x < width - 1; x++) {
      const at = y * width + x;
      half[at] = ((from.data[at - 1] ?? 0) + 4 * (from.data[at] ?? 0) + (from.data[at + 1] ?? 0)) / 6;
    }
  }
  const to = { width, height, data: new Float32Array(half) };
  for (let at = width; at < width * (height - 1); at++) {
    to.data[at] = ((half[at - width] ?? 0) + 4 * (half[at] ?? 0) + (half[at + width] ?? 0)) / 6;
  }
  return to;
}

/** The part a window shows; what lies outside is 0. `dx`, `dy`: the window is read that far to the right and below, between pixels too. */
export function cut(from: Plane, window: Window, dx = 0, dy = 0): Plane {
  const to = plane(window.right - window.left, window.bottom - window.top);
  const [wholeX, wholeY] = [Math.floor(dx), Math.floor(dy)];
  const [fx, fy] = [dx - wholeX, dy - wholeY];
  const at = (x: number, y: number): number =>
    x < 0 || y < 0 || x >= from.width || y >= from.height ? 0 : (from.data[y * from.width + x] ?? 0);
  for (let y = 0; y < to.height; y++) {
    for (let x = 0; x < to.width; x++) {
      const sx = window.left + x + wholeX;
      const sy = window.top + y + wholeY;
      let value = at(sx, sy) * (1 - fx) * (1 - fy);
      if (fx > 0) value += at(sx + 1, sy) * fx * (1 - fy);
      if (fy > 0) value += at(sx, sy + 1) * (1 - fx) * fy;
      if (fx > 0 && fy > 0) value += at(sx + 1, sy + 1) * fx * fy;
      to.data[y * to.width + x] = value;
    }
  }
  return to;
}

export interface Agreement {
  /** Normalised cross-correlation, -1..1; 0 when one of the two is flat. */
  readonly correlation: number;
  /** Slope of the first over the second: how much ink for the ink expected. */
  readonly gain: number;
  /** Variance of the second: how much there is to see. */
  readonly contrast: number;
}

/** How far `seen` (read at dx, dy) agrees with `expected` inside the window, in every `step`th row. Both of one size. */
export function agreement(seen: Plane, expected: Plane, window: Window, dx = 0, dy = 0, step = 1): Agreement {
  const left = Math.max(window.left, -dx, 0);
  const right = Math.min(window.right, seen.width - dx, seen.width);
  const top = Math.max(window.top, -dy, 0);
  const bottom = Math.min(window.bottom, seen.height - dy, seen.height);
  let n = 0;
  let s = 0;
  let e = 0;
  let ss = 0;
  let ee = 0;
  let se = 0;
  for (let y = top; y < bottom; y += step) {
    const expectedRow = y * expected.width;
    const seenRow = (y + dy) * seen.width + dx;
    for (let x = left; x < right; x++) {
      const a = seen.data[seenRow + x] ?? 0;
      const b = expected.data[expectedRow + x] ?? 0;
      n++;
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
  if (contrast < 1e-6 || spread < 1e-9) return { correlation: 0, gain: 0, contrast: Math.max(contrast, 0) };
  return { correlation: common / Math.sqrt(contrast * spread), gain: common / contrast, contrast };
}
