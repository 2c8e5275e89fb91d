import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { embossStationJsonSchema } from "./emboss-station.js";
import { keyFileJsonSchema } from "./key-file.js";
import { profileJsonSchema } from "../stations/quality/index.js";
import { siteJsonSchema } from "./site-file.js";

test.each([
  ["keys", keyFileJsonSchema],
  ["gates", siteJsonSchema],
  ["emboss-station", embossStationJsonSchema],
  ["quality-profile", profileJsonSchema],
] as const)(
  "schemas/%s.schema.json is what the program reads (node tools/schemas.mjs makes it)",
  (name, schema) => {
    const file = new URL(`../../../../schemas/${name}.schema.json`, import.meta.url);
    expect(JSON.parse(readFileSync(file, "utf8"))).toEqual(JSON.parse(JSON.stringify(schema())));
  },
);
