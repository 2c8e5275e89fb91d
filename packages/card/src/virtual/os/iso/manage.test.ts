import { describe, expect, test } from "vitest";
import { image20 } from "../../../../tools/bench.js";
import { Bench, completedStore, create, createMf, tlv, wrong } from "../../../../tools/os-bench.js";

const all = tlv("AB", "80017F9000");
const ef = (...objects: readonly string[]): string => create("820101", "83020101", "80020010", ...objects);

function bench(...steps: readonly string[]): Bench {
  const made = new Bench(completedStore(image20));
  made.open(0x01);
  for (const sent of [createMf, ...steps]) expect(`${sent}: ${made.safe(sent)}`).toBe(`${sent}: 9000`);
  return made;
}

describe("CREATE FILE", () => {
  test.each([
    ["82020111", "6A80"],
    ["820102", "6A80"],
    ["8205 0121 0004 04", "6A80"],
    ["820149", "6A80"],
    ["82013A", "6A80"],
  ])("a file descriptor that is none: %s", (descriptor, answered) => {
    const on = bench();
    expect(on.safe(create(descriptor.replaceAll(" ", ""), "83020101", "80020010"))).toBe(answered);
  });

  test("attributes: what is taken and what is refused", () => {
    const taken = [
      tlv("AB", "8001019000"),
      tlv("AB", "800101B400"),
      tlv("AB", "8402B0B29000"),
      tlv("AB", "800101AF059E01C09000"),
      tlv("AB", "800101A00AA4068301819501089700"),
      tlv("AB", "800101A7029700"),
      tlv("AB", "8001019E0191"),
      tlv("8C", "0300FF"),
      tlv("8C", "7FFF00FF00FF0010"),
      tlv("8C", "01100190"),
    ];
    const refused = [
      tlv("AB", "800101"),
      tlv("AB", "80019000"),
      tlv("AB", "8001809000"),
      tlv("AB", "9000"),
      tlv("AB", "8401B19000"),
      tlv("AB", "84009000"),
      tlv("AB", "800101A000"),
      tlv("AB", "800101A004A0029000"),
      tlv("AB", "800101B600"),
      tlv("AB", "8001019E0102"),
      tlv("AB", "8001019E0112"),
      tlv("8C", "0300"),
      tlv("8C", "80FF"),
      tlv("8C", "0002"),
      tlv("8C", "0101"),
      tlv("AB", "8001019000") + tlv("8C", "0100"),
      "8A0104",
      "8A010C",
      "8A020505",
      "8101108001 10",
      "87021234",
    ];
    for (const one of taken) {
      const on = bench();
      expect(`${one}: ${on.safe(ef(one))}`).toBe(`${one}: 9000`);
      const fcp = on.say("00A4020402010100");
      expect(fcp).toContain(one);
      // As it was read after a reset.
      on.reset();
      expect(on.say("00A4020402010100")).toBe(fcp);
    }
    for (const one of refused)
      expect(`${one}: ${bench().safe(ef(one.replace(" ", "")))}`).toBe(`${one}: 6A80`);
  });

  test("P1 and P2 stand in for descriptor and SFI; 81 for 80; 8A begins a life", () => {
    const on = bench();
    expect(on.safe("00E0010A0100")).toBe("6A86");
    expect(on.safe("00E00010096207830201018101 10")).toBe("6A80");
    expect(on.safe("00E00110096207830201018101 10")).toBe("9000");
    expect(on.say("00A4020402010100")).toBe("621182010183020101800200108801108A01039000");
    expect(on.safe(create("820101", "83020102", "80020010", "8A0105", all))).toBe("9000");
    on.reset();
    expect(on.say("00A4000C020102")).toBe("9000");
    expect(on.say("00B0000001")).toBe("009000");
    expect(on.say("00D600000155")).toBe("9000");
  });

  test("without a session: an active DF whose rule allows it, for its kind of file", () => {
    const on = bench("00440000");
    expect(on.say(ef())).toBe("6982");
    const efs = tlv("AB", "8001029000");
    const dfs = tlv("AB", "8001049000");
    expect(on.safe(create("820138", "83020200", efs))).toBe("9000");
    expect(wrong(on, [[ef(), "6982"]])).toEqual([]);
    expect(on.safe("00440000")).toBe("9000");
    expect(
      wrong(on, [
        [ef(), "9000"],
        [create("820138", "83020201"), "6982"],
        ["00A4000C023F00", "9000"],
      ]),
    ).toEqual([]);
    expect(on.safe(create("820138", "83020300", dfs, "8A0105"))).toBe("9000");
    expect(
      wrong(on, [
        [ef(), "6982"],
        [create("820138", "83020301"), "9000"],
      ]),
    ).toEqual([]);
  });
});

describe("compact attributes", () => {
  // READ: PIN or a key; UPDATE: PIN and secure messaging; WRITE never.
  const on = bench(ef(tlv("8C", "07FFD030"), "880110"), "00440000");
  test("alternatives, conjunctions, never", () => {
    on.reset();
    expect(
      wrong(on, [
        ["00B0820001", "6982"],
        ["00D6820001AA", "6982"],
        ["00D0820001AA", "6982"],
      ]),
    ).toEqual([]);
    on.open(0x01);
    expect(on.safe("00B0820001")).toBe("6982");
    expect(on.safe("00D6820001AA")).toBe("6982");
    expect(on.safe("00D0820001AA")).toBe("6982");
  });
});

test("a rule of instructions opens those alone, even and odd", () => {
  const on = bench(ef(tlv("AB", "8402B0A09000"), "880110"), "00440000");
  on.reset();
  expect(
    wrong(on, [
      ["00B0820001", "009000"],
      ["00B10002035401 0000", `5310${"00".repeat(16)}9000`],
      ["00A082000100 00", "00009000"],
      ["00D6820001AA", "6982"],
      ["000E8200", "6982"],
    ]),
  ).toEqual([]);
});

test("life cycle of files: activate, deactivate, terminate, delete, each by its rule", () => {
  const on = bench(
    create("820138", "83020100", "8405A000000001", all),
    ef("880110", all),
    create("820101", "83020102", "80020010", tlv("AB", "8001019000")),
  );
  expect(on.writes(() => expect(on.safe("00440200020101")).toBe("9000"))).toBe(1);
  expect(on.safe("00440200020102")).toBe("9000");
  expect(on.safe("00440000020100")).toBe("9000");
  on.reset();
  expect(
    wrong(on, [
      ["00A4040C05A000000001", "9000"],
      ["00040200020101", "9000"],
      ["00040200020102", "6982"],
      ["00E60200020101", "6A82"],
      ["00E80000020100", "6A82"],
      ["00E40200020102", "9000"],
      ["00B0820001", "6985"],
      ["00440200020101", "9000"],
      ["00B0820001", "009000"],
      ["00E80000", "9000"],
      ["00E80000", "9000"],
      ["00B0820001", "6985"],
      ["00440000", "6985"],
      ["00040200020101", "6985"],
      ["00A4020C020101", "6285"],
      ["00440300", "6A86"],
      ["00440001", "6A86"],
      ["00440200", "6700"],
      ["00E80100020101", "6A82"],
      ["00A4040C05A000000001", "9000"],
      ["00E40000", "6985"],
      ["00E40900020101", "9000"],
      ["00E40000", "9000"],
      ["00A4040C05A000000001", "6A82"],
      ["00E40000023F00", "6985"],
    ]),
  ).toEqual([]);
});

test("rule 01 of the DF above deletes its children, when it is active", () => {
  const on = bench(
    create("820138", "83020100", tlv("AB", "8001019000")),
    ef("8A0105"),
    create("820101", "83020102", "80020010"),
  );
  on.say("00A4000C020100");
  expect(wrong(on, [["00E40200020101", "6982"]])).toEqual([]);
  expect(on.safe("00440000020100")).toBe("9000");
  expect(
    wrong(on, [
      ["00E40200020101", "9000"],
      ["00E40200020102", "6982"],
    ]),
  ).toEqual([]);
  expect(on.safe("00E40200020102")).toBe("9000");
});

test("terminating a DF takes all below it out of life, PIN and keys too", () => {
  const on = bench(create("820138", "83020100", all), ef("880110", all, "8A0105"), "00440000020100");
  on.say("00A4000C020100");
  expect(
    wrong(on, [
      ["00E60000", "9000"],
      ["00A4020C020101", "6285"],
      ["00B0000001", "6985"],
      ["00200081", "6985"],
    ]),
  ).toEqual([]);
  expect(on.safe(create("820101", "83020103", "80020010"))).toBe("6985");
});
