import { describe, expect, test, vi } from "vitest";
import type { Picture } from "../../devices/camera/port.js";
import { drawnCard, flawedCards, goodCards, optionsOf, photographed } from "./cards.test.data.js";
import { judgeEmboss, judgeFace, summarize, watchPictures } from "./index.js";
import { findCard } from "./straighten.js";

// A card is drawn, photographed and judged in about half a second; a busy machine takes longer.
vi.setConfig({ testTimeout: 30_000 });

const front = { product: "office-access", side: "front", people: [0], seed: "quick" } as const;
const one = async (): Promise<Picture> => {
  const [picture] = await photographed([await drawnCard("office-access", "front", 3)], [], "one");
  if (picture === undefined) throw new Error("no picture");
  return picture;
};

describe("a picture of a card", () => {
  test("good cards pass on both sides, and their measures tell how good they are", async () => {
    const verdicts = [...(await goodCards(front)), ...(await goodCards({ ...front, side: "back" }))];
    expect(verdicts.map(({ verdict, findings }) => [verdict, findings])).toEqual(
      verdicts.map(() => ["pass", []]),
    );
    expect(verdicts[0]?.measures.map((measure) => measure.field)).toContain("photo");
    expect(
      Math.max(...verdicts.flatMap(({ measures }) => measures.map(({ dx, dy }) => Math.hypot(dx, dy)))),
    ).toBeLessThan(0.1);
  });

  test("another person's card, good in itself, is rejected: text, number and photo each say so", async () => {
    const picture = await one();
    const { face, raster } = await drawnCard("office-access", "front", 4);
    const { verdict, findings } = await judgeFace(picture, face, raster);
    expect(verdict).toBe("reject");
    const wrong = (field: string): string[] =>
      findings.filter((finding) => finding.field === field).map(({ what }) => what);
    expect(wrong("name")).toContain("wrong-glyph");
    expect(wrong("number")).toContain("wrong-glyph");
    expect(wrong("photo")).toContain("wrong-photo");
  });

  test("characters that look alike are told apart: O 0, B 8, I 1, Z 2, S 5", async () => {
    const must = await drawnCard("office-access", "front", 5, { number: "OBIZS-0812" });
    const is = await drawnCard("office-access", "front", 5, { number: "081Z5-OBI2" });
    const [picture] = await photographed([is], [], "confused");
    if (picture === undefined) throw new Error("no picture");
    const { findings } = await judgeFace(picture, must.face, must.raster);
    const wrong = findings.filter(({ field, what }) => field === "number" && what === "wrong-glyph");
    expect(wrong.length).toBeGreaterThanOrEqual(7);
    // Only that field is wrong on this card.
    expect(findings.filter(({ what }) => what === "wrong-glyph").length).toBe(wrong.length);
  });

  test("another content of the code is found by decoding", async () => {
    const is = await drawnCard("office-access", "back", 5, { cardNumber: "AAAA-BBBB-CCCC" });
    const must = await drawnCard("office-access", "back", 5);
    const [picture] = await photographed([is], [], "code");
    if (picture === undefined) throw new Error("no picture");
    const { findings } = await judgeFace(picture, must.face, must.raster, optionsOf(must));
    expect(findings.filter(({ field }) => field === "code").map(({ what }) => what)).toContain("wrong-code");
  });

  test("a side half engraved is rejected", async () => {
    const { face, raster } = await drawnCard("office-access", "front", 3);
    const half = { ...raster, bits: raster.bits.map((byte, i) => (i < raster.bits.length / 2 ? byte : 0)) };
    const [picture] = await photographed([{ face, raster: half }], [], "half");
    if (picture === undefined) throw new Error("no picture");
    const { findings } = await judgeFace(picture, face, raster);
    expect(findings.filter(({ what }) => what === "missing").map(({ field }) => field)).toEqual(
      expect.arrayContaining(["name", "department"]),
    );
  });

  test("ink where none should be is found", async () => {
    const { face, raster } = await drawnCard("office-access", "front", 3);
    const bits = raster.bits.slice();
    for (let y = 580; y < 592; y++) bits.fill(0xff, y * 127 + 60, y * 127 + 62);
    const [picture] = await photographed([{ face, raster: { ...raster, bits } }], [], "spot");
    if (picture === undefined) throw new Error("no picture");
    const { findings } = await judgeFace(picture, face, raster);
    expect(findings.map(({ what }) => what)).toContain("stray-ink");
  });

  test("upside down, the wrong side, no card and darkness are rejects", async () => {
    const picture = await one();
    const { face, raster } = await drawnCard("office-access", "front", 3);
    const found = async (seen: Picture): Promise<string[]> => {
      const { verdict, findings } = await judgeFace(seen, face, raster);
      return [verdict, ...findings.map(({ what }) => what)];
    };
    expect(await found({ ...picture, grey: picture.grey.slice().reverse() })).toEqual([
      "reject",
      "upside-down",
    ]);
    expect(await found({ ...picture, side: "back" })).toEqual(["reject", "wrong-side"]);
    expect(await found({ ...picture, grey: new Uint8Array(picture.grey.length).fill(50) })).toEqual([
      "reject",
      "card-not-found",
    ]);
    expect(await found({ ...picture, grey: new Uint8Array(0) })).toEqual(["reject", "card-not-found"]);
  });

  test("a detector that fails is a reject, never a pass", async () => {
    const { face, raster } = await drawnCard("office-access", "front", 3);
    const nowhere = { x: Number.NaN, y: Number.NaN, width: Number.NaN, height: Number.NaN };
    const broken = {
      ...face,
      fields: [
        ...face.fields,
        { name: "ghost", kind: "text" as const, layer: "laser" as const, box: nowhere, glyphs: [] },
      ],
    };
    const { verdict, findings } = await judgeFace(await one(), broken, raster);
    expect(verdict).toBe("reject");
    expect(findings.map(({ field, what }) => `${field} ${what}`)).toContain("ghost detector-failed");
  });

  test("the card is found wherever it lies", async () => {
    const outline = findCard(await one());
    expect(Math.abs((outline?.pixelsPerMm ?? 0) / 12.2 - 1)).toBeLessThan(0.006);
    expect(Math.abs(outline?.degrees ?? 9)).toBeLessThan(1.05);
  });
});

describe("planted flaws, each found by its own detector", () => {
  test.each([
    ["missing-line", "missing"],
    ["wrong-photo", "wrong-photo"],
    ["shift", "displaced"],
    ["faint", "faint"],
  ] as const)("%s: %s", async (kind, what) => {
    for (const { verdict, findings } of await flawedCards(front, kind)) {
      expect(verdict).toBe("reject");
      expect(findings.map((finding) => finding.what)).toContain(what);
    }
  });
  test("wrong-text: the wrong glyphs, in their boxes", async () => {
    for (const { verdict, findings } of await flawedCards(front, "wrong-text", "name")) {
      expect(verdict).toBe("reject");
      expect(findings.filter(({ field }) => field === "name").map(({ what }) => what)).toContain(
        "wrong-glyph",
      );
    }
  });
});

describe("a camera that freezes", () => {
  const picture = (frame: number, grey: number): Picture => ({
    side: "front",
    width: 2,
    height: 1,
    grey: new Uint8Array([grey, 0]),
    frame,
    takenAt: frame,
  });
  test("no picture, the same exposure and the same pixels are told apart from a fresh one", () => {
    const watch = watchPictures();
    expect(watch.look(picture(1, 10))).toBeUndefined();
    expect(watch.look(picture(2, 11))).toBeUndefined();
    expect(watch.look(picture(2, 12))).toBe("frozen-picture");
    expect(watch.look(picture(3, 11))).toBe("frozen-picture");
    expect(watch.look("no-picture")).toBe("no-picture");
    expect(watch.look(picture(4, 14))).toBeUndefined();
  });
});

describe("the verdict on a card", () => {
  const sides = async (must: number, is: number) => {
    const judged = [];
    for (const side of ["front", "back"] as const) {
      const card = await drawnCard("office-access", side, must);
      const { face, raster } = card;
      const [picture] = await photographed([await drawnCard("office-access", side, is)], [], "verdict");
      if (picture === undefined) throw new Error("no picture");
      judged.push({ face, verdict: await judgeFace(picture, face, raster, optionsOf(card)) });
    }
    return judged;
  };
  test("a good card passes, with a measurement of each field", async () => {
    const { kind, detail, findings } = summarize(await sides(0, 0));
    expect([kind, detail]).toEqual(["passed", ""]);
    expect(findings.filter(({ result }) => result === "ok")).toHaveLength(findings.length);
    expect(findings.map(({ what }) => what)).toEqual(
      expect.arrayContaining(["front name", "front photo", "back code"]),
    );
  });
  test("another's card is rejected, with fields, measurements and places, but no name", async () => {
    const summary = summarize(await sides(0, 1));
    expect(summary.kind).toBe("rejected");
    expect(summary.detail).toMatch(/name: wrong-glyph \(\d/);
    expect(JSON.stringify(summary)).not.toMatch(/Đor|Алекс/);
  });
  test("a side nobody judged is a reject", async () => {
    const [front, back] = await sides(0, 0);
    if (front === undefined || back === undefined) throw new Error("two sides");
    expect(summarize([front, { ...back, verdict: undefined }]).kind).toBe("rejected");
  });
});

describe("raised lines", () => {
  const planned = [
    { text: "ANNA KOVACS", font: "4B", x: 7.65, yFromBottom: 6.6, pitch: 2.54 },
    { text: "PP-1", font: "4B", x: 7.65, yFromBottom: 3, pitch: 2.54 },
  ] as const;
  const [name, number] = planned;
  test("as planned", () => {
    expect(judgeEmboss(planned, planned)).toEqual([]);
  });
  test.each([
    ["a line missing", [name]],
    ["a line twice", [name, number, number]],
    ["another person's name", [{ ...name, text: "ANNA KOVACH" }, number]],
    ["another wheel", [{ ...name, font: "7B" as const }, number]],
    ["another place", [{ ...name, x: 8.2 }, number]],
  ])("%s is found, and no name is told", (_, raised) => {
    const problems = judgeEmboss(raised, planned);
    expect(problems).toHaveLength(1);
    expect(problems.join()).not.toContain("ANNA");
  });
});
