import { expect, test } from "vitest";
import { type Chip, MemoryFailure } from "../chip.js";
import { pageSize } from "../layout.js";
import { Shadow } from "./shadow.js";

const pages = 2;

/** Pages in memory; `fails` more page writes than this, and one does not hold. */
function bench() {
  const bytes = new Uint8Array(2 * pages * pageSize).fill(0xff);
  const silicon = { fails: Number.POSITIVE_INFINITY };
  const program = (at: number, content: Uint8Array): void => {
    if (silicon.fails-- <= 0) throw new MemoryFailure(at / pageSize);
    bytes.set(content, at);
  };
  const chip = {
    read: (at: number, length: number) => bytes.slice(at, at + length),
    write: (at: number, content: Uint8Array) => {
      for (let from = 0; from < content.length; from += pageSize)
        program(at + from, content.subarray(from, from + pageSize));
    },
    fill: (at: number, count: number, value: number) =>
      program(at, new Uint8Array(count * pageSize).fill(value)),
    isErased: (at: number, count: number) =>
      bytes.subarray(at, at + count * pageSize).every((byte) => byte === 0xff),
  } as unknown as Chip;
  return { bytes, silicon, shadow: new Shadow(chip, 0, pages), again: () => new Shadow(chip, 0, pages) };
}
const text = (value: number): Uint8Array => new Uint8Array(70).fill(value);

test("change after change, the last one counts and nothing is left of those before", () => {
  const { bytes, shadow, again } = bench();
  for (let value = 1; value <= 5; value++) {
    shadow.write(text(value));
    expect(again().read()).toEqual(text(value));
    const before = Buffer.from(text(value - 1).subarray(0, 50));
    expect(Buffer.from(bytes).includes(before)).toBe(false);
  }
});

test.each([0, 1, 2, 3])(
  "after page write %i has failed, the next change is whole and the last to count",
  (at) => {
    const { bytes, silicon, shadow, again } = bench();
    shadow.write(text(0x11));
    shadow.write(text(0x22));
    silicon.fails = at;
    expect(() => shadow.write(text(0x33))).toThrow(MemoryFailure);
    expect([text(0x22), text(0x33)]).toContainEqual(again().read());
    // The next one fails too, in the middle: what counts is still there.
    silicon.fails = 1;
    expect(() => shadow.write(text(0x35))).toThrow(MemoryFailure);
    expect([text(0x22), text(0x33)]).toContainEqual(again().read());
    silicon.fails = Number.POSITIVE_INFINITY;
    shadow.write(text(0x44));
    expect(again().read()).toEqual(text(0x44));
    for (const old of [0x22, 0x33, 0x35])
      expect(Buffer.from(bytes).includes(Buffer.from(text(old).subarray(0, 4)))).toBe(false);
  },
);
