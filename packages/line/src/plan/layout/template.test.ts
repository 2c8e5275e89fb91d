import { describe, expect, test } from "vitest";
import {
  compileLayout,
  type FieldValues,
  layoutFace,
  LayoutProblem,
  parseLayout,
  readFonts,
} from "./index.js";
import { samplePhoto } from "./portraits.test.data.js";
import type { LayoutReader } from "./template.js";

const fonts = readFonts();
const offered = {
  texts: ["name", "department", "premises", "cardNumber"],
  photos: ["photo", "signature"],
  codes: ["cardNumber"],
};
const values: FieldValues = {
  name: "Ann Li",
  department: "",
  premises: ["A1", "LAB"],
  cardNumber: "26-0001",
};
const photos = { photo: samplePhoto(1), signature: samplePhoto(2) };

const files: Record<string, string> = {
  "base.yaml": `side: front
chip: true
dpi: 600
art:
  - { draw: line, name: rule, from: [2, 10], to: [60, 10], stroke: 0.2 }
fields:
  - { name: company, kind: text, text: ACME, font: Inter-Bold, size: 12, box: [4, 3, 40, 6] }
  - { name: name, kind: text, text: "{name}", font: Inter-Bold, size: 11, box: [4, 33, 53, 7] }
`,
  "logo.svg": `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 20 10"><rect width="20" height="10" fill="#123456"/><circle cx="5" cy="5" r="2" fill="#fff"/></svg>`,
};
const load: LayoutReader = (relative) => {
  const text = files[relative];
  return text === undefined ? undefined : { file: relative, text };
};
const parsed = (yaml: string) => parseLayout(yaml, "front.yaml", offered, load);
const faceOf = (yaml: string, own: FieldValues = {}) =>
  layoutFace(compileLayout(parsed(yaml), fonts), { ...values, ...own }, photos);
const problem = (act: () => unknown): LayoutProblem => {
  try {
    act();
  } catch (thrown) {
    if (thrown instanceof LayoutProblem) return thrown;
    throw thrown;
  }
  throw new Error("no problem was found");
};

describe("a layout that extends another", () => {
  test("has what the base has, and its own behind it", () => {
    const found = parsed(
      "side: front\nextends: base.yaml\nfields:\n  - { name: more, kind: text, text: B, font: Inter-Bold, size: 8, box: [4, 42, 40, 4] }\n",
    );
    expect(found.fields.map(({ name }) => name)).toEqual(["company", "name", "more"]);
    expect([found.chip, found.dpi, found.art.length]).toEqual([true, 600, 1]);
    expect(found.fields.map(({ place }) => place.file)).toEqual(["base.yaml", "base.yaml", "front.yaml"]);
  });
  test("replaces a field of the same name where it stood, changes keys of another, leaves out a third", () => {
    const found = parsed(`side: front
extends: base.yaml
dpi: 300
without: [rule]
change:
  name: { size: 9, box: [4, 30, 60, 7] }
fields:
  - { name: company, kind: text, text: OTHER, font: Inter-Bold, size: 12, box: [4, 3, 40, 6] }
`);
    const [company, name] = found.fields;
    expect(company?.kind === "text" && company.text.source).toBe("OTHER");
    expect(name?.kind === "text" && [name.size, name.box[1], name.font]).toEqual([9, 30, "Inter-Bold"]);
    expect([found.dpi, found.art.length]).toEqual([300, 0]);
  });
  test.each([
    ["a base that is not there", "extends: nowhere.yaml\n", 2, "cannot be opened"],
    ["itself", "extends: front.yaml\n", 2, "circle"],
    ["a change of nothing", "extends: base.yaml\nchange:\n  nmae: { size: 9 }\n", 4, 'did you mean "name"'],
    ["leaving out nothing", "extends: base.yaml\nwithout: [rulr]\n", 3, 'did you mean "rule"'],
    ["a change of an unknown key", "extends: base.yaml\nchange:\n  name: { sise: 9 }\n", 4, "sise"],
    ["a change to a wrong value", "extends: base.yaml\nchange:\n  name:\n    size: 900\n", 5, "name"],
    ["a change without a base", "change:\n  name: { size: 9 }\n", 2, "extend"],
  ])("%s is told with its line", (_, yaml, line, message) => {
    files["front.yaml"] = `side: front\n${yaml}`;
    const found = problem(() => parsed(`side: front\n${yaml}`));
    expect(found.message).toContain(message);
    expect([found.at.file, found.at.line]).toEqual(["front.yaml", line]);
  });
  test("the other side's base is refused", () => {
    expect(problem(() => parsed("side: back\nextends: base.yaml\n")).message).toContain("for the front");
  });
});

describe("a condition", () => {
  const yaml = (when: string): string =>
    `side: front\nart:\n  - { draw: rect, name: band, layer: colour, colour: "#ff0000", box: [0, 0, 4, 50], when: ${when} }\nfields:\n  - { name: note, kind: text, text: NOTE, font: Inter-Bold, size: 8, box: [10, 10, 40, 4], when: ${when} }\n  - { name: name, kind: text, text: "{name}", font: Inter-Bold, size: 8, box: [10, 20, 40, 4] }\n`;
  test.each([
    ["{ field: premises, has: LAB }", true],
    ["{ field: premises, has: DOCK }", false],
    ["{ field: premises, has: DOCK, not: true }", true],
    ["{ field: name, is: Ann Li }", true],
    ["{ field: name, is: [Bob, Ann Li] }", true],
    ["{ field: name, is: Bob }", false],
    ["{ field: department, empty: true }", true],
    ["{ field: department, empty: false }", false],
    ["{ field: photo, empty: false }", true],
  ])("%s", (when, drawn) => {
    const face = faceOf(yaml(when));
    expect(face.fields.map(({ name }) => name)).toEqual(drawn ? ["note", "name"] : ["name"]);
    expect(face.own.some(({ field }) => field === "band")).toBe(drawn);
    expect(face.common.elements).toEqual([]);
  });
  test.each([
    ["{ field: nmae, is: A }", 'did you mean "name"'],
    ["{ field: name }", "one of is, has and empty"],
    ["{ field: name, is: A, has: B }", "one of is, has and empty"],
  ])("%s is refused", (when, message) => {
    const found = problem(() => faceOf(yaml(when)));
    expect(found.message).toContain(message);
    expect(found.at.line).toBe(3);
  });
});

describe("artwork of a designer", () => {
  const yaml = (layer: string, file = "logo.svg"): string =>
    `side: front\nart:\n  - { draw: svg, name: logo, file: ${file}, layer: ${layer}, box: [10, 10, 30, 20] }\nfields:\n  - { name: name, kind: text, text: "{name}", font: Inter-Bold, size: 8, box: [10, 40, 40, 4] }\n`;
  test("for the printer stays a drawing with its colours", () => {
    expect(faceOf(yaml("colour")).common.elements).toMatchObject([
      { kind: "artwork", layer: "colour", box: { x: 10, y: 10, width: 30, height: 20 } },
    ]);
  });
  test("for the laser becomes outlines in its box: dark ones mark, light ones clear", () => {
    const elements = faceOf(yaml("laser")).common.elements;
    expect(elements.map((one) => one.kind === "outline" && [one.clear, one.d.slice(0, 8)])).toEqual([
      [false, "M10 12.5"],
      [true, "M20.5 20"],
    ]);
  });
  test.each([
    ["text", '<text x="1" y="2">A</text>', "convert texts to outlines"],
    ["a script", "<script>1</script>", "plain SVG"],
    ["a handler", '<rect onclick="x()" width="1" height="1"/>', "plain SVG"],
    ["something outside", '<image href="https://x.example/a.png" width="1" height="1"/>', "embed it"],
    ["a style from outside", "<style>@import 'a.css';</style>", "embed it"],
  ])("that holds %s is refused, with the drawing's own line", (_, inner, remedy) => {
    files["bad.svg"] = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 20 10">\n<g/>\n${inner}\n</svg>`;
    const found = problem(() => faceOf(yaml("colour", "bad.svg")));
    expect([found.code, found.at.file, found.at.line]).toEqual(["wrong-artwork", "bad.svg", 3]);
    expect(found.remedy).toContain(remedy);
  });
  test("that a laser cannot follow is refused there, and printed elsewhere", () => {
    files["soft.svg"] =
      `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 20 10"><rect width="20" height="10" opacity="0.5"/></svg>`;
    expect(problem(() => faceOf(yaml("laser", "soft.svg"))).message).toContain("transparency");
    expect(faceOf(yaml("colour", "soft.svg")).common.elements).toHaveLength(1);
  });
  test("that is none, or is not there", () => {
    files["none.svg"] = "this is no drawing";
    expect(problem(() => faceOf(yaml("colour", "none.svg"))).code).toBe("wrong-artwork");
    expect(problem(() => faceOf(yaml("colour", "gone.svg"))).code).toBe("no-file");
  });
});

describe("stripe and wheels", () => {
  const of = (field: string, own: FieldValues = {}) =>
    faceOf(`side: front\nfields:\n  - { name: s, ${field} }\n`, own);
  test("tracks hold their text without sentinels", () => {
    expect(
      of(
        'kind: stripe, coercivity: low, track1: "B{cardNumber}^{name|latin|upper}", track2: "{cardNumber|compact}=2912"',
      ).own,
    ).toEqual([
      {
        kind: "stripe",
        layer: "stripe",
        field: "s",
        coercivity: "low",
        tracks: [
          { track: 1, text: "B26-0001^ANN LI" },
          { track: 2, text: "260001=2912" },
        ],
      },
    ]);
  });
  test.each([
    ["a small letter on track 1", 'kind: stripe, track1: "{name}"', {}, "wrong-character"],
    ["a sentinel in the data", 'kind: stripe, track1: "A?"', {}, "wrong-character"],
    ["a letter on track 2", 'kind: stripe, track2: "A1"', {}, "wrong-character"],
    ["38 digits on track 2", 'kind: stripe, track2: "{name}"', { name: "1".repeat(38) }, "too-long"],
    ["no track", "kind: stripe", {}, "wrong-layout"],
    ["nothing to encode", 'kind: stripe, track2: "{department}"', {}, "field-missing"],
  ])("%s", (_, field, own, code) => {
    expect(problem(() => of(field, own)).code).toBe(code);
  });
  test("a line for the wheel stands in the layout itself", () => {
    expect(of('kind: emboss, text: "{name}", yFromBottom: 5').own).toEqual([
      {
        kind: "line",
        layer: "emboss",
        field: "s",
        said: [{ field: "name", text: "Ann Li" }],
        text: "ANN LI",
        font: "4B",
        x: 7.65,
        yFromBottom: 5,
        pitch: 2.54,
        height: 2.9,
      },
    ]);
    expect(
      of('kind: emboss, layer: indent, font: rear, text: "123", x: 60, yFromBottom: 30').own,
    ).toMatchObject([{ layer: "indent", font: "rear", text: "123" }]);
  });
});

describe("texts in a box", () => {
  const of = (more: string, name: string) =>
    faceOf(
      `side: front\nfields:\n  - { name: name, kind: text, text: "{name}", font: [Inter-Bold, DejaVuSans-Bold], size: 9, box: [10, 10, 40, 12], ${more} }\n`,
      { name },
    );
  const textOf = (more: string, name: string): string | undefined => of(more, name).fields[0]?.text;
  test("may end a line after a hyphen when that is allowed", () => {
    const name = "Konstantinopolskaia-Shcherbakova";
    expect(textOf("lines: 2, wrap: hyphens", name)).toBe("Konstantinopolskaia-\nShcherbakova");
    expect(problem(() => of("lines: 2", name)).code).toBe("too-long");
  });
  test("balanced lines are alike in length", () => {
    const name = "Anna Maria Lindqvist Boenning";
    expect(textOf("lines: 2", name)).toBe("Anna Maria Lindqvist\nBoenning");
    expect(textOf("lines: 2, wrap: balance", name)).toBe("Anna Maria\nLindqvist Boenning");
  });
  test("a name read from right to left begins at the right", () => {
    const edge = (name: string, more = ""): number =>
      Math.max(...(of(`lines: 1${more}`, name).fields[0]?.glyphs ?? []).map(({ box }) => box.x + box.width));
    expect(edge("כהן")).toBeGreaterThan(49);
    expect(edge("כהן", ", align: left")).toBeLessThan(22);
    expect(edge("Ann")).toBeLessThan(22);
  });
  test("tell how far they were shrunk", () => {
    expect(of("min: 5", "Konstantinopolskaia Shcherbakova").fields[0]?.points).toEqual({
      set: 6.5,
      wanted: 9,
    });
  });
});
