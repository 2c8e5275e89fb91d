import { expect, test } from "vitest";
import { fuzz } from "./fuzz.test.data.js";

test("ten thousand answers of hostile cards: no crash, no hang, no authentication again, no card passed that is not good", async () => {
  const figures = await fuzz({ answers: 10_000, seed: 20_260_101 });
  const { readers, characters, inspection, line } = figures.answers;
  expect(readers + characters + inspection + line).toBeGreaterThanOrEqual(10_000);
  expect(Math.min(readers, characters, inspection, line)).toBeGreaterThan(0);
  // Hostile cards end in many ways; some do too little harm to be noticed, and are good all the same.
  expect(Object.keys(figures.ends).length).toBeGreaterThan(4);
  expect(figures.heapGrowth).toBeLessThan(256);
});
