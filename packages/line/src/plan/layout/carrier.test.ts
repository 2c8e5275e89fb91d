import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { carrierJsonSchema, carrierPage, carriersPdf, parseCarrier } from "./carrier.js";
import { readFonts } from "./fonts.js";
import { LayoutProblem } from "./problem.js";

const example = new URL(
  "../../../../../examples/products/office-access/layout/carrier.yaml",
  import.meta.url,
);
const fonts = readFonts();
const parse = (text: string) => parseCarrier(text, "carrier.yaml", ["name", "department"], fonts);
const office = () => parse(readFileSync(example, "utf8"));
const values = { name: "Zoë Müller", department: "", order: "A-1", record: "7", carrier: "C-0000012" };

const code = `{ name: code, kind: code, symbology: code128, text: "{carrier}", box: [120, 60, 60, 12] }`;
const file = (fields: string, more = "card: [62, 176]"): string => `${more}\nfields:\n${fields}\n`;
const text = (box: string, said = "{name}"): string =>
  `  - { name: name, kind: text, text: "${said}", font: Inter-Regular, size: 11, box: ${box} }\n  - ${code}`;

test("a carrier says whose it is, and its code holds its own number and nothing else", () => {
  const { fields } = carrierPage(office(), values);
  const said = new Map(fields.map(({ name, text }) => [name, text]));
  expect(said.get("name")).toBe("Zoë Müller");
  expect(said.get("order")).toBe("Order A-1, record 7");
  expect(said.has("department")).toBe(false);
  expect(fields.filter(({ kind }) => kind === "code")).toMatchObject([
    { symbology: "code128", text: "C-0000012" },
  ]);
});

test("the same record gives the same page, another record another", () => {
  const layout = office();
  expect(carrierPage(layout, values).draw).toBe(carrierPage(layout, values).draw);
  expect(carrierPage(layout, { ...values, name: "Ada" }).draw).not.toBe(carrierPage(layout, values).draw);
});

test("a file has a page a record, as large as the sheet, and no text or font that a printer would set in its own way", () => {
  const layout = office();
  const pdf = Buffer.from(
    carriersPdf(
      layout,
      [values, values].map((one) => carrierPage(layout, one)),
    ),
  ).toString("latin1");
  expect(pdf).toContain("/Count 2 ");
  expect(pdf.match(/\/MediaBox \[0 0 595\.276 841\.890\]/g)).toHaveLength(2);
  expect(pdf).not.toContain("/Font");
});

test("curves of every kind end where they should: what is drawn lies on the sheet", () => {
  const { draw } = carrierPage(office(), values);
  const lines = draw.split("\n").slice(3);
  expect(lines.length).toBeGreaterThan(100);
  for (const line of lines) {
    expect(line).toMatch(/^(?:-?[\d.]+ |[mlch] )+f$/);
    const numbers = line.match(/-?\d[\d.]*/g)?.map(Number) ?? [];
    expect(Math.min(...numbers)).toBeGreaterThan(0);
    expect(Math.max(...numbers)).toBeLessThan(297);
  }
});

test.each([
  [
    "no code",
    file(`  - { name: a, kind: text, text: a, font: Inter-Regular, size: 9, box: [5, 5, 30, 5] }`),
    "no code",
  ],
  [
    "two codes",
    file(`  - ${code}\n  - ${code.replace("code,", "other,").replace("120, 60", "120, 90")}`),
    "more than one code",
  ],
  ["another symbology", file(`  - ${code.replace("code128", "code39")}`), "in Code 128"],
  ["a constant in the code", file(`  - ${code.replace("{carrier}", "C-1")}`), "in Code 128"],
  ["a person in the code", file(`  - ${code.replace("{carrier}", "{carrier} {name}")}`), "in Code 128"],
  ["a field that the product has not", file(text("[25, 50, 80, 5]", "{pan}")), 'no field "pan"'],
  ["a card beyond the paper", file(text("[25, 50, 80, 5]"), "card: [150, 176]"), "hang over the paper"],
  ["a box beyond the paper", file(text("[180, 50, 80, 5]")), "leaves the paper"],
  ["a text under the card", file(text("[25, 180, 80, 5]")), "lies on the card's place"],
  ["a text in the code's quiet zone", file(text("[100, 60, 40, 5]")), 'lies on "name"'],
  ["a key that nobody knows", file(`  - ${code}`, "card: [62, 176]\nfold: true"), "fold"],
])("refused with its place: %s", (_, source, why) => {
  let thrown: unknown;
  try {
    parse(source);
  } catch (problem) {
    thrown = problem;
  }
  expect(thrown).toBeInstanceOf(LayoutProblem);
  expect((thrown as LayoutProblem).message).toContain(why);
  expect((thrown as LayoutProblem).message).toMatch(/^carrier\.yaml:\d+:\d+/);
});

test("a name that does not fit is refused for that record, and none is cut", () => {
  const layout = parse(file(text("[25, 50, 20, 5]")));
  expect(() => carrierPage(layout, { ...values, name: "Wolfeschlegelsteinhausenbergerdorff" })).toThrow(
    LayoutProblem,
  );
});

test("schemas/carrier.schema.json is what the program reads (node tools/schemas.mjs makes it)", () => {
  const schema = new URL("../../../../../schemas/carrier.schema.json", import.meta.url);
  expect(JSON.parse(readFileSync(schema, "utf8"))).toEqual(JSON.parse(JSON.stringify(carrierJsonSchema())));
});
