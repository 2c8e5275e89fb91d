import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { orderJsonSchema, readOrder } from "./order-file.js";
import { DataProblem } from "./problem.js";

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "persoline-order-"));
  for (const name of ["product.yaml", "people.csv", "line.yaml", "keys.yaml"]) {
    writeFileSync(join(folder, name), "");
  }
});
afterAll(() => {
  rmSync(folder, { recursive: true });
});

const good = `order: "2026-117"
customer: Polymerica Plastics
product: product.yaml
input:
  file: people.csv
line: line.yaml
environment: test
keys: keys.yaml
`;

async function problemsOf(content: string | Uint8Array): Promise<string[]> {
  const file = join(folder, "order.yaml");
  writeFileSync(file, content);
  try {
    await readOrder(file);
    return [];
  } catch (error) {
    if (!(error instanceof DataProblem)) throw error;
    return error.message.replaceAll(`${folder}/`, "").split("\n");
  }
}

describe("the order file", () => {
  test("comes out with absolute paths", async () => {
    expect(await problemsOf(`${good}records: 3\n`)).toEqual([]);
    expect(await readOrder(join(folder, "order.yaml"))).toEqual({
      order: "2026-117",
      customer: "Polymerica Plastics",
      product: join(folder, "product.yaml"),
      input: { file: join(folder, "people.csv") },
      line: join(folder, "line.yaml"),
      environment: "test",
      keys: join(folder, "keys.yaml"),
      records: 3,
    });
    expect(await problemsOf(`${good}test-seed: terminal tests\n`)).toEqual([]);
    expect((await readOrder(join(folder, "order.yaml"))).testSeed).toBe("terminal tests");
  });

  test("tells every missing file at once, each with its place", async () => {
    expect(
      await problemsOf(good.replace("product.yaml", "produkt.yaml").replace("people.csv", "poeple.csv")),
    ).toEqual([
      expect.stringMatching(/^order\.yaml:3:10 product: there is nothing of this name; .*produkt\.yaml/),
      expect.stringMatching(/^order\.yaml:5:9 input\.file: there is nothing of this name; .*poeple\.csv/),
    ]);
  });

  test.each([
    ["an unknown key", `${good}custommer: x\n`, /^order\.yaml:9:1 custommer: .*not known/],
    ["a missing key", good.replace(/keys:.*\n/, ""), /^order\.yaml:1:1 keys: this key is missing/],
    ["an unquoted number", good.replace('"2026-117"', "007"), /^order\.yaml:1:8 order: .*007.*quotes: "007"/],
    [
      "a strange order number",
      good.replace('"2026-117"', '"../117"'),
      /^order\.yaml:1:8 order: .*letters, digits/,
    ],
    [
      "an environment of its own",
      good.replace(": test", ": prod"),
      /^order\.yaml:7:14 environment: .*test, live/,
    ],
    [
      "an unknown encoding",
      good.replace("people.csv", "people.csv\n  encoding: latin1"),
      /:6:13 input\.encoding: /,
    ],
    [
      "a seed of live cards",
      `${good.replace("environment: test", "environment: live")}test-seed: any\n`,
      /^order\.yaml:9:12 test-seed: live cards have keys and PINs of chance/,
    ],
    ["no records", `${good}records: 0\n`, /^order\.yaml:9:10 records: /],
    ["an alias", good.replace("Polymerica", "&a Polymerica").replace("line.yaml", "*a"), /aliases/],
    ["an empty file", "", /^order\.yaml:1:1 /],
    ["bytes that are not UTF-8", new Uint8Array([0xff, 0xfe, 0x41]), /^order\.yaml: .*not UTF-8/],
    [
      "a line break in a name",
      good.replace("Polymerica Plastics", '"Poly\\nmerica"'),
      /^order\.yaml:2:11 customer: .*control/,
    ],
  ])("refuses %s", async (_, content, message) => {
    expect((await problemsOf(content))[0]).toMatch(message);
  });

  test("that is not there is told as such", async () => {
    await expect(readOrder(join(folder, "none.yaml"))).rejects.toThrow(/none\.yaml: .*cannot be opened/);
  });

  test("has a current JSON Schema for editors", () => {
    const schema = fileURLToPath(new URL("../../../../schemas/order.schema.json", import.meta.url));
    expect(JSON.parse(readFileSync(schema, "utf8")), "run tools/schemas.mjs").toEqual(
      JSON.parse(JSON.stringify(orderJsonSchema())),
    );
  });
});
