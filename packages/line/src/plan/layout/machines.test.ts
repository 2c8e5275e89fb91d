import { readFileSync } from "node:fs";
import { wheels } from "@persoline/card/id1";
import fc from "fast-check";
import { expect, test } from "vitest";
import { engraverGeometry, printerGeometry, wheelsGeometry } from "../../devices/marker/geometry.js";
import { DeviceFault } from "../../devices/problem.js";
import { recordsOf } from "../../devices/marker/emboss/records.js";
import {
  compileVisual,
  lintVisual,
  type MachineReach,
  readFonts,
  unreachable,
  type VisualLayout,
} from "./index.js";

const fonts = readFonts();
const offered = { texts: ["name", "cardNumber", "pan"], photos: [], codes: ["cardNumber"] };
const visualOf = (front: string, emboss?: string): VisualLayout =>
  compileVisual(
    {
      ...(front === "" ? {} : { front: { file: "front.yaml", text: `side: front\n${front}` } }),
      ...(emboss === undefined
        ? {}
        : { emboss: { file: "emboss.yaml", text: `side: front\nlines:\n${emboss}` } }),
    },
    offered,
    fonts,
  );
const values = { name: "MARIA LINDQVIST", cardNumber: "A-1", pan: "4111 1111 1111 1111" };
const linted = (visual: VisualLayout, ...machines: MachineReach[]) =>
  lintVisual(visual, [{ number: 1, values, photos: {} }], undefined, machines)
    .filter(({ rule }) => ["machine", "emboss-area", "emboss-overlap"].includes(rule))
    .map(({ at, severity, fields, message, remedy }) => ({ at: at.file, severity, fields, message, remedy }));
const refused = (visual: VisualLayout, ...machines: MachineReach[]) =>
  unreachable(visual.draw(values, {}).faces, visual.struck(values, {}), machines, visual.blank).map(
    ({ field }) => field,
  );

/** Whether the driver of the wheels would strike the lines. */
function isStruck(job: Parameters<typeof recordsOf>[1]): boolean {
  try {
    recordsOf("e", job);
    return true;
  } catch (thrown) {
    if (thrown instanceof DeviceFault) return false;
    throw thrown;
  }
}
const strikes = (visual: VisualLayout): boolean =>
  isStruck({ kind: "emboss", side: "front", lines: visual.draw(values, {}).emboss });

const embosser: MachineReach = { ...wheelsGeometry("emboss"), name: "the embosser of visual" };
const engraver = (bounds: [number, number, number, number]): MachineReach => ({
  ...engraverGeometry({ bounds, dpi: 300 }),
  name: "the laser",
});
const text = (box: string, more = ""): string =>
  `fields:\n  - { name: who, kind: text, text: "{name}", font: Inter-Bold, size: 8, box: ${box}${more} }`;

test.each([
  ["the lowest line of area 2", '{ name: low, text: "{name}", yFromBottom: 3.86 }', []],
  [
    "one that an embosser reaches, below that area",
    '{ name: low, text: "{name}", yFromBottom: 3.6 }',
    ["low"],
  ],
  ["a line below its carriage", '{ name: low, text: "{name}", yFromBottom: 3.3 }', ["low"]],
  ["a line that ends beyond it", '{ name: far, text: "{name}", yFromBottom: 5, x: 50 }', ["far"]],
  ["a number line", '{ name: pan, font: 7B, text: "{pan}", x: 10.2, yFromBottom: 21.42 }', []],
  [
    "two lines half a millimetre apart",
    '{ name: one, text: "{name}", yFromBottom: 4 }\n  - { name: two, text: "{name}", yFromBottom: 4.5 }',
    ["one", "two"],
  ],
  [
    "two lines, the one above the other",
    '{ name: one, text: "{name}", yFromBottom: 4 }\n  - { name: two, text: "{name}", yFromBottom: 6.9 }',
    [],
  ],
  ["a number off its line", '{ name: pan, font: 7B, text: "{pan}", x: 10.2, yFromBottom: 20 }', ["pan"]],
] as const)("%s: the linter, the order's take-up and the embosser itself agree", (_, line, expected) => {
  const visual = visualOf("", `  - ${line}`);
  const found = linted(visual, embosser);
  expect([...new Set(found.flatMap(({ fields }) => fields))]).toEqual(expected);
  // Each is told once: of two lines the first names both.
  expect([...new Set(refused(visual, embosser))]).toEqual(expected.slice(0, 1));
  expect(strikes(visual)).toBe(expected.length === 0);
  for (const { at, severity } of found) expect([at, severity]).toEqual(["emboss.yaml", "error"]);
  // Without an embosser there is nobody to refuse it.
  expect(refused(visual)).toEqual([]);
});

test("whatever lines there are: what the take-up lets through, the machine strikes, and the other way round", () => {
  const line = fc.record({
    font: fc.constantFrom("7B", "4B", "rear"),
    text: fc.stringMatching(/^[0-9](?: ?[0-9]){0,18}$/).filter((text) => text.length <= 19),
    // Mostly where they may stand, and about its edges.
    x: fc.oneof(fc.double({ min: 2.4, max: 60, noNaN: true }), fc.constantFrom(7.65, 10.2)),
    yFromBottom: fc.oneof(
      fc.double({ min: 3.3, max: 4.2, noNaN: true }),
      fc.double({ min: 1, max: 40, noNaN: true }),
      fc.constantFrom(3.86, 7, 10.5, 21.42),
    ),
  });
  let [struck, refusedOnes] = [0, 0];
  fc.assert(
    fc.property(fc.array(line, { minLength: 1, maxLength: 4 }), fc.boolean(), (drawn, raised) => {
      const layer = raised ? ("emboss" as const) : ("indent" as const);
      const lines = drawn.map((one) => ({ ...one, pitch: wheels[one.font].pitch }));
      const reach: MachineReach = { ...wheelsGeometry(layer), name: "the wheels" };
      const placed = lines.map((one, at) => ({
        ...one,
        kind: "line" as const,
        layer,
        field: `line-${String(at)}`,
        side: "front" as const,
        height: wheels[one.font].height,
      }));
      const isDone = isStruck({ kind: layer, side: "front", lines });
      if (isDone) struck++;
      else refusedOnes++;
      expect(unreachable([], placed, [reach]).length === 0).toBe(isDone);
    }),
    { numRuns: 2_000 },
  );
  // Of both there were enough.
  expect(Math.min(struck, refusedOnes)).toBeGreaterThan(50);
});

test("what a carriage does not reach is said with its machine's name", () => {
  const [low] = linted(visualOf("", '  - { name: low, text: "{name}", yFromBottom: 3.3 }'), embosser)
    .map(({ message }) => message)
    .filter((message) => message.includes("the way of"));
  expect(low).toContain("the way of the embosser of visual");
});

test("a laser's field: what lies in it, what leaves it, and what it does not mark", () => {
  const box = "[4, 10, 40, 5]";
  expect(linted(visualOf(text(box)), engraver([0.5, 0.5, 85.1, 53.48]))).toEqual([]);
  const narrow = engraver([10, 0.5, 85.1, 53.48]);
  const [found, ...more] = linted(visualOf(text(box)), narrow);
  expect([found?.at, found?.severity, found?.fields, more]).toEqual(["front.yaml", "error", ["who"], []]);
  expect(found?.message).toContain("beyond the field of the laser, 10.00..85.10");
  expect(refused(visualOf(text(box)), narrow)).toEqual(["who"]);
  expect(linted(visualOf(text(box, ", layer: colour")), narrow)).toEqual([]);
});

test("a printer that leaves an edge white, and one that prints beyond it", () => {
  const edge = visualOf(text("[0.6, 10, 40, 5]", ", layer: colour"));
  const printer = (margin: number, bleed = 0): MachineReach => ({
    ...printerGeometry({ dpi: 300, margin, bleed }),
    name: "the printer",
  });
  expect(linted(edge, printer(2)).map(({ fields }) => fields)).toEqual([["who"]]);
  expect(linted(edge, printer(0))).toEqual([]);
  expect(linted(edge, printer(0, 1))).toEqual([]);
});

test("a code's modules on a machine of other dots: unequal bars are told, modules of a dot or two refused", () => {
  const code = (module: number): VisualLayout =>
    visualOf(
      `dpi: 600\nfields:\n  - { name: q, kind: code, symbology: qrcode, text: "{cardNumber}", module: ${String(module)}, box: [20, 10, 25, 25] }`,
    );
  const coarse = engraver([0, 0, 85.6, 53.98]);
  // 10, 9 and 3 dots of 600 an inch.
  expect(linted(code(0.4233), coarse)).toEqual([]);
  const [unequal, ...more] = linted(code(0.381), coarse);
  expect([unequal?.severity, more]).toEqual(["warning", []]);
  expect(unequal?.message).toContain("4.50 dots of the laser");
  expect(linted(code(0.127), coarse)).toMatchObject([{ severity: "error", fields: ["q"] }]);
  expect([refused(code(0.381), coarse), refused(code(0.127), coarse)]).toEqual([[], ["q"]]);
});

test("the examples are within the reach of a desk's machines", () => {
  for (const product of ["office-access", "warehouse-access", "payment"]) {
    const file = new URL(`../../../../../examples/products/${product}/layout/emboss.yaml`, import.meta.url);
    const raised = compileVisual(
      { emboss: { file: "emboss.yaml", text: readFileSync(file, "utf8") } },
      { ...offered, texts: ["name", "number", "embossedPan", "validFrom", "validThru", "embossedName"] },
      fonts,
    );
    const all = {
      name: "M".repeat(27),
      number: "PP-00101",
      embossedPan: "9999 0100 0471 1019",
      validFrom: "12/26",
      validThru: "12/31",
      embossedName: "M".repeat(26),
    };
    expect(unreachable([], raised.struck(all, {}), [embosser], raised.blank)).toEqual([]);
  }
});
