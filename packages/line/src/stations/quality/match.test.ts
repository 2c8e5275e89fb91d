import { describe, expect, test } from "vitest";
import { softened } from "./density.js";
import { type Ink, inkOf, placeOf, search, shownIn, unexplained } from "./match.js";
import { type Plane, plane, windowAll } from "./plane.js";

const size = 80;
const room = new Float32Array(size * size);

/** Bars and a block, as sharp as a camera sees them. */
const drawn = (block = 20): Plane =>
  softened(
    (y, row) => {
      for (let x = 12; x < 60; x += 9) row.fill(y > 14 && y < 62 ? 1 : 0, x, x + 3);
      if (y > 40 && y < 40 + block) row.fill(1, 30, 52);
      return true;
    },
    plane(size, size),
    room,
  );

/** The same picture, moved by parts of a dot (straight between dots), paler, and on a lighter or darker ground. */
function seenAs(from: Plane, dx: number, dy: number, gain: number, base = 0): Plane {
  const to = plane(size, size);
  const at = (x: number, y: number): number =>
    x < 0 || y < 0 || x >= size || y >= size ? 0 : (from.data[y * size + x] ?? 0);
  for (let y = 0; y < size; y++) {
    for (let x = 0; x < size; x++) {
      const [left, top] = [Math.floor(x - dx), Math.floor(y - dy)];
      const [fx, fy] = [x - dx - left, y - dy - top];
      const value =
        (at(left, top) * (1 - fx) + at(left + 1, top) * fx) * (1 - fy) +
        (at(left, top + 1) * (1 - fx) + at(left + 1, top + 1) * fx) * fy;
      to.data[y * size + x] = base + gain * value;
    }
  }
  return to;
}

const window = { left: 6, top: 6, right: size - 6, bottom: size - 6 };
const fit = (seen: Plane, expected: Plane): { ink: Ink; rest: number } => {
  const { dx, dy } = search(seen, expected, window, { dx: 0, dy: 0, reach: 4 });
  const shown = shownIn(seen, expected, window, dx, dy);
  const ink = inkOf(shown, dx, dy);
  return { ink, rest: Math.sqrt(unexplained(shown, ink)) };
};

describe("ink fitted to what is seen", () => {
  const expected = drawn();
  test.each([
    [0, 0, 0.8],
    [0.3, -0.4, 0.8],
    [2.45, 1.2, 0.5],
    [-3.1, 0.25, 1.1],
  ])("%f and %f dots off, %f as dark: told to a few hundredths, and nothing is left over", (dx, dy, gain) => {
    const { ink, rest } = fit(seenAs(expected, dx, dy, gain, 0.05), expected);
    const place = placeOf(ink);
    expect(Math.abs(place.dx - dx)).toBeLessThan(0.06);
    expect(Math.abs(place.dy - dy)).toBeLessThan(0.06);
    expect(Math.abs(ink.gain / gain - 1)).toBeLessThan(0.03);
    expect(rest).toBeLessThan(0.06);
  });
  test("a softer lens is told as such, and is no difference", () => {
    const soft = seenAs(seenAs(expected, 0.5, 0.5, 1), -0.5, -0.5, 0.8);
    const { ink, rest } = fit(soft, expected);
    expect(ink.softX).toBeGreaterThan(0.05);
    expect(ink.softY).toBeGreaterThan(0.05);
    expect(rest).toBeLessThan(0.06);
  });
  test("another shape is left over", () => {
    expect(fit(seenAs(drawn(12), 0.3, 0.2, 0.8), expected).rest).toBeGreaterThan(0.25);
  });
  test("a second print one and a half dots beside the first is no soft lens", () => {
    const twice = seenAs(expected, 0, 0, 0.8);
    const second = seenAs(expected, 3, 0, 0.8);
    for (let i = 0; i < twice.data.length; i++)
      twice.data[i] = Math.max(twice.data[i] ?? 0, second.data[i] ?? 0);
    expect(fit(twice, expected).rest).toBeGreaterThan(0.3);
  });
  test("nothing expected explains nothing", () => {
    const blank = plane(size, size);
    const ink = inkOf(shownIn(expected, blank, windowAll(blank), 0, 0), 0, 0);
    expect(ink.gain).toBe(0);
    expect(placeOf(ink)).toEqual({ dx: 0, dy: 0 });
  });
});
