import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Serial } from "@persoline/card/program";
import { afterEach, beforeEach, expect, test } from "vitest";
import { openStore, type Store } from "../store/store.js";
import { carriersAFile, printCarriers, readCarrier } from "./carriers.js";
import { root } from "./command.test.data.js";
import { type DataFolder, dataFolder } from "./data-folder.js";
import { readAnyProduct } from "./job.js";

const order = "A-1";
const office = join(root, "examples/products/office-access/product.yaml");
const payment = join(root, "examples/products/payment/product.yaml");
let data: DataFolder;
let store: Store;

beforeEach(async () => {
  data = dataFolder(mkdtempSync(join(tmpdir(), "persoline-carriers-")));
  store = await openStore({ file: data.database });
});
afterEach(async () => {
  await store.close();
  rmSync(data.root, { recursive: true });
});

/** An order with good cards for these departments. */
async function produced(departments: readonly string[]): Promise<void> {
  const serial = (at: number): Serial => `0102030405${String(at + 1).padStart(10, "0")}` as Serial;
  await store.stock.receive({
    lot: "B",
    blanks: departments.map((_, at) => ({ serial: serial(at), label: `B-${String(at + 1)}` })),
    by: "Ada",
  });
  await store.orders.import({
    order: {
      order,
      customer: "c",
      product: "p",
      input: { file: "f" },
      line: "l",
      environment: "test",
      keys: "k",
    },
    inputSha256: "0",
    records: departments.map((department, at) => ({
      number: at + 1,
      row: at + 2,
      fields: { name: `Person ${String(at + 1)}`, department },
      photos: {},
    })),
    sealedDataKey: new Uint8Array(1),
    dataKey: new Uint8Array(32),
  });
  for (const at of departments.keys()) {
    await store.accounts.start({ label: `B-${String(at + 1)}`, order, line: "l" });
    await store.accounts.bind({ serial: serial(at), order });
    await store.accounts.finish({
      serial: serial(at),
      end: { kind: "good" },
      history: { times: [], findings: [] },
    });
  }
  store.orders.unlock(order, new Uint8Array(32));
}

async function print() {
  const layout = await readCarrier((await readAnyProduct(office)).product, office);
  if (layout === undefined) throw new Error("the office product has no carrier");
  return printCarriers({ store, data, order, layout, by: "Ada" });
}

test("the office's carriers are printed once, into a file that its owner alone may read", async () => {
  await produced(["Dock", ""]);
  const [printed, ...more] = await print();
  expect(more).toEqual([]);
  expect(printed).toMatchObject({ batch: "C-0000001", carriers: 2 });
  const file = printed?.file ?? "";
  expect(statSync(file).mode & 0o777).toBe(0o600);
  expect(readFileSync(file).toString("latin1")).toContain("/Count 2 ");
  expect(await print()).toEqual([]);
});

test("while another order's carriers are not deleted, none are printed, and the file is named", async () => {
  await produced(["Dock"]);
  const left = join(data.carriers("A-0"), "C-0000001.pdf");
  writeFileSync(left, "another order's people");
  const refused = `${left}, carriers of order A-0, is not deleted, and those of order A-1 are not printed before it is`;
  await expect(print()).rejects.toThrow(refused);
  expect(await store.carriers.list(order)).toEqual([]);
  expect(readdirSync(data.carriers("A-0"))).toEqual(["C-0000001.pdf"]);
  rmSync(left);
  expect(await print()).toMatchObject([{ carriers: 1 }]);
});

test("killed between numbers and entry, or in the middle of the file: the same carriers in the same file", async () => {
  await produced(["Dock", "Store"]);
  const numbered = await store.carriers.number(order, carriersAFile);
  writeFileSync(join(data.carriers(order), "C-0000001.pdf.new"), "half");
  expect(await print()).toMatchObject([{ batch: "C-0000001", carriers: 2 }]);
  expect(readdirSync(data.carriers(order))).toEqual(["C-0000001.pdf"]);
  expect((await store.carriers.list(order)).map(({ carrier }) => carrier)).toEqual(
    numbered.map(({ carrier }) => carrier),
  );
});

test("an account's number that came into another field stands on no carrier, and is not told", async () => {
  await produced(["Dock", "Dept 4539 1488 0343 6467"]);
  const problem = await print().catch((error: unknown) => error);
  expect(String(problem)).toContain("record 2: department holds the number of an account");
  expect(String(problem)).not.toContain("4539");
  expect(existsSync(join(data.carriers(order), "C-0000001.pdf"))).toBe(false);
});

test("a name that does not fit is refused with its record", async () => {
  await produced([
    "Dock",
    "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft",
  ]);
  await expect(print()).rejects.toThrow(/^record 2: .*department/);
});

test("no template may name a payment card's account number, and one that is not there is named", async () => {
  const { product } = await readAnyProduct(payment);
  const named = { ...product, carrier: join(data.root, "carrier.yaml") };
  await expect(readCarrier(named, payment)).rejects.toThrow("the carrier's template cannot be opened");
  const carrier = (field: string): void =>
    writeFileSync(
      named.carrier,
      `card: [62, 176]\nfields:\n  - { name: a, kind: text, text: "{${field}}", font: Inter-Regular, size: 9, box: [25, 50, 80, 5] }\n  - { name: code, kind: code, symbology: code128, text: "{carrier}", box: [120, 60, 60, 12] }\n`,
    );
  carrier("customer");
  expect(await readCarrier(named, payment)).toBeDefined();
  carrier("pan");
  await expect(readCarrier(named, payment)).rejects.toThrow('the product has no field "pan"');
});
