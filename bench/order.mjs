// An order of any size for benches: warehouse cards without photos, on a line of ideal cards that marks nothing.
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const examples = fileURLToPath(new URL("../examples/", import.meta.url));

/** @param {string} folder @param {number} records @param {(line: string) => string} [change] */
export function benchOrder(folder, records, change = (line) => line) {
  mkdirSync(folder, { recursive: true });
  const rows = ["Full name,Employee number,Zones,Valid until,Photo"];
  for (let n = 1; n <= records; n++) {
    rows.push(`Worker Number ${String(n)},FM-${String(n).padStart(6, "0")},YARD;CRANE,2028-12-31,`);
  }
  writeFileSync(join(folder, "people.csv"), `${rows.join("\n")}\n`);
  const line = readFileSync(join(examples, "lines/ideal.yaml"), "utf8").replace(
    /count: \d+/,
    `count: ${String(records + 50)}`,
  );
  writeFileSync(join(folder, "line.yaml"), change(line));
  const order = join(folder, "order.yaml");
  writeFileSync(
    order,
    `order: "BENCH-${String(records)}"
customer: Bench
product: ${join(examples, "products/warehouse-access/product.yaml")}
input: { file: people.csv }
line: line.yaml
environment: test
keys: ${join(examples, "keys/test-keys.yaml")}
`,
  );
  return order;
}

/** @param {number[]} values */
export const median = (values) => values.toSorted((a, b) => a - b)[values.length >> 1] ?? 0;
