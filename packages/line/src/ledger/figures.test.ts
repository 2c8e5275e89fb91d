import fc from "fast-check";
import { expect, test } from "vitest";
import { gatherStations, quantile } from "./figures.js";

test("a quantile is the smallest value that covers its share", () => {
  fc.assert(
    fc.property(
      fc.array(fc.nat(1_000), { minLength: 1 }),
      fc.double({ min: 0.01, max: 1, noNaN: true }),
      (values, share) => {
        const sorted = values.toSorted((a, b) => a - b);
        const q = quantile(sorted, share);
        const covered = sorted.filter((v) => v <= q).length / sorted.length;
        const below = sorted.filter((v) => v < q).length / sorted.length;
        expect(covered).toBeGreaterThanOrEqual(share - 1e-9);
        expect(below).toBeLessThan(share + 1e-9);
      },
    ),
  );
  expect(quantile([], 0.5)).toBe(0);
});

test("stations come in the order seen, with heads counted or named", () => {
  const stations = gatherStations();
  for (let card = 1; card <= 1_000; card++)
    stations.add([
      { station: "test", head: card % 3, ms: card },
      { station: "perso", head: 0, ms: 10 },
    ]);
  expect(stations.figures(1_000_000, { perso: 2 })).toEqual([
    {
      station: "test",
      heads: 3,
      visits: 1_000,
      min: 1,
      median: 500,
      p95: 950,
      max: 1_000,
      busy: 500_500,
      utilisation: 500_500 / 3_000_000,
    },
    {
      station: "perso",
      heads: 2,
      visits: 1_000,
      min: 10,
      median: 10,
      p95: 10,
      max: 10,
      busy: 10_000,
      utilisation: 0.005,
    },
  ]);
});

test("rejects are counted at the head that threw the card out", () => {
  const stations = gatherStations();
  const way = (head: number) => [
    { station: "test", head: 0, ms: 1 },
    { station: "perso", head, ms: 1 },
  ];
  for (const head of [0, 1, 2, 2, 2, 2]) stations.add(way(head), head === 2);
  const [one, perso] = stations.figures(1000, { perso: 3 });
  expect(one?.rejectsByHead).toBeUndefined();
  expect(perso?.rejectsByHead).toEqual([0, 0, 4]);
});
