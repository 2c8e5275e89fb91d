import { z } from "zod";
import { desfireProductSchema } from "./desfire/schema.js";
import { gpProductSchema } from "./gp/schema.js";
import { productSchema } from "./product-schema.js";

/** For editors: `schemas/product.schema.json`, whichever system the card has. */
export const productJsonSchema = (): unknown => {
  const kinds = [productSchema, gpProductSchema, desfireProductSchema].map((schema) => {
    const { $schema: _, ...own } = z.toJSONSchema(schema, { io: "input" });
    return own;
  });
  return {
    $schema: "https://json-schema.org/draft/2020-12/schema",
    title: "Persoline product",
    anyOf: kinds,
  };
};
