/** Handing over an order whose product was edited meanwhile, or whose PINs' secrets ended before. Each command a start of the program. */
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { openStore } from "../store/store.js";
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

/** What the audit tells of each such deed. */
async function told(deed: string): Promise<unknown[]> {
  const store = await openStore({ file: at("data/persoline.db") });
  const details: unknown[] = [];
  for await (const { what, detail } of store.audit.entries()) if (what === deed) details.push(detail);
  await store.close();
  return details;
}

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

test("where the PINs ended before the accounts knew, two people say that the order was delivered, and nobody else", async () => {
  const before = at("before");
  cpSync(at("data"), before, { recursive: true });
  const copy = at("products/office-access/with-register.yaml");
  writeFileSync(
    copy,
    readFileSync(copy, "utf8").replace("register: none", "register: { name: name, zones: premises }"),
  );
  const own = ["--register", copy];
  const two = [...own, "--was-delivered", "--witness", "Bo"];
  expect(deliver(...two).err).toContain("keeps the PINs of order T-1, so it was not delivered before");
  said("letters", "release", "T-1", "--by", "Ada", "--witness", "Bo");
  said("order", "deliver", "T-1", "--by", "Ada", ...own);
  // The database of before beside the keys and secrets of today.
  for (const name of readdirSync(at("data")).filter((one) => one.startsWith("persoline.db")))
    rmSync(at(`data/${name}`));
  for (const name of [...readdirSync(before).filter((one) => one.startsWith("persoline.db")), "audit"])
    cpSync(join(before, name), at(`data/${name}`), { recursive: true });
  expect(state()).toBe("produced");
  expect(untilDelivery()).toBe(destroyed);

  const alone = deliver(...own);
  expect(alone.code).toBe(1);
  expect(alone.err).toContain("this database is from before its delivery");
  expect(alone.err).toContain("order deliver T-1 --was-delivered --by NAME --witness NAME");
  expect(deliver(...own, "--was-delivered").code).toBe(2);
  expect(deliver(...own, "--witness", "Bo").code).toBe(2);
  expect(deliver(...own, "--was-delivered", "--witness", " ada").err).toContain("two different people");
  expect(state()).toBe("produced");

  expect(deliver(...two)).toMatchObject({ code: 0, err: "" });
  expect(state()).toBe("delivered");
  expect(JSON.parse(said("letters", "list", "T-1", "--json"))).toMatchObject([
    { state: "void", voidReason: "order was delivered before" },
  ]);
  expect(await told("order.deliver")).toEqual([{ before: "yes", witness: "Bo", voidLetters: 1 }]);
  said("order", "close", "T-1", "--by", "Ada");
  said("order", "erase", "T-1", "--by", "Ada", "--and", "Bo");
});
