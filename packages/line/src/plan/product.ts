import { type FileProblem, type ReadYaml, strictYaml } from "../orders/yaml.js";
import { checkMeaning } from "./meaning.js";
import { type Product, productModel } from "./product-model.js";
import { productSchema } from "./product-schema.js";

export type * from "./product-model.js";

export type ReadProduct =
  | { readonly ok: true; readonly product: Product; readonly problem: ReadYaml<unknown>["problem"] }
  | { readonly ok: false; readonly problems: readonly FileProblem[] };

/** Reads a product file: schema and meaning, every problem with its place. Pure: `file` is for messages only. */
export function parseProduct(text: string, file: string): ReadProduct {
  const read = strictYaml(productSchema, text, file);
  if (!read.ok) return read;
  const problems = checkMeaning(read.value, read.problem);
  return problems.length > 0
    ? { ok: false, problems }
    : { ok: true, product: productModel(read.value), problem: read.problem };
}
