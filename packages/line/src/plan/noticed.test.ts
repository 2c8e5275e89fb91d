/** What people are told of cards that are made all the same. */
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { problemText } from "../orders/yaml.js";
import { compile, noticedOf } from "./compile.js";
import { parseProduct } from "./product.js";
import type { PlannedProduct } from "./types.js";

const products = new URL("../../../../examples/products/", import.meta.url);

/** Completed ATRs of the office product, by image. */
const ATR = {
  "1.2": "3B9C968131FE458073B621006650534C4F010200",
  "1.3": "3B9C968131FE458073B621006650534C4F010301",
} as const;

function planned(version: keyof typeof ATR): PlannedProduct {
  const text = readFileSync(new URL("office-access/product.yaml", products), "utf8");
  const parsed = parseProduct(text.replace(ATR["1.3"], ATR[version]), "product.yaml");
  if (!parsed.ok) throw new Error(parsed.problems.map(problemText).join("\n"));
  return compile(
    parsed.product,
    new Uint8Array(readFileSync(new URL(`os/persoline-os-${version}.img`, products))),
  );
}

test("an image whose sessions can be led elsewhere is named where a PIN or a DF's keys are put in", () => {
  const old = planned("1.2");
  const { pin, ...others } = old.product;
  const dfs = old.product.dfs.map(({ name, fid, files }) => ({ name, fid, files }));
  expect(pin).toBeDefined();
  for (const product of [old.product, others, { ...old.product, dfs }])
    expect(noticedOf({ ...old, product })).toEqual([
      expect.stringMatching(/^image 1\.2: .* make new cards with image 1\.3 or 2\.2$/),
    ]);
  expect(noticedOf({ ...old, product: { ...others, dfs } })).toEqual([]);
  expect(noticedOf(planned("1.3"))).toEqual([]);
});
