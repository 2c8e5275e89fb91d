import { describe, expect, test } from "vitest";
import { embossAreas, id1, lackedBy, stripe, wheels } from "./index.js";

describe("what a wheel can strike", () => {
  test("7B digits and the space, 4B capitals too, no wheel a letter of two cases", () => {
    expect(lackedBy("7B", "4711 0815")).toBeUndefined();
    expect(lackedBy("7B", "4711-0815")).toBe("-");
    expect(lackedBy("4B", "O'NEILL & CO., 2/3-A")).toBeUndefined();
    expect(lackedBy("4B", "ZOË")).toBe("Ë");
    expect(lackedBy("rear", "123 A/B-C")).toBeUndefined();
    expect(lackedBy("rear", "a")).toBe("a");
    expect(lackedBy("4B", "")).toBeUndefined();
  });
  test("a number of 19 places, 16 digits in fours, fits between the ends of its area; 27 letters between those of theirs", () => {
    const span = (font: "7B" | "4B"): number => (wheels[font].most - 1) * wheels[font].pitch;
    expect(span("7B")).toBeLessThan(embossAreas.number.right - embossAreas.number.left);
    expect(span("4B")).toBeCloseTo(66.04, 2);
    expect(span("4B")).toBeLessThan(embossAreas.name.right - embossAreas.name.left);
  });
  test("the number line lies above name and address, the stripe on the other side above both", () => {
    const [number, name] = [wheels["7B"].height, wheels["4B"].height];
    expect(embossAreas.number.centre - number / 2).toBeGreaterThan(embossAreas.name.highest + name / 2);
    expect(stripe.top + stripe.threeTracks).toBeLessThan(id1.height - embossAreas.number.centre - number / 2);
  });
});
