// Writes the JSON Schemas that editors complete and check the YAML files with, from the same definitions the line reads them with.
// `node tools/schemas.mjs` after `npm run build`; a test compares.
import { writeFileSync } from "node:fs";
import { embossStationJsonSchema } from "../packages/line/dist/app/emboss-station.js";
import { siteJsonSchema } from "../packages/line/dist/app/site-file.js";
import { keyFileJsonSchema } from "../packages/line/dist/app/key-file.js";
import { orderJsonSchema } from "../packages/line/dist/orders/order-file.js";
import { carrierJsonSchema, layoutJsonSchemas } from "../packages/line/dist/plan/layout/index.js";
import { foreignJsonSchema } from "../packages/line/dist/plan/foreign/product.js";
import { laserJsonSchema } from "../packages/line/dist/plan/laser/index.js";
import { productJsonSchema } from "../packages/line/dist/plan/json-schema.js";
import { lineJsonSchema } from "../packages/line/dist/stations/line-file.js";
import { profileJsonSchema } from "../packages/line/dist/stations/quality/index.js";

const schemas = {
  order: orderJsonSchema(),
  product: productJsonSchema(),
  "foreign-product": foreignJsonSchema(),
  line: lineJsonSchema(),
  keys: keyFileJsonSchema(),
  gates: siteJsonSchema(),
  "emboss-station": embossStationJsonSchema(),
  laser: laserJsonSchema(),
  carrier: carrierJsonSchema(),
  "quality-profile": profileJsonSchema(),
  ...layoutJsonSchemas(),
};

for (const [name, schema] of Object.entries(schemas)) {
  writeFileSync(
    new URL(`../schemas/${name}.schema.json`, import.meta.url),
    `${JSON.stringify(schema, null, 2)}\n`,
  );
}
