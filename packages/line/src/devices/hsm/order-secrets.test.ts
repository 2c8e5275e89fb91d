/** Orders' own secrets: made once, durably, kept apart from each other, and destroyed so that no older copy opens what was sealed under them. */
import {
  copyFileSync,
  cpSync,
  linkSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { OrderSecrets } from "./order-secrets.js";
import { shelfOf } from "./order-shelf.js";
import { seal, unseal } from "./seal.js";
import { sealingAlone } from "./seal.test.data.js";

const sealing = new Uint8Array(32).fill(7);
const order = "2026-117";
const digits = Uint8Array.from([0x31, 0x32, 0x33, 0x34]);
const policy = "a list";
const pin = { purpose: "pin", order, record: 1, name: "pin", policy } as const;
const grouping = { purpose: "issuer-dgi", order, record: 1, name: "A0/8101", policy } as const;
const payment = { purpose: "payment", order, record: 1, name: "A0", policy } as const;
const key = { purpose: "data-key", order, policy } as const;

let folder: string;
const kept = (): string => join(folder, "keystore.json");
const files = (): string => `${kept()}.orders`;
/** As a process of the module has them, started now. */
const started = (from = kept()) => ({ sealing: () => sealing, orders: new OrderSecrets(shelfOf(from)) });
const fileOf = (end: string): string => {
  const name = readdirSync(files()).find((one) => one.endsWith(`until-${end}`));
  if (name === undefined) throw new Error(`there is no secret until ${end}`);
  return join(files(), name);
};

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "persoline-orders-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

describe("what is sealed under an order's secrets", () => {
  test("opens in later processes, and neither without them nor under those of another order or installation", () => {
    const one = started();
    one.orders.create(order, sealing);
    for (const belongs of [pin, grouping, payment, key]) {
      const sealed = seal(one, belongs, digits);
      expect(unseal(started(), belongs, sealed)).toEqual(digits);
      expect(() => unseal(sealingAlone(sealing), belongs, sealed)).toThrow("is missing");
      const other = started(join(folder, "other.json"));
      other.orders.create(order, sealing);
      expect(() => unseal(other, belongs, sealed)).toThrow("damaged or belongs elsewhere");
    }
  });
  test("ends with the delivery, but for the data key, which ends with the erasure", () => {
    const one = started();
    one.orders.create(order, sealing);
    const cards = [pin, grouping, payment].map((belongs) => ({
      belongs,
      sealed: seal(one, belongs, digits),
    }));
    const data = seal(one, key, digits);
    const another = { ...pin, order: "2026-118" };
    one.orders.create(another.order, sealing);
    const others = seal(one, another, digits);
    expect(one.orders.end(order, "delivery")).toBe(true);
    for (const process of [one, started()]) {
      for (const { belongs, sealed } of cards) {
        expect(() => unseal(process, belongs, sealed)).toThrow(`order ${order} was delivered or erased`);
        expect(() => seal(process, belongs, digits)).toThrow(`order ${order} was delivered or erased`);
      }
      expect(unseal(process, key, data)).toEqual(digits);
      expect(unseal(process, another, others)).toEqual(digits);
    }
    expect(one.orders.end(order, "erasure")).toBe(true);
    for (const process of [one, started()])
      expect(() => unseal(process, key, data)).toThrow(`order ${order} was erased`);
    expect(() => one.orders.create(order, sealing)).toThrow(`order ${order} was delivered or erased`);
    expect(one.orders.end(order, "delivery")).toBe(false);
  });
  test("of an order that was taken in before there were secrets opens as ever, until it ends", () => {
    const before = seal(sealingAlone(sealing), pin, digits);
    const unlisted = seal(sealingAlone(sealing), { purpose: "pin", order, record: 1, name: "pin" }, digits);
    const one = started();
    // What is drawn for it now is sealed as its other PINs are.
    const now = seal(one, pin, digits);
    const opened = (process: typeof one) => [
      unseal(process, pin, before),
      unseal(process, { ...pin, unlisted: true }, unlisted),
      unseal(process, pin, now),
    ];
    expect(opened(one)).toEqual([digits, digits, digits]);
    expect(readdirSync(folder)).toEqual([]);
    one.orders.end(order, "delivery");
    expect(() => opened(started())).toThrow(`order ${order} was delivered or erased`);
    expect(() => unseal(started(), { ...pin, unlisted: true }, unlisted)).toThrow("was delivered or erased");
  });
});

describe("an order's secrets on the disk", () => {
  test("are for their owner only, one file each, under the sealing key, and never made a second time", () => {
    started().orders.create(order, sealing);
    const before = ["delivery", "erasure"].map((end) => readFileSync(fileOf(end)));
    expect(readdirSync(files())).toEqual([
      expect.stringMatching(/^2026-117\.[0-9a-f]{16}\.until-delivery$/),
      expect.stringMatching(/^2026-117\.[0-9a-f]{16}\.until-erasure$/),
    ]);
    expect(statSync(files()).mode & 0o777).toBe(0o700);
    expect(statSync(fileOf("delivery")).mode & 0o777).toBe(0o600);
    started().orders.create(order, sealing);
    expect(["delivery", "erasure"].map((end) => readFileSync(fileOf(end)))).toEqual(before);
    expect(() => started().orders.of(order, "delivery", new Uint8Array(32).fill(8))).toThrow(
      "is damaged, or another installation's",
    );
  });
  test("of a maker who comes second, or was killed, take the place of none", () => {
    const shelf = shelfOf(kept());
    shelf.put("one", Uint8Array.of(1));
    shelf.put("one", Uint8Array.of(2));
    expect(shelf.read("one")).toEqual(Buffer.of(1));
    expect(readdirSync(files())).toEqual(["one"]);
    // Killed with one of the two made, and with what it was writing.
    const one = started();
    one.orders.create(order, sealing);
    const sealed = seal(one, pin, digits);
    rmSync(fileOf("erasure"));
    writeFileSync(`${fileOf("delivery")}.0011223344556677.new`, "begun");
    const next = started();
    next.orders.create(order, sealing);
    expect(unseal(next, pin, sealed)).toEqual(digits);
    expect(unseal(next, key, seal(next, key, digits))).toEqual(digits);
  });
  test("are written over before their names go, second names of a killed maker with them", () => {
    const one = started();
    one.orders.create(order, sealing);
    const file = fileOf("delivery");
    const size = statSync(file).size;
    linkSync(file, join(folder, "the same bytes"));
    linkSync(file, `${file}.0011223344556677.new`);
    one.orders.end(order, "delivery");
    expect(readFileSync(join(folder, "the same bytes"))).toEqual(Buffer.alloc(size));
    expect(readFileSync(file, "utf8")).toBe("persoline: destroyed\n");
    expect(readdirSync(files())).toHaveLength(2);
  });
  test("that were being destroyed when the process was killed open nothing more, and the same call does the rest", () => {
    const one = started();
    one.orders.create(order, sealing);
    const sealed = seal(one, pin, digits);
    writeFileSync(fileOf("delivery"), Buffer.alloc(statSync(fileOf("delivery")).size));
    expect(() => unseal(started(), pin, sealed)).toThrow("was delivered or erased");
    expect(started().orders.end(order, "delivery")).toBe(true);
    expect(readFileSync(fileOf("delivery"), "utf8")).toBe("persoline: destroyed\n");
    expect(started().orders.end(order, "delivery")).toBe(false);
  });
  test("that are missing or damaged are told with their file, and open again when it is put back", () => {
    const one = started();
    one.orders.create(order, sealing);
    const sealed = seal(one, pin, digits);
    const data = seal(one, key, digits);
    const file = fileOf("delivery");
    cpSync(files(), join(folder, "backup"), { recursive: true });
    const back = () => copyFileSync(join(folder, "backup", file.slice(files().length + 1)), file);
    truncateSync(file, 20);
    expect(() => unseal(started(), pin, sealed)).toThrow(`${file} is damaged`);
    truncateSync(file, 0);
    expect(() => unseal(started(), pin, sealed)).toThrow(`${file} is damaged`);
    rmSync(file);
    for (const process of [one, started()]) {
      expect(() => unseal(process, pin, sealed)).toThrow(`${file} is missing`);
      expect(() => seal(process, pin, digits)).toThrow(`${file} is missing`);
    }
    back();
    expect(unseal(started(), pin, sealed)).toEqual(digits);
    // Both gone: nothing is opened, and nothing is sealed as if it were an order of before.
    rmSync(files(), { recursive: true });
    for (const process of [one, started()])
      expect(() => unseal(process, key, data)).toThrow("Restore this file from the newest backup");
    expect(() => seal(one, pin, digits)).toThrow(`${file} is missing`);
  });
  test("lie in their folder whatever an order is called, and no two orders have the same", () => {
    const { orders } = started();
    const names = ["../../../x", "a", "A", "x".repeat(300), `${"x".repeat(300)}y`, "", "ä/\0"];
    for (const name of names) orders.create(name, sealing);
    expect(readdirSync(folder)).toEqual(["keystore.json.orders"]);
    const made = readdirSync(files()).map((name) => name.toLowerCase());
    expect(new Set(made).size).toBe(2 * names.length);
    for (const name of names) expect(orders.of(name, "delivery", sealing)).toHaveLength(32);
  });
});
