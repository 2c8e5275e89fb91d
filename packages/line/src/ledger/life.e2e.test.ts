import { expect, test } from "vitest";
import { rehearse } from "./rehearsal.test.data.js";

test("a million random steps keep every rule", () => {
  const runs = Array.from({ length: 10 }, (_, seed) => rehearse(1_000 + seed, 100_000, 40, 25));
  expect(runs.reduce((sum, { steps }) => sum + steps, 0)).toBe(1_000_000);
  expect(runs.every(({ done }) => done > 10_000)).toBe(true);
});
