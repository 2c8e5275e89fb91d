import fc from "fast-check";
import { parse } from "csv-parse/sync";
import { expect, test } from "vitest";
import { csvCell, csvLine } from "./report-csv.js";

test.each([
  ["=1+1", `"'=1+1"`],
  ["+49 30", `"'+49 30"`],
  ["-2", `"'-2"`],
  ["@SUM(A1)", `"'@SUM(A1)"`],
  ["\tx", `"'\tx"`],
  ["\rx", `"'\rx"`],
  ["＝1", `"'＝1"`],
  ['=HYPERLINK("http://x")', `"'=HYPERLINK(""http://x"")"`],
])("%j would be a formula and becomes text", (cell, written) => {
  expect(csvCell(cell)).toBe(written);
});

test("numbers stay numbers, nothing stays nothing", () => {
  expect(csvLine([1, -2.5, undefined, "a", "a,b", 'a"b', true])).toBe('1,-2.5,,a,"a,b","a""b",true\r\n');
});

/** Everything that means something to a spreadsheet or to the format, and some letters. */
const text = fc.string({
  unit: fc.constantFrom(...Array.from("=+-@\t\r\n,;\"' aé1＝＠🙂")),
  minLength: 1,
  maxLength: 10,
});

test("a strict reader gets every cell back, and none of them is a formula", () => {
  fc.assert(
    fc.property(fc.array(text, { minLength: 1, maxLength: 5 }), (cells) => {
      const [read] = parse(csvLine(cells), { record_delimiter: "\r\n" });
      expect(read).toHaveLength(cells.length);
      for (const [index, cell] of cells.entries()) {
        const got = read?.[index] ?? "";
        expect(got === cell || got === `'${cell}`).toBe(true);
        expect(got).not.toMatch(/^[=+\-@\t\r]/);
      }
    }),
  );
});
