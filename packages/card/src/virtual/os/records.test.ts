import { describe, expect, test } from "vitest";
import { image10, image12 } from "../../../tools/bench.js";
import { Bench, command, completedStore, create, createMf, tlv } from "../../../tools/os-bench.js";

const all = tlv("AB", "8001079000", "80011E9E0140");
const descriptor = (kind: string, size: string, count: string): string => `8205${kind}2100${size}${count}`;

/** An EF of this kind, in LCS 03 or 05, current; commands in a session of level 01. */
function file(shape: string, active: boolean, image: Uint8Array = image12): Bench {
  const bench = new Bench(completedStore(image));
  bench.open(0x01);
  for (const sent of [createMf, create(shape, "83020101", "880140", all)])
    expect(bench.safe(sent)).toBe("9000");
  expect(bench.safe(active ? "00440000" : "00A4000C020101")).toBe("9000");
  return bench;
}

type Steps = readonly (readonly [string, string])[];

/** What the card answers to each step's command, beside it. */
const answers = (bench: Bench, steps: Steps): Steps => steps.map(([sent]) => [sent, bench.safe(sent)]);

/** The repair of this image is seen only by writing: which record each write goes to. */
function cyclicHistory(count: number, image: Uint8Array): string[] {
  const bench = file(descriptor("06", "02", count.toString(16).padStart(2, "0")), true, image);
  for (let n = 1; n <= count + 2; n++) {
    expect(bench.say(command("00DC0003", n.toString(16).padStart(4, "0")))).toBe("9000");
  }
  return Array.from({ length: count }, (_, at) =>
    bench.say(`00B2${(at + 1).toString(16).padStart(2, "0")}0400`).slice(0, -4),
  );
}

const newestFirst = (count: number): string[] =>
  Array.from({ length: count }, (_, at) => (count + 2 - at).toString(16).toUpperCase().padStart(4, "0"));

describe("cyclic EF: the ROM's fault and its cure, by commands only", () => {
  test.each([1, 2, 4, 8, 16])("image 1.0, %i records: right", (count) => {
    expect(cyclicHistory(count, image10)).toEqual(newestFirst(count));
  });

  test.each([3, 5, 6, 7, 10])("image 1.0, %i records: records are lost", (count) => {
    expect(cyclicHistory(count, image10)).not.toEqual(newestFirst(count));
  });

  test("image 1.0, 5 records: two slots are used in turn", () => {
    expect(cyclicHistory(5, image10)).toEqual(["0007", "0006", "FFFF", "FFFF", "FFFF"]);
  });

  test.each([1, 2, 3, 4, 5, 6, 7, 8, 10, 16])("image 1.2, %i records: right", (count) => {
    expect(cyclicHistory(count, image12)).toEqual(newestFirst(count));
  });
});

describe.each([false, true])("records, activated: %s", (active) => {
  test("linear fixed", () => {
    const bench = file(descriptor("02", "03", "03"), active);
    const fixed: Steps = [
      ["00B2010400", "FFFFFF9000"],
      ["00DC010403 111111", "9000"],
      ["00DC030403 333333", "9000"],
      ["00DC000203 AAAAAA", "9000"], // next with no record current: the first
      ["00B2000400", "AAAAAA9000"], // P1 00: the current one
      ["00DC000203 222222", "9000"],
      ["00B2000200", "3333339000"],
      ["00B2000200", "6A83"],
      ["00B2000300", "2222229000"],
      ["00B2000000", "AAAAAA9000"],
      ["00B2000300", "6A83"],
      ["00B2000100", "3333339000"],
      ["00B2010403", "AAAAAA9000"],
      ["00B2010402", "6C03"],
      ["00B2040400", "6A83"],
      ["00B2FF0400", "6A83"],
      ["00B2010500", "6A86"],
      ["00B2010200", "6A86"],
      ["00B2014400", "AAAAAA9000"], // SFI 8
      ["00B2000400", "6A83"], // by SFI no record is current
      ["00B2013400", "6A82"],
      ["00B201FC00", "6A86"],
      ["00B20104", "6700"],
      ["00DC010402 1111", "6700"],
      ["00DC010404 11111111", "6700"],
      ["00DC040403 111111", "6A83"],
      ["00DC0104", "6700"],
      ["00E2000003 111111", "6A84"],
      ["00E2010003 111111", "6A86"],
      ["00B0000000", "6981"],
      ["00D6000001 00", "6981"],
    ];
    expect(answers(bench, fixed)).toEqual(fixed);
  });

  test("linear variable", () => {
    const bench = file(descriptor("04", "04", "04"), active);
    const variable: Steps = [
      ["00B2010400", "6A83"],
      ["00B2000000", "6A83"],
      ["00B2000100", "6A83"],
      ["00DC000101 11", "6A83"], // no last record yet
      ["00E2000002 1111", "9000"],
      ["00E2000004 22222222", "9000"],
      ["00B2010400", "11119000"],
      ["00B2020400", "222222229000"],
      ["00B2030400", "6A83"],
      ["00DC020401 33", "9000"],
      ["00B2020400", "339000"],
      ["00DC040403 444444", "9000"],
      ["00B2000100", "4444449000"],
      ["00B2030400", "6A83"],
      ["00E2000001 55", "6A84"],
      ["00DC030405 5555555555", "6700"],
      ["00DC0304", "6700"],
      ["00E20000", "6700"],
      ["00DC030404 55555555", "9000"],
      ["00B2030400", "555555559000"],
    ];
    expect(answers(bench, variable)).toEqual(variable);
    bench.again();
    bench.open(0x01);
    const variableAgain: Steps = [
      ["00B2014400", "11119000"],
      ["00B2024400", "339000"],
      ["00B2034400", "555555559000"],
      ["00B2044400", "4444449000"],
      ["00B2054400", "6A83"],
    ];
    expect(answers(bench, variableAgain)).toEqual(variableAgain);
  });

  test("cyclic", () => {
    const bench = file(descriptor("06", "02", "03"), active);
    const cyclic: Steps = [
      ["00B2030400", "FFFF9000"],
      ["00DC000302 1111", "9000"],
      ["00B2000400", "11119000"],
      ["00E2000002 2222", "9000"],
      ["00DC000302 3333", "9000"],
      ["00DC000302 4444", "9000"],
      ["00B2010400", "44449000"],
      ["00B2000200", "33339000"],
      ["00B2000200", "22229000"],
      ["00B2000200", "6A83"],
      ["00DC020402 5555", "9000"],
      ["00B2010400", "44449000"],
      ["00B2020400", "55559000"],
      ["00B2030400", "22229000"],
      ["00DC000301 66", "6700"],
      ["00E2000003 666666", "6700"],
    ];
    expect(answers(bench, cyclic)).toEqual(cyclic);
    bench.again();
    bench.open(0x01);
    const cyclicAgain: Steps = [
      ["00B2014400", "44449000"],
      ["00DC004302 6666", "9000"],
      ["00B2014400", "66669000"],
      ["00B2034400", "55559000"],
    ];
    expect(answers(bench, cyclicAgain)).toEqual(cyclicAgain);
  });
});

test("record commands on a transparent EF and without an EF", () => {
  const bench = new Bench();
  bench.open(0x01);
  bench.safe(createMf);
  const none: Steps = [
    ["00B2010400", "6986"],
    ["00DC010401 00", "6986"],
    ["00E2000001 00", "6986"],
    [create("820101", "83020101", "80020001"), "9000"],
    ["00B2010400", "6981"],
    ["00DC010401 00", "6981"],
    ["00E2000001 00", "6981"],
  ];
  expect(answers(bench, none)).toEqual(none);
});

test("a record too long for its protected answer", () => {
  const bench = new Bench();
  bench.open(0x33);
  bench.safe(createMf);
  bench.safe(create(descriptor("02", "FF", "01"), "83020101", tlv("AB", "8001019000")));
  expect(bench.safe("00B2010400")).toBe("6700");
  bench.safe("00440000");
  expect(bench.say("00B2010400")).toBe(`${"FF".repeat(255)}9000`);
});
