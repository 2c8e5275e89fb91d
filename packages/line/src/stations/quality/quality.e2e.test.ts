import { decodePicture, judgeFace } from "./index.js";
import { describe, expect, test } from "vitest";
import { type Capture, captureOf, classes, ownFindings } from "./captures.test.data.js";
import { kept } from "../../devices/camera/optics.js";
import { drawnCard, flawedCards, goodCards, optionsOf, photographed } from "./cards.test.data.js";
import type { FaceVerdict, FaultOfFace } from "./finding.js";
import { simulatedLimits } from "./limits.js";

const products = ["office-access", "warehouse-access"] as const;
const sides = ["front", "back"] as const;
const people = (from: number, count: number): number[] => Array.from({ length: count }, (_, i) => from + i);
const series = products.flatMap((product) => sides.map((side) => ({ product, side })));

/** Own findings of a flaw: one of these must be there, whatever else fired. */
const own: Readonly<
  Record<"missing-line" | "wrong-text" | "wrong-photo" | "shift" | "faint", readonly FaultOfFace[]>
> = {
  "missing-line": ["missing"],
  "wrong-text": ["wrong-glyph", "extra-ink", "missing"],
  "wrong-photo": ["wrong-photo"],
  shift: ["displaced"],
  faint: ["faint"],
};

/** What the good cards measured, for the record beside the limits. */
const margins = (verdicts: readonly FaceVerdict[]) => {
  const of = (kinds: readonly string[]) =>
    verdicts.flatMap(({ measures }) => measures.filter(({ kind }) => kinds.includes(kind)));
  const all = of(["text", "ocr", "photo", "code"]);
  return {
    farthest: Math.max(...all.map(({ dx, dy }) => Math.hypot(dx, dy))),
    faintest: Math.min(...all.map(({ ink }) => ink)),
    worstGlyph: Math.max(...of(["text", "ocr"]).map(({ worst }) => worst ?? 0)),
    poorestPhoto: Math.min(1, ...of(["photo"]).map(({ worst }) => worst ?? 1)),
    worstArt: Math.max(0, ...of(["art"]).map(({ worst }) => worst ?? 0)),
  };
};

describe("judging pictures, on many cards", () => {
  test("48 good cards, both sides: not one rejected, and none of them at the limits", async () => {
    const verdicts: FaceVerdict[] = [];
    for (const { product, side } of series) {
      verdicts.push(
        ...(await goodCards({ product, side, people: people(0, 24), seed: `good ${product} ${side}` })),
      );
    }
    expect(verdicts).toHaveLength(96);
    expect(verdicts.filter(({ verdict }) => verdict !== "pass").map(({ findings }) => findings)).toEqual([]);
    const { farthest, faintest, worstGlyph, poorestPhoto, worstArt } = margins(verdicts);
    expect(farthest).toBeLessThan(0.15);
    expect(faintest).toBeGreaterThan(0.85);
    expect(worstGlyph).toBeLessThan(0.95 * simulatedLimits.glyph.good);
    expect(poorestPhoto).toBeGreaterThan(0.8);
    expect(worstArt).toBeLessThan(0.4);
  });

  test("good backs with a magnetic stripe: the noise of a poor sensor on so dark a ground is no damage", async () => {
    const cards = await Promise.all(people(0, 6).map((i) => drawnCard("resident-card", "back", i)));
    const pictures = await photographed(cards, [], "good stripe", { ...kept, noise: 5 });
    for (const [i, card] of cards.entries()) {
      const [picture] = pictures.slice(i);
      if (picture === undefined) throw new Error("no picture");
      const { verdict, findings } = await judgeFace(picture, card.face, card.raster, optionsOf(card));
      expect([verdict, findings]).toEqual(["pass", []]);
    }
  });

  test.each(["missing-line", "wrong-text", "wrong-photo", "shift", "faint"] as const)(
    "%s: all 40 flawed sides are rejected, by its own finding",
    async (kind) => {
      const hit = kind === "wrong-photo" ? series.filter(({ side }) => side === "front") : series;
      const each = 40 / hit.length;
      const missed: string[] = [];
      for (const { product, side } of hit) {
        const verdicts = await flawedCards(
          { product, side, people: people(100, each), seed: `${kind} ${product} ${side}` },
          kind,
        );
        for (const [i, { verdict, findings }] of verdicts.entries()) {
          const found = findings.some(({ what, weight }) => weight === "reject" && own[kind].includes(what));
          if (verdict !== "reject" || !found) missed.push(`${product} ${side} ${String(100 + i)}`);
        }
      }
      expect(missed).toEqual([]);
    },
  );
});

/** A laser card's front, another's back, a printed card's front; of damage that does not show there, the next of the same faces. */
const shownOnes = async (kind: (typeof classes)[number]): Promise<readonly Capture[]> => {
  const shown: Capture[] = [];
  for (let round = 0; shown.length < 3 && round < 4; round++) {
    for (const face of [0, 3, 4]) {
      const capture = await captureOf(kind, "mild", 6 * round + face);
      if (capture.visible && shown.length < 3) shown.push(capture);
    }
  }
  return shown;
};

describe("every class of flaw, as a camera's JPEG of it", () => {
  test.each(classes.filter((kind) => ownFindings[kind].length > 0))(
    "%s never passes, and its own detector says so",
    async (kind) => {
      const told: string[] = [];
      let own = 0;
      for (const { card, jpeg, options } of await shownOnes(kind)) {
        const picture = await decodePicture(jpeg);
        const { verdict, findings } = await judgeFace(
          { ...picture, side: card.face.side, frame: 1, takenAt: 0 },
          card.face,
          card.raster,
          options,
        );
        told.push(verdict);
        if (findings.some(({ what }) => ownFindings[kind].includes(what))) own++;
      }
      expect(told).toHaveLength(3);
      expect(told).not.toContain("pass");
      // A gross fault of the whole card may end the judgement before: on most cards the class must be named.
      expect(own).toBeGreaterThanOrEqual(2);
    },
  );
});
