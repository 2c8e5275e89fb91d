import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, test, vi } from "vitest";
import type { Face } from "../types.js";
import { dither } from "./dither.js";
import { digestOf } from "./layout-digest.test.data.js";
import {
  compileLayout,
  compileVisual,
  embossLines,
  type FieldValues,
  layoutFace,
  layoutFieldsOf,
  layoutJsonSchemas,
  LayoutProblem,
  findingText,
  lintVisual,
  parseEmboss,
  parseLayout,
  readFonts,
  renderFace,
  renderPreview,
} from "./index.js";
import { checkDigit, transliterate } from "./transliterate.js";
import { samplePhoto } from "./portraits.test.data.js";
import { readerIn } from "./reader.test.data.js";

// Hundreds of faces are laid out: a second, and more on a busy machine.
vi.setConfig({ testTimeout: 30_000 });

const fonts = readFonts();
const offered = {
  texts: ["name", "department", "premises", "number", "validUntil", "cardNumber"],
  photos: ["photo"],
  codes: ["cardNumber"],
};
const products = ["office-access", "warehouse-access"] as const;
const sides = ["front", "back"] as const;
const folder = (product: string): URL =>
  new URL(`../../../../../examples/products/${product}/layout/`, import.meta.url);
const template = (product: string, side: string) =>
  parseLayout(
    readFileSync(new URL(`${side}.yaml`, folder(product)), "utf8"),
    `${side}.yaml`,
    offered,
    readerIn(folder(product)),
  );
const emboss = (product: string) =>
  parseEmboss(readFileSync(new URL("emboss.yaml", folder(product)), "utf8"), "emboss.yaml", offered);

const latin: FieldValues = {
  name: "Željko Đorđević-O’Brien",
  department: "Extrusion and Tooling",
  premises: ["A1", "B2", "DOCK"],
  number: "PP-004711",
  validUntil: "2029-12-31",
  cardNumber: "7K3F-9Q2M-41XD",
};
const cyrillic: FieldValues = {
  ...latin,
  name: "Александра Владимировна Константинопольская-Щербакова",
  department: "Отдел контроля качества",
  number: "PP-000042",
};
const photos = { photo: samplePhoto(1) };

const problem = (act: () => unknown): LayoutProblem => {
  try {
    act();
  } catch (error) {
    if (error instanceof LayoutProblem) return error;
    throw error;
  }
  throw new Error("no problem was found");
};
const small = (fields: string, more = ""): string => `side: front\n${more}fields:\n${fields}`;
const layoutOf = (yaml: string) => compileLayout(parseLayout(yaml, "front.yaml", offered), fonts);
const faceOf = (yaml: string, values: FieldValues = latin): Face =>
  layoutFace(layoutOf(yaml), values, photos);

describe("the layouts of the examples", () => {
  test("golden: outlines and boxes stay the same", () => {
    const golden = products.flatMap((product) =>
      sides.map((side) => {
        const face = layoutFace(compileLayout(template(product, side), fonts), latin, photos);
        return `${product} ${side} ${digestOf(face)}`;
      }),
    );
    expect(golden).toMatchInlineSnapshot(`
      [
        "office-access front 7d41fc9357717162 14704698695e6db3",
        "office-access back 2b63ae7e8a4f4930 c8331468f635dcec",
        "warehouse-access front 3064add695f2601e f14250f6049200d0",
        "warehouse-access back ee7f86aa4e28b274 11cdc85770638e0e",
      ]
    `);
  });

  test("each character has one box, and the boxes of a line go from left to right", () => {
    const face = layoutFace(compileLayout(template("office-access", "front"), fonts), latin, photos);
    const name = face.fields.find((field) => field.name === "name");
    expect(name?.glyphs?.map((glyph) => glyph.char).join("")).toBe("ŽeljkoĐorđević-O’Brien");
    const lefts = name?.glyphs?.map((glyph) => glyph.box.x) ?? [];
    expect(lefts).toEqual([...lefts].sort((a, b) => a - b));
  });

  test("the engraver gets the same bits every time, and art is not redrawn", async () => {
    const face = layoutFace(compileLayout(template("office-access", "front"), fonts), latin, photos);
    const [first, second] = [await renderFace(face, 300), await renderFace(face, 300)];
    expect([first.width, first.height, first.bits.length]).toEqual([1011, 638, 127 * 638]);
    expect(Buffer.from(second.bits).equals(Buffer.from(first.bits))).toBe(true);
    expect((await renderFace(face, 600)).width).toBe(2022);
    const png = await renderPreview(first, {
      chip: true,
      emboss: { lines: embossLines(emboss("office-access"), latin), fonts },
    });
    expect([...png.subarray(1, 4)]).toEqual([0x50, 0x4e, 0x47]);
  });
});

describe("a product's layouts together", () => {
  const read = (product: string, name: string) => ({
    file: `${name}.yaml`,
    text: readFileSync(new URL(`${name}.yaml`, folder(product)), "utf8"),
  });
  const files = (product: string) => ({
    front: read(product, "front"),
    back: read(product, "back"),
    emboss: read(product, "emboss"),
  });
  const people = (product: string): Record<string, string>[] => {
    const text = readFileSync(new URL(`../../../${product}/employees.csv`, folder(product)), "utf8");
    const [head = "", ...rows] = text.trim().split(/\r?\n/);
    return rows.map((row) => {
      const cells = row.split(",");
      return Object.fromEntries(head.split(",").map((name, i) => [name, cells[i] ?? ""]));
    });
  };
  const columns = (fields: readonly string[]) => [
    ...fields.map((field) => ({ field, column: field, required: true })),
    { field: "photo", column: "Photo", required: false, type: "photo" as const },
  ];
  test.each([
    ["office-access", ["name", "department", "premises", "number", "validUntil"], 120],
    ["warehouse-access", ["name", "premises", "number", "validUntil"], 40],
  ])("%s: everybody of the example order fits on a card that passes the linter", (product, fields, count) => {
    const visual = compileVisual(
      files(product),
      layoutFieldsOf(columns(fields)),
      fonts,
      readerIn(folder(product)),
    );
    const everybody = people(product);
    expect(everybody).toHaveLength(count);
    everybody.forEach((person, i) => {
      const values: FieldValues = {
        name: person["Full name"] ?? "",
        department: person["Department"] ?? "",
        premises: (person["Premises"] ?? person["Zones"] ?? "").split(";"),
        number: person["Employee number"] ?? "",
        validUntil: person["Valid until"] ?? "",
        cardNumber: `2026-117-${String(i + 1).padStart(4, "0")}`,
      };
      const picture = person["Photo"] === "" ? {} : photos;
      expect(visual.problems(values, picture).map(({ message }) => message)).toEqual([]);
      if (i % 12 !== 0) return;
      const found = lintVisual(visual, [{ number: i + 1, values, photos: picture }], {
        longest: { name: 60 },
        fixed: ["validUntil", "cardNumber", "number", "premises"],
      });
      expect(found.map(findingText)).toEqual([]);
    });
  });
  test("all that is wrong with a record is told at once", () => {
    const visual = compileVisual(files("office-access"), offered, fonts, readerIn(folder("office-access")));
    const codes = visual.problems({ ...latin, name: "王", cardNumber: "#" }, photos).map(({ code }) => code);
    expect(codes).toEqual(["missing-glyph", "wrong-character"]);
  });
  test("the back's file given as the front is refused", () => {
    const { back, emboss: raised } = files("office-access");
    expect(
      problem(() =>
        compileVisual(
          { front: back, back, emboss: raised },
          offered,
          fonts,
          readerIn(folder("office-access")),
        ),
      ).code,
    ).toBe("wrong-layout");
  });
});

describe("a layout file is strict", () => {
  const text = '  - { name: a, kind: text, text: "{name}", font: Inter-Bold, size: 9, box: [2, 2, 60, 5] }\n';
  test("the good one passes", () => {
    expect(faceOf(small(text)).fields).toHaveLength(1);
  });
  test.each([
    ["an unknown key", small(text.replace("size: 9", "size: 9, colour: red")), "wrong-layout", 3],
    ["a missing key", small(text.replace("size: 9, ", "")), "wrong-layout", 3],
    ["a wrong type", small(text.replace("size: 9", "size: big")), "wrong-layout", 3],
    ["a font of the machine", small(text.replace("Inter-Bold", "Arial")), "wrong-layout", 3],
    ["an unknown field", small(text.replace("{name}", "{nome}")), "unknown-field", 3],
    ["an unknown modifier", small(text.replace("{name}", "{name|loud}")), "wrong-layout", 3],
    ["an open brace", small(text.replace("{name}", "{name")), "wrong-layout", 3],
    ["the same name twice", small(text + text), "wrong-layout", 4],
    [
      "a person in a clear code",
      small('  - { name: q, kind: code, symbology: qrcode, text: "{name}", box: [2, 2, 20, 20] }\n'),
      "personal-data-in-code",
      3,
    ],
    ["broken YAML", "side: front\nfields: [\n", "not-yaml", 3],
    [
      "a personal text cleared out of the art",
      small(text.replace("size: 9", "size: 9, ink: clear")),
      "wrong-layout",
      3,
    ],
  ])("%s", (_, yaml, code, line) => {
    const found = problem(() => parseLayout(yaml, "front.yaml", offered));
    expect(found.code).toBe(code);
    expect(found.message).toMatch(/^front\.yaml:\d+:\d+[: ]/);
    expect(found.at.line).toBe(line);
  });
  test("editors get the same definitions", () => {
    for (const [name, schema] of Object.entries(layoutJsonSchemas())) {
      const file = new URL(`../../../../../schemas/${name}.schema.json`, import.meta.url);
      expect(JSON.parse(readFileSync(file, "utf8")), "run tools/schemas.mjs").toEqual(
        JSON.parse(JSON.stringify(schema)),
      );
    }
  });
});

describe("texts", () => {
  const line = (more: string): string =>
    small(
      `  - { name: name, kind: text, text: "{name}", font: Inter-Bold, size: 11, box: [2, 2, 40, 10]${more} }\n`,
    );
  const height = (face: Face): number =>
    Math.max(...(face.fields[0]?.glyphs ?? []).map((glyph) => glyph.box.height));

  test("shrink to fit, down to the minimum and no further", () => {
    const long = { name: "Maximiliana Wolkenstein-Trostburg" };
    expect(height(faceOf(line(", min: 6"), long))).toBeLessThan(
      height(faceOf(line(", min: 6"), { name: "Max Wolk" })),
    );
    const found = problem(() => faceOf(line(", min: 9"), long));
    expect(found.code).toBe("too-long");
    expect(found.message).toContain("name too long for its line");
    expect(found.message).not.toContain("Wolkenstein");
    expect(faceOf(line(", min: 9, lines: 2"), long).fields[0]?.text).toBe(
      "Maximiliana\nWolkenstein-Trostburg",
    );
  });

  test("a character the font lacks is named, with the remedy", () => {
    const found = problem(() => faceOf(line(""), { name: "王" }));
    expect(found.code).toBe("missing-glyph");
    expect(found.message).toContain('"王" (U+738B)');
    expect(found.remedy).toContain("latin");
  });

  test("nothing to write is a problem, unless the field may be empty", () => {
    expect(problem(() => faceOf(line(""), { name: " " })).code).toBe("field-missing");
    expect(faceOf(line(", required: false"), { name: "" }).fields).toEqual([]);
  });

  test("no photo is a problem", () => {
    const layout = compileLayout(template("office-access", "front"), fonts);
    expect(problem(() => layoutFace(layout, latin, {})).code).toBe("photo-missing");
  });

  test("a photo that is no picture is a problem", async () => {
    const layout = compileLayout(template("office-access", "front"), fonts);
    const broken = { png: new Uint8Array([1, 2, 3]), width: 1, height: 1 };
    await expect(renderFace(layoutFace(layout, latin, { photo: broken }), 300)).rejects.toMatchObject({
      code: "photo-broken",
    });
  });

  test("modifiers", () => {
    const of = (text: string, values: FieldValues): string | undefined =>
      faceOf(
        small(
          `  - { name: a, kind: text, text: "${text}", font: Inter-Bold, size: 6, box: [2, 2, 80, 5] }\n`,
        ),
        values,
      ).fields[0]?.text;
    expect(of("{premises|join: + }", latin)).toBe("A1 + B2 + DOCK");
    expect(of("{validUntil|date:DD.MM.YYYY}", latin)).toBe("31.12.2029");
    expect(of("No. {number|compact}", latin)).toBe("No. PP004711");
    expect(of("{name|short:14}", { name: "Anna Maria Kovacs" })).toBe("Anna M Kovacs");
    expect(of("{name|short:10}", { name: "Anna Maria Kovacs" })).toBe("A M Kovacs");
    expect(of("{name|latin|upper}", cyrillic)).toBe(
      "ALEKSANDRA VLADIMIROVNA KONSTANTINOPOLSKAIA-SHCHERBAKOVA",
    );
  });

  test.each([
    [
      "date:DD.MM.JJJJ",
      '"date:DD.MM.JJJJ" has "J", which is no part of a date',
      "write DD, MM, YYYY or YY, each once, with dots, spaces, slashes or dashes between: date:DD.MM.YYYY",
    ],
    ["date:DD.MM.YYY", '"date:DD.MM.YYY" is no date with whole parts', "write DD, MM, YYYY or YY"],
    ["date:YY.YYYY", "has the year twice", "write DD, MM, YYYY or YY"],
    ["date:./-", "is no date with whole parts", "write DD, MM, YYYY or YY"],
    ["uper", '"uper" is not a modifier', 'did you mean "upper"? there are upper, latin'],
    ["date:DD/DD", '"date:DD/DD" has DD twice', "write DD, MM, YYYY or YY"],
    ["date", '"date" does not say how the date is written', "write DD, MM, YYYY or YY"],
    ["upper:2", '"upper:2" takes nothing behind a colon', "write upper"],
    ["short:long", '"short:long" says no number', "write so many characters, 1 to 999: short:20"],
    ["first", '"first" says no number', "write so many characters, 1 to 999: first:20"],
    ["join:123456", '"join:123456" has more than 5 characters', "write 1 to 5 characters: join:, "],
  ])("the modifier %s is refused with what was wrong and what is allowed", (modifier, what, remedy) => {
    const text = `  - { name: a, kind: text, text: "{name|${modifier}}", font: Inter-Bold, size: 6, box: [2, 2, 80, 5] }\n`;
    const found = problem(() => faceOf(small(text), { name: "Ann" }));
    expect(found.message).toContain(what);
    expect(found.message).toContain(remedy);
    expect(found.at.line).toBe(3);
  });

  test("transliteration keeps case and gives only basic Latin", () => {
    expect(transliterate("Щукин ЩУКИН Юля Ärö’s Łódź straße")).toBe(
      "Shchukin SHCHUKIN Iulia Aeroe's Lodz strasse",
    );
    const letters = fc.stringMatching(/^[А-Яа-яЁёÀ-ÖØ-öø-ſ]{0,20}$/);
    fc.assert(fc.property(letters, (text) => /^[A-Za-z]*$/.test(transliterate(text))));
  });

  test("check digits of ICAO Doc 9303", () => {
    expect([checkDigit("520727"), checkDigit("AB2134<<<")]).toEqual(["3", "5"]);
  });
});

describe("embossing", () => {
  const lines = (text: string, more = ""): string =>
    `side: front\n${more}lines:\n  - { name: line, text: "${text}", yFromBottom: 3.6 }\n`;
  const of = (text: string, values: FieldValues, more?: string) =>
    embossLines(parseEmboss(lines(text, more), "emboss.yaml", offered), values);
  test("ten characters an inch, capitals, Latin by the declared table", () => {
    expect(of("{name}", { name: "Юлия Щукина" }, "transliterate: icao\n")).toEqual([
      {
        field: "line",
        said: [{ field: "name", text: "Юлия Щукина" }],
        text: "IULIIA SHCHUKINA",
        font: "4B",
        x: 7.65,
        yFromBottom: 3.6,
        pitch: 2.54,
      },
    ]);
  });
  test("without a declared table a foreign letter is refused, and so is one no table knows", () => {
    expect(problem(() => of("{name}", { name: "Юлия" })).code).toBe("wrong-character");
    expect(problem(() => of("{name}", { name: "A_B" }, "transliterate: icao\n")).message).toContain(
      '"_" (U+005F)',
    );
  });
  test("28 characters are too many", () => {
    expect(of("{name}", { name: "A".repeat(27) })[0]?.text).toHaveLength(27);
    expect(problem(() => of("{name}", { name: "A".repeat(28) })).code).toBe("too-long");
  });
});

describe("dither", () => {
  test.each(["floyd-steinberg", "atkinson"] as const)("%s leaves black and white alone", (method) => {
    expect(dither(new Uint8Array(400).fill(255), 20, 20, method).every((dot) => dot === 0)).toBe(true);
    expect(dither(new Uint8Array(400), 20, 20, method).every((dot) => dot === 1)).toBe(true);
  });
  test("floyd-steinberg keeps the mean of a flat patch within 1 %", () => {
    expect.hasAssertions();
    fc.assert(
      fc.property(fc.integer({ min: 20, max: 235 }), (grey) => {
        const dots = dither(new Uint8Array(120 * 120).fill(grey), 120, 120, "floyd-steinberg");
        const black = dots.reduce((sum, dot) => sum + dot, 0) / dots.length;
        expect(Math.abs(black - (255 - grey) / 255)).toBeLessThan(0.01);
      }),
      { numRuns: 25 },
    );
  });
});
