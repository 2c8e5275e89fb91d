import { isPan } from "@persoline/card/emv";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { prepare, recordProblems, valuesOf } from "../../prepare.js";
import { cardholder, plannedPayment } from "./payment.test.data.js";
import { specimenFields, specimenPan } from "./record.js";

const compiled = plannedPayment();
const where = { order: "2026-900", file: "cards.csv" };
const told = (fields: Readonly<Record<string, string>>) =>
  recordProblems(compiled, { ...cardholder, fields: { ...cardholder.fields, ...fields } }, where);

describe("a record is judged before a card moves", () => {
  test("as it is", () => {
    expect(told({})).toEqual([]);
    expect(told({ expiry: "3110", effective: "11/26", name: "LUCA EXAMPLE" })).toEqual([]);
  });
  test.each([
    ["pan", "9999015156151848", "PAN", "pan-check-digit"],
    ["pan", "99990151561518", "PAN", "pan-check-digit"],
    ["pan", "9999 0151 5615 1849", "PAN", "pan-form"],
    ["pan", "99990151561", "PAN", "pan-form"],
    ["pan", "99990151561518490000", "PAN", "pan-form"],
    ["pan", "4000000000000002", "PAN", "pan-issuer"],
    ["sequence", "7", "Sequence", "sequence-number"],
    ["sequence", "1A", "Sequence", "sequence-number"],
    ["expiry", "13/31", "Valid thru", "bad-month"],
    ["expiry", "2031-10", "Valid thru", "bad-month"],
    ["expiry", "4001", "Valid thru", "outlives-certificate"],
    ["expiry", "2610", "Valid from", "never-valid"],
    ["effective", "Nov 26", "Valid from", "bad-month"],
    ["name", "ŽOFIA", "Embossed name", "embossed-name"],
    ["name", "A/B/C", "Embossed name", "embossed-name"],
    ["name", "EXAMPLE/LUCA-MARIA-FRANCISCA", "Embossed name", "embossed-name"],
  ])("%s %s", (field, value, column, code) => {
    const problems = told({ [field]: value });
    expect(problems).toMatchObject([{ file: "cards.csv", row: 4, column, code }]);
    // The shape of a value at most, never the value.
    expect(JSON.stringify(problems)).not.toContain(value);
  });
  test("all that is wrong at once", () => {
    expect(told({ pan: "1", expiry: "x", name: "1" }).map(({ column }) => column)).toEqual([
      "PAN",
      "Valid thru",
      "Embossed name",
    ]);
  });
  test("whatever stands in the cells, it is judged, and no digit of it is repeated", () => {
    const cell = fc.string({ minLength: 5, maxLength: 24, unit: "binary" });
    fc.assert(
      fc.property(cell, cell, cell, (pan, expiry, name) => {
        const text = JSON.stringify(told({ pan, expiry, name }));
        expect(text).not.toContain(pan);
      }),
      { numRuns: 200 },
    );
  });
});

test("layouts are offered the number in fours, the dates, and the name first name first", () => {
  expect(valuesOf(compiled, cardholder, "2026-900")).toMatchObject({
    embossedPan: "9999 0151 5615 1849",
    validFrom: "11/26",
    validThru: "10/31",
    embossedName: "LUCA EXAMPLE",
  });
});

describe("a remake", () => {
  const card = (attempt: number) =>
    prepare(compiled, cardholder, { order: "2026-900", attempt }).payment?.card;
  test("is the same card with the next sequence number", () => {
    expect(card(1)).toEqual({
      pan: "9999015156151849",
      psn: "01",
      expiry: "3110",
      effective: "2611",
      name: "EXAMPLE/LUCA",
    });
    expect(card(3)).toEqual({ ...card(1), psn: "03" });
  });
  test("beyond the last sequence number there is none", () => {
    expect(() => card(100)).toThrow("none is left for another remake");
  });
});

test("a specimen's number is nobody's", () => {
  expect(specimenPan("999901")).toMatch(/^999901000000000[0-9]$/);
  expect(isPan(specimenPan("99990123"))).toBe(true);
  expect([specimenPan("999901", 7), isPan(specimenPan("999901", 7))]).toEqual([
    expect.stringMatching(/^999901000000007[0-9]$/),
    true,
  ]);
});

test("specimen records are whole cards of nobody, each another's", () => {
  const { payment } = compiled;
  if (payment === undefined) throw new Error("the example pays with nothing");
  const cards = [0, 1, 2, 3].map((nth) => specimenFields(payment, nth));
  for (const fields of cards) expect(told(fields as Record<string, string>)).toEqual([]);
  expect(new Set(cards.map(({ pan }) => pan)).size).toBe(4);
  expect(new Set(cards.map(({ name }) => name)).size).toBe(4);
});
