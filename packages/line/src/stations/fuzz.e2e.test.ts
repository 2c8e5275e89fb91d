import { expect, test } from "vitest";
import { fuzz } from "./fuzz.test.data.js";

test("ten thousand answers of hostile cards: no crash, no hang, no authentication again, no try burnt, no card passed that is not good", async () => {
  const figures = await fuzz({ answers: 10_000, seed: 20_260_101 });
  const given = Object.values(figures.answers);
  expect(given.reduce((sum, one) => sum + one, 0)).toBeGreaterThanOrEqual(10_000);
  expect(Math.min(...given)).toBeGreaterThan(0);
  // Of every kind of product that the fuzzer knows.
  expect(Object.keys(figures.kinds)).toHaveLength(8);
  // Hostile cards end in many ways; some do too little harm to be noticed, and are good all the same.
  expect(Object.keys(figures.ends).length).toBeGreaterThan(4);
  expect(figures.heapGrowth).toBeLessThan(256);
});
