import { describe, expect, test } from "vitest";
import { isLine, linked, type Patch, patchesOf } from "./patches.js";
import { plane } from "./plane.js";

const [width, height] = [400, 200];
const perMm = 300 / 25.4;

/** Strange dots (2), and dots that belong to one beside them (1). */
function patches(mark: (marks: Uint8Array, rest: Float32Array) => void): readonly Patch[] {
  const marks = new Uint8Array(width * height);
  const rest = plane(width, height);
  mark(marks, rest.data);
  return linked(patchesOf(marks, rest), 0.7);
}

const bar = (marks: Uint8Array, x: number, y: number, long: number, wide: number, mark = 2): void => {
  for (let row = y; row < y + wide; row++) marks.fill(mark, row * width + x, row * width + x + long);
};

describe("clusters of strange dots", () => {
  test("a line has its length and width, a block its area", () => {
    const [line] = patches((marks) => bar(marks, 20, 30, 120, 3));
    expect(line?.length).toBeCloseTo(120 / perMm, 1);
    expect(line?.wide).toBeCloseTo(3 / perMm, 1);
    const [block] = patches((marks) => bar(marks, 20, 30, 12, 12));
    expect(block?.area).toBeCloseTo((12 / perMm) ** 2, 3);
    expect(block?.wide).toBeCloseTo(12 / perMm, 1);
  });
  test("a broad scratch is a line when it is long; a broad and short place is none", () => {
    expect(isLine({ length: 4, wide: 0.6 }, 0.7)).toBe(true);
    expect(isLine({ length: 14, wide: 0.9 }, 0.7)).toBe(true);
    expect(isLine({ length: 4, wide: 0.9 }, 0.7)).toBe(false);
  });
  test("weak dots lengthen what strange ones began, and are nothing by themselves", () => {
    const [line] = patches((marks) => {
      bar(marks, 20, 30, 150, 2, 1);
      bar(marks, 60, 30, 10, 2);
      bar(marks, 20, 100, 150, 2, 1);
    });
    expect(line?.length).toBeCloseTo(150 / perMm, 1);
    expect(line?.area).toBeCloseTo(20 / perMm ** 2, 3);
  });
  test("pieces on one line are one scratch; pieces beside each other and pieces far apart are not", () => {
    const pieces = (mark: (marks: Uint8Array) => void): number => patches(mark).length;
    expect(pieces((marks) => [20, 55, 90].forEach((x) => bar(marks, x, 30, 25, 2)))).toBe(1);
    expect(pieces((marks) => [20, 65, 110].forEach((x) => bar(marks, x, 30, 15, 2)))).toBe(3);
    expect(pieces((marks) => [30, 42, 54].forEach((y) => bar(marks, 20, y, 60, 2)))).toBe(3);
  });
  test("a place that differs evenly is told from one that does not", () => {
    const [even] = patches((marks, rest) => {
      bar(marks, 20, 30, 40, 40);
      rest.fill(0.3);
    });
    const [uneven] = patches((marks, rest) => {
      bar(marks, 20, 30, 40, 40);
      rest.forEach((_, i) => (rest[i] = i % 2 === 0 ? 0.2 : 0.8));
    });
    expect(even?.uneven).toBeCloseTo(0, 5);
    expect(uneven?.uneven).toBeCloseTo(0.3, 2);
  });
});
