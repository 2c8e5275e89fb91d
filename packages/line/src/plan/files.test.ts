import { readFileSync } from "node:fs";
import { blankTiming, type CardProgram, completedTiming, estimate } from "@persoline/card/program";
import { describe, expect, test } from "vitest";
import { problemText } from "../orders/yaml.js";
import { compile } from "./compile.js";
import { Bench, blank, secretsFor } from "./life.test.data.js";
import { prepare } from "./prepare.js";
import { parseProduct } from "./product.js";
import { valueBytes } from "./content.js";
import { hex } from "@persoline/card/bytes";

const products = new URL("../../../../examples/products/", import.meta.url);
const fields = {
  "usim-like": {
    name: "Hanna Reuter",
    iccid: "8999901000000012018",
    imsi: "001010000001200",
    msisdn: "491700001200",
    label: "Work",
  },
  pkcs15: { name: "Софья Ковальская", number: "SR-1003" },
} as const;

function text(name: string): string {
  return readFileSync(new URL(`${name}/product.yaml`, products), "utf8");
}

/** The completed ATR by image; that of 2.2 stands in the products. */
const atrs = {
  "2.0": "3B9C968131FE458073F621C06650534C4F020081",
  "2.2": "3B9C968131FE458073F621C06650534C4F020283",
} as const;

describe.each(
  Object.keys(fields).flatMap((name) =>
    Object.keys(atrs).map((image) => [name, image] as [keyof typeof fields, keyof typeof atrs]),
  ),
)("%s, image %s", (name, image) => {
  test("a card's whole life by the product file alone; its clock agrees with the estimate at every station", async () => {
    const read = parseProduct(text(name).replace(atrs["2.2"], atrs[image]), `${name}.yaml`);
    if (!read.ok) throw new Error(read.problems.map(problemText).join("\n"));
    const product = compile(
      read.product,
      new Uint8Array(readFileSync(new URL(`os/persoline-os-${image}.img`, products))),
    );
    const { personalization, proof } = prepare(
      product,
      { number: 7, row: 8, fields: fields[name], photos: {} },
      { order: "OF-26-1" },
    );
    const bench = new Bench(blank());
    const programs: readonly (readonly [CardProgram, typeof blankTiming])[] = [
      [product.test, blankTiming],
      [product.completion, blankTiming],
      [product.initialisation, completedTiming],
      [personalization, completedTiming],
      [proof, completedTiming],
    ];
    const secrets = secretsFor(
      programs.map(([program]) => program),
      read.product.pin?.length,
    );
    for (const [program, timing] of programs) {
      const clock = bench.card.elapsedMicros;
      const { pagesWritten, apdus } = bench.card.counters;
      const end = await bench.run(program, { secrets });
      expect({ name: program.name, ...end }).toMatchObject({
        name: program.name,
        kind: "passed",
        resumes: 0,
      });
      const planned = estimate(program, timing);
      expect(bench.card.counters.pagesWritten - pagesWritten).toBe(planned.pages);
      expect(bench.card.counters.apdus - apdus).toBe(planned.apdus);
      const ratio = (bench.card.elapsedMicros - clock) / 1000 / planned.ms;
      expect(ratio).toBeGreaterThan(0.97);
      expect(ratio).toBeLessThan(1.03);
    }
    // Another record's data are not on this card.
    const other = prepare(
      product,
      { number: 8, row: 9, fields: { ...fields[name], name: "Leo", imsi: "001010000001299" }, photos: {} },
      { order: "OF-26-1" },
    );
    expect(await bench.run(other.proof, { secrets })).toMatchObject({ kind: "rejected" });
  });
});

describe("values of product files", () => {
  const values = { iccid: "8999901000000012018", label: "Work", none: "" };
  test.each([
    [{ swapped: "{iccid}" }, "989909010000002110F8"],
    [{ swapped: "112", bytes: 3 }, "11F2FF"],
    [{ swapped: "{none}", bytes: 2 }, "FFFF"],
    [{ text: "{label}", bytes: 6 }, "576F726BFFFF"],
    [{ parts: [{ hex: "08" }, { swapped: "9{iccid}" }, "{label}"] }, "0889999910000000100281576F726B"],
    [
      {
        objects: [
          { "61": [{ "4F": { hex: "A000" } }, { "50": "{label}" }, { "30": [] }] },
          { "9F1F": "{none}" },
        ],
      },
      "610C4F02A0005004576F726B30009F1F00",
    ],
  ] as const)("%j", (form, bytes) => {
    expect(hex(valueBytes(form, values))).toBe(bytes.replace(" ", ""));
  });

  test.each([
    [{ text: "{label}", bytes: 3 }, "does not fit in 3 bytes"],
    [{ swapped: "{label}" }, "decimal digits"],
    [{ swapped: "{iccid}", bytes: 9 }, "does not fit in 9 bytes"],
  ] as const)("%j is refused", (form, message) => {
    expect(() => valueBytes(form, values)).toThrow(message);
  });
});

describe("what is wrong in a product file is told with its place", () => {
  const problems = (from: string, to: string): string => {
    const changed = text("pkcs15").replace(from, to);
    expect(changed).not.toBe(text("pkcs15"));
    const read = parseProduct(changed, "product.yaml");
    return read.ok ? "none" : read.problems.map(problemText).join("\n");
  };
  test.each([
    ['"A8": [{ "30"', '"A8": [{ "04"', /04 is not the tag of an object with such a value/],
    ['"0C": Persoline ', '"30": Persoline ', /30 is not the tag of an object with such a value/],
    ['"0C": Persoline ', '"1F": Persoline ', /1F is not the tag/],
    ['"0C": "{name}"', '"0C": "{nmae}"', /no field "nmae"/],
    [
      "type: transparent, size: 128, read: pin",
      "type: transparent, size: 60, read: pin",
      /take 72 bytes or more, the file has 60/,
    ],
    ['fid: "5015"', 'fid: "2F00"', /an EF of the MF has this identifier/],
    [
      "size: 64, read: always, update: perso }\n  - { ef: atr",
      "size: 64, read: pin, update: perso }\n  - { ef: atr",
      /has no PIN/,
    ],
  ] as const)("%s", (from, to, message) => {
    expect(problems(from, to)).toMatch(message);
  });
});
