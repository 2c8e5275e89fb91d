import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { problemText } from "../orders/yaml.js";
import { parseEmboss, parseLayout } from "./layout/index.js";
import { parseProduct } from "./product.js";
import { productJsonSchema } from "./json-schema.js";

const root = new URL("../../../../", import.meta.url);
const text = (path: string): string => readFileSync(new URL(path, root), "utf8");
const office = text("examples/products/office-access/product.yaml");
const warehouse = text("examples/products/warehouse-access/product.yaml");

/** The office product with one thing changed, and what is told of it. */
function problems(from: string | RegExp, to: string): string[] {
  const changed = office.replace(from, to);
  expect(changed).not.toBe(office);
  const read = parseProduct(changed, "product.yaml");
  return read.ok ? [] : read.problems.map(problemText);
}
const lineOf = (part: string): number => office.slice(0, office.indexOf(part)).split("\n").length;

describe("product files", () => {
  test.each([
    ["office-access", office],
    ["warehouse-access", warehouse],
  ])("%s: layouts name only its fields, the camera only fields of the layouts", (name, file) => {
    const read = parseProduct(file, name);
    if (!read.ok || read.product.visual === undefined) throw new Error("the product is not read");
    const { columns, visual, quality } = read.product;
    const photos = columns.filter(({ type }) => type === "photo").map(({ field }) => field);
    const texts = columns.map(({ field }) => field).filter((field) => !photos.includes(field));
    const offered = { texts: [...texts, "cardNumber"], photos, codes: ["cardNumber"] };
    const faces = [visual.front, visual.back].map((path) =>
      parseLayout(text(`examples/products/${name}/${path}`), path, offered, (file) => ({
        file,
        text: text(`examples/products/${name}/layout/${file}`),
      })),
    );
    if (visual.emboss !== undefined) {
      parseEmboss(text(`examples/products/${name}/${visual.emboss}`), visual.emboss, offered);
    }
    const drawn = faces.flatMap(({ fields }) => fields.map((field) => field.name));
    expect(drawn).toEqual(expect.arrayContaining([...quality.camera]));
  });

  test.each([
    ["office-access", office, 4],
    ["warehouse-access", warehouse, 3],
  ])("%s is read", (name, file, efs) => {
    const read = parseProduct(file, `${name}.yaml`);
    expect(read.ok ? [] : read.problems.map(problemText)).toEqual([]);
    if (!read.ok) return;
    expect(read.product.name).toBe(name);
    expect(read.product.dfs[0]?.files).toHaveLength(efs);
    expect(read.product.columns.map(({ column }) => column)).toContain("Full name");
    expect(read.product.pin).toMatchObject({ df: "access", length: 6, tries: 3 });
  });

  test.each([
    ["name: name", "name: surname", /there is no field surname/],
    ["zones: premises", "zones: department", /department is no list/],
    ["valid-until: validUntil", "valid-until: name", /name is no date/],
    ["department: department", "department: photo", /photo is a photo/],
    ["department: department", "colour: department", /colour/],
  ])("the access register takes only what is there: %s → %s", (from, to, told) => {
    const register = office.slice(office.indexOf("register:"), office.indexOf("pin:"));
    expect(problems(register, register.replace(from, to)).join()).toMatch(told);
  });

  test("cards that open no gates say so, and a product may leave it open", () => {
    const register = office.slice(office.indexOf("register:"), office.indexOf("pin:"));
    const said = (to: string): unknown => {
      const read = parseProduct(office.replace(register, to), "product.yaml");
      return read.ok ? read.product.register : read.problems;
    };
    expect(said(register)).toEqual({
      name: "name",
      department: "department",
      zones: "premises",
      validUntil: "validUntil",
    });
    expect(said("register: none\n\n")).toBe("none");
    expect(said("")).toBeUndefined();
  });

  test("the schema for editors is the one in the repository", () => {
    expect(JSON.parse(text("schemas/product.schema.json"))).toEqual(
      JSON.parse(JSON.stringify(productJsonSchema())),
    );
  });

  test.each<[string, string | RegExp, string, RegExp, string | undefined]>([
    ["an unknown key", "update: never", "updte: never", /update: this key is missing/, "update: never"],
    [
      "an unquoted identifier",
      'fid: "0101"',
      "fid: 0101",
      /reads 0101 as the number 101; put it in quotes/,
      'fid: "0101"',
    ],
    ["an AID of 4 bytes", "A0000008760101", "A0000008", /AID has at least 5 bytes/, "A0000008760101"],
    ["an SFI given twice", "sfi: 2", "sfi: 1", /short identifier 1 is given twice/, "sfi: 2"],
    ["an SFI of 31", "sfi: 2", "sfi: 31", /30/, "sfi: 2"],
    ["a FID given twice", 'fid: "0102"', 'fid: "0101"', /0101 is given twice/, 'fid: "0102"'],
    ["a reserved FID", 'fid: "0102"', 'fid: "3FFF"', /reserved/, 'fid: "0102"'],
    ["a record too long", "record: 16", "record: 240", /239/, "record: 16"],
    ["files larger than the card", "size: 256", "size: 19136", /bodies need 3\d\d pages/, "size: 256"],
    [
      "a field longer than its file",
      "size: 256",
      "size: 100",
      /longest values take 1\d\d bytes or more, the EF has 100/,
      "holder: { tlv",
    ],
    [
      "an unknown field in a template",
      "{department}",
      "{departement}",
      /no field "departement"; use one of name, department/,
      "holder: { tlv",
    ],
    ["a brace left over", '"{department}"', '"{department"', /brace is left over/, "holder: { tlv"],
    [
      "a premise longer than its record",
      "PLANT-1,",
      "PLANT-1-AND-BEHIND,",
      /"PLANT-1-AND-BEHIND" does not fit in a record of 16 bytes/,
      "premises: { records",
    ],
    [
      "more premises than records",
      "count: 16",
      "count: 7",
      /all 8 values, the EF has 7 records/,
      "premises: { records",
    ],
    [
      "content for no file",
      "  credential: { tlv",
      "  credentail: { tlv",
      /no EF "credentail"/,
      "credential: { tlv",
    ],
    ["a list where there is none", '"{premises}"', '"{name}"', /not a list field/, "premises: { records"],
    ["a rule that means nothing", "auth(gate)", "auth(door)", /"door" is not a key/, "premises, fid"],
    [
      "a rule in another language",
      "read: never",
      "read: nobody",
      /a rule is always, never/,
      "credential, fid",
    ],
    ["one version for both key sets", 'version: "30"', 'version: "01"', /same version/, 'version: "30"'],
    ["an ATR copied wrong", "3B98968131FE45", "3B98968131FE46", /TCK/, "blank:"],
    ["a photo inside a file", '"DF01": "{department}"', '"DF01": "{photo}"', /is a picture/, "holder: { tlv"],
    [
      "two fields from one column",
      "column: Department",
      "column: Full name",
      /two fields use this column/,
      "column: Department",
    ],
    ["a pattern that is none", '"[A-Z]{1,3}-?[0-9]{3,8}"', '"[A-Z"', /no regular expression/, "[A-Z]{1,3}"],
    ["an unknown check", "access-key,", "access-kye,", /"access-kye" is not a check/, "chip: ["],
    ["a file before its DF", /  - \{ df: .*\n/, "", /has no keys to authenticate with/, "ef: premises"],
    ["a personal card number", '"{order}-{record:4}"', '"{name}"', /card number names "name"/, "card-number"],
  ])("%s is told with its place", (_, from, to, message, place) => {
    const found = problems(from, to);
    expect(found[0]).toMatch(message);
    const line = place === undefined ? undefined : lineOf(place) - (_.startsWith("a file before") ? 1 : 0);
    expect(found[0]).toMatch(new RegExp(`^product\\.yaml:${String(line)}:\\d+ `));
  });

  test.each([
    ["(a+)+", /repeated group/],
    ["(?=a)b", /look-around/],
    ["(a)\\\\1", /references back/],
    ["a*b*", /two open-ended/],
  ])("the pattern %s is refused: it could stop the line", (pattern, message) => {
    expect(problems("[A-Z]{1,3}-?[0-9]{3,8}", pattern)[0]).toMatch(message);
  });

  test.each(["[A-Z(+*]{1,3}", "(?:A|B)?[0-9]+", "\\\\d{2}\\\\.\\\\d*", "x{3}"])(
    "the pattern %s is taken",
    (pattern) => {
      expect(problems("[A-Z]{1,3}-?[0-9]{3,8}", pattern)).toEqual([]);
    },
  );

  test("several mistakes are told in one go", () => {
    const found = problems(/sfi: 2|tries: 3/g, "bad: 1");
    expect(found.length).toBeGreaterThanOrEqual(3);
  });
});
