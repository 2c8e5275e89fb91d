import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { crossCheck, embossSays, printSays, recordSays, type Statement, stripeSays } from "./cross-check.js";

const pan = "4111111111111111";
const stripe = [
  { track: 1, text: `B${pan}^DOE/JOHN Q^30121010000000000` },
  { track: 2, text: `${pan}=30121010000000000` },
];
const raised = [
  { text: "4111 1111 1111 1111", font: "7B" },
  { text: "11/26   12/30", font: "4B" },
  { text: "JOHN DOE", font: "4B" },
];
const record = { holder: "Doe, John", pan };
const all = (): Statement[] => [
  ...recordSays(record),
  ...stripeSays(stripe),
  ...embossSays(raised),
  ...printSays([
    { text: "4111 1111 1111 1111", kind: "text" },
    { text: "JOHN DOE", kind: "text" },
  ]),
  { witness: "emboss", about: "name", says: "JOHN DOE" },
  { witness: "chip", about: "everything", agrees: true },
];

test("a card of one person contradicts nothing, and every witness was heard", () => {
  expect(crossCheck(all())).toEqual([]);
  expect(new Set(all().map(({ witness }) => witness))).toEqual(
    new Set(["record", "stripe", "emboss", "print", "chip"]),
  );
});

describe("each contradiction is named, without what anybody says", () => {
  const other = "5500005555555559";
  test.each([
    ["another's track 2", { stripe: [stripe[0], { track: 2, text: `${other}=3012` }] }, "stripe and stripe"],
    ["another's raised number", { raised: [{ text: other, font: "7B" }] }, "stripe and emboss"],
    ["another's printed number", { print: other }, "emboss and print"],
    ["another's record", { record: { pan: other } }, "record and print"],
  ] as const)("%s", (_, change, pair) => {
    const said = crossCheck([
      ...recordSays("record" in change ? change.record : record),
      ...stripeSays("stripe" in change ? change.stripe.flatMap((one) => one ?? []) : stripe),
      ...embossSays("raised" in change ? change.raised : raised),
      ...printSays([{ text: "print" in change ? change.print : pan, kind: "text" }]),
    ]).map(({ detail }) => detail);
    expect(said).toContain(`number: ${pair} contradict one another`);
    expect(said.join()).not.toMatch(/\d/);
  });
  test("another day, another name, and what was compared where it is sealed", () => {
    const said = crossCheck([
      ...stripeSays(stripe),
      { witness: "emboss", about: "expiry", says: "12/31" },
      { witness: "emboss", about: "name", says: "JANE DOE" },
      { witness: "chip", about: "everything", agrees: false },
      { witness: "stripe", about: "number", agrees: false },
    ]);
    expect(said.map(({ about, between }) => `${about} ${between.join("-")}`)).toEqual([
      "everything record-chip",
      "number record-stripe",
      "expiry stripe-emboss",
      "name stripe-emboss",
    ]);
  });
});

test.each([
  ["DOE/JOHN Q", "John Q. Doe", true],
  ["DOE/J", "JOHN DOE", true],
  ["KOVÁCS/ÉVA", "EVA KOVACS", true],
  ["DOE/JOHN", "DOE/JANE", false],
  ["DOE/JOHN", "ROE/JOHN", false],
  ["", "JOHN DOE", false],
])("the names %s and %s: the same %s", (one, other, isSame) => {
  const said = crossCheck([
    { witness: "stripe", about: "name", says: one },
    { witness: "print", about: "name", says: other },
  ]);
  expect(said.length === 0).toBe(isSame);
});

test("a record names a card only by a number with the right check digit, and only when there is one", () => {
  interface Luhn {
    readonly payload?: string;
    readonly check?: string;
  }
  const file = new URL("../../../../card/vectors/luhn-magstripe.json", import.meta.url);
  const { vectors } = JSON.parse(readFileSync(file, "utf8")) as { readonly vectors: readonly Luhn[] };
  const long = vectors.flatMap(({ payload, check }) =>
    payload !== undefined && check !== undefined && payload.length > 10 ? [payload + check] : [],
  );
  expect(long).toHaveLength(1);
  for (const number of long) {
    expect(recordSays({ pan: number })).toHaveLength(1);
    expect(recordSays({ pan: `${number.slice(0, -1)}${String((Number(number.at(-1)) + 1) % 10)}` })).toEqual(
      [],
    );
  }
  expect(recordSays({ pan, phone: "5500005555555559" })).toEqual([]);
});
