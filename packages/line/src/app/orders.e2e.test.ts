/** Several orders in one data folder: one stock, one set of accounts, and for each order a place, letters and reports of its own. */
import { existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type Ended, idealLine, persoline, smallOrder } from "./command.test.data.js";

let folder: string;
let data: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "persoline-orders-"));
  data = join(folder, "data");
});
afterEach(() => rmSync(folder, { recursive: true }));

const run = (order: string, line: string, ...more: string[]): Ended =>
  persoline(["run", order, "--line", line, "--data", data, "--json", ...more]);

test("two orders, one after the other, from one stock", () => {
  const line = idealLine(folder, "ideal", (text) =>
    text.replace(
      /stock:[\s\S]*/,
      "stock:\n  - { lot: L1, count: 8, faults: [{ blanks: { number: 2 }, fault: { kind: dead } }] }\n",
    ),
  );
  const first = run(smallOrder(join(folder, "first"), 3), line);
  expect(first.err).toBe("");
  const withoutTheFirst = ([head = "", , ...others]: string[]): string[] => [head, ...others];
  const second = run(smallOrder(join(folder, "second"), 4, withoutTheFirst, "T-2"), line);
  expect(second.err).toBe("");
  expect(JSON.parse(first.out)).toMatchObject({ order: "T-1", produced: 3, balanced: true });
  expect(JSON.parse(second.out)).toMatchObject({ order: "T-2", produced: 3, balanced: true });
  for (const order of ["T-1", "T-2"]) {
    expect(readdirSync(join(data, "shop-floor/good", order)).map((name) => name.slice(0, 6))).toEqual([
      "000001",
      "000002",
      "000003",
    ]);
    expect(readdirSync(join(data, "letters", order))).toHaveLength(3);
    expect(existsSync(join(data, "reports", order, "report.html"))).toBe(true);
  }
  const count = (state: string): number =>
    (JSON.parse(persoline(["stock", "list", "--state", state, "--data", data, "--json"]).out) as unknown[])
      .length;
  expect([count("good"), count("rejected"), count("in-stock")]).toEqual([6, 1, 1]);
});
