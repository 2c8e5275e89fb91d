import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { idealLine, persoline, root } from "./command.test.data.js";

let folder: string;
let product: string;
let order: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "persoline-shared-"));
  mkdirSync(join(folder, "product"));
  product = join(folder, "product/product.yaml");
  order = join(folder, "order.yaml");
  const keys = readFileSync(join(root, "examples/keys/gp-test-keys.yaml"), "utf8").replace(
    "use: scp03, algorithm: AES-256",
    "use: scp02",
  );
  writeFileSync(join(folder, "keys.yaml"), keys);
  copyFileSync(join(root, "examples/gp-access/employees.csv"), join(folder, "employees.csv"));
  writeFileSync(
    order,
    readFileSync(join(root, "examples/gp-access/order.yaml"), "utf8")
      .replace(/product: .*/, "product: product/product.yaml")
      .replace(/keys: .*/, "keys: keys.yaml")
      .replace(/line: .*/, `line: ${idealLine(folder, "desk-ten")}`),
  );
});
afterAll(() => rmSync(folder, { recursive: true }));

const withMethod = (method: string): number => {
  const text = readFileSync(join(root, "examples/products/gp-access/product.yaml"), "utf8").replace(
    /^channel: .*$/m,
    `channel:\n  protocol: scp02\n  i: "55"\n  level: "03"\n  keys: gp-issuer\n  version: "20"\n  diversify: ${method}`,
  );
  writeFileSync(product, text);
  return text.split("\n").findIndex((line) => line.includes(`diversify: ${method}`)) + 1;
};

test("an order whose cards would all get one key is refused where the product says so, before a card moves", () => {
  const line = withMethod("visa2");
  const data = join(folder, "data");
  for (const words of [
    ["plan", order],
    ["run", order, "--data", data],
  ]) {
    const { code, err } = persoline(words);
    expect(code).toBe(1);
    expect(err).toContain(`product.yaml:${String(line)}:`);
    expect(err).toMatch(/visa2 leaves out the bytes .* same keys.*emv-cps, or kdf3/s);
  }
  // Every blank still lies untouched in the hopper: its chip is made when it is first fed.
  const bodies = readdirSync(join(data, "shop-floor/hopper"));
  expect(bodies).toHaveLength(16);
  for (const body of bodies)
    expect(readdirSync(join(data, "shop-floor/hopper", body))).not.toContain("chip.eeprom");
});

test("the same order with EMV CPS is made", () => {
  withMethod("emv-cps");
  expect(persoline(["plan", order])).toMatchObject({ code: 0 });
  expect(persoline(["run", order, "--data", join(folder, "made")])).toMatchObject({ code: 0 });
});
