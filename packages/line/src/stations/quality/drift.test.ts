import { describe, expect, test } from "vitest";
import { drifted, driftText, DriftWatch, measuresOf } from "./drift.js";
import type { FieldMeasure } from "./finding.js";
import { simulatedLimits } from "./limits.js";
import { summarize } from "./summary.js";

/** The same noise in every run: no two neighbours alike, no trend. */
const noise = (i: number): number => ((i * 7919) % 101) / 101 - 0.5;

const good = (i: number): FieldMeasure => ({
  field: "name",
  kind: "text",
  dx: 0.06 * noise(i),
  dy: 0.06 * noise(i + 37),
  ink: 1 + 0.06 * noise(i + 11),
  correlation: 0.95,
  worst: 0.24 + 0.06 * noise(i + 3),
});

const watching = (measure: (i: number) => FieldMeasure, cards: number, camera = "quality camera 1") => {
  const watch = new DriftWatch();
  const told: { readonly card: number; readonly what: string; readonly text: string }[] = [];
  for (let card = 1; card <= cards; card++) {
    const drift = watch.see({
      what: "front name",
      by: camera,
      measures: measuresOf(measure(card), simulatedLimits),
    });
    if (drift !== undefined) told.push({ card, what: drift.what, text: driftText(drift) });
  }
  return { watch, told };
};

describe("drift of a field", () => {
  test("two thousand good cards say nothing, and cost no memory a card", () => {
    const { watch, told } = watching(good, 2000);
    expect(told).toEqual([]);
    const [only, ...more] = watch.all();
    expect([only?.cards, more.length, only !== undefined && drifted(only)]).toEqual([2000, 0, false]);
    expect(only?.farthest.way).toBeLessThan(0.4);
  });
  test.each([
    [
      "place",
      (i: number) => ({ ...good(i), dx: good(i).dx + 0.002 * i }),
      (m: FieldMeasure) => Math.hypot(m.dx, m.dy) > simulatedLimits.displacement,
    ],
    [
      "ink",
      (i: number) => ({ ...good(i), ink: good(i).ink - 0.002 * i }),
      (m: FieldMeasure) => m.ink < simulatedLimits.faint,
    ],
    [
      "ink",
      (i: number) => ({ ...good(i), ink: good(i).ink + 0.002 * i }),
      (m: FieldMeasure) => m.ink > simulatedLimits.burnt,
    ],
    [
      "glyphs",
      (i: number) => ({ ...good(i), worst: (good(i).worst ?? 0) + 0.0007 * i }),
      (m: FieldMeasure) => (m.worst ?? 0) > simulatedLimits.glyph.good,
    ],
  ] as const)(
    "of its %s is told once, before the first card is thrown out for it",
    (what, wearing, rejected) => {
      const first = Array.from({ length: 400 }, (_, i) => i + 1).find((i) => rejected(wearing(i)));
      expect(first).toBeDefined();
      const { told } = watching(wearing, first ?? 0);
      expect(told.map((one) => one.what)).toEqual([what]);
      expect(told[0]?.card).toBeLessThan(first ?? 0);
      expect(told[0]?.text).toMatch(/^drift: quality camera 1 sees front name at .* of the way to its limit/);
    },
  );
  test("is told again when it came back after the machine was seen to", () => {
    const off = (i: number) => (i % 100 < 50 ? good(i) : { ...good(i), dy: 0.2 });
    expect(watching(off, 200).told.map(({ what }) => what)).toEqual(["place", "place"]);
  });
  test("a photo that is always a little pale does not drift, one that began near its limit does", () => {
    const pale = (by: number) => (i: number) => ({ ...good(i), ink: good(i).ink - by });
    expect(watching(pale(0.12), 300).told).toEqual([]);
    expect(watching(pale(0.22), 300).told.map(({ what }) => what)).toEqual(["ink"]);
  });
  test("one odd card is none", () => {
    expect(watching((i) => (i === 30 ? { ...good(i), dx: 0.29 } : good(i)), 60).told).toEqual([]);
  });
  test("each camera's is its own", () => {
    const watch = new DriftWatch();
    for (let i = 1; i <= 20; i++)
      for (const [by, dx] of [
        ["one", 0],
        ["two", 0.25],
      ] as const)
        watch.see({ what: "front name", by, measures: measuresOf({ ...good(i), dx }, simulatedLimits) });
    expect(watch.all().map((one) => [one.camera, drifted(one)])).toEqual([
      ["two", true],
      ["one", false],
    ]);
  });
});

describe("what a side's judgement leaves", () => {
  const face = { side: "front", common: { key: "", elements: [] }, own: [], fields: [] } as const;
  const box = { x: 0, y: 0, width: 1, height: 1 };
  const finding = (
    what: "card-not-found" | "detector-failed" | "missing" | "wrong-glyph",
    weight: "reject" | "doubtful" = "reject",
  ) => ({ field: "name", what, measured: 1, limit: 1, unit: "count", box, weight }) as const;

  test("good fields keep their measures, their limits and their camera", () => {
    const { findings } = summarize(
      [{ face, verdict: { verdict: "pass", findings: [], measures: [good(1)] } }],
      "quality camera 1",
    );
    expect(findings).toEqual([
      expect.objectContaining({
        what: "front name",
        result: "ok",
        by: "quality camera 1",
        measures: measuresOf(good(1), simulatedLimits),
      }),
    ]);
  });
  test.each([
    ["the card was not found", [finding("card-not-found")], true],
    ["only doubt", [finding("wrong-glyph", "doubtful")], true],
    ["a detector failed", [finding("detector-failed")], undefined],
    ["a line is missing", [finding("missing")], undefined],
    ["doubt beside a missing line", [finding("wrong-glyph", "doubtful"), finding("missing")], undefined],
  ] as const)("another picture may help: %s", (_, findings, retake) => {
    const verdict = findings.some(({ weight }) => weight === "reject") ? "reject" : "doubtful";
    expect(summarize([{ face, verdict: { verdict, findings, measures: [] } }]).retake).toBe(retake);
  });
  test("a card that passed is not taken again", () => {
    expect(
      summarize([{ face, verdict: { verdict: "pass", findings: [], measures: [] } }]).retake,
    ).toBeUndefined();
  });
});
