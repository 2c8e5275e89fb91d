import { describe, expect, test } from "vitest";
import { areStruckOnto, embossAreas, id1, isInArea, lackedBy, stripe, wheels } from "./index.js";

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
    expect(embossAreas.number.centre - number / 2).toBeGreaterThan(embossAreas.name.top);
    expect(4 * name).toBeLessThan(embossAreas.name.top - embossAreas.name.bottom);
    expect(stripe.top + stripe.threeTracks).toBeLessThan(id1.height - embossAreas.number.centre - number / 2);
  });
  test.each([
    ["feet on the area's lower edge, 2.41 mm above the card's", "4B", 7.65, 3.86, true],
    ["its middle there, and its feet 1 mm above the card's edge", "4B", 7.65, 2.45, false],
    ["heads on the upper edge", "4B", 7.65, 15.49, true],
    ["heads beyond it, the middle still below", "4B", 7.65, 16.5, false],
    ["a first character before the area", "4B", 7, 6, false],
    ["a last character behind it", "4B", 70, 6, false],
    ["the number on its line", "7B", 10.2, 21.42, true],
    ["the number a little off it", "7B", 10.2, 21.1, false],
    ["indent printing, which has no area", "rear", 3, 1, true],
  ] as const)("%s", (_, font, x, yFromBottom, within) => {
    expect(isInArea({ font, text: "1234", x, yFromBottom, pitch: wheels[font].pitch })).toBe(within);
  });
});

describe("two lines struck onto one another", () => {
  const line = (yFromBottom: number, x = 7.65, text = "ANNA KOVACS", font: "7B" | "4B" | "rear" = "4B") => ({
    font,
    text,
    x,
    yFromBottom,
    pitch: wheels[font].pitch,
  });
  test.each([
    ["half a millimetre apart", line(4), line(4.5), true],
    ["a little less apart than a character is high", line(4), line(6.88), true],
    ["as far apart as a character is high", line(4), line(6.9), false],
    ["of two fonts", line(19, 10), line(21.42, 10, "4711", "7B"), true],
    ["of two fonts, one above the other", line(17, 10), line(21.42, 10, "4711", "7B"), false],
    ["beside one another", line(4, 7.65, "ANNA"), line(4, 7.65 + 4 * 2.54, "KOVACS"), false],
    ["the last character under the first", line(4, 7.65, "ANNA"), line(4, 7.65 + 3 * 2.54, "KOVACS"), true],
    [
      "a word in the gap of the other",
      line(4, 7.65, "11/26      11/29"),
      line(4, 7.65 + 6 * 2.54, "TO"),
      false,
    ],
    ["nothing but spaces", line(4, 7.65, "ANNA"), line(4, 7.65, "    "), false],
  ])("%s", (_, one, other, expected) => {
    expect(areStruckOnto(one, other)).toBe(expected);
    expect(areStruckOnto(other, one)).toBe(expected);
  });
});
