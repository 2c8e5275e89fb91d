import { expect, test } from "vitest";
import { Bench, command, create, createMf, tlv } from "../../../tools/os-bench.js";
import type { Level } from "../../../tools/scp03-host.js";

const open = tlv("AB", "8001079000");

function file(size: string, level: Level = 0x01): Bench {
  const bench = new Bench();
  bench.open(level);
  for (const sent of [createMf, create("820101", "83020101", `8002${size}`, "8801F0", open)]) {
    expect(bench.safe(sent)).toBe("9000");
  }
  return bench;
}

test("offsets, ends and the short identifier", () => {
  const bench = file("0140");
  for (const [sent, answered] of [
    ["00D6013E02 AABB", "9000"],
    ["00D6013F02 AABB", "6A84"],
    ["00D6014001 AA", "6B00"],
    ["00D60000", "6700"],
    ["00B0013E02", "AABB9000"],
    ["00B0013E00", "AABB9000"],
    ["00B0013E05", "AABB6282"],
    ["00B0014000", "6B00"],
    ["00B07FFF00", "6B00"],
    ["00B00000", "6700"],
    ["00B000000101", "6700"],
    ["00B09EFE02", "FFFF9000"],
    ["00D69E0002 0102", "9000"],
    ["00B0000003", "0102FF9000"],
    ["00B0800001", "6A86"],
    ["00B09F0001", "6A86"],
    ["00B0DE0001", "6A86"],
    ["00B0810001", "6A82"],
  ] as const)
    expect(`${sent}: ${bench.safe(sent)}`).toBe(`${sent}: ${answered}`);
});

test.each([
  [0x01, 256],
  [0x13, 248],
  [0x33, 239],
] as const)("level %i: an answer holds at most %i bytes", (level, most) => {
  const bench = file("0140", level);
  expect(bench.safe("00B0000000")).toHaveLength(most * 2 + 4);
  expect(bench.safe("00B00000EF")).toHaveLength(239 * 2 + 4);
  expect(bench.safe("00B00000FF")).toHaveLength(most === 256 ? 255 * 2 + 4 : 4);
});

test("all bytes of a large file, in pieces, before and after activation", () => {
  const bench = file("0300");
  const pattern = Array.from({ length: 0x300 }, (_, at) => ((at * 7) & 0xff).toString(16).padStart(2, "0"));
  const write = (shift: number): void => {
    for (let at = shift; at < 0x300; at += 231) {
      const data = pattern.slice(at, at + 231).join("");
      expect(bench.safe(command(`00D6${at.toString(16).padStart(4, "0")}`, data))).toBe("9000");
    }
  };
  const read = (): string => {
    let text = "";
    for (let at = 0; at < 0x300; at += 0xc0)
      text += bench.safe(`00B0${at.toString(16).padStart(4, "0")}C0`).slice(0, -4);
    return text;
  };
  write(0);
  expect(read()).toBe(pattern.join("").toUpperCase());
  expect(bench.safe("00440000")).toBe("9000");
  pattern.reverse();
  write(0);
  expect(read()).toBe(pattern.join("").toUpperCase());
  bench.again();
  bench.open(0x01);
  bench.safe("00A4000C020101");
  expect(read()).toBe(pattern.join("").toUpperCase());
});
