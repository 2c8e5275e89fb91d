import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { parseProduct } from "../plan/product.js";
import { readInput } from "./input.js";
import type { ColumnRule, OrderRecord } from "./types.js";
import { problemText } from "./yaml.js";

const example = (name: string): string =>
  fileURLToPath(new URL(`../../../../examples/${name}`, import.meta.url));

/** The columns that the example's own product declares. */
function columnsOf(product: string): readonly ColumnRule[] {
  const file = example(`products/${product}/product.yaml`);
  const read = parseProduct(readFileSync(file, "utf8"), file);
  if (!read.ok) throw new Error(read.problems.map(problemText).join("\n"));
  return read.product.columns;
}
const office = columnsOf("office-access");
const yard = columnsOf("warehouse-access");

async function all(file: string, columns: readonly ColumnRule[], photos: string): Promise<OrderRecord[]> {
  const input = await readInput({ file: example(file), photos: example(photos) }, columns);
  const records: OrderRecord[] = [];
  for await (const record of input.records()) records.push(record);
  expect(input.count).toBe(records.length);
  return records;
}

describe("the example orders", () => {
  test("the office's workbook and its text twin say the same of 120 people", async () => {
    const book = await all("office-access/employees.xlsx", office, "office-access/photos");
    const names = office.map(
      (rule) => ({ ...rule, type: rule.type === "photo" ? "text" : (rule.type ?? "text") }) as const,
    );
    const text = await all("office-access/employees.csv", names, "office-access/photos");
    expect(book).toHaveLength(120);
    expect(text.map((record) => record.fields)).toEqual(book.map((record) => record.fields));
    expect(
      new Set(book.map((record) => Buffer.from(record.photos["photo"]?.png ?? []).toString("base64"))).size,
    ).toBe(120);
    expect(book[0]).toMatchObject({
      number: 1,
      row: 2,
      fields: { name: "Seán O'Brien", premises: ["HQ", "LAB", "PLANT-1"], number: "PP-00101" },
      photos: { photo: { width: 240, height: 300 } },
    });
  });

  test("the yard has 40 people, one of them with a card that soon ends", async () => {
    const records = await all("warehouse-access/employees.csv", yard, "warehouse-access/photos");
    expect(records).toHaveLength(40);
    expect(records.filter((record) => record.fields["validUntil"] === "2026-11-30")).toHaveLength(1);
    expect(records.filter((record) => record.photos["photo"] !== undefined)).toHaveLength(40);
  });
});
