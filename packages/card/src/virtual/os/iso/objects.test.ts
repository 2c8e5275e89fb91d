import { expect, test } from "vitest";
import { image20 } from "../../../../tools/bench.js";
import { Bench, command, completedStore, create, createMf, tlv, wrong } from "../../../../tools/os-bench.js";

const all = tlv("AB", "80011F9000");

/** MF with two EFs of objects: 0104 (SFI 4, 32 bytes, open) and 0105 (16 bytes, never read), both active. */
function bench(): Bench {
  const made = new Bench(completedStore(image20));
  made.open(0x01);
  for (const sent of [
    createMf,
    create("82023921", "83020104", "80020020", "880120", all),
    "00440000",
    create("82023921", "83020105", "80020010", tlv("AB", "8001019700", "8001029000")),
    "00440000",
    create("820101", "83020106", "80020010", all),
  ])
    expect(`${sent}: ${made.safe(sent)}`).toBe(`${sent}: 9000`);
  made.reset();
  return made;
}

test("objects are put, replaced in their place and got, by tag and by list", () => {
  expect(
    wrong(bench(), [
      ["00CA005A00", "6A88"],
      ["00CA00FF00", "6A88"],
      ["00DA005A021234", "9000"],
      ["00DA9F1F01AA", "9000"],
      ["00DA0050024142", "9000"],
      ["00CA005A00", "12349000"],
      ["00CA9F1F00", "AA9000"],
      ["00CA00FF00", "5A0212349F1F01AA500241429000"],
      ["00DA005A03567890", "9000"],
      ["00CA00FF00", "5A035678909F1F01AA500241429000"],
      ["00CA005A01", "6C03"],
      ["00CB0004025C0000", "5A035678909F1F01AA500241429000"],
      ["00CB0000035C015000", "500241429000"],
      ["00CB0104055C03509F1F00", "9F1F01AA500241429000"],
      ["00CB3FFF035C015F00", "6A80"],
      ["00CB0004035C014000", "6A88"],
      ["00CB0004025D0000", "6A80"],
      ["00CB0004", "6700"],
      ["00CB0106025C0000", "6981"],
      ["00CB0999025C0000", "6A82"],
      ["00CB001F025C0000", "6A86"],
    ]),
  ).toEqual([]);
});

test("PUT DATA of whole objects; no room changes nothing; damaged ones are refused", () => {
  const on = bench();
  expect(
    wrong(on, [
      ["00DB0004085A02123450024142", "9000"],

      ["00DB000408500243447F490150", "9000"],
      ["00CB0004025C0000", "5A021234500243447F4901509000"],
    ]),
  ).toEqual([]);
  const full = command("00DA005A", "11".repeat(25));
  expect(on.writes(() => expect(wrong(on, [[full, "6A84"]])).toEqual([]))).toBe(0);
  expect(
    wrong(on, [
      ["00CA005A00", "12349000"],
      ["00DA003F01AA", "6A88"],
      ["00DA00FF01AA", "6A88"],
      ["00DA5A5A01AA", "6A88"],
      ["00DA005A", "6700"],
      ["00DB00040254", "6700"],
      ["00DB00040154", "6A80"],
    ]),
  ).toEqual([]);
});

test("the EF's rules hold, and the card's own objects stay the card's", () => {
  const on = bench();
  expect(
    wrong(on, [
      ["00DB0105035A0177", "9000"],
      ["00CA005A00", "6982"],
      ["00CB0105025C0000", "6982"],
      ["00DA005A0188", "9000"],
      ["00CA005A00", "889000"],
      ["00CA00CF00", "CF0A5053000000000000002A9000"],
      ["80CA00CF00", "CF0A5053000000000000002A9000"],
      ["00CB3FFF025C0000", "6982"],
      ["00A4020C020104", "9000"],
      ["00B0000001", "6981"],
      ["00B2010400", "6981"],
      ["00D600000100", "6981"],
    ]),
  ).toEqual([]);
});
