import { describe, expect, test } from "vitest";
import { compileVisual, findingText, type LayoutFinding, lintVisual, readFonts } from "./index.js";
import { samplePhoto } from "./portraits.test.data.js";

const fonts = readFonts();
const offered = { texts: ["name", "cardNumber"], photos: ["photo"], codes: ["cardNumber"] };
const blank =
  "side: back\nfields:\n  - { name: b, kind: text, text: BACK, font: Inter-Bold, size: 8, box: [30, 25, 20, 4] }\n";
const text = (name: string, box: string, more = ""): string =>
  `  - { name: ${name}, kind: text, text: "AXB", font: Inter-Bold, size: 8, box: [${box}]${more} }\n`;
const code = (box: string, more = ""): string =>
  `  - { name: q, kind: code, symbology: qrcode, text: "{cardNumber}", box: [${box}]${more} }\n`;

interface Case {
  readonly fields: string;
  readonly head?: string;
  readonly back?: string;
  readonly emboss?: string;
  readonly files?: Readonly<Record<string, string>>;
  readonly values?: Readonly<Record<string, string>>;
}

function lint({
  fields,
  head = "",
  back = blank,
  emboss,
  files = {},
  values = {},
}: Case): readonly LayoutFinding[] {
  const visual = compileVisual(
    {
      front: { file: "front.yaml", text: `side: front\n${head}fields:\n${fields}` },
      back: { file: "back.yaml", text: back },
      ...(emboss === undefined
        ? {}
        : { emboss: { file: "emboss.yaml", text: `side: front\nlines:\n${emboss}` } }),
    },
    offered,
    fonts,
    (relative) => {
      const found = files[relative];
      return found === undefined ? undefined : { file: relative, text: found };
    },
  );
  const record = { name: "Ann Li", cardNumber: "2026-117-0001", ...values };
  return lintVisual(visual, [{ number: 1, values: record, photos: { photo: samplePhoto(1) } }], {
    longest: { name: 60 },
    fixed: ["cardNumber"],
  });
}

const told = (found: readonly LayoutFinding[]): string[] =>
  found.map(
    ({ rule, severity, fields, at }) =>
      `${at.file}:${String(at.line)} ${severity} ${rule} ${fields.join("+")}`,
  );

test("a sound layout has nothing to tell", () => {
  expect(told(lint({ fields: text("a", "30, 5, 30, 5") + code("50, 20, 22, 22") }))).toEqual([]);
});

describe("places", () => {
  test.each([
    [
      "ink over ink",
      { fields: text("a", "4, 20, 30, 5") + text("b", "6, 21, 30, 5") },
      "front.yaml:3 error overlap a+b",
    ],
    [
      "boxes only",
      { fields: text("a", "4, 20, 30, 5") + text("b", "26, 21, 30, 5") },
      "front.yaml:3 warning overlap a+b",
    ],
    ["off the card", { fields: text("a", "60, 4, 30, 5") }, "front.yaml:3 error off-card a"],
    ["in the rounded corner", { fields: text("a", "0.2, 0.2, 30, 2.4") }, "front.yaml:3 error corner a"],
    ["close to the edge", { fields: text("a", "20, 0.5, 30, 4") }, "front.yaml:3 warning border a"],
    [
      "the contacts",
      { head: "chip: true\n", fields: text("a", "8, 17, 20, 5") },
      "front.yaml:4 error chip a",
    ],
    [
      "close to the contacts",
      { head: "chip: true\n", fields: text("a", "21.05, 20, 20, 5") },
      "front.yaml:4 warning near a",
    ],
    [
      "the stripe",
      { head: "body: { stripe: two-track }\n", fields: text("a", "30, 8, 20, 5") },
      "front.yaml:4 error stripe a",
    ],
    [
      "the third track",
      { head: "body: { stripe: three-track }\n", fields: text("a", "30, 13.4, 20, 4") },
      "front.yaml:4 error stripe a",
    ],
    [
      "a hole",
      {
        head: "body: { holes: [{ box: [36, 3, 14, 3], radius: 1.5 }] }\n",
        fields: text("a", "34, 3, 20, 5"),
      },
      "front.yaml:4 error hole a",
    ],
    [
      "the signature panel",
      { head: "body: { panel: [10, 20, 50, 8] }\n", fields: text("a", "12, 22, 20, 4") },
      "front.yaml:4 error panel a",
    ],
    [
      "a quiet zone",
      { fields: text("a", "30, 5, 30, 5") + code("50, 8, 22, 22") },
      "front.yaml:3 error quiet-zone a+q",
    ],
  ] satisfies readonly (readonly [string, Case, string])[])("%s", (_, wrong, expected) => {
    expect(told(lint(wrong))).toEqual([expected]);
  });
  test("the contacts matter only on their side, the third track only where it is", () => {
    expect(lint({ fields: text("a", "8, 17, 20, 5") })).toEqual([]);
    expect(lint({ head: "body: { stripe: two-track }\n", fields: text("a", "30, 13.4, 20, 4") })).toEqual([]);
  });
  test("advice says how far, and which way", () => {
    const [found] = lint({ head: "chip: true\n", fields: text("a", "19, 17, 20, 5") });
    expect(found === undefined ? "" : findingText(found)).toBe(
      "front.yaml:4:5 error [chip] a: it would be marked on the contacts (ISO/IEC 7816-2) at 9.50..21.00 × 16.50..31.00 mm; move it 2.00 mm to the right",
    );
  });
});

describe("struck characters", () => {
  const line = (more: string): string => `  - { name: line, text: "{name}", ${more} }\n`;
  test.each([
    [
      "above area 2",
      { fields: text("a", "30, 5, 30, 5"), emboss: line("yFromBottom: 19") },
      "emboss.yaml:3 error emboss-area line",
    ],
    [
      "onto another line",
      {
        fields: text("a", "30, 5, 30, 5"),
        emboss: line("yFromBottom: 4") + line("yFromBottom: 4.5").replace("name: line", "name: other"),
      },
      "emboss.yaml:3 error emboss-overlap line+other",
    ],
    [
      "on the side of the stripe, though not on it",
      {
        head: "body: { stripe: two-track }\n",
        fields: text("a", "30, 15, 30, 5"),
        emboss: line("yFromBottom: 7"),
      },
      "emboss.yaml:3 error stripe line",
    ],
    [
      "on the signature panel",
      {
        head: "body: { panel: [4, 44, 50, 8] }\n",
        fields: text("a", "30, 5, 30, 5"),
        emboss: line("yFromBottom: 7"),
      },
      "emboss.yaml:3 error panel line",
    ],
    [
      "into the signature panel from behind",
      {
        fields: text("a", "30, 5, 30, 5"),
        emboss: line("yFromBottom: 7"),
        back: blank.replace("side: back", "side: back\nbody: { panel: [60, 44, 20, 8] }"),
      },
      "emboss.yaml:3 error panel line",
    ],
    [
      "on a hole",
      {
        head: "body: { holes: [{ box: [10, 44, 14, 3], radius: 1.5 }] }\n",
        fields: text("a", "30, 5, 30, 5"),
        emboss: line("yFromBottom: 7"),
      },
      "emboss.yaml:3 error hole line",
    ],
    [
      "on an engraved photo",
      {
        fields: "  - { name: face, kind: photo, photo: photo, box: [4, 24, 20, 25] }\n",
        emboss: line("yFromBottom: 7"),
      },
      "emboss.yaml:3 error emboss-overlap line+face",
    ],
    [
      "behind a photo",
      {
        fields: text("a", "30, 5, 30, 5"),
        emboss: line("yFromBottom: 7"),
        back: "side: back\nfields:\n  - { name: face, kind: photo, photo: photo, box: [60, 24, 20, 25] }\n",
      },
      "back.yaml:3 warning emboss-behind face",
    ],
    [
      "raised on the back, which nobody does",
      {
        fields: text("a", "30, 5, 30, 5"),
        back: `${blank}  - { name: up, kind: emboss, text: "{name}", yFromBottom: 7 }\n`,
      },
      "back.yaml:4 error emboss-area up",
    ],
    [
      "pressed in by an embosser's wheel",
      {
        fields: `${text("a", "30, 5, 30, 5")}  - { name: in, kind: emboss, layer: indent, font: 4B, text: "{name}", yFromBottom: 7 }\n`,
      },
      "front.yaml:4 error emboss-area in",
    ],
    [
      "raised through what is pressed in behind",
      {
        fields: text("a", "30, 5, 30, 5"),
        emboss: line("yFromBottom: 7"),
        back: `${blank}  - { name: in, kind: emboss, layer: indent, font: rear, text: "1234", x: 70, yFromBottom: 7 }\n`,
      },
      "emboss.yaml:3 error emboss-overlap line+in",
    ],
    [
      "its middle in area 2, its feet 1 mm from the card's edge",
      { fields: text("a", "30, 5, 30, 5"), emboss: line("yFromBottom: 2.45") },
      "emboss.yaml:3 error emboss-area line",
    ],
    [
      "its heads above area 2",
      { fields: text("a", "30, 5, 30, 5"), emboss: line("yFromBottom: 15.6") },
      "emboss.yaml:3 error emboss-area line",
    ],
    [
      "too low for a card with a magnetic stripe",
      {
        fields: text("a", "30, 5, 30, 5"),
        emboss: line("yFromBottom: 3.9"),
        back: blank.replace("side: back", "side: back\nbody: { stripe: two-track }"),
      },
      "emboss.yaml:3 error emboss-area line",
    ],
    [
      "a number line too low",
      {
        fields: text("a", "30, 5, 30, 5"),
        values: { name: "1234 5678" },
        emboss: line("font: 7B, x: 10.2, yFromBottom: 20.8"),
      },
      "emboss.yaml:3 error emboss-area line",
    ],
    [
      "on a text",
      { fields: text("a", "8, 44, 30, 6"), emboss: line("yFromBottom: 7") },
      "emboss.yaml:3 error emboss-overlap line+a",
    ],
    [
      "behind a line for readers",
      {
        fields: text("a", "30, 5, 30, 5"),
        emboss: line("yFromBottom: 7"),
        back: 'side: back\nfields:\n  - { name: ocr, kind: ocr, text: "26110001<A1", box: [50, 45, 32, 4.6] }\n',
      },
      "back.yaml:3 warning emboss-behind ocr",
    ],
  ] satisfies readonly (readonly [string, Case, string])[])("%s", (_, wrong, expected) => {
    expect(told(lint(wrong))).toEqual([expected]);
  });
  test("in the contacts, and in their module from behind", () => {
    const fields = text("a", "30, 5, 30, 5");
    const into = ["emboss.yaml:3 error chip line", "emboss.yaml:3 error emboss-area line"];
    const head = "chip: true\n";
    expect(told(lint({ head, fields, emboss: line("yFromBottom: 28") })).toSorted()).toEqual(into);
    expect(told(lint({ fields, emboss: line("yFromBottom: 28") }))).toEqual(into.slice(1));
    const back = `side: back\n${head}fields:\n${text("b", "30, 5, 20, 4")}`;
    const behind = { fields, back, emboss: line("yFromBottom: 28, x: 60") };
    expect(told(lint(behind)).toSorted()).toEqual(into);
    expect(told(lint({ ...behind, emboss: line("yFromBottom: 28") }))).toEqual(into.slice(1));
    const pressed = `${fields}  - { name: in, kind: emboss, layer: indent, font: rear, text: "1234", x: 12, yFromBottom: 28 }\n`;
    expect(told(lint({ head, fields: pressed }))).toEqual(["front.yaml:5 error chip in"]);
    // What is pressed in dents nothing behind it.
    const other = pressed.replace("x: 12", "x: 66");
    expect(told(lint({ fields: other, back }))).toEqual([]);
  });
  test("where the words of a line leave a gap, something else may stand", () => {
    const gap = {
      fields: text("a", "21, 45, 8, 4").replace("AXB", "X"),
      values: { name: "ANN        LI" },
      emboss: line("yFromBottom: 7"),
    };
    expect(told(lint(gap))).toEqual([]);
    expect(told(lint({ ...gap, values: { name: "ANN OF LI" } }))).toEqual([
      "emboss.yaml:3 error emboss-overlap line+a",
    ]);
  });
  test("a stripe that is not there", () => {
    const back = `${blank}  - { name: s, kind: stripe, track2: "123=456" }\n`;
    expect(told(lint({ fields: text("a", "30, 5, 30, 5"), back }))).toEqual(["back.yaml:4 error stripe s"]);
    expect(
      lint({
        fields: text("a", "30, 5, 30, 5"),
        back: back.replace("side: back", "side: back\nbody: { stripe: two-track }"),
      }),
    ).toEqual([]);
  });
});

describe("pictures of people", () => {
  const photo = (box: string, kind = "photo"): string =>
    `  - { name: face, kind: ${kind}, photo: photo, box: [${box}] }\n`;
  test.each([
    ["a thumbnail", photo("0.5, 20, 0.79, 0.99"), ["error portrait face", "warning border face"]],
    ["smaller than a face is told by", photo("10, 20, 7.9, 12"), ["error portrait face"]],
    ["lower than that", photo("10, 20, 12, 9.9"), ["error portrait face"]],
    ["small", photo("10, 20, 14, 18"), ["warning portrait face"]],
    ["as large as is wanted", photo("10, 20, 15, 19"), []],
    ["a signature that nobody can read", photo("10, 20, 7, 3", "signature"), ["error portrait face"]],
    ["a flat one", photo("10, 20, 30, 1.5", "signature"), ["error portrait face"]],
    ["a signature", photo("10, 20, 30, 6", "signature"), []],
  ])("%s", (_, fields, expected) => {
    expect(told(lint({ fields })).map((one) => one.replace("front.yaml:3 ", ""))).toEqual(expected);
  });
  test("how small is small is the layout's to say", () => {
    const fields = photo("10, 20, 14, 18");
    expect(told(lint({ head: "limits: { portrait: 14 }\n", fields }))).toEqual([]);
    const [found] = lint({ head: "limits: { portrait: 20 }\n", fields });
    expect(found === undefined ? "" : findingText(found)).toBe(
      "front.yaml:4:5 warning [portrait] face: it is 14.00 × 18.00 mm, and a face narrower than 20.0 mm is told with trouble; make its box 20.0 mm wide or more, or lower limits.portrait",
    );
  });
});

describe("texts", () => {
  const name = (more: string, font = "Inter-Bold"): string =>
    `  - { name: n, kind: text, text: "{name}", font: ${font}, size: 9, box: [10, 10, 60, 10], lines: 2, ${more} }\n`;
  test("letters that a declared alphabet has and the font has not", () => {
    const found = lint({ head: "alphabets: [latin, hebrew]\n", fields: name("min: 5") });
    expect(told(found)).toEqual(["front.yaml:4 error alphabet n"]);
    expect(found[0]?.message).toContain('of hebrew, the first "א" (U+05D0)');
    expect(found[0]?.remedy).toBe("add a font that has them: font: [Inter-Bold, DejaVuSans]");
    expect(
      lint({ head: "alphabets: [latin, hebrew]\n", fields: name("min: 5", "[Inter-Bold, DejaVuSans]") }),
    ).toEqual([]);
    expect(
      lint({ head: "alphabets: [hebrew]\n", fields: name("min: 5").replace("{name}", "{name|latin}") }),
    ).toEqual([]);
  });
  test("a record's own letter that no font has", () => {
    const found = lint({ fields: name("min: 5"), values: { name: "王" } });
    expect(told(found)).toEqual(["front.yaml:3 error record n"]);
    expect(found[0]?.records).toEqual([1]);
    expect(found[0]?.message).toContain("U+738B");
  });
  test("less room than the product allows", () => {
    const found = lint({ fields: name("min: 8").replace("60, 10", "40, 10") });
    expect(told(found)).toEqual(["front.yaml:3 warning capacity n"]);
    expect(found[0]?.message).toMatch(/allows 60 characters of name, and about (?:3\d|4\d) fit/);
  });
  test("shrunk far, and too small", () => {
    const long = { name: "Konstantinopolskaia-Shcherbakova-Montgomery-Lindqvist-Novak" };
    expect(told(lint({ fields: name("min: 3").replace("lines: 2, ", ""), values: long }))).toEqual([
      "front.yaml:3 warning shrunk n",
    ]);
    expect(told(lint({ fields: text("a", "30, 5, 30, 5").replace("size: 8", "size: 4") }))).toEqual([
      "front.yaml:3 warning small a",
    ]);
  });
});

describe("what lies under a mark", () => {
  const ground = (colour: string, layer = "colour"): string =>
    `art:\n  - { draw: rect, name: ground, layer: ${layer}, colour: "${colour}", box: [20, 2, 60, 48] }\n`;
  test("a dark ground under an engraved text, and under a code", () => {
    const fields = text("a", "30, 5, 30, 5") + code("50, 20, 22, 22");
    expect(told(lint({ head: ground("#223344"), fields }))).toEqual([
      "front.yaml:5 error contrast a",
      "front.yaml:6 error contrast q",
    ]);
    expect(told(lint({ head: ground("#8a8a8a"), fields }))).toEqual(["front.yaml:6 error contrast q"]);
    expect(lint({ head: ground("#dde8ee"), fields })).toEqual([]);
  });
  test("a printed text as light as its ground", () => {
    const light = text("a", "30, 5, 30, 5", ', layer: colour, colour: "#ffffff"');
    expect(told(lint({ fields: light }))).toEqual(["front.yaml:3 error contrast a"]);
    expect(lint({ head: ground("#12355b"), fields: light })).toEqual([]);
  });
  test("engraved lines through a text, and through a code", () => {
    const waves =
      "art:\n  - { draw: waves, box: [20, 2, 60, 48], lines: 40, amplitude: 0.5, period: 10, stroke: 0.2 }\n";
    const fields = text("a", "30, 5, 30, 5") + code("50, 20, 22, 22");
    expect(told(lint({ head: waves, fields }))).toEqual([
      "front.yaml:6 error quiet-zone q",
      "front.yaml:5 warning art-under a",
    ]);
  });
  test("a line thinner than a dot, and a drawing of another shape than its box", () => {
    const hair = "art:\n  - { draw: line, from: [2, 50], to: [60, 50], stroke: 0.05 }\n";
    expect(told(lint({ head: hair, fields: text("a", "30, 5, 30, 5") }))).toEqual([
      "front.yaml:3 warning hairline art-1",
    ]);
    const files = {
      "logo.svg":
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 20 10"><rect width="20" height="10" fill="#eee"/></svg>',
    };
    const drawing =
      "art:\n  - { draw: svg, name: logo, layer: colour, file: logo.svg, box: [4, 30, 20, 20] }\n";
    const found = lint({ head: drawing, fields: text("a", "30, 5, 30, 5"), files });
    expect(told(found)).toEqual(["front.yaml:3 warning artwork-shape logo"]);
    expect(found[0]?.remedy).toContain("20.00 × 10.00 mm");
  });
});

describe("modules of codes", () => {
  test("that are no whole dots", () => {
    const found = lint({ fields: code("50, 20, 22, 22", ", module: 0.6") });
    expect(told(found)).toEqual(["front.yaml:3 warning module q"]);
    expect(found[0]?.message).toContain("7.09 dots at 300 dpi");
    expect(found[0]?.remedy).toBe("write module: 0.5927 (7 dots)");
    expect(lint({ fields: code("50, 20, 22, 22", ", module: 0.5927") })).toEqual([]);
  });
  test("that readers of cards find too narrow", () => {
    const bars =
      '  - { name: c, kind: code, symbology: code128, text: "{cardNumber}", box: [8, 20, 36, 10] }\n';
    expect(told(lint({ head: "dpi: 600\n", fields: bars }))).toEqual(["front.yaml:4 warning module c"]);
  });
});

test("what many records have is told once, with the first few of their numbers", () => {
  const visual = compileVisual(
    {
      front: {
        file: "front.yaml",
        text: `side: front\nfields:\n  - { name: n, kind: text, text: "{name}", font: Inter-Bold, size: 9, box: [10, 10, 60, 5] }\n`,
      },
      back: { file: "back.yaml", text: blank },
    },
    offered,
    fonts,
  );
  const records = Array.from({ length: 20 }, (_, i) => ({
    number: i + 1,
    values: { name: i % 2 === 0 ? "Ann" : "王", cardNumber: "1" },
    photos: {},
  }));
  const found = lintVisual(visual, records);
  expect(found).toHaveLength(1);
  expect(found[0]?.records).toEqual([2, 4, 6, 8, 10]);
  expect(found.map(findingText).join("")).toContain("(records 2, 4, 6, 8, 10, …)");
});
