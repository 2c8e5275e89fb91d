import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { harmless, harmlessJson } from "./harmless.js";
import { escaped } from "./page.js";

const code = (...codes: number[]): string => String.fromCodePoint(...codes);
const controls = [
  ...Array.from({ length: 0x20 }, (_, at) => at).filter((one) => one !== 0x09 && one !== 0x0a),
  ...Array.from({ length: 0x21 }, (_, at) => 0x7f + at),
  0x202a,
  0x202e,
  0x2066,
  0x2069,
];

describe("text from outside", () => {
  test("escape sequences, C1 controls and bidi overrides are shown and do nothing", () => {
    expect(harmless(`Reader${code(0x1b)}[2J${code(0x1b)}]0;owned${code(0x07)}`)).toBe(
      "Reader<1B>[2J<1B>]0;owned<07>",
    );
    expect(harmless(`${code(0x9b)}31mred`)).toBe("<9B>31mred");
    expect(harmless(`good${code(0x202e)}dab`)).toBe("good<202E>dab");
    for (const one of controls) expect(harmless(code(one))).toMatch(/^<[0-9A-F]{2,4}>$/);
  });

  test("whatever people write in their names stays as it is", () => {
    for (const text of ["Žofia O’Brien-Иванова", "张伟\t李", "שלום", "a\nb", "e\u0301 👩‍💻", "\u200f\u200e"])
      expect(harmless(text)).toBe(text);
  });

  test("a page shows it too, beside the marks of HTML", () => {
    expect(escaped(`<b>${code(0x1b)}[31m${code(0x202e)}"`)).toBe("&lt;b&gt;&lt;1B&gt;[31m&lt;202E&gt;&quot;");
  });

  test("JSON reads back as it was, and holds no control character", () => {
    fc.assert(
      fc.property(
        fc
          .array(
            fc.oneof(
              fc.constantFrom(...controls).map((one) => code(one)),
              fc.string(),
            ),
          )
          .map((all) => all.join("")),
        (text) => {
          const written = harmlessJson(JSON.stringify({ text }));
          expect(JSON.parse(written)).toEqual({ text });
          expect(harmless(written)).toBe(written);
        },
      ),
    );
  });
});
