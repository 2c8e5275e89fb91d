import { expect, test } from "vitest";
import { pickToken, type ShownToken } from "./pick-token.js";

const shown = (label: string, serial: string, slot: number): ShownToken => {
  const number = Buffer.alloc(8);
  number.writeBigUInt64LE(BigInt(slot));
  return { label, serial, slot: number };
};
const one = shown("line", "AAAA", 1_234_567_890);
const two = shown("line", "BBBB", 7);
const other = shown("backup", "CCCC", 8);

test("one token of the label is it", () => {
  expect(pickToken([other, one], { label: "line" })).toBe(one);
  expect(pickToken([one], { label: "line", expected: "AAAA" })).toBe(one);
});

test("two of one label are refused, with both, and with the one that the keys were made in", () => {
  expect(() => pickToken([one, other, two], { label: "line" })).toThrow(
    /^2 tokens have the label line \(serial AAAA in slot 1234567890, serial BBBB in slot 7\), and which one is meant is not said: pick one with --token-serial, or with --token-slot where both have the same$/,
  );
  expect(() => pickToken([one, two], { label: "line", expected: "BBBB" })).toThrow(
    "The keys here were made in the one with serial BBBB",
  );
  expect(() => pickToken([one, two], { label: "line", expected: "DDDD" })).not.toThrow("DDDD");
});

test("serial or slot picks one", () => {
  expect(pickToken([one, two], { label: "line", serial: "BBBB" })).toBe(two);
  expect(pickToken([one, two], { label: "line", slot: 1_234_567_890 })).toBe(one);
  const twin = shown("line", "AAAA", 9);
  expect(() => pickToken([one, twin], { label: "line", serial: "AAAA" })).toThrow("2 tokens have the label");
  expect(pickToken([one, twin], { label: "line", serial: "AAAA", slot: 9 })).toBe(twin);
  expect(() => pickToken([one, two], { label: "line", serial: "BBBB", slot: 9 })).toThrow(
    "no token line has serial BBBB, slot 9; there is serial AAAA in slot 1234567890, serial BBBB in slot 7",
  );
});

test("another token than the keys were made in is refused, with both serials, unless it is named", () => {
  expect(() => pickToken([two], { label: "line", expected: "AAAA" })).toThrow(
    /made in token line with serial AAAA, and the token line that is there has serial BBBB in slot 7: put the right one in; its PIN was not tried.*--token-serial BBBB$/,
  );
  expect(pickToken([two], { label: "line", expected: "AAAA", serial: "BBBB" })).toBe(two);
});

test("where none is there, the others are named", () => {
  expect(() => pickToken([other, shown("", "", 3)], { label: "line" })).toThrow(
    /the right one\? It shows backup$/,
  );
  expect(() => pickToken([], { label: "line" })).toThrow("It shows no other");
});

test("what a token says of itself neither moves the terminal nor makes lines of its own", () => {
  const hostile = shown("line", "\u001B]0;x\u0007\u001B[2J\nall is well\u202E", 7);
  const wrong = () => pickToken([hostile], { label: "line", expected: "AAAA" });
  expect(wrong).toThrow("serial <1B>]0;x<07><1B>[2J<0A>all is well<202E> in slot 7");
  expect(wrong).not.toThrow(/[\p{Cc}\p{Cf}]/u);
  const other = () => pickToken([shown("\u001B[2J", "1", 7)], { label: "line" });
  expect(other).toThrow(/It shows <1B>\[2J$/);
});
