import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { codeOf } from "../../node/testing.js";
import {
  aid,
  CARD_PROBLEMS,
  CardProblem,
  concat,
  equal,
  equalConstantTime,
  fid,
  fromUtf8,
  hex,
  kcv,
  readU16,
  readUnsigned,
  Secret,
  sfi,
  u16,
  unhex,
  unsigned,
  utf8,
  xor,
} from "./index.js";

const anyBytes = fc.uint8Array({ maxLength: 64 });

describe("hex", () => {
  test("writes upper case and reads both", () => {
    expect(hex(Uint8Array.of(0x00, 0xab, 0xff))).toBe("00ABFF");
    expect(unhex("00abFF")).toEqual(Uint8Array.of(0x00, 0xab, 0xff));
    fc.assert(fc.property(anyBytes, (bytes) => equal(unhex(hex(bytes)), bytes)));
  });
  test.each(["0", "0G", "00 11", "0x12", " 00", "٠٠"])("refuses %j", (text) => {
    expect(codeOf(() => unhex(text))).toBe("bad-hex");
  });
  test("does not repeat the text in the message", () => {
    expect(() => unhex("404142zz")).toThrow(/^hex, character 7: not a hexadecimal digit$/);
  });
});

test("joins, compares and combines", () => {
  fc.assert(
    fc.property(anyBytes, anyBytes, (a, b) => {
      const both = concat(a, b);
      expect(both.length).toBe(a.length + b.length);
      expect(equal(both.subarray(0, a.length), a)).toBe(true);
      expect(equal(a, b)).toBe(hex(a) === hex(b));
      expect(equalConstantTime(a, b)).toBe(hex(a) === hex(b));
    }),
  );
  fc.assert(fc.property(anyBytes, (a) => equal(xor(xor(a, a), a), a)));
  expect(codeOf(() => xor(Uint8Array.of(1), Uint8Array.of(1, 2)))).toBe("bad-value");
  for (let at = 0; at < 4; at++) {
    const other = Uint8Array.of(1, 2, 3, 4);
    other[at] = 9;
    expect(equalConstantTime(Uint8Array.of(1, 2, 3, 4), other)).toBe(false);
  }
});

test("text is strict UTF-8", () => {
  fc.assert(fc.property(fc.string({ unit: "grapheme" }), (text) => fromUtf8(utf8(text)) === text));
  expect(fromUtf8(Uint8Array.of(0xef, 0xbb, 0xbf, 0x41))).toBe("\ufeffA");
  expect(codeOf(() => fromUtf8(Uint8Array.of(0xc3)))).toBe("bad-text");
});

test("numbers", () => {
  fc.assert(fc.property(fc.nat(0xffff), (n) => readU16(u16(n)) === n));
  fc.assert(fc.property(fc.nat(2 ** 31 - 1), (n) => readUnsigned(unsigned(n)) === n));
  expect(hex(unsigned(0))).toBe("00");
  expect(hex(unsigned(0, 2))).toBe("0000");
  expect(hex(unsigned(0x123456, 2))).toBe("123456");
  for (const n of [-1, 0x10000, 1.5, Number.NaN]) expect(codeOf(() => u16(n))).toBe("bad-value");
  expect(codeOf(() => readU16(Uint8Array.of(1)))).toBe("bad-value");
  expect(codeOf(() => readUnsigned(new Uint8Array(7)))).toBe("bad-value");
  expect(codeOf(() => unsigned(-1))).toBe("bad-value");
});

test("names keep their ranges", () => {
  expect(aid(new Uint8Array(5)).length).toBe(5);
  for (const length of [0, 4, 17]) expect(codeOf(() => aid(new Uint8Array(length)))).toBe("bad-value");
  expect([fid(0), fid(0xffff), sfi(1), sfi(30)]).toEqual([0, 0xffff, 1, 30]);
  for (const n of [-1, 0x10000, 0.5]) expect(codeOf(() => fid(n))).toBe("bad-value");
  for (const n of [0, 31, 1.5]) expect(codeOf(() => sfi(n))).toBe("bad-value");
  expect(codeOf(() => kcv(new Uint8Array(4)))).toBe("bad-value");
});

describe("a secret", () => {
  const bytes = unhex("404142434445464748494A4B4C4D4E4F");
  test("does not print", () => {
    const secret = new Secret(bytes);
    for (const text of [String(secret), JSON.stringify({ secret }), JSON.stringify([secret])]) {
      expect(text).toContain("[secret]");
      expect(text).not.toMatch(/40|41|64,65/);
    }
    expect(Object.keys(secret)).toEqual([]);
  });
  test("is a copy, compares, and is gone after wiping", () => {
    const mine = bytes.slice();
    const secret = new Secret(mine);
    mine.fill(0);
    expect(secret.use((inside) => hex(inside))).toBe(hex(bytes));
    expect(secret.equals(new Secret(bytes))).toBe(true);
    expect(secret.equals(new Secret(mine))).toBe(false);
    const kept = secret.use((inside) => inside);
    secret.wipe();
    expect(equal(kept, new Uint8Array(16))).toBe(true);
    expect(codeOf(() => secret.use((inside) => inside))).toBe("session-closed");
  });
});

test("every problem has a remedy in words", () => {
  for (const remedy of Object.values(CARD_PROBLEMS)) expect(remedy).toMatch(/^[A-Z].{20,}\.$/);
  const problem = new CardProblem("bad-tlv", "TLV, offset 3", "the length is missing");
  expect([problem.name, problem.code, problem.where, problem.message]).toEqual([
    "CardProblem",
    "bad-tlv",
    "TLV, offset 3",
    "TLV, offset 3: the length is missing",
  ]);
});
