import { describe, expect, test } from "vitest";
import { z } from "zod";
import { problemText, strictYaml } from "./yaml.js";

const schema = z.strictObject({
  name: z.string(),
  size: z.number().int().max(100),
  list: z.array(z.strictObject({ id: z.string(), kind: z.enum(["a", "b"]) })).optional(),
});
const problems = (text: string): string[] => {
  const read = strictYaml(schema, text, "x.yaml");
  return read.ok ? [] : read.problems.map(problemText);
};

describe("strict YAML", () => {
  test("reads what fits and places later checks", () => {
    const read = strictYaml(schema, 'name: "007"\nsize: 7\nlist:\n  - id: x\n    kind: a\n', "x.yaml");
    expect(read.ok && read.value).toEqual({ name: "007", size: 7, list: [{ id: "x", kind: "a" }] });
    const placed = read.ok ? read.problem(["list", 0, "kind"], "c", "m", "r") : undefined;
    expect(placed).toMatchObject({ line: 5, column: 11, path: "list.0.kind" });
  });

  test("tells all problems of a file at once, each with its place", () => {
    expect(problems("nmae: x\nsize: 700\nlist:\n  - { id: 007, kind: c }\n")).toEqual([
      "x.yaml:1:1 name: this key is missing; add it (string)",
      'x.yaml:1:1 nmae: the key "nmae" is not known here; did you mean "name"?',
      expect.stringMatching(/^x\.yaml:2:7 size: .*100/),
      'x.yaml:4:11 list.0.id: without quotes YAML reads 007 as the number 7; put it in quotes: "007"',
      "x.yaml:4:22 list.0.kind: this value is not one of those allowed; use a, b",
    ]);
  });

  test("suggests the near key, inside lists too, and nothing where none is near", () => {
    expect(problems("name: x\nsize: 1\nlist:\n  - { id: x, kidn: a, colour: red }\n")).toEqual([
      "x.yaml:4:5 list.0.kind: this key is missing; add it: a or b",
      'x.yaml:4:14 list.0.kidn: the key "kidn" is not known here; did you mean "kind"?',
      'x.yaml:4:23 list.0.colour: the key "colour" is not known here; remove it, or correct its spelling',
    ]);
  });

  describe("a value with several forms", () => {
    const some = z.strictObject({
      blanks: z
        .union([z.number().int().min(1), z.strictObject({ number: z.number().min(1) })])
        .describe("so many, or this one"),
      what: z.discriminatedUnion("kind", [
        z.strictObject({ kind: z.enum(["dead", "silent", "late"]) }),
        z.strictObject({ kind: z.literal("slow"), factor: z.number().max(9) }),
      ]),
    });
    const saidOf = (blanks: string, what = "{ kind: dead }"): string[] => {
      const read = strictYaml(some, `blanks: ${blanks}\nwhat: ${what}\n`, "x.yaml");
      return read.ok ? [] : read.problems.map(problemText);
    };
    test("a key of another form is told so, never as a slip of itself", () => {
      expect(saidOf("5", "{ kind: dead, factor: 2 }")).toEqual([
        'x.yaml:2:21 what.factor: "kind: dead" takes no "factor"; remove it, or choose another kind',
      ]);
    });
    const forms =
      "x.yaml:1:1 blanks: this has none of the forms that are allowed; write a number or { number: … }: so many, or this one";

    test.each([
      ["a group of other keys", "{ from: 1, to: 3 }", [forms]],
      ["a list", "[1, 2]", [forms]],
      ["a slip in the only key", "{ nubmer: 1 }", [/number: this key is missing/, /did you mean "number"/]],
      [
        "one key too many",
        "{ number: 1, to: 3 }",
        [/^x\.yaml:1:22 blanks\.to: the key "to" is not known here/],
      ],
      [
        "too little",
        "{ number: 0 }",
        ["x.yaml:1:19 blanks.number: this must be at least 1; correct the value"],
      ],
    ])("%s", (_, text, expected) => {
      const said = saidOf(text);
      expect(said).toHaveLength(expected.length);
      const isSo = (one: string, wanted: string | RegExp = "") =>
        typeof wanted === "string" ? one === wanted : wanted.test(one);
      expect(said.filter((one, at) => !isSo(one, expected[at]))).toEqual([]);
    });

    test("another kind than there is: those that there are, and the near one", () => {
      expect(saidOf("1", "{ kind: deed }")).toEqual([
        'x.yaml:2:15 what.kind: this value is not one of those allowed; did you mean "dead"? use dead, silent, late, slow',
      ]);
      expect(saidOf("1", "{ factor: 3 }")).toEqual([
        "x.yaml:2:1 what.kind: this key is missing; add it: dead or silent or late or slow",
      ]);
      expect(saidOf("1", "{ kind: slow, factor: 10 }")).toEqual([
        "x.yaml:2:29 what.factor: this must be at most 9; correct the value",
      ]);
    });
  });

  test("values that a union lists one by one are all told", () => {
    const dots = z.strictObject({
      dpi: z.union([z.literal(300), z.literal(600)]),
      level: z.union([z.enum(["L", "M"]), z.int().min(0)]).optional(),
    });
    const saidOf = (text: string): string[] => {
      const read = strictYaml(dots, text, "x.yaml");
      return read.ok ? [] : read.problems.map(problemText);
    };
    expect(saidOf("dpi: 200\n")).toEqual([
      "x.yaml:1:6 dpi: this value is not one of those allowed; use 300, 600",
    ]);
    expect(saidOf("dpi: 300\nlevel: X\n")).toEqual([
      "x.yaml:2:8 level: this value is not one of those allowed; use L, M",
    ]);
  });

  test("lengths are told in characters and entries", () => {
    const long = z.strictObject({ name: z.string().max(3), list: z.array(z.string()).min(2) });
    const read = strictYaml(long, "name: abcd\nlist: [a]\n", "x.yaml");
    expect(read.ok ? [] : read.problems.map(problemText)).toEqual([
      "x.yaml:1:7 name: this must have at most 3 characters; write fewer",
      "x.yaml:2:1 list: this must have at least 2 entries; write more",
    ]);
  });

  test.each([
    ["doubled keys", "name: x\nname: y\nsize: 1\n", /^x\.yaml:2:1 .*keep one/],
    ["broken syntax", 'name: "x\nsize: 1\n', /^x\.yaml:\d+:\d+ /],
    ["aliases", "name: &a x\nsize: 1\nlist: [{ id: *a, kind: a }]\n", /aliases are not read/],
    ["an empty file", "", /^x\.yaml:1:1 this must be a group of keys|^x\.yaml:1:1 this key is missing/],
    ["a list instead of keys", "- 1\n", /^x\.yaml:1:1 this must be a group of keys/],
  ])("refuses %s", (_, text, message) => {
    expect(problems(text)[0]).toMatch(message);
  });
});
