import { z } from "zod";
import { type FileProblem, type ReadYaml, strictYaml } from "../orders/yaml.js";
import { checkDesfireMeaning } from "./desfire/meaning.js";
import { type DesfireProduct, desfireProductModel } from "./desfire/model.js";
import { desfireProductSchema } from "./desfire/schema.js";
import { type ForeignProduct, parseForeign } from "./foreign/product.js";
import { checkGpMeaning } from "./gp/meaning.js";
import { type GpProduct, gpProductModel } from "./gp/model.js";
import { gpProductSchema } from "./gp/schema.js";
import { checkMeaning } from "./meaning.js";
import { type Product, productModel } from "./product-model.js";
import { productSchema } from "./product-schema.js";

export type * from "./product-model.js";

export type AnyProduct = Product | GpProduct | DesfireProduct | ForeignProduct;

export type ReadProduct<P = Product> =
  | { readonly ok: true; readonly product: P; readonly problem: ReadYaml<unknown>["problem"] }
  | { readonly ok: false; readonly problems: readonly FileProblem[] };

/** Reads a product file for the Persoline OS: schema and meaning, every problem with its place. Pure: `file` is for messages only. */
export function parseProduct(text: string, file: string): ReadProduct {
  const read = strictYaml(productSchema, text, file);
  if (!read.ok) return read;
  const problems = checkMeaning(read.value, read.problem);
  return problems.length > 0
    ? { ok: false, problems }
    : { ok: true, product: productModel(read.value), problem: read.problem };
}

/** Enough of a file to know whose words the rest is written in. */
const kindSchema = z.looseObject({ card: z.looseObject({ os: z.string() }) });

function parseGpProduct(text: string, file: string): ReadProduct<GpProduct> {
  const read = strictYaml(gpProductSchema, text, file);
  if (!read.ok) return read;
  const problems = checkGpMeaning(read.value, read.problem);
  return problems.length > 0
    ? { ok: false, problems }
    : { ok: true, product: gpProductModel(read.value), problem: read.problem };
}

function parseDesfireProduct(text: string, file: string): ReadProduct<DesfireProduct> {
  const read = strictYaml(desfireProductSchema, text, file);
  if (!read.ok) return read;
  const product = desfireProductModel(read.value);
  const problems = checkDesfireMeaning(read.value, product, read.problem);
  return problems.length > 0 ? { ok: false, problems } : { ok: true, product, problem: read.problem };
}

/** The same for a product of any kind of card, as its `card.os` says. */
export function parseAnyProduct(text: string, file: string): ReadProduct<AnyProduct> {
  const kind = strictYaml(kindSchema, text, file);
  switch (kind.ok ? kind.value.card.os : undefined) {
    case "globalplatform":
      return parseGpProduct(text, file);
    case "desfire":
      return parseDesfireProduct(text, file);
    case "iso7816":
      return parseForeign(text, file);
    default:
      return parseProduct(text, file);
  }
}

/** Version of the issuer's keys, by which a later recovery knows their generation; cards of other makers hold none. */
export function keyVersionOf(product: AnyProduct): number | undefined {
  if (product.kind === "iso7816") return undefined;
  return product.kind === "desfire" ? product.generation : product.channel.kvn;
}
