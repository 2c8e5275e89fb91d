import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { utf8 } from "../bytes/index.js";
import { arranged, IssuerDataProblem, noInstructions, parseRecord } from "./index.js";

const ids = [0x9200, 0x0101, 0x8000, 0x8010, 0x9000, 0x9010, 0x9102, 0x9104];
const sent = (more: Partial<typeof noInstructions>): string =>
  arranged(ids, { ...noInstructions, ...more })
    .map(({ ids: own, optional }) => own.map((id) => id.toString(16)).join("+") + (optional ? "?" : ""))
    .join(" ");

describe("the commands that instructions make", () => {
  test.each([
    ["none: by identifier", {}, "101 8000 8010 9000 9010 9102 9104 9200"],
    [
      "ORDER fills the places of its own",
      { order: [[0x9010, 0x8010]] },
      "101 8000 9010 9000 8010 9102 9104 9200",
    ],
    [
      "ORDER of two sequences",
      {
        order: [
          [0x9010, 0x8010],
          [0x9200, 0x0101],
        ],
      },
      "9200 8000 9010 9000 8010 9102 9104 101",
    ],
    [
      "GROUP stands where its first would",
      { groups: [[0x9200, 0x9102]] },
      "101 8000 8010 9000 9010 9200+9102 9104",
    ],
    ["VERCNTL is never the last", { optional: [0x9104, 0x9200] }, "101 8000 8010 9000 9010 9104? 9200? 9102"],
    ["VERCNTL elsewhere", { optional: [0x0101] }, "101? 8000 8010 9000 9010 9102 9104 9200"],
    [
      "all together",
      { order: [[0x9010, 0x8010]], groups: [[0x9102, 0x9104]], optional: [0x9200] },
      "101 8000 9010 9000 8010 9200? 9102+9104",
    ],
  ])("%s", (_, instructions, expected) => {
    expect(sent(instructions)).toBe(expected);
  });

  test("what cannot be kept together is refused", () => {
    // The group takes 9000 before 8000, which the sequence forbids.
    const torn = { order: [[0x8000, 0x9010, 0x9000]], groups: [[0x8000, 0x9000]] };
    expect(() => sent(torn)).toThrow("the sequence 8000, 9010, 9000 of ORDER cannot be kept");
    expect(() => sent({ order: [[0x9104, 0x9200]], optional: [0x9200] })).toThrow("cannot be kept");
    expect(() => sent({ optional: ids })).toThrow("none is left that would bring the others into force");
  });

  test("every grouping goes up once, and every sequence is kept or refused", () => {
    const some = fc.subarray(ids, { minLength: 2 });
    const shuffled = some.chain((own) =>
      fc.shuffledSubarray(own, { minLength: own.length, maxLength: own.length }),
    );
    fc.assert(
      fc.property(shuffled, shuffled, fc.subarray(ids), (sequence, group, optional) => {
        const isOptional = optional.includes(group[0] ?? 0);
        const groups = group.every((id) => optional.includes(id) === isOptional) ? [group] : [];
        let commands: ReturnType<typeof arranged>;
        try {
          commands = arranged(ids, { order: [sequence], groups, optional });
        } catch (refused) {
          if (refused instanceof IssuerDataProblem) return;
          throw refused;
        }
        const flat = commands.flatMap((one) => one.ids);
        expect(flat.toSorted((a, b) => a - b)).toEqual(ids.toSorted((a, b) => a - b));
        expect(flat.filter((id) => sequence.includes(id))).toEqual(sequence);
        expect(commands.at(-1)?.optional).toBe(false);
        for (const own of groups) expect(commands.map((one) => one.ids)).toContainEqual(own);
      }),
    );
  });
});

describe("in JSON", () => {
  const read = (instructions: unknown) => {
    const app = {
      aid: "A000000003",
      mode: "aes-wrap",
      level: 1,
      plain: { "9102": "00", "9104": "00", "9010": "0303" },
      secret: { "8010": "00".repeat(24) },
      instructions,
    };
    const bytes = utf8(JSON.stringify({ data: { Name: "A" }, applications: [app] }));
    try {
      return parseRecord("json", { number: 2, bytes }).applications[0]?.instructions;
    } catch (problem) {
      if (problem instanceof IssuerDataProblem) return problem.message;
      throw problem;
    }
  };
  test("the same instructions by their names; unknown ones and contradictions are refused", () => {
    expect(read(undefined)).toEqual(noInstructions);
    expect(
      read({ order: [["9010", "8010"]], group: [["9102", "9104"]], vercntl: [], random: ["9102"] }),
    ).toEqual({
      order: [[0x9010, 0x8010]],
      groups: [[0x9102, 0x9104]],
      optional: [],
      random: [0x9102],
    });
    expect(read({ updatecplc: "01" })).toContain('key "updatecplc" is unknown');
    expect(read({ order: ["9010", "8010"] })).toContain("lists groupings by four hexadecimal digits");
    expect(read({ order: "9010" })).toContain("lists of lists");
    expect(read({ vercntl: ["9102"] })).toMatchObject({ optional: [0x9102] });
    expect(read({ vercntl: ["8010"] })).toMatch(
      /^record 2, application A000000003: VERCNTL names the secret grouping 8010: .*take it out of VERCNTL$/,
    );
    expect(read({ vercntl: [9010] })).toContain("four hexadecimal digits");
    expect(read({ group: [["8010", "9010"]] })).toContain(
      "secret and open groupings into one command (8010, 9010)",
    );
    expect(read({ group: [["9102", "9104"]], vercntl: ["9104"] })).toContain("beside others (9102, 9104)");
    expect(
      read({
        group: [
          ["9102", "9104"],
          ["9104", "9010"],
        ],
      }),
    ).toContain("GROUP names grouping 9104 twice");
  });

  test("a key twice in one object is refused, wherever it stands and however it is written", () => {
    const record = (applications: string, data = "{}") => {
      const bytes = utf8(`{"data":${data},"applications":[${applications}]}`);
      return () => parseRecord("json", { number: 7, bytes });
    };
    const app = (plain: string, more = "") =>
      `{"aid":"A000000003","mode":"aes-wrap"${more},"plain":{${plain}}}`;
    const twice = (key: string) => `record 7: key "${key}" is there twice in one object`;
    expect(record(app('"9001":"AABBCC","9001":"DDEEFF"'))).toThrow(twice("9001"));
    expect(record(app('"9001":"AABBCC","\\u0039001" : "DDEEFF"'))).toThrow(twice("9001"));
    expect(record(app('"9001":"AABBCC"', ',"mode":"3des-cbc"'))).toThrow(twice("mode"));
    expect(record(app('"9001":"AA"'), '{"Name":"A","Name":"B"}')).toThrow(twice("Name"));
    expect(record(app('"9001":"AA"'), '{"__proto__":"A","__proto__":"B"}')).toThrow(twice("__proto__"));
    // The same key in two objects, and texts that look like keys, are nothing wrong.
    const sound = record(app('"9001":"AA"'), '{"Name":"\\"Name\\":","Other":"\\"Name\\": {\\"9001\\":"}');
    expect(sound().data).toEqual({ Name: '"Name":', Other: '"Name": {"9001":' });
    const two = record(`${app('"9001":"AA"')},${app('"9001":"BB"').replace("0003", "0004")}`);
    expect(two().applications).toHaveLength(2);
  });
});
