/** Orders of the payment example, smaller or changed, in a folder of their own. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { idealLine, root } from "./command.test.data.js";

export const example = join(root, "examples/payment");

export interface PaymentOrder {
  readonly order?: string;
  readonly people: number;
  /** More lines of the order file. */
  readonly more?: string;
  /** Changes product and rows (header first). */
  readonly product?: (text: string) => string;
  readonly rows?: (rows: string[]) => string[];
  /** Faults of blanks by their numbers, as they stand in a line file. */
  readonly faults?: Readonly<Record<number, string>>;
  /** Flaws of blanks by their numbers. */
  readonly flaws?: Readonly<Record<number, string>>;
}

/** Writes product, order, input and line; all paths absolute. */
export function paymentOrder(
  folder: string,
  ask: PaymentOrder,
): { readonly order: string; readonly line: string } {
  const {
    order = "P-1",
    people,
    more = "",
    product = (text) => text,
    rows = (all) => all,
    faults = {},
    flaws = {},
  } = ask;
  const products = join(root, "examples/products/payment");
  const absolute = (text: string): string =>
    text.replaceAll(/(certificate|authority|front|back|emboss): ([^\s,]+\.yaml)/g, `$1: ${products}/$2`);
  const productFile = join(folder, "product.yaml");
  writeFileSync(productFile, product(absolute(readFileSync(join(products, "product.yaml"), "utf8"))));
  const lines = readFileSync(join(example, "cardholders.csv"), "utf8").trimEnd().split("\n");
  writeFileSync(join(folder, "cardholders.csv"), `${rows(lines.slice(0, people + 1)).join("\n")}\n`);
  const planted = Object.entries(faults).map(
    ([number, fault]) => `      - { blanks: { number: ${number} }, fault: ${fault} }`,
  );
  const spoilt = Object.entries(flaws).map(
    ([number, flaw]) => `      - { blanks: { number: ${number} }, flaw: ${flaw} }\n`,
  );
  const line = idealLine(folder, "payment", (text) =>
    text.replace(
      / {2}- lot: P2026A[\s\S]*/,
      `  - lot: P2026A\n    count: ${String(people + 20)}\n${planted.length === 0 ? "" : `    faults:\n${planted.join("\n")}\n`}${spoilt.length === 0 ? "" : `    flaws:\n${spoilt.join("")}`}`,
    ),
  );
  const file = join(folder, "order.yaml");
  writeFileSync(
    file,
    `order: "${order}"
customer: Example Bank
product: ${productFile}
input: { file: cardholders.csv }
line: ${line}
environment: test
keys: ${join(root, "examples/keys/payment-test-keys.yaml")}
${more}`,
  );
  return { order: file, line };
}
