/** Handing over an order whose product was edited meanwhile, or whose PINs' secrets ended before. Each command a start of the program. */
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Ended, idealLine, persoline, root, smallOrder } from "./command.test.data.js";

const destroyed = "persoline: destroyed\n";
let folder: string;
let product: string;
const at = (name: string): string => join(folder, name);
const run = (...words: string[]): Ended => persoline([...words, "--data", at("data")]);
const said = (...words: string[]): string => {
  const { code, out, err } = run(...words);
  if (code !== 0) throw new Error(`${words.join(" ")} ended with ${String(code)}: ${err}`);
  return out;
};
const deliver = (...more: string[]): Ended => run("order", "deliver", "T-1", "--by", "Ada", ...more);
const state = (): unknown => (JSON.parse(said("order", "show", "T-1", "--json")) as { state: string }).state;
/** What is kept until the delivery: a secret, or the note that it was destroyed. */
const untilDelivery = (): string => {
  const secrets = at("data/keystore.json.orders");
  const [name = ""] = readdirSync(secrets).filter((one) => one.endsWith(".until-delivery"));
  return readFileSync(join(secrets, name), "latin1");
};

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "persoline-deliver-"));
  cpSync(join(root, "examples/products/office-access"), at("products/office-access"), { recursive: true });
  cpSync(join(root, "examples/products/os"), at("products/os"), { recursive: true });
  product = at("products/office-access/product.yaml");
  // Without what the access register takes, as a product may be.
  writeFileSync(product, readFileSync(product, "utf8").replace(/^register:(?:.*\n)(?:[ ]+.*\n)*/m, ""));
  const order = smallOrder(folder, 1);
  writeFileSync(order, readFileSync(order, "utf8").replace(/product: .*/, `product: ${product}`));
  said("run", order, "--line", idealLine(folder, "carousel"));
});
afterAll(() => rmSync(folder, { recursive: true }));

test("an edited product hands nothing over: its letters may be others than those of the cards", () => {
  const begun = readFileSync(product, "utf8");
  writeFileSync(product, begun.replace("letter: true", "letter: false"));
  const edited = deliver();
  expect(edited.code).toBe(1);
  expect(edited.err).toContain(`${product} changed since order T-1 was begun on `);
  expect(edited.err).toContain("restore it as it was");
  expect(state()).toBe("produced");
  expect(untilDelivery()).not.toBe(destroyed);

  // As it was; what it does not say comes from a copy.
  writeFileSync(product, begun);
  const copy = at("products/office-access/with-register.yaml");
  expect(deliver().err).toContain("name the copy with --register");
  writeFileSync(copy, begun);
  expect(deliver("--register", copy).err).toContain(`${copy}: product office-access does not say`);
  writeFileSync(
    copy,
    begun.replace("pin:", "register: none\n\npin:").replace("letter: true", "letter: false"),
  );
  expect(deliver("--register", copy).err).toContain("1 PIN letter of order T-1 is not released");
  expect(state()).toBe("produced");
});
