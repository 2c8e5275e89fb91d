import { describe, expect, test } from "vitest";
import { Bench, command, create, createMf, openRules, tlv } from "../../../tools/os-bench.js";

const df = (fid: string, ...more: string[]): string => create("820138", `8302${fid}`, ...more);
const ef = (fid: string, size: string, ...more: string[]): string =>
  create("820101", `8302${fid}`, `8002${size}`, ...more);
const select = (fid: string): string => command("00A4000C", fid);

function started(): Bench {
  const bench = new Bench();
  expect(bench.open(0x01)).toBe("9000");
  expect(bench.safe(createMf)).toBe("9000");
  return bench;
}

describe("before there is a file", () => {
  test("nothing can be selected, and the MF has to come first", () => {
    const bench = new Bench();
    for (const [sent, answered] of Object.entries({
      "00A4000C023F00": "6A82",
      "00A4000C": "6A82",
      "00A4030C": "6A82",
      "00A4080C020101": "6A82",
      "00A40400 08 A000000151000000": "6F0A8408A0000001510000009000",
      "00B0000000": "6986",
      "00B0810000": "6A82",
      "00B2010400": "6986",
      "0020008108241234FFFFFFFFFF": "6A88",
      "80CADF0100": "DF010B03010001020002004001009000",
    }))
      expect(`${sent}: ${bench.say(sent)}`).toBe(`${sent}: ${answered}`);
    bench.open(0x01);
    expect(bench.safe(ef("0101", "0010"))).toBe("6A82");
    expect(bench.safe(df("0101"))).toBe("6A82");
    expect(bench.safe(create("820101", "83023F00", "80020010"))).toBe("6A80");
    expect(bench.safe("00E4000002 0101")).toBe("6A82");
    expect(bench.safe("00440000")).toBe("6A82");
    expect(bench.safe(createMf)).toBe("9000");
    expect(bench.safe(createMf)).toBe("6A89");
    expect(bench.say("80CADF0100")).toBe("DF010B03010001020002004001019000");
  });
});

describe("CREATE FILE", () => {
  test.each([
    ["no template", "00E0000002 8201"],
    ["not 62", "00E0000003 6F0100"],
    ["two templates", "00E0000004 62006200"],
    ["cut off", "00E0000005 6204820101"],
    ["no descriptor", create("83020101", "80020010")],
    ["no FID", create("820101", "80020010")],
    ["FID of one byte", create("820101", "830101", "80020010")],
    ["no size", create("820101", "83020101")],
    ["size 0", create("820101", "83020101", "80020000")],
    ["unknown object", create("820101", "83020101", "80020010", "850100")],
    ["object twice", create("820101", "83020101", "83020102", "80020010")],
    ["unknown kind", create("820103", "83020101", "80020010")],
    ["coding byte", create("82020141", "83020101", "80020010")],
    ["reserved FID", create("820101", "83023FFF", "80020010")],
    ["EF with a name", create("820101", "83020101", "80020010", "8405A000000001")],
    ["DF with a size", create("820138", "83020101", "80020010")],
    ["DF with SFI", create("820138", "83020101", "880108")],
    ["name too long", create("820138", "83020101", tlv("84", "A0".repeat(17)))],
    ["records without numbers", create("82020221", "83020101", "80020010")],
    ["record size 0", create("82050221000004", "83020101")],
    ["record count 0", create("82050221000400", "83020101")],
    ["record size 256", create("82050221010004", "83020101")],
    ["variable record of 255", create("8205042100FF02", "83020101")],
    ["size not records", create("82050221000404", "83020101", "80020011")],
    ["SFI 31", create("820101", "83020101", "80020010", "8801F8")],
    ["SFI with low bits", create("820101", "83020101", "80020010", "880109")],
    ["rule without condition", create("820101", "83020101", "80020010", "AB03800101")],
    ["condition without rule", create("820101", "83020101", "80020010", "AB029000")],
    ["unknown access mode", create("820101", "83020101", "80020010", "AB058001809000")],
    ["unknown condition", create("820101", "83020101", "80020010", "AB058001018B00")],
    ["other security byte", create("820101", "83020101", "80020010", "AB068001019E0110")],
    ["other usage", create("820101", "83020101", "80020010", "AB0B800101A406830181950120")],
  ])("refuses %s", (_, sent) => {
    const bench = started();
    expect(bench.writes(() => expect(bench.safe(sent)).toBe("6A80"))).toBe(0);
  });

  test("knows what exists already", () => {
    const bench = started();
    expect(bench.safe(df("0100", "8405A000000001"))).toBe("9000");
    expect(bench.safe(df("0100"))).toBe("6A89");
    expect(bench.safe(ef("0101", "0010", "880108"))).toBe("9000");
    expect(bench.safe(ef("0101", "0010"))).toBe("6A89");
    expect(bench.safe(ef("0100", "0010"))).toBe("6A89");
    expect(bench.safe(ef("3F00", "0010"))).toBe("6A89");
    expect(bench.safe(df("0102", "8405A000000001"))).toBe("6A8A");
    expect(bench.safe(df("0102", "8408A000000151000000"))).toBe("6A8A");
    expect(bench.safe(ef("0102", "0010", "880108"))).toBe("6A80");
    expect(bench.safe(select("3F00"))).toBe("9000");
    expect(bench.safe(ef("0101", "0010", "880108"))).toBe("9000");
    expect(bench.safe("00E0010000")).toBe("6A86");
    expect(bench.say(ef("0104", "0010"))).toBe("6982");
  });

  test("ends at 40 files, 43 bytes of description and the last page", () => {
    const bench = started();
    const rule = "800101A406830181950108";
    expect(bench.safe(ef("0101", "0001", tlv("AB", rule.repeat(4))))).toBe("6A84");
    expect(bench.safe(ef("0101", "0001", tlv("AB", rule.repeat(3), "9000".repeat(5))))).toBe("9000");
    expect(bench.safe(create("8205042100010B", "83020102", tlv("AB", rule.repeat(3))))).toBe("6A84");
    expect(bench.safe(create("8205042100010A", "83020102", tlv("AB", rule.repeat(3))))).toBe("9000");
    // 299 pages: MF's pair, two bodies of one page; 295 more.
    expect(bench.safe(ef("0103", "49C1"))).toBe("6A84");
    expect(bench.safe(ef("0103", "49C0"))).toBe("9000");
    expect(bench.safe(ef("0104", "0001"))).toBe("6A84");
    expect(bench.safe("00E4000002 0103")).toBe("9000");
    for (let n = 0; n < 37; n++)
      expect(bench.safe(ef(`02${n.toString().padStart(2, "0")}`, "0001"))).toBe("9000");
    expect(bench.safe(ef("0300", "0001"))).toBe("6A84");
    expect(bench.safe("00E4000002 0210")).toBe("9000");
    expect(bench.safe(ef("0300", "0001"))).toBe("9000");
    bench.again();
    expect(bench.say(select("0300"))).toBe("9000");
    expect(bench.say(select("0210"))).toBe("6A82");
    expect(bench.say(select("0211"))).toBe("9000");
  });
});

describe("SELECT", () => {
  const tree = (): Bench => {
    const bench = started();
    for (const sent of [
      df("0100", "8405A000000001"),
      ef("0101", "0010", "880108", openRules),
      df("0110", tlv("84", "A0".repeat(16))),
      create("82050221000504", "83020111", "8A0101"),
      select("3F00"),
      create("82020121", "83020001", "80022000"),
    ])
      expect(bench.safe(sent)).toBe("9000");
    bench.reset();
    return bench;
  };

  test("answers what was created, in one order", () => {
    const bench = tree();
    const expected: Record<string, string> = {
      "00A4000000": "6F0A82013883023F008A0103",
      "00A4000402 0100 00": "62118201388302010084 05A0000000018A0103",
      "00A4000002 0101 00": `6F1E820101830201018002001088 01088A0103${openRules}`,
      "00A4000402 0110 00": `621C8201388302011084 10${"A0".repeat(16)}8A0103`,
      "00A4020402 0111 00": "6212820502210005048302011180020014 8A0103",
      "00A4080402 0001 00": "620F820201218302000180022000 8A0103",
    };
    for (const [sent, answered] of Object.entries(expected))
      expect(bench.say(sent)).toBe(`${answered.replaceAll(" ", "").toUpperCase()}9000`);
  });

  test("finds by identifier, path, name, parent", () => {
    const bench = tree();
    const steps: readonly (readonly [string, string])[] = [
      ["00A4000C 02 0101", "6A82"], // a child of the DF, not of the MF
      ["00A4080C 04 01000101", "9000"],
      ["00A4000C 02 0100", "9000"], // the current DF itself
      ["00A4000C 02 0110", "9000"],
      ["00A4000C 02 0100", "9000"], // its parent
      ["00A4000C 02 0110", "9000"],
      ["00A4000C 02 0001", "6A82"], // a cousin
      ["00A4030C", "9000"],
      ["00A4030C", "9000"],
      ["00A4030C", "6A82"], // the MF has none
      ["00A4020C 02 0100", "6A82"], // not an EF
      ["00A4020C 02 0001", "9000"],
      ["00A4040C 05 A000000001", "9000"],
      ["00A4020C 02 0101", "9000"],
      ["00A4040C 04 A0000000", "6A82"], // full names only
      ["00A4000C 02 0110", "9000"],
      ["00A4040C 08 A000000151000000", "9000"],
      ["00A4000C 02 0001", "9000"],
      ["00A4080C 06 010001100111", "9000"],
      ["00A4080C 04 01000102", "6A82"],
      ["00A4080C 04 01010101", "6A82"],
      ["00A4000C", "9000"],
      ["00A4000C 02 0001", "9000"],
    ];
    for (const [sent, answered] of steps) expect(`${sent}: ${bench.say(sent)}`).toBe(`${sent}: ${answered}`);
    // What failed left the current file.
    expect(bench.say("00A4000C 02 0999")).toBe("6A82");
    expect(bench.say("00B0000001")).toBe("6982");
  });

  test("refuses what it does not know", () => {
    const bench = tree();
    for (const [sent, answered] of Object.entries({
      "00A4010C023F00": "6A86",
      "00A4090C023F00": "6A86",
      "00A40008023F00": "6A86",
      "00A40001023F00": "6A86",
      "00A4000C013F": "6700",
      "00A4030C023F00": "6700",
      "00A4080C03010001": "6700",
      "00A4080C": "6700",
      "00A4040C": "6700",
      "00A4000405": "6C0C",
    }))
      expect(`${sent}: ${bench.say(sent)}`).toBe(`${sent}: ${answered}`);
  });
});

describe("life cycle", () => {
  test("03, 05, 04, 05; rules count from 05 on", () => {
    const bench = started();
    bench.safe(ef("0101", "0010", "880108", openRules));
    bench.safe("00D6000002AABB");
    expect(bench.say("00B0000002")).toBe("6982");
    expect(bench.safe("00B0000002")).toBe("AABB9000");
    expect(bench.safe("00040000")).toBe("6985");
    expect(bench.writes(() => expect(bench.safe("00440000")).toBe("9000"))).toBe(1);
    expect(bench.writes(() => expect(bench.safe("00440000")).toBe("9000"))).toBe(0);
    expect(bench.say("00B0000002")).toBe("AABB9000");
    expect(bench.say("00040000")).toBe("6982");
    expect(bench.writes(() => expect(bench.safe("0004000002 0101")).toBe("9000"))).toBe(1);
    expect(bench.safe("00B0000002")).toBe("6985");
    expect(bench.safe("00D6000002AABB")).toBe("6985");
    expect(bench.say("00A4000C020101")).toBe("6283");
    expect(bench.say("00A4000402010100").slice(-4)).toBe("6283");
    expect(bench.say("00B0810002")).toBe("6985");
    expect(bench.safe("00440000")).toBe("9000");
    expect(bench.say("00B0810002")).toBe("AABB9000");
    expect(bench.safe("00440100")).toBe("6A86");
    expect(bench.safe("0044000001 01")).toBe("6700");
    expect(bench.safe("0044000002 0999")).toBe("6A82");
  });

  test("a deactivated DF closes all below it", () => {
    const bench = started();
    for (const sent of [df("0100"), ef("0101", "0010", "AB05800101" + "9000"), "00440000", "0044000002 0100"])
      expect(bench.safe(sent)).toBe("9000");
    expect(bench.say("00B0000001")).toBe("FF9000");
    expect(bench.safe("0004000002 0100")).toBe("9000");
    expect(bench.say("00B0000001")).toBe("6985");
    expect(bench.say("00A4000C020101")).toBe("6283");
    expect(bench.safe(ef("0102", "0001"))).toBe("6985");
    expect(bench.safe("0044000002 0100")).toBe("9000");
    expect(bench.say("00B0000001")).toBe("FF9000");
  });

  test("DELETE FILE gives the pages back and leaves its neighbours", () => {
    const bench = started();
    const filled = (fid: string, byte: string): void => {
      expect(bench.safe(ef(fid, "0080", "AB05800101" + "9000"))).toBe("9000");
      expect(bench.safe(command("00D60000", byte.repeat(128)))).toBe("9000");
      expect(bench.safe("00440000")).toBe("9000");
    };
    for (const [fid, byte] of [
      ["0101", "11"],
      ["0102", "22"],
      ["0103", "33"],
    ] as const)
      filled(fid, byte);
    expect(bench.safe("00E4000002 0102")).toBe("6982"); // activated, and no rule for it
    expect(bench.safe(ef("0104", "0080"))).toBe("9000");
    expect(bench.writes(() => expect(bench.safe("00E4000002 0104")).toBe("9000"))).toBe(3);
    expect(bench.safe("00B0000001")).toBe("6986");
    expect(bench.safe("00E4000002 0104")).toBe("6A82");
    expect(bench.safe("00E4000003 010401")).toBe("6700");
    expect(bench.safe("00E4000102 0104")).toBe("6A86");
    expect(bench.say("00E4000002 0103")).toBe("6982");
    filled("0104", "44");
    bench.again();
    for (const [fid, byte] of [
      ["0101", "11"],
      ["0102", "22"],
      ["0103", "33"],
      ["0104", "44"],
    ] as const) {
      bench.say(select(fid));
      expect(bench.say("00B0000080")).toBe(`${byte.repeat(128)}9000`);
    }
    bench.open(0x01);
    expect(bench.safe(df("0200"))).toBe("9000");
    expect(bench.safe(ef("0201", "0001", "AB058001409000"))).toBe("9000");
    expect(bench.safe("00440000")).toBe("9000");
    expect(bench.safe(select("3F00"))).toBe("9000");
    expect(bench.safe("00E4000002 0200")).toBe("6985");
    expect(bench.safe(select("0200"))).toBe("9000");
    expect(bench.safe("00E4000002 0201")).toBe("9000");
    expect(bench.safe(select("3F00"))).toBe("9000");
    expect(bench.safe("00E4000002 0200")).toBe("9000");
  });

  test("TERMINATE CARD USAGE is for ever", () => {
    const bench = started();
    expect(bench.say("00FE0000")).toBe("6982");
    expect(bench.safe("00FE0001")).toBe("6A86");
    expect(bench.safe("00FE000001 00")).toBe("6700");
    expect(bench.writes(() => expect(bench.safe("00FE0000")).toBe("9000"))).toBe(10);
    for (let turn = 0; turn < 2; turn++) {
      expect(bench.say("00A4000C023F00")).toBe("6285");
      expect(bench.say("80CADF0100")).toBe("DF010B0F01000102000200 40FF019000".replaceAll(" ", ""));
      expect(bench.say("80CA00C100")).toBe("6985");
      expect(bench.say("8050000008010203040506070800")).toBe("6985");
      expect(bench.say("0084000008")).toBe("6985");
      expect(bench.say("00B1000000")).toBe("6D00");
      bench.again();
    }
  });

  test("SET STATUS goes forward only", () => {
    const bench = started();
    const steps: readonly (readonly [string, string])[] = [
      ["80F08001", "6985"],
      ["80F08003", "6A86"],
      ["80F04007", "6A86"],
      ["80F0807F", "6985"],
      ["80F080FF", "6985"],
      ["80F08007 08 A000000151000001", "6A80"],
      ["80F08007 08 A000000151000000", "9000"],
      ["80F08001", "6985"],
      ["80F0800F", "9000"],
      ["80F08007", "6985"],
      ["80F0807F", "9000"],
      ["80F080FF", "6985"],
    ];
    for (const [sent, answered] of steps) expect(`${sent}: ${bench.safe(sent)}`).toBe(`${sent}: ${answered}`);
    // Locked: nothing in plain but finding out.
    expect(bench.say("00B0000001")).toBe("6985");
    expect(bench.say("00A4040C08A000000151000000")).toBe("6283");
    expect(bench.say("0084000008")).toHaveLength(20);
    expect(bench.writes(() => expect(bench.safe("80F0800F")).toBe("9000"))).toBe(1);
    bench.again();
    expect(bench.say("80CADF0100").slice(24, 26)).toBe("0F");
    expect(bench.say("80F0807F")).toBe("6982");
  });
});

describe("what comes before every command", () => {
  test("class, instruction and length", () => {
    const bench = started();
    for (const [sent, answered] of Object.entries({
      "01A4000C": "6881",
      "03A4000C": "6881",
      "40A4000C": "6881",
      "60A4000C": "6881",
      "81CA00CF00": "6881",
      "10A4000C": "6884",
      "90CA00CF00": "6884",
      "0CA4000C": "6882",
      "88CA00CF00": "6882",
      "20A4000C": "6E00",
      A0A4000C: "6E00",
      E0A4000C: "6E00",
      "00A5000C": "6D00",
      "80A4000C": "6D00",
      "00500000": "6D00",
      "80120000": "6D00",
      "80140000": "6D00",
      "80160000": "6D00",
      "80180000": "6D00",
      "84D60280": "6D00",
      "84440000": "6D00",
      "00A4000C000002": "6700",
      "00A4000C0000023F00": "6700",
      "00A4000C033F00": "6700",
      "00A4000C023F000000": "6700",
      "80CA00CF05": "6C0C",
      "80CA123400": "6A88",
      "80CA00CF0101": "6700",
      "0084000000": "6700",
      "0084000107": "6A86",
    }))
      expect(`${sent}: ${bench.say(sent)}`).toBe(`${sent}: ${answered}`);
  });
});

describe("power cuts", () => {
  const prepared = (...sent: string[]): Bench => {
    const bench = started();
    for (const one of [ef("0101", "0040"), ...sent]) expect(bench.safe(one)).toBe("9000");
    return bench;
  };
  /** The session costs two page writes; then the nth is torn. */
  const torn = (base: Bench, write: number): Bench => {
    const bench = new Bench(base.store, { kind: "torn-at", write: write + 2 });
    bench.open(0x01);
    return bench;
  };

  test.each([1, 2, 3])("at page write %i of CREATE FILE: no file, and it can be made again", (write) => {
    const bench = torn(prepared(), write);
    expect(bench.safe(ef("0102", "0080"))).toBe("mute");
    bench.again();
    expect(bench.say(select("0102"))).toBe("6A82");
    expect(bench.say(select("0101"))).toBe("9000");
    bench.open(0x01);
    expect(bench.writes(() => expect(bench.safe(ef("0102", "0080"))).toBe("9000"))).toBe(3);
  });

  test("at DELETE FILE: all of it is there", () => {
    const bench = torn(prepared(ef("0102", "0002"), "00D6000002AABB"), 1);
    expect(bench.safe("00E4000002 0102")).toBe("mute");
    bench.again();
    expect(bench.say(select("0102"))).toBe("9000");
    bench.open(0x01);
    expect(bench.safe("00B0000000")).toBe("AABB9000");
    expect(bench.safe("00E4000002 0102")).toBe("9000");
    bench.again();
    expect(bench.say(select("0102"))).toBe("6A82");
  });

  test.each(["00440000", "00040000"])("at %s: the old life cycle", (sent) => {
    const first = sent === "00040000" ? ["00440000"] : [];
    const bench = torn(prepared(...first), 1);
    bench.safe(select("0101"));
    expect(bench.safe(sent)).toBe("mute");
    bench.again();
    const state = (): string => bench.say("00A4000402010100").slice(-6, -4);
    expect(state()).toBe(first.length > 0 ? "05" : "03");
    bench.open(0x01);
    expect(bench.safe(sent)).toBe("9000");
    expect(state()).toBe(first.length > 0 ? "04" : "05");
  });

  test("at SET STATUS and TERMINATE CARD USAGE: the old state", () => {
    for (const sent of ["80F08007", "00FE0000"]) {
      const bench = torn(prepared(), 1);
      expect(bench.safe(sent)).toBe("mute");
      bench.again();
      expect(bench.say("80CADF0100").slice(6, 8)).toBe("03");
      expect(bench.say("80CADF0100").slice(24, 26)).toBe("01");
    }
  });
});
