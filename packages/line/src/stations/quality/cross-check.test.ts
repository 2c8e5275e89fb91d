import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { encodeTlv, tlv } from "@persoline/card/tlv";
import { unhex, utf8 } from "@persoline/card/bytes";
import { chipSays as sayingsOf, recordTold, type Told } from "../../plan/told.js";
import {
  chipSays,
  crossCheck,
  embossSays,
  printSays,
  recordSays,
  type Statement,
  stripeSays,
} from "./cross-check.js";

const pan = "4111111111111111";
const stripe = [
  { track: 1, text: `B${pan}^DOE/JOHN Q^30121010000000000` },
  { track: 2, text: `${pan}=30121010000000000` },
];
const raised = [
  { text: "4111 1111 1111 1111", font: "7B" },
  { text: "11/26   12/30", font: "4B" },
  { text: "JOHN DOE", font: "4B", said: [{ field: "holder", text: "JOHN DOE" }] },
];
const told: Told = {
  record: { number: pan, name: "Doe, John", expiry: "3012" },
  fields: { number: ["pan", "embossedPan"], name: ["holder"], expiry: ["until"] },
  chip: { number: pan, name: "DOE/JOHN", expiry: "301231" },
};
const printed = (field: string, text: string) => ({ said: [{ field, text }] });
const all = (): Statement[] => [
  ...recordSays(told),
  ...chipSays(told),
  ...stripeSays(stripe),
  ...embossSays(raised, told),
  ...printSays(
    [
      printed("pan", "4111 1111 1111 1111"),
      printed("holder", "JOHN DOE"),
      printed("until", "31.12.2030"),
      // Not the card's number, though it looks like one.
      printed("cardNumber", "2026-900-00001"),
    ],
    told,
  ),
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
    [
      "another's track 2",
      { stripe: [stripe[0], { track: 2, text: `${other}=3012` }] },
      "number: stripe and stripe",
    ],
    ["another's raised number", { raised: [{ text: other, font: "7B" }] }, "number: emboss and stripe"],
    ["another's printed number", { print: printed("embossedPan", other) }, "number: print and emboss"],
    ["another's record", { told: { ...told, record: { number: other } } }, "number: record and print"],
    ["another's chip", { told: { ...told, chip: { number: other } } }, "number: chip and print"],
    [
      "another's name on the chip",
      { told: { ...told, chip: { name: "DOE/JANE" } } },
      "name: chip and stripe",
    ],
    [
      "another's name raised",
      { raised: [{ text: "JANE DOE", font: "4B", said: [{ field: "holder", text: "" }] }] },
      "name: emboss and stripe",
    ],
    ["another's name in print", { print: printed("holder", "Jane Doe") }, "name: record and print"],
    ["another day in print", { print: printed("until", "31.01.2031") }, "expiry: record and print"],
  ] as const)("%s", (_, change, pair) => {
    const who = "told" in change ? change.told : told;
    const said = crossCheck([
      ...recordSays(who),
      ...chipSays(who),
      ...printSays(["print" in change ? change.print : printed("pan", pan)], who),
      ...embossSays("raised" in change ? change.raised : raised, who),
      ...stripeSays("stripe" in change ? change.stripe.flatMap((one) => one ?? []) : stripe),
    ]).map(({ detail }) => detail);
    expect(said).toContain(`${pair} contradict one another`);
    expect(said.join()).not.toMatch(/\d|DOE|JANE/i);
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
  ["JUERGEN GROSS", "Jürgen Groß", true],
  ["JURGEN GROSS", "Jürgen Groß", false],
  ["EKATERINA SHCHUKINA", "Екатерина Щукина", true],
  ["EKATERINA CHUKINA", "Екатерина Щукина", false],
  ["ELENI PAPADOPOULOU", "Ελένη Παπαδοπούλου", true],
  ["A V KONSTANTINOPOLSKAIA-SHC", "Александра Владимировна Константинопольская-Щербакова", true],
  ["A V KONSTANTINOPOLSKAIA-BOR", "Александра Владимировна Константинопольская-Щербакова", false],
  ["DOE/JO", "DOE/JOHN", false],
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
  const of = (values: Readonly<Record<string, string>>) =>
    recordSays(recordTold("none", values, { things: {}, fields: {} }));
  for (const number of long) {
    expect(of({ pan: number })).toEqual([{ witness: "record", about: "number", says: number }]);
    expect(of({ pan: `${number.slice(0, -1)}${String((Number(number.at(-1)) + 1) % 10)}` })).toEqual([]);
  }
  expect(of({ pan, phone: "5500005555555559" })).toEqual([]);
});

test("a record's name and day are those of the access register; the chip's are read out of its objects", () => {
  const register = { name: "holder", validUntil: "until" };
  const chip = sayingsOf(
    [
      encodeTlv([tlv(0x5f20, utf8("Zoë Doe")), tlv(0x5f24, unhex("301231"))]),
      encodeTlv([tlv(0x5a, unhex("411111111111111F"))]),
      // No objects at all.
      Uint8Array.of(0x5f, 0x20, 0x7f),
    ].map((bytes) => ({ bytes })),
  );
  const who = recordTold(register, { holder: "Zoë Doe", until: "2030-12-31", number: "17" }, chip);
  expect(who.chip).toEqual({ name: "Zoë Doe", expiry: "301231", number: "411111111111111" });
  expect(
    crossCheck([...recordSays(who), ...chipSays({ ...who, chip: { name: "Zoe Doe", expiry: "301231" } })]),
  ).toEqual([]);
  const wrong = crossCheck([
    ...recordSays(who),
    ...chipSays({ ...who, chip: { name: "Roe", expiry: "311231" } }),
  ]);
  expect(wrong.map(({ detail }) => detail)).toEqual([
    "expiry: record and chip contradict one another",
    "name: record and chip contradict one another",
  ]);
});
