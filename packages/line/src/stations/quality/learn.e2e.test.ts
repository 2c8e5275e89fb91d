import { beforeAll, describe, expect, test, vi } from "vitest";
import { type Conditions, kept } from "../../devices/camera/optics.js";
import { drawnCard, optionsOf, photographed } from "./cards.test.data.js";
import { type QualityLimits, simulatedLimits } from "./limits.js";
import { judgeFace } from "./judge.js";
import { figureOf, type GoldenCard, learnSide } from "./learn.js";
import { limitsOf, type SideProfile } from "./profile.js";

vi.setConfig({ testTimeout: 180_000, hookTimeout: 180_000 });

/** A dim lamp: the bare body comes back at three fifths of what the built-in limits know. */
const dim: Conditions = { ...kept, strength: [0.59, 0.61] };

async function golden(people: readonly number[], conditions: Conditions = dim): Promise<GoldenCard[]> {
  const cards = await Promise.all(people.map((i) => drawnCard("office-access", "front", i)));
  const pictures = await photographed(cards, [], "golden", conditions);
  return cards.flatMap((card, at) => {
    const [picture, record] = [pictures[at], people[at]];
    if (picture === undefined || record === undefined) return [];
    const { face, raster: dots } = card;
    return [{ name: `golden-${String(record)}`, record, picture, face, dots, options: optionsOf(card) }];
  });
}

const people = [300, 301, 302, 303, 304, 305, 306, 307];
let cards: readonly GoldenCard[];
let learned: SideProfile;
beforeAll(async () => {
  cards = await golden(people);
  learned = await learnSide(cards);
});

test("median and spread do not follow one odd value", () => {
  expect(figureOf([1, 2, 3, 4, 500])).toEqual({ median: 3, spread: 1.4826 });
  expect(figureOf([2, 4])).toEqual({ median: 3, spread: 1.4826 });
});

describe("a camera with a dim lamp", () => {
  const judged = async (person: number, limits: QualityLimits) => {
    const [card] = await golden([person]);
    if (card === undefined) throw new Error("no card");
    return judgeFace(card.picture, card.face, card.dots, { ...card.options, limits });
  };
  test("its light is learned: good cards that the built-in limits call another stock pass", async () => {
    expect(learned).toMatchObject({ side: "front", cards: 8, records: 8 });
    const { median } = learned.measured.body;
    expect(median).toBeLessThan(simulatedLimits.stock.darkest);
    expect(learned.limits.body.darkest).toBeLessThanOrEqual(median - 20);
    expect(learned.limits.body.brightest).toBeGreaterThanOrEqual(median + 20);
    const before = await judged(320, simulatedLimits);
    expect(before.findings.map(({ what }) => what)).toEqual(["wrong-stock"]);
    expect(await judged(320, limitsOf(learned))).toMatchObject({ verdict: "pass", findings: [] });
  });
  test("in its light a card as bright as the built-in limits want is another stock", async () => {
    const [bright] = await golden([321], kept);
    if (bright === undefined) throw new Error("no card");
    const { picture, face, dots, options } = bright;
    const { findings } = await judgeFace(picture, face, dots, { ...options, limits: limitsOf(learned) });
    expect(findings.map(({ what }) => what)).toEqual(["wrong-stock"]);
  });
  test("what it may let pass besides is never more than the built-in limits do", () => {
    const limits = limitsOf(learned);
    expect(limits.displacement).toBeLessThanOrEqual(simulatedLimits.displacement);
    expect(limits.glyph.good).toBeLessThanOrEqual(simulatedLimits.glyph.good);
    expect(limits.glyph.wrong).toBe(simulatedLimits.glyph.wrong);
    expect(limits.photo.dots).toBeGreaterThanOrEqual(simulatedLimits.photo.dots);
    expect(limits.surface.bare).toBeLessThanOrEqual(1.5 * simulatedLimits.surface.bare);
    expect(learned.fields.map(({ field }) => field)).toEqual(
      expect.arrayContaining(["name", "department", "photo"]),
    );
  });
});

describe("golden cards that teach nothing", () => {
  const refusal = async (some: readonly GoldenCard[]): Promise<string> => {
    try {
      await learnSide(some);
      return "learned";
    } catch (problem) {
      return (problem as Error).message;
    }
  };
  test("too few, and the same picture twice", async () => {
    expect(await refusal(cards.slice(1))).toContain("7 golden cards of a side are too few");
    expect(await refusal([...cards.slice(1), ...cards.slice(1, 2)])).toContain(
      "golden-301 and golden-301 are the same picture",
    );
  });
  test("one that is another person's, by its name", async () => {
    const [first, second, ...rest] = cards;
    if (first === undefined || second === undefined) throw new Error("no cards");
    const mistaken = { ...first, face: second.face, dots: second.dots, name: "mistaken.jpg" };
    expect(await refusal([mistaken, second, ...rest])).toMatch(
      /no golden cards: mistaken\.jpg \(.*wrong-glyph/,
    );
  });
  test("one under another light, by its name", async () => {
    const [odd] = await golden([308], { ...kept, strength: [0.85, 0.86] });
    if (odd === undefined) throw new Error("no card");
    expect(await refusal([...cards, odd])).toMatch(/golden-308: good alone, but unlike the other/);
  });
  test("a camera so noisy that scratches look like it", async () => {
    const noisy = await golden(people, { ...dim, noise: 9 });
    expect(await refusal(noisy)).toMatch(/from dot to dot|no golden cards|shows no good card/);
  });
});
