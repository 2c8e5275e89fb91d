import { describe, expect, test } from "vitest";
import { compileVisual, findingText, type LayoutFinding, lintVisual, readFonts } from "./index.js";
import { wrongCheckDigits } from "./mrz.js";

const fonts = readFonts();
const offered = { texts: ["surname", "given", "number"], photos: [], codes: [] };
const values = { surname: "Eriksson", given: "Anna Maria", number: "D23145890" };
const specimen = [
  "I<UTOD231458907<<<<<<<<<<<<<<<",
  "7408122F1204159UTO<<<<<<<<<<<6",
  "ERIKSSON<<ANNA<MARIA<<<<<<<<<<",
] as const;

function lint(fields: string, side = "back"): readonly LayoutFinding[] {
  const text = `side: ${side}\nfields:\n${fields}`;
  const visual = compileVisual({ [side]: { file: `${side}.yaml`, text } }, offered, fonts);
  return lintVisual(visual, [{ number: 1, values, photos: {} }]).filter(({ rule }) => rule === "mrz");
}
const said = (fields: string, side?: string): string[] => lint(fields, side).map(findingText);

const mrz = (box: string): string =>
  `  - { name: zone, kind: mrz, document: I, state: UTO, number: "{number}", birth: "1974-08-12", sex: F, expiry: "2012-04-15", nationality: UTO, surname: "{surname}", given: "{given}", box: [${box}] }\n`;
/** The lines as OCR fields, each with its place. */
const byHand = (
  lines: readonly string[] = specimen,
  { x = 4.7, y = 38.2, leading = 4.24, more = "" } = {},
): string =>
  lines
    .map(
      (line, at) =>
        `  - { name: line-${String(at + 1)}, kind: ocr, text: "${line}", box: [${String(x)}, ${(y + at * leading).toFixed(2)}, 80, 3]${more} }\n`,
    )
    .join("");

describe("a zone in its own field", () => {
  test("in its place", () => expect(said(mrz("4.3, 37.2, 77.0, 13.6"))).toEqual([]));
  test("too high", () => {
    const [first, ...more] = said(mrz("4.3, 14, 77.0, 13.6"));
    expect(first).toMatch(
      /^back\.yaml:3:5 error \[mrz\] zone: its characters begin 15\.\d\d mm below the upper edge, and the zone is the lowest 23\.2 mm of the back .*; move it 15\.\d\d mm down or more$/,
    );
    expect(more).toEqual([]);
  });
  test("too high and too far to the left is told as two things", () => {
    expect(said(mrz("2.3, 14, 77.0, 13.6"))).toHaveLength(2);
  });
  test("too far to the left, and to the right", () => {
    expect(said(mrz("2.3, 37.2, 77.0, 13.6"))[0]).toMatch(
      /begin [23]\.\d\d mm from the left edge, not 5\.0 ± 1\.0 mm .*to the right$/,
    );
    expect(said(mrz("7.3, 37.2, 77.0, 13.6"))[0]).toMatch(
      /begin [78]\.\d\d mm from the left edge.*to the left$/,
    );
  });
  test("on the front", () => {
    expect(said(mrz("4.3, 37.2, 77.0, 13.6"), "front")).toEqual([
      expect.stringContaining("stands on its back"),
    ]);
  });
});

describe("a zone that is set by hand", () => {
  test("as the standard has it", () => expect(said(byHand())).toEqual([]));
  test.each([
    ["two lines", byHand(specimen.slice(0, 2)), "it has 30, 30 characters in 2 lines"],
    [
      "a short line",
      byHand([specimen[0], specimen[1], specimen[2].slice(0, 28)]),
      "it has 30, 30, 28 characters",
    ],
    ["another pitch", byHand(specimen, { more: ", pitch: 2.5" }), "not those of OCR-B size 1, 2.54 mm"],
    ["lines too close", byHand(specimen, { leading: 3.6 }), "its lines are 3.60 and 3.60 mm apart"],
    ["above the zone", byHand(specimen, { y: 29 }), "below the upper edge"],
    [
      "another font",
      `  - { name: texts, kind: text, text: "${specimen.join(" ")}", lines: 3, leading: 2, font: DejaVuSans, size: 7, box: [4.7, 34, 79, 18] }\n`,
      "another font than OCR-B",
    ],
    [
      "another size",
      `  - { name: texts, kind: text, text: "${specimen.join(" ")}", lines: 3, leading: 1.5, font: OCR-B, size: 9, box: [4.7, 34, 79, 18] }\n`,
      "not those of OCR-B size 1",
    ],
  ])("%s", (_, fields, message) => {
    expect(said(fields).join("\n")).toContain(message);
    expect(said(fields).join("\n")).not.toMatch(/ERIKSSON|D2314|740812/);
  });
  test("lines unevenly apart", () => {
    const [first = "", second = "", third = ""] = byHand().trimEnd().split("\n");
    const fields = [first, second, third.replace("46.68", "47.50")].join("\n");
    expect(said(`${fields}\n`)).toEqual([expect.stringContaining("its lines are 4.24 and 5.06 mm apart")]);
  });
  test.each([
    ["the document number, of the lines together", specimen[0].replace("907<", "906<"), specimen[1]],
    ["the date of birth, of the lines together", specimen[0], specimen[1].replace("7408122F", "7408123F")],
    ["the date of expiry, of the lines together", specimen[0], specimen[1].replace("1204159U", "1204158U")],
    ["the lines together", specimen[0], specimen[1].replace("<6", "<5")],
  ])("a wrong check digit of %s", (what, first, second) => {
    expect(said(byHand([first, second, specimen[2]]))).toEqual([
      expect.stringContaining(
        `check digits are not those of their characters (ICAO Doc 9303-3): of ${what};`,
      ),
    ]);
  });
  test("digits that the modifier check makes, of a record's own number, are right", () => {
    const first = "I<UTO{number|check}<<<<<<<<<<<<<<<";
    expect(said(byHand([first, specimen[1], specimen[2]]))).toEqual([]);
  });
  test("one line for OCR readers is no zone", () => {
    expect(
      said('  - { name: ocr, kind: ocr, text: "20261170001A7<PP00471123", box: [4, 10, 78, 4] }\n'),
    ).toEqual([]);
  });
});

test("check digits of a long document number stand in the optional data", () => {
  // 9303-5, note j: D23145890734, check digit 9.
  const first = "I<UTOD23145890<7349<<<<<<<<<<<";
  const second = "3407127M9507122UTO<<<<<<<<<<<2";
  expect(wrongCheckDigits(first, second)).toEqual([]);
  expect(wrongCheckDigits(first.replace("7349", "7348"), second)).toEqual([
    "the document number",
    "the lines together",
  ]);
  expect(wrongCheckDigits("I<UTOD23145890<<<<<<<<<<<<<<<<", second)).toContain("the document number");
});
