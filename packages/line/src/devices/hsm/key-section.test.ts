/** What is sealed in a keystore, now and in the forms of before. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { hex, unhex } from "@persoline/card/bytes";
import fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import { parseSections, parseText, sectionsOf, wipeValues } from "./key-section.js";
import { openKeystore, sealKeystore, type StoredKey } from "./keystore.js";
import { emptyBook } from "./office/types.js";

const key = (name: string, value: Uint8Array): StoredKey => ({
  name: name as StoredKey["name"],
  use: "scp03",
  algorithm: "AES-128",
  environment: "test",
  published: false,
  value,
});
const sealing = unhex("5A".repeat(32));
const plain = (keys: readonly StoredKey[]) => keys.map((one) => ({ ...one, value: hex(one.value) }));

test("keys of any length come back, each with its own bytes, and none of them stands there unmasked, or in the text", () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 900 }), { maxLength: 6 }), (values) => {
      const keys = values.map((value, at) => key(`key-${String(at)}`, value));
      const sealed = sectionsOf({ keys, book: emptyBook }, sealing);
      const text = sealed.toString("utf8", 4, 4 + sealed.readUInt32BE(0));
      expect(text).not.toContain("value");
      for (const value of values.filter(({ length }) => length > 8))
        expect(text).not.toContain(Buffer.from(value).toString("base64"));
      for (const value of values.filter(({ length }) => length > 8))
        expect(sealed.includes(Buffer.from(value))).toBe(false);
      const opened = parseSections(sealed, sealing);
      sealed.fill(0);
      expect(plain(opened.keys)).toEqual(plain(keys));
      expect(opened.book).toEqual(emptyBook);
    }),
  );
});

test("what is cut off anywhere, or goes on, is refused", () => {
  const whole = sectionsOf(
    { keys: [key("a", unhex("0011")), key("b", unhex("2233"))], book: emptyBook },
    sealing,
  );
  for (let length = 0; length < whole.length; length++)
    expect(() => parseSections(whole.subarray(0, length), sealing)).toThrow(RangeError);
  expect(() => parseSections(Buffer.concat([whole, Buffer.alloc(1)]), sealing)).toThrow(RangeError);
});

test("two keys of one value have masks of their own", () => {
  const value = unhex("00".repeat(16));
  const whole = sectionsOf({ keys: [key("a", value), key("b", value)], book: emptyBook }, sealing);
  const one = whole.subarray(-36, -20);
  expect(hex(one)).not.toBe(hex(whole.subarray(-16)));
  expect(hex(one)).not.toBe(hex(value));
});

test("values are wiped by who has them", () => {
  const keys = [key("a", unhex("0011")), key("b", unhex("2233"))];
  wipeValues(keys);
  expect(keys.map(({ value }) => hex(value))).toEqual(["0000", "0000"]);
});

test("the first form had keys only", () => {
  const { value: _, ...told } = key("a", unhex("00"));
  const { keys, book } = parseText(Buffer.from(JSON.stringify([{ ...told, value: "AAEC" }])));
  expect(plain(keys)).toEqual([{ ...told, value: "000102" }]);
  expect(book).toEqual(emptyBook);
});

/** Written by the program that knew form 2, under this key file. */
const keyFile = "persoline test: key file of form2";
const formTwo = {
  format: "persoline-keystore",
  version: 2,
  environment: "test",
  revision: 7,
  unlock: {
    by: "key-file",
    salt: "7xSkWZJYk9584POmi07kCg==",
  },
  iv: "E+8dg9U3pVYD9lUH",
  tag: "AXKNyImPzFI8tyTj5cyZMA==",
  sealed:
    "IJGznXaQCMAAr6b+pMfe9YGKA/zckr6hEMNCHKh3yk8Grd7qAvttEZdQ+0v7Ltty+bhXCWaJHdj9kUPMqVP/f6Gdcm1pKxzpHNz+Da4rC6XHzsMAgXP3LAEFf4dQ1B5Kou2xDHiAwVcjC+/pA4BUl9cd54Vmlpm1WXnaQRu09JB0d49Ts+IdWCpD1MupwKKnRqZ+QpfbsuSFMCj42r0dl9WYmHOnb7i48cFe2z3PZs6D3QJu+0RVB53AW+ImLDhBrSsuyRgbMSPViyMqEeGRkPaxMIGXTzjw28GTUDMe0KvVWjjCqU+8bLlEW0nHmFsNR5FVXwfao4kzPjBlGLFrqm37SubAmq2kieboTs0amP6XkbTKJWUmnG66JxGw2igOCCd2Y632W02HxK26d/EAIi5GTIuIowdoShLWnsOrVBpDoerP7hbtxdu13QRWAUrcsSr+PvzEZ8+YFhmrcl0RbtpieV2Z/eOyqmJ8dQatyWe4T08KUuMfo1MUwzM1UdXaGicxtQuKkFlEiD4OhONshtPJVFwq/HRzLbtylCjRb0NLLGFMxZqj7GnHFDT69oy/i9uVLJZK43UCWkoP3QqfAMHT/tK3I5K6zm6XTTyCtm3PYB0scrbafVZ3OzemJXqVuw5tpJM2Wt9g7ucmWHlr4EkAwtDgDcc74sb++v1NkUniezr5trkz0c6FdtcawEDWDz7rXBpMPiethhmgDxWK263sxigYEde5AA24NiHwUY1rAFTtiVuq0NgbmQ7TGpFc",
};

let folder: string;
const at = (name: string): string => join(folder, name);
const unlock = () => ({ keyFile: at("key") });
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "persoline-forms-"));
  writeFileSync(at("key"), keyFile);
});
afterAll(() => {
  rmSync(folder, { recursive: true });
});

test("a keystore of form 2 opens as it was, stays as it is, and has the new form after its next change", () => {
  writeFileSync(at("keystore.json"), JSON.stringify(formTwo));
  const kept = openKeystore(at("keystore.json"), unlock());
  expect(kept.revision).toBe(7);
  expect(kept.book.next).toBe(3);
  const values = {
    "os-loader": "C0C1C2C3C4C5C6C7C8C9CACBCCCDCECF",
    "issuer-2026": "000102030405060708090A0B0C0D0E0F101112131415161718191A1B1C1D1E1F",
    gone: "",
  };
  expect(Object.fromEntries(kept.keys.map(({ name, value }) => [name, hex(value)]))).toEqual(values);
  expect(JSON.parse(readFileSync(at("keystore.json"), "utf8"))).toEqual(formTwo);

  sealKeystore(at("keystore.json"), kept.environment, kept.keys, unlock(), { ...kept, revision: 8 });
  const written = JSON.parse(readFileSync(at("keystore.json"), "utf8")) as typeof formTwo;
  expect([written.version, written.revision]).toEqual([3, 8]);
  const again = openKeystore(at("keystore.json"), unlock());
  expect(plain(again.keys)).toEqual(plain(kept.keys));
  expect(again.book).toEqual(kept.book);
});

test("a form that is told otherwise than it is opens nothing", () => {
  sealKeystore(at("told.json"), "test", [key("a", unhex("0011"))], unlock());
  const written = JSON.parse(readFileSync(at("told.json"), "utf8")) as typeof formTwo;
  for (const [version, file] of [
    [2, written],
    [1, written],
    [3, formTwo],
  ] as const) {
    writeFileSync(at("told.json"), JSON.stringify({ ...file, version }));
    expect(() => openKeystore(at("told.json"), unlock())).toThrow("does not open this keystore");
  }
});
