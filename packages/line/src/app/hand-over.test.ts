import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { parseProduct, type Product } from "../plan/product.js";
import { blanks, history, importAsk, label, serial, store } from "../store/sample.test.data.js";
import { holdersOf, registerOf } from "./hand-over.js";

const file = new URL("../../../../examples/products/office-access/product.yaml", import.meta.url);
const text = readFileSync(file, "utf8");
const register = text.slice(text.indexOf("register:"), text.indexOf("pin:"));

function product(said: string): Product {
  const read = parseProduct(text.replace(register, said), "product.yaml");
  if (!read.ok) throw new Error(JSON.stringify(read.problems));
  return read.product;
}

test("a product that does not say what gates know of its holders is refused with what to write", () => {
  expect(() => registerOf(product(""), "product.yaml")).toThrow(
    /^product.yaml: product office-access does not say .* add "register: \{ name: FIELD, zones: FIELD \}", or "register: none"/,
  );
  expect(registerOf(product("register: none\n\n"), "product.yaml")).toBeUndefined();
  expect(registerOf(product(register), "product.yaml")).toMatchObject({ zones: "premises" });
});

test("holders are made of the fields that the product names, whatever they are called", async () => {
  const s = await store();
  await s.stock.receive({ lot: "L1", blanks: blanks(2), by: "Ada" });
  await s.orders.import(importAsk(2));
  await s.accounts.start({ label: label(1), order: "A-1", line: "carousel" });
  await s.accounts.bind({ serial: serial(1), order: "A-1" });
  await s.accounts.finish({ serial: serial(1), end: { kind: "good" }, history });
  const order = await s.orders.find("A-1");
  if (order === undefined) throw new Error("the order is not there");
  // Of two records one has its card; the other opens nothing.
  const roles = { name: "department", zones: "premises", validUntil: "number" };
  expect(await holdersOf(s, order, { roles, cardNumber: "{order}/{record:4}" })).toEqual([
    {
      serial: serial(1),
      order: "A-1",
      reference: "E1",
      cardNumber: "A-1/0001",
      name: "Extrusion",
      department: "",
      zones: ["A1", "DOCK"],
      validUntil: "E1",
    },
  ]);
});
