import { readFileSync } from "node:fs";
import { hex, unhex } from "@persoline/card/bytes";
import { describe, expect, test } from "vitest";
import { bitsOf, charactersOf, readBits } from "./bits.js";

interface TrackVector {
  readonly id: string;
  readonly track?: 1 | 2 | 3;
  readonly text: string;
  readonly chars_with_parity: string;
  readonly lrc: string;
}
const file = new URL("../../../../card/vectors/luhn-magstripe.json", import.meta.url);
const { vectors } = JSON.parse(readFileSync(file, "utf8")) as { readonly vectors: readonly TrackVector[] };
const tracks = vectors.flatMap(({ track, ...rest }) => (track === undefined ? [] : [{ track, ...rest }]));

test("there are vectors of tracks 1 and 2", () => {
  expect(new Set(tracks.map(({ track }) => track))).toEqual(new Set([1, 2]));
});

describe.each(tracks)("$id", ({ track, text, chars_with_parity, lrc }) => {
  const inner = text.slice(1, -1);
  test("is encoded as published, LRC behind", () => {
    expect(hex(charactersOf(track, inner))).toBe(chars_with_parity + lrc);
  });
  test("is read back", () => {
    expect(readBits(track, bitsOf(track, unhex(chars_with_parity + lrc)))).toEqual({ ok: true, text: inner });
  });
  test("every single bit turned round is found", () => {
    const bits = bitsOf(track, charactersOf(track, inner));
    const first = bits.indexOf(1);
    const width = track === 1 ? 7 : 5;
    for (let at = first; at < first + (inner.length + 3) * width; at++) {
      const spoilt = bits.slice();
      spoilt[at] = spoilt[at] === 1 ? 0 : 1;
      const read = readBits(track, spoilt);
      expect(read.ok ? read.text : read.fault, `bit ${String(at)}`).not.toBe(inner);
    }
  });
  test("every pair of bits turned round within one character is found by the LRC", () => {
    const bits = bitsOf(track, charactersOf(track, inner));
    const width = track === 1 ? 7 : 5;
    for (let character = 1; character <= inner.length; character++) {
      const at = bits.indexOf(1) + character * width;
      const spoilt = bits.slice();
      for (const bit of [at, at + 2]) spoilt[bit] = spoilt[bit] === 1 ? 0 : 1;
      const read = readBits(track, spoilt);
      expect(read.ok, `character ${String(character)}`).toBe(false);
    }
  });
});

test("track 3 holds as many characters as its standard says, and no more", () => {
  const full = "1".repeat(104);
  expect(charactersOf(3, full)).toHaveLength(107);
  expect(readBits(3, bitsOf(3, charactersOf(3, full)))).toEqual({ ok: true, text: full });
  expect(() => charactersOf(3, `${full}1`)).toThrow(/1 to 104/);
  expect(charactersOf(1, "A".repeat(76))).toHaveLength(79);
  expect(charactersOf(2, "1".repeat(37))).toHaveLength(40);
});

test("sentinels and strangers inside a text are refused, and the text is not told", () => {
  for (const [track, text] of [
    [1, "B12%34"],
    [1, "anna"],
    [2, "12;34"],
    [2, "12?34"],
    [2, "A1234"],
    [1, ""],
  ] as const) {
    expect(() => charactersOf(track, text)).toThrow(RangeError);
    expect(() => charactersOf(track, text)).not.toThrow(text === "" ? "never" : text);
  }
});

test("nothing written, no start, and no end are told apart", () => {
  expect(readBits(2, new Uint8Array(100))).toEqual({ ok: false, fault: "blank" });
  expect(readBits(2, Uint8Array.of(0, 0, 1, 0, 0, 0, 0, 0, 0, 0))).toEqual({ ok: false, fault: "no-start" });
  const bits = bitsOf(2, charactersOf(2, "1234"));
  expect(readBits(2, bits.subarray(0, bits.indexOf(1) + 4 * 5))).toEqual({ ok: false, fault: "no-end" });
});
