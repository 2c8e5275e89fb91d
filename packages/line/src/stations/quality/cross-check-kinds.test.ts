/** The chip is heard in the cross-check whatever kind of card it is on, and what is not compared is said. */
import { readFileSync } from "node:fs";
import { encodeTlv, tlv } from "@persoline/card/tlv";
import { hex, utf8 } from "@persoline/card/bytes";
import { describe, expect, test } from "vitest";
import { clearField } from "../../orders/issuer.js";
import type { OrderRecord } from "../../orders/types.js";
import { compileDesfire } from "../../plan/desfire/compile.js";
import { compileForeign } from "../../plan/foreign/compile.js";
import { compileGp } from "../../plan/gp/compile.js";
import type { Said } from "../../plan/placed.js";
import { prepare } from "../../plan/prepare.js";
import { parseAnyProduct } from "../../plan/product.js";
import type { AnyPlanned } from "../../plan/types.js";
import { chipSays, crossCheck, embossSays, printSays, recordSays, scopeOf } from "./cross-check.js";

const textOf = (name: string): string =>
  readFileSync(new URL(`../../../../../examples/products/${name}/product.yaml`, import.meta.url), "utf8");

function planned(text: string): AnyPlanned {
  const read = parseAnyProduct(text, "product.yaml");
  if (!read.ok) throw new Error(JSON.stringify(read.problems));
  const { product } = read;
  switch (product.kind) {
    case "globalplatform":
      return compileGp(product, new Map());
    case "desfire":
      return compileDesfire(product);
    case "iso7816":
      return compileForeign(product);
    default:
      throw new Error("a card of the Persoline OS");
  }
}

const person = {
  name: "Žofia O’Brien",
  department: "Quality laboratory",
  premises: ["HQ"],
  zones: ["HQ"],
  number: "GP-00107",
  validUntil: "2028-12-31",
};
const record = (fields: OrderRecord["fields"] = person): OrderRecord => ({
  number: 3,
  row: 4,
  fields,
  photos: {},
});
const told = (text: string, fields?: OrderRecord["fields"]) =>
  prepare(planned(text), record(fields), { order: "GP-26-1" }).told;
const said = (text: string, print: readonly Said[], fields?: OrderRecord["fields"]): string[] => {
  const own = told(text, fields);
  return crossCheck([...recordSays(own), ...chipSays(own), ...printSays([{ said: print }], own)]).map(
    ({ detail }) => detail,
  );
};
const printed = (field: string, text: string, changed?: true): Said => ({
  field,
  text,
  ...(changed === undefined ? {} : { changed }),
});

const gp = textOf("gp-access");
const desfire = textOf("desfire-access").replace("[QUAY, YARD, SHED-3, OFFICE]", "[HQ, QUAY]");
const foreign = textOf("foreign-badge");

describe.each([
  ["an access applet", gp, ["name", "number", "validUntil", "department", "cardNumber"]],
  ["a DESFire-style card", desfire, ["name", "number", "validUntil", "cardNumber"]],
  ["a card of another maker", foreign, ["name", "cardNumber"]],
])("%s", (_, text, fields) => {
  const own: Readonly<Record<string, string>> = {
    ...person,
    premises: "",
    zones: "",
    cardNumber: "GP-26-1-0003",
    validUntil: "31.12.2028",
  };
  test("a card of one person contradicts nothing, in the machines' own letters", () => {
    const print = fields.map((field) => printed(field, own[field] ?? ""));
    const upper = fields
      .filter((field) => field !== "validUntil")
      .map((field) => printed(field, (own[field] ?? "").toUpperCase().replaceAll("-", " ")));
    expect(said(text, [...print, ...upper])).toEqual([]);
  });

  test.each(fields)("another one's %s in print is found", (field) => {
    const other = field === "validUntil" ? "31.12.2029" : "GP-00108";
    const found = said(text, [printed(field, other)]);
    expect(found).toEqual([
      expect.stringMatching(/^[a-z]+( [A-Za-z]+)?: record and print contradict one another$/),
      expect.stringMatching(/^[a-z]+( [A-Za-z]+)?: chip and print contradict one another$/),
    ]);
    expect(found.join()).not.toContain(other);
  });

  test("a text that was cut is not taken for the chip's", () => {
    const cut = fields.filter((field) => !["name", "validUntil"].includes(field));
    expect(
      said(
        text,
        cut.map((field) => printed(field, "G", true)),
      ),
    ).toEqual([]);
  });

  test("what is compared, and what nothing but the record says, is told", () => {
    const own = told(text);
    if (own === undefined) throw new Error("nothing is told");
    const print = fields.map((field) => printed(field, "x"));
    const all = scopeOf({ told: own, faces: [{ fields: [{ said: print }] }], emboss: [] });
    expect(all.compared).toEqual([expect.stringMatching(/^chip and print: .*field cardNumber/)]);
    expect(all.alone).toEqual([]);
    const none = scopeOf({ told: own, faces: [], emboss: [] });
    expect(none.compared).toEqual([]);
    expect(none.alone).toEqual([expect.stringContaining("field cardNumber")]);
    expect(none.alone.join()).toContain("held against the record alone");
  });
});

test("what an issuer's file put into the chip is held against the person that it was put on", () => {
  const aid = "A000000876020101";
  const of = (name: string): string[] => {
    const object = encodeTlv(tlv(0x5f20, utf8(name)));
    const text = textOf("issuer-access").replace(
      '"0102": { bytes: 16 }',
      `"0102": { bytes: ${object.length} }`,
    );
    return said(text, [printed("name", person.name)], {
      ...person,
      [clearField(`${aid}/0102`)]: hex(object),
      [clearField(`${aid}/9001`)]: "000000",
    });
  };
  expect(of("Someone Else")).toEqual([
    "name: record and chip contradict one another",
    "name: chip and print contradict one another",
  ]);
  expect(of("O’BRIEN/ZOFIA")).toEqual([]);
});

test("bytes of an issuer's that are no text say nothing, and stop nothing", () => {
  const aid = "A000000876020101";
  const text = textOf("issuer-access")
    .replace('"0102": { bytes: 16 }', '"0102": { bytes: 5 }')
    .replace('"5F20": "{name}", ', "");
  const own = told(text, {
    ...person,
    [clearField(`${aid}/0102`)]: "5F2002C328",
    [clearField(`${aid}/9001`)]: "000000",
  });
  expect(own?.chip.name).toBeUndefined();
  expect(own?.others?.chip["number"]).toBe(person.number);
});

test("a chip that says nothing is said to be held against nothing", () => {
  const text = gp
    .replace(/^ *"0[123]0\d": .*$/gm, "")
    .replace(/^ *read: .*$/m, "")
    .replace(/^(?:gate|register): .*$/gm, "")
    .replace("data:\n", "");
  const own = told(text);
  if (own === undefined) throw new Error("nothing is told");
  expect(scopeOf({ told: own, faces: [], emboss: [] }).alone).toEqual([
    expect.stringContaining("the chip says nothing that is readable"),
  ]);
});

test("raised characters and the stripe are named where they share something with the chip", () => {
  const own = { record: {}, fields: { name: ["name"] }, chip: { name: "A B", number: "4111111111111111" } };
  const emboss = [{ text: "A B", font: "4B", said: [printed("name", "A B")] }];
  expect(embossSays(emboss, own)).toHaveLength(1);
  const scope = scopeOf({ told: own, faces: [], emboss, sealed: true });
  expect(scope).toEqual({
    compared: ["chip and raised characters: name", "chip and stripe: number"],
    alone: [],
  });
});
