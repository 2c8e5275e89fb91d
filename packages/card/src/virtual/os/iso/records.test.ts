import { describe, expect, test } from "vitest";
import { image20 } from "../../../../tools/bench.js";
import { Bench, completedStore, create, createMf, tlv, wrong } from "../../../../tools/os-bench.js";

const all = tlv("AB", "80011F9000");
type Kind = "02" | "04" | "06";

/** An active EF of 5 records of 4 bytes, SFI 3, with this data coding byte. */
function bench(kind: Kind, coding = "21", count = "05"): Bench {
  const made = new Bench(completedStore(image20));
  made.open(0x01);
  const ef = create(`8205${kind}${coding}0004${count}`, "83020103", "880118", all);
  for (const sent of [createMf, ef, "00440000"]) expect(`${sent}: ${made.safe(sent)}`).toBe(`${sent}: 9000`);
  made.reset();
  made.say("00A4020C020103");
  return made;
}

/** Records 1 to 5 hold their number four times. */
const written = (kind: Kind): [string, string][] =>
  kind === "02"
    ? [1, 2, 3, 4, 5].map((n) => [`00DC0${n}0404${`0${n}`.repeat(4)}`, "9000"])
    : [5, 4, 3, 2, 1].map((n) => [`00E2000004${`0${kind === "06" ? n : 6 - n}`.repeat(4)}`, "9000"]);
const record = (...numbers: number[]): string => `${numbers.map((n) => `0${n}`.repeat(4)).join("")}9000`;

describe.each(["02", "04", "06"] as const)("file descriptor %s", (kind) => {
  test("all records upwards and downwards, as many as fit", () => {
    expect(
      wrong(bench(kind), [
        ...written(kind),
        ["00B2010500", record(1, 2, 3, 4, 5)],
        ["00B2030500", record(3, 4, 5)],
        ["00B2030600", record(5, 4, 3)],
        ["00B201050B", record(1, 2)],
        ["00B2010503", "6700"],
        ["00B2060500", "6A83"],
        ["00B2010700", "6A86"],
        ["00B2021D00", record(2, 3, 4, 5)],
      ]),
    ).toEqual([]);
  });

  test("the pointer: undefined, moved by modes 0 to 3, kept by numbers and by an answer that did not fit", () => {
    expect(
      wrong(bench(kind), [
        ["00B2000400", "6A83"],
        ...written(kind),
        ["00A4020C020103", "9000"],
        ["00B2000400", "6A83"],
        ["00B2000200", record(1)],
        ["00B2000203", "6C04"],
        ["00B2000204", record(2)],
        ["00B2050400", record(5)],
        ["00B2000400", record(2)],
        ["00B2000500", record(2, 3, 4, 5)],
        ["00B2000100", record(5)],
        ["00B2000200", "6A83"],
        ["00B2000300", record(4)],
        ["00B2010000", "6A86"],
      ]),
    ).toEqual([]);
  });

  test("part of a record: read, replaced, ANDed, ORed, XORed", () => {
    expect(
      wrong(bench(kind), [
        ...written(kind),
        ["00DD02040754010153020AF0", "9000"],
        ["00B2020400", "020AF0029000"],
        ["00DD0205075401015302 0F F0", "9000"],
        ["00DD0206065401035301F0", "9000"],
        ["00DD02070654010053 01FF", "9000"],
        ["00B2020400", "FD0AF0F29000"],
        ["00B302040354010100", "53030AF0F29000"],
        ["00B302040354010400", "6B00"],
        ["00B3020403540101 02", "6C05"],
        ["00B302050354010100", "6A86"],
        ["00B302040253 0000", "6A80"],
        ["00DD0204075401035302AAAA", "6A84"],
        ["00DD0203065401005301AA", "6A86"],
        ["00DD0604065401005301AA", "6A83"],
        ["00DD0204035401 00", "6A80"],
        ["00B2020400", "FD0AF0F29000"],
      ]),
    ).toEqual([]);
  });

  test("SEARCH RECORD: simple, and enhanced from an offset or after a byte", () => {
    const on = bench(kind);
    expect(
      wrong(on, [
        ...written(kind),
        ["00DC020404 AA01BB01", "9000"],
        ["00DC040404 01AABB02", "9000"],
        ["00A2010402BBAA00", "6282"],
        ["00A2010401AA00", "02049000"],
        ["00A2000401BB00", "02049000"],
        ["00B2000400", "AA01BB019000"],
        ["00A2050501AA00", "04029000"],
        ["00A2030401AA00", "049000"],
        ["00A2020603 0400AA 00", "02049000"],
        ["00A2020603 0401AA 00", "049000"],
        ["00A2020603 0600AA 00", "049000"],
        ["00A2040603 0700AA 00", "029000"],
        ["00A2050603 0500AA 00", "04029000"],
        ["00A2010603 0CAABB 00", "02049000"],
        ["00A2010603 0C0102 00", "049000"],
        ["00A2010603 0CBB01 00", "029000"],
        ["00A2010603 1400AA 00", "6A80"],
        ["00A2010602 0400 00", "6A80"],
        ["00A2060401AA00", "6A83"],
        ["00A2010301AA00", "6A86"],
        ["00A20104", "6700"],
      ]),
    ).toEqual([]);
  });
});

describe("WRITE RECORD combines as the data coding byte says", () => {
  test.each([
    ["41", "00", "5F"],
    ["61", "FF", "0A"],
    ["21", "FF", "5A"],
  ])("%s", (coding, erased, second) => {
    expect(
      wrong(bench("02", coding), [
        ["00B2020400", `${erased.repeat(4)}9000`],
        [`00D2020404${"0F".repeat(4)}`, "9000"],
        [`00D2020404${"5A".repeat(4)}`, "9000"],
        ["00B2020400", `${second.repeat(4)}9000`],
        [`00D2010203${"5A".repeat(3)}`, "6700"],
      ]),
    ).toEqual([]);
  });

  test("once; after an erasure again", () => {
    expect(
      wrong(bench("02", "01"), [
        ["00D202040400000000", "9000"],
        ["00D202040400000000", "6985"],
        ["000C0204", "9000"],
        ["00D202040411111111", "9000"],
      ]),
    ).toEqual([]);
  });

  test("previous on a cyclic EF makes record 1; another length than the one there is refused", () => {
    expect(
      wrong(bench("06", "41"), [
        ["00D200030411111111", "9000"],
        ["00D200030422222222", "9000"],
        ["00B2010500", `${"22".repeat(4)}${"11".repeat(4)}${"00".repeat(12)}9000`],
      ]),
    ).toEqual([]);
    expect(
      wrong(bench("04", "41"), [
        ["00D20104021122", "9000"],
        ["00D2010403112233", "6700"],
        ["00D20104024400", "9000"],
        ["00B2010400", "55229000"],
      ]),
    ).toEqual([]);
  });
});

test("ERASE RECORD: one, or to the last; variable ones are unwritten again", () => {
  const fixed = bench("02");
  expect(
    wrong(fixed, [
      ...written("02"),
      ["000C0204", "9000"],
      ["00B2010500", `01010101FFFFFFFF${"03".repeat(4)}${"04".repeat(4)}${"05".repeat(4)}9000`],
      ["000C0405", "9000"],
      ["00B2030500", `03030303${"FF".repeat(8)}9000`],
      ["000C0604", "6A83"],
      ["000C0106", "6A86"],
      ["000C010401AA", "6700"],
    ]),
  ).toEqual([]);
  const cyclic = bench("06");
  expect(
    wrong(cyclic, [
      ...written("06"),
      ["00E2000004AAAAAAAA", "9000"],
      // The newest five: AA 1 2 3 4.
      ["000C0405", "9000"],
      ["00B2010500", `AAAAAAAA${"01".repeat(4)}${"02".repeat(4)}${"FF".repeat(8)}9000`],
    ]),
  ).toEqual([]);
  const variable = bench("04");
  expect(
    wrong(variable, [
      ...written("04"),
      ["000C0204", "9000"],
      ["00B2010500", `${"01".repeat(4)}${"03".repeat(4)}${"04".repeat(4)}${"05".repeat(4)}9000`],
      ["00B2020400", "6A83"],
      ["000C0405", "9000"],
      ["00B2010500", `${"01".repeat(4)}${"03".repeat(4)}9000`],
      ["00E2000001EE", "9000"],
      ["00B2040400", "EE9000"],
    ]),
  ).toEqual([]);
});
