import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { DataProblem } from "../orders/problem.js";
import { parseLine } from "./line-file.js";

const desk = readFileSync(new URL("../../../../examples/lines/desk.yaml", import.meta.url), "utf8");
const all = "[electrical-test, completion, initialisation, personalization, chip-proof, quality]";
const carousel = (reader: string, heads: number, mode = "ideal"): string => `
line: slots
mode: ${mode}
transport: { kind: simulated-carousel, moveMs: 0 }
stations:
  - { name: all, does: ${all}, heads: ${String(heads)}, reader: ${reader} }
without: [visual]
`;
const codes = (text: string): readonly string[] => {
  try {
    parseLine(text, "line.yaml");
    return [];
  } catch (problem) {
    if (problem instanceof DataProblem) return problem.problems.map(({ code }) => code);
    throw problem;
  }
};
const slot = (at: number): string => `{ pcsc: Twin, serial: S${String(at)}, presents: "127.0.0.1:1" }`;

describe("readers in a line file", () => {
  test("one reader is a list of one; the desk of the examples is whole", () => {
    const line = parseLine(desk, "desk.yaml");
    expect(line.stations[0]?.reader).toEqual([{ pcsc: "Virtual PCD", slot: 0 }]);
    expect(line.transport).toEqual({ kind: "operator", moveMs: 4000 });
    expect(codes(carousel(`[${slot(1)}, { vpcd: 41000, presents: "127.0.0.1:41000" }]`, 2))).toEqual([]);
  });

  test.each([
    ["fewer readers than heads", carousel(slot(1), 2), ["heads-and-readers"]],
    ["one reader at two heads", carousel(`[${slot(1)}, ${slot(1)}]`, 2), ["reader-twice"]],
    ["virtual bodies nobody presents", carousel("{ pcsc: Twin }", 1), ["presents"]],
    ["real readers on virtual time", carousel(slot(1), 1, "virtual"), ["real-on-virtual-time"]],
    [
      "a person before a simulated reader",
      desk.replace(/reader: .*/, "reader: simulated"),
      ["no-real-reader"],
    ],
    ["a person and presented bodies", desk.replace("slot: 0", 'slot: 0, presents: "a:1"'), ["presents"]],
    ["a desk of two heads", desk.replace("heads: 1", "heads: 2"), ["heads-and-readers", "one-reader"]],
    ["virtual stock at a desk", `${desk}stock: [{ lot: L1, count: 1 }]\n`, ["real-blanks"]],
    [
      "more readers than pcscd drives",
      carousel(`[${Array.from({ length: 17 }, (_, at) => slot(at)).join(", ")}]`, 17),
      ["too-many-readers"],
    ],
  ])("%s", (_what, text, expected) => {
    expect(codes(text)).toEqual(expected);
  });
});
