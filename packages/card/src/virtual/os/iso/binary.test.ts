import { describe, expect, test } from "vitest";
import { image20 } from "../../../../tools/bench.js";
import { Bench, command, completedStore, create, createMf, tlv, wrong } from "../../../../tools/os-bench.js";

const all = tlv("AB", "80011F9000");

/** The EF of 16 bytes by its descriptor object, SFI 2, active or not. */
function bench(descriptor: string, active = true): Bench {
  const made = new Bench(completedStore(image20));
  made.open(0x01);
  const steps = [
    createMf,
    create(descriptor, "83020102", "80020010", "880110", all),
    ...(active ? ["00440000"] : []),
  ];
  for (const sent of steps) expect(`${sent}: ${made.safe(sent)}`).toBe(`${sent}: 9000`);
  if (active) {
    made.reset();
    made.say("00A4020C020102");
  }
  return made;
}

describe("WRITE BINARY combines as the data coding byte says", () => {
  test.each([
    ["820101", "OR without one", "00", "5F"],
    ["82020141", "OR", "00", "5F"],
    ["82020161", "AND", "FF", "0A"],
    ["82020121", "as UPDATE", "FF", "5A"],
  ])("%s: %s", (descriptor, _, erased, second) => {
    const on = bench(descriptor);
    expect(
      wrong(on, [
        ["00B0000010", `${erased.repeat(16)}9000`],
        ["00D00003010F", "9000"],
        ["00B0000301", "0F9000"],
        ["00D00003015A", "9000"],
        ["00B0000301", `${second}9000`],
        ["00B0000401", `${erased}9000`],
      ]),
    ).toEqual([]);
  });

  test("once", () => {
    const on = bench("82020101");
    expect(
      wrong(on, [
        ["00D00003020F0F", "9000"],
        ["00B0000205", "FF0F0FFFFF9000"],
      ]),
    ).toEqual([]);
    expect(on.writes(() => expect(wrong(on, [["00D0000402AAAA", "6985"]])).toEqual([]))).toBe(0);
    expect(
      wrong(on, [
        ["000E0003020005", "9000"],
        ["00D0000302AAAA", "9000"],
      ]),
    ).toEqual([]);
  });
});

test("odd instructions: offset and content in objects, the EF by SFI, FID or current", () => {
  expect(
    wrong(bench("82020121"), [
      ["00D700000854010253020A0B00", "6A80"],
      ["00D700000754010253020A0B", "9000"],
      ["00D700020754010453020C0D", "9000"],
      ["00D70102085402000673020E0F", "9000"],
      ["00B100000354010200", "530E0A0B0C0D0E0FFFFFFFFFFFFFFFFF9000"],
      ["00B100000354010206", "53040A0B0C0D9000"],
      ["00B100000354011000", "6B00"],
      ["00B100000353010000", "6A80"],
      ["00B1000002540000", "6A80"],
      ["00B1001F0354010200", "6A86"],
      ["00B100030354010200", "6A82"],
      ["00B199990354010200", "6A82"],
      ["00D10000075401005302AAAA", "9000"],
      ["00B0000004", "AAAA0A0B9000"],
      ["00D700000754010F5302AAAA", "6A84"],
      ["00D700000554010F5300", "6A80"],
    ]),
  ).toEqual([]);
});

test("ERASE BINARY: to the end, or to the first byte that stays", () => {
  const on = bench("82020121");
  const fill = command("00D60000", "11".repeat(16));
  expect(
    wrong(on, [
      [fill, "9000"],
      ["000E0004020006", "9000"],
      ["00B0000010", `${"11".repeat(4)}FFFF${"11".repeat(10)}9000`],
      ["000E000E", "9000"],
      ["00B0000C04", "1111FFFF9000"],
      ["000F00000754010154020003", "9000"],
      ["000F00000754010154010354", "6A80"],
      ["00B0000004", "11FFFF119000"],
      ["000F000003540108", "9000"],
      ["00B0000704", "11FFFFFF9000"],
      ["000E0004020004", "6B00"],
      ["000E0004020011", "6B00"],
      ["000E00040105", "6700"],
      ["000E0010", "6B00"],
      ["000E8204", "9000"],
      ["00B0000004", "11FFFF119000"],
      ["00B0000402", "FFFF9000"],
    ]),
  ).toEqual([]);
});

test("SEARCH BINARY: the first match at or after the offset", () => {
  expect(
    wrong(bench("82020121"), [
      [command("00D60000", "00010203010203040000000000000102"), "9000"],
      ["00A0000002010200", "00019000"],
      ["00A0000202010200", "00049000"],
      ["00A0820502010200", "000E9000"],
      ["00A0000F02010200", "6282"],
      ["00A0000001AA00", "6282"],
      ["00A00000", "6700"],
      ["00A10000075401025302010200", "540200049000"],
      ["00A100000754010253020AAA00", "6282"],
      ["00A100000354010200", "6A80"],
    ]),
  ).toEqual([]);
});

test("the rule of each act, and what is no transparent EF", () => {
  const on = new Bench(completedStore(image20));
  on.open(0x01);
  const rules = tlv("AB", "8001019000", "800102A0059E01409700", "8001049700");
  for (const sent of [
    createMf,
    create("82020121", "83020102", "80020010", rules),
    "00440000",
    create("820138", "83020103"),
  ])
    expect(on.safe(sent)).toBe("9000");
  expect(on.say("00B0000001")).toBe("6986");
  on.say("00A4000C023F00");
  on.say("00A4000C020102");
  expect(
    wrong(on, [
      ["00B0000001", "FF9000"],
      ["00A0000001FF00", "00009000"],
      ["00D600000101", "6982"],
      ["000E0000", "6982"],
      ["00D000000101", "6982"],
      ["00B2010400", "6981"],
    ]),
  ).toEqual([]);
  expect(on.safe("00D600000101")).toBe("9000");
  expect(on.safe("00D000000101")).toBe("6982");
  expect(on.safe("00B0000001")).toBe("019000");
});

test("before activation nothing without the session", () => {
  const on = bench("82020121", false);
  expect(
    wrong(on, [
      ["00D000000101", "6982"],
      ["000E0000", "6982"],
      ["00A0000001FF00", "6982"],
    ]),
  ).toEqual([]);
  expect(on.writes(() => expect(on.safe("00D000000101")).toBe("9000"))).toBe(1);
});
