import { expect, test } from "vitest";
import { image20 } from "../../../../tools/bench.js";
import { Bench, completedStore, create, createMf, tlv, wrong } from "../../../../tools/os-bench.js";

const all = tlv("AB", "80017F9000");
const df = (fid: string, name: string): string => create("820138", `8302${fid}`, tlv("84", name), all);
const up = "00A4000C023F00";
const shape = (fid: string): string => `8201388302${fid}`;

/** MF; DFs 0100 A0000001, 0200 A000000102, 0300 B0000001 with DF 0301 in it; EF 0111 in 0100, EF 2F00 (SFI 30) in the MF. */
function bench(): Bench {
  const made = new Bench(completedStore(image20));
  made.open(0x01);
  const steps = [
    createMf,
    create("820101", "83022F00", "80020010", "8801F0", all),
    df("0100", "A0000001"),
    create("82050221000401", "83020111", all),
    up,
    df("0200", "A000000102"),
    up,
    df("0300", "B0000001"),
    df("0301", "A00000019F"),
  ];
  for (const sent of steps) expect(`${sent}: ${made.safe(sent)}`).toBe(`${sent}: 9000`);
  made.reset();
  return made;
}

/** FCP of a DF. */
const fcp = (fid: string, name: string): string =>
  tlv("62", shape(fid), tlv("84", name), "8A0103", all) + "9000";

test("by identifier, child, parent and path", () => {
  expect(
    wrong(bench(), [
      ["00A40104020100", "9000"],
      ["00A4000C023F00", "9000"],
      ["00A4010402010001", "6C19"],
      ["00A4010402010000", fcp("0100", "A0000001")],
      ["00A4010C020111", "6A82"],
      ["00A4020C020111", "9000"],
      ["00A4020C020100", "6A82"],
      ["00A4030C", "9000"],
      ["00A4030C", "6A82"],
      ["00A4080C0403000301", "9000"],
      ["00A4030400", fcp("0300", "B0000001")],
      ["00A4090C020301", "9000"],
      ["00A4030C", "9000"],
      ["00A4090C040301FFFF", "6A82"],
      ["00A4090C", "6700"],
      ["00A4090C0103", "6700"],
      ["00A4030C0103", "6700"],
      ["00A4080C0401000111", "9000"],
      ["00A4080C022F00", "9000"],
      ["00A4050C020100", "6A86"],
      ["00A4000D023F00", "6A86"],
      ["00A4001C023F00", "6A86"],
    ]),
  ).toEqual([]);
});

test("P2: FCI, FCP, FMD or nothing; without Le nothing is answered", () => {
  expect(
    wrong(bench(), [
      ["00A4040004A000000100", tlv("6F", shape("0100"), "8404A0000001", "8A0103", all) + "9000"],
      ["00A4040804A000000100", `64068404A00000019000`],
      ["00A4040404A0000001", "9000"],
      ["00A4020802011100", "64009000"],
      ["00A4020402011100", tlv("62", "82050221000401", "83020111", "80020004", "8A0103", all) + "9000"],
    ]),
  ).toEqual([]);
});

test("a name's beginning finds the first, next, last and previous DF, in the order of their making", () => {
  const name = (p2: string): string => `00A404${p2}04A000000100`;
  const [one, two, three] = [fcp("0100", "A0000001"), fcp("0200", "A000000102"), fcp("0301", "A00000019F")];
  expect(
    wrong(bench(), [
      [name("04"), one],
      [name("06"), two],
      [name("06"), three],
      [name("06"), "6A82"],
      ["00A4030C", "9000"],
      [name("07"), three],
      [name("07"), two],
      [name("07"), one],
      [name("07"), "6A82"],
      [name("05"), three],
      ["00A4040C03A00000", "9000"],
      ["00A4040C05A00000019F", "9000"],
      ["00A4040C05A000000103", "6A82"],
      ["00A4040C04C0000001", "6A82"],
      ["00A4040C", "6700"],
      ["00A4040011" + "A0".repeat(17), "6700"],
      // The card manager by its whole name only.
      ["00A4040008A00000015100000000", "6F0A8408A0000001510000009000"],
      ["00A4040C07A0000001510000", "6A82"],
    ]),
  ).toEqual([]);
});

test("a SELECT that fails leaves the current EF; a SFI makes its EF current", () => {
  expect(
    wrong(bench(), [
      ["00A4000C023F00", "9000"],
      ["00B09E0001", "6982"],
      ["00A4080C0401000111", "9000"],
      ["00A4000C02FFFF", "6A82"],
      ["00B2010400", "6982"],
    ]),
  ).toEqual([]);
});

test("deactivated and terminated files are named as such, with their template", () => {
  const on = bench();
  on.open(0x01);
  for (const sent of ["00A4000C020100", "00440000", "00040000"]) expect(on.safe(sent)).toBe("9000");
  expect(
    wrong(on, [
      ["00A4040C04A0000001", "6283"],
      ["00A4020C020111", "6283"],
    ]),
  ).toEqual([]);
  expect(on.safe("00E60000")).toBe("6A82");
  expect(on.safe("00A4040C04A0000001")).toBe("6283");
  expect(on.safe("00E60000")).toBe("9000");
  expect(
    wrong(on, [
      ["00A4020802011100", "64006285"],
      ["00B2010400", "6985"],
      ["00A4040804A000000100", "64068404A00000016285"],
    ]),
  ).toEqual([]);
});
