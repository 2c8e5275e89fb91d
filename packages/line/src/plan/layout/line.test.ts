import { describe, expect, test } from "vitest";
import { readFonts } from "./fonts.js";
import { lacking, readFrom, setLine } from "./line.js";
import { transliterate } from "./transliterate.js";

const fonts = readFonts();
const chain = [fonts["Inter-SemiBold"], fonts.DejaVuSans];
const seen = (text: string, direction?: "ltr" | "rtl"): string =>
  setLine(text, chain, direction)
    .glyphs.map(({ char }) => char)
    .join("");

describe("the order in which a line is seen (Unicode Standard Annex 9)", () => {
  test("Hebrew runs from right to left", () => {
    expect(seen("שלום")).toBe("םולש");
  });
  test("numbers and Latin words keep their own direction inside it", () => {
    expect(seen("כרטיס 1234 Anna")).toBe("Anna 1234 סיטרכ");
    expect(seen("Anna כהן 12")).toBe("Anna 12 ןהכ");
  });
  test("the same text with its direction said", () => {
    expect(seen("12 כהן", "ltr")).toBe("12 ןהכ");
    expect(seen("12 כהן", "rtl")).toBe("ןהכ 12");
  });
  test("brackets are mirrored", () => {
    expect(seen("(כהן)")).toBe("(ןהכ)");
  });
  test("marks of direction order the text and leave no glyph", () => {
    expect(seen("\u2067כהן\u2069 A")).toBe("ןהכ A");
  });
  test("which side a text begins on", () => {
    expect([readFrom("Anna כהן", "auto"), readFrom("כהן Anna", "auto"), readFrom("123", "auto")]).toEqual([
      "ltr",
      "rtl",
      "ltr",
    ]);
  });
});

describe("shaping", () => {
  test("Arabic letters take the forms of their places, and a ligature names both letters", () => {
    const line = setLine("سلام", chain);
    expect(line.glyphs.map(({ char }) => char)).toEqual(["م", "لا", "س"]);
    const alone = fonts.DejaVuSans.set("س").glyphs[0]?.outline;
    expect(line.glyphs.at(-1)?.outline).not.toBe(alone);
    expect(line.spaced).toBe(false);
  });
  test("every glyph of a Latin line is one character, also where the font has a ligature", () => {
    expect(setLine("Official", [fonts.DejaVuSans]).glyphs).toHaveLength(8);
  });
});

describe("fonts in a row", () => {
  test("a word takes the first font that has all of it", () => {
    const line = setLine("Anna כהן", chain);
    expect(new Set(line.glyphs.slice(0, 4).map(({ font }) => font.name))).toEqual(
      new Set(["Inter-SemiBold"]),
    );
    expect(line.glyphs.at(-1)?.font.name).toBe("DejaVuSans");
  });
  test("what none of them has is named", () => {
    expect(lacking("Anna 王", chain)).toBe("王");
    expect(lacking("Anna כהן", [fonts["Inter-Bold"]])).toBe("כ");
    expect(lacking("Anna כהן", chain)).toBeUndefined();
  });
});

test("Greek becomes Latin by ELOT 743", () => {
  expect(
    transliterate("Ελένη Παπαδοπούλου, ΕΥΑΓΓΕΛΟΣ Μπάμπης, Ευθύμιος Αύρα, Γιώργος Άγγελος Αγχίαλος"),
  ).toBe("Eleni Papadopoulou, EVANGELOS Bampis, Efthymios Avra, Giorgos Angelos Anchialos");
});
