import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { random } from "@persoline/card/node";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { StockItem } from "../devices/shop-floor/lot.js";
import { ShopFloor } from "../devices/shop-floor/floor.js";
import { virtualSilicon } from "../devices/shop-floor/silicon.js";
import type { Place } from "../devices/transport/port.js";
import { importAsk, passed } from "../store/sample.test.data.js";
import { openStore, type Store } from "../store/store.js";
import { chipOf, outputDifferences } from "./bodies.js";
import { settle, takeAway } from "./by-hand.js";
import { type DataFolder, dataFolder } from "./data-folder.js";
import { withdraw } from "./withdraw.js";

const plan = { lot: "L1", count: 8, seed: 7, faults: [], flaws: [] };
const head: Place = { at: "head", station: "quality", head: 0 };
const people = { reason: "looked at it", by: "Ada", witness: "Bo" };

let data: DataFolder;
let store: Store;
let floor: ShopFloor;
let items: readonly StockItem[];

beforeEach(async () => {
  data = dataFolder(mkdtempSync(join(tmpdir(), "persoline-by-hand-")));
  store = await openStore({ file: data.database });
  floor = new ShopFloor(data.shopFloor, virtualSilicon({ loaderMaster: new Uint8Array(16), random }));
  items = floor.makeLot(plan);
  await store.stock.receive({ lot: plan.lot, blanks: items, by: "Ada" });
  await store.orders.import(importAsk(2));
});
afterEach(async () => {
  floor.close();
  await store.close();
  rmSync(data.root, { recursive: true });
});

/** The next blank through the machine, to its end. */
async function made(end: "good" | "held"): Promise<StockItem> {
  const { label = "" } = floor.feed(head) ?? {};
  const item = items.find((one) => one.label === label);
  if (item === undefined) throw new Error("the hopper is empty");
  const { serial } = item;
  await store.accounts.start({ label, order: "A-1", line: "carousel" });
  const bound = await store.accounts.bind({ serial, order: "A-1" });
  if (bound === "none-waiting") throw new Error("nobody waits");
  await store.accounts.finish({
    serial,
    end: end === "good" ? { kind: "good" } : { kind: "held", station: "quality", question: "?" },
    history: passed,
  });
  floor.move(head, end === "good" ? slot(bound.record.number) : { at: "hold" });
  return item;
}
const slot = (record: number): Place => ({ at: "good", order: "A-1", slot: record });
const lying = (place: Place): string[] => floor.bodiesAt(place).map(({ label }) => label);
const differences = () => outputDifferences({ store, data, order: "A-1" });

/** Another body with the number of this one, whose chip answers as that of the blank `from` (none: there is no chip in it). Lies first. */
function twin({ label }: StockItem, from?: StockItem): string {
  const dir = join(data.shopFloor, "hold", `000000-${label}`);
  mkdirSync(dir);
  if (from === undefined) return dir;
  floor.feed(head);
  const chip = floor.bodyAt(head)?.dir ?? "";
  expect(floor.bodyAt(head)?.label).toBe(from.label);
  cpSync(join(chip, "chip.eeprom"), join(dir, "chip.eeprom"));
  floor.move(head, { at: "hopper" });
  return dir;
}

test("of two bodies with one number people move the one whose chip is the card's", async () => {
  const card = await made("held");
  const other = items[1];
  if (other === undefined) throw new Error("there is no other");
  const dir = twin(card, other);
  expect(await chipOf({ label: card.label, dir })).toBe(other.serial);
  await settle({ store, data, serial: card.serial, verdict: "reject", ...people });
  const [rejected] = floor.bodiesAt({ at: "reject" });
  expect(rejected === undefined ? undefined : await chipOf(rejected)).toBe(card.serial);
  expect(existsSync(dir)).toBe(true);
});

test("of two bodies with one number people take away the one that is not the card's", async () => {
  const card = await made("held");
  const dir = twin(card);
  // It lies behind the card: neither of them is the first by chance.
  cpSync(dir, join(data.shopFloor, "hold", `999999-${card.label}`), { recursive: true });
  rmSync(dir, { recursive: true });
  await takeAway({ store, data, label: card.label, ...people });
  const [left, ...more] = floor.bodiesAt({ at: "hold" });
  expect(more).toEqual([]);
  expect(left === undefined ? undefined : await chipOf(left)).toBe(card.serial);
  await expect(takeAway({ store, data, label: card.label, ...people })).rejects.toThrow(/no unknown body/);
});

test("bodies that nobody can tell apart are not guessed at, and nothing is decided", async () => {
  const card = await made("held");
  const [body] = floor.bodiesAt({ at: "hold" });
  cpSync(body?.dir ?? "", join(data.shopFloor, "hold", `000000-${card.label}`), { recursive: true });
  await expect(settle({ store, data, serial: card.serial, verdict: "reject", ...people })).rejects.toThrow(
    /2 bodies with the number .* do not tell which one/,
  );
  expect(await store.stock.find(card.serial)).toMatchObject({ state: "held" });
});

test("a good card found bad leaves its slot for the reject bin; its record waits again, its PIN and letter are void", async () => {
  const card = await made("good");
  await made("good");
  await store.orders.storePins("A-1", 1, { user: new Uint8Array([1]) });
  await store.letters.number({ order: "A-1", record: 1, pin: "user" });
  expect(await store.orders.find("A-1")).toMatchObject({ state: "produced" });
  const ask = { store, data, serial: card.serial, lost: false, ...people };
  expect(() => store.stock.withdraw({ ...people, serial: card.serial, witness: "ada" })).toThrow(
    /two different/,
  );
  expect(await withdraw(ask)).toMatchObject({ state: "rejected", record: 1 });
  expect(lying({ at: "reject" })).toEqual([card.label]);
  expect(lying(slot(1))).toEqual([]);
  expect(await store.orders.pins("A-1", 1)).toEqual({});
  expect(await store.letters.list("A-1")).toMatchObject([{ state: "void" }]);
  expect(await store.orders.find("A-1")).toMatchObject({ state: "in-production" });
  expect(await store.access.refused(card.serial)).toMatchObject({ reason: "withdrawn" });
  await expect(withdraw(ask)).rejects.toThrow(/is rejected/);

  // Killed between the accounts and the body: asked again, only the body is moved.
  const next = await made("good");
  await store.stock.withdraw({ serial: next.serial, ...people });
  expect(lying(slot(1))).toEqual([next.label]);
  await withdraw({ ...ask, serial: next.serial });
  expect(lying(slot(1))).toEqual([]);
  expect(await differences()).toEqual([]);
  // However many cards a record had: two people have looked, and it is not held.
  const third = await made("good");
  await withdraw({ ...ask, serial: third.serial });
  expect(await store.accounts.progress("A-1")).toMatchObject({ waiting: 1, held: 0, produced: 1 });
  expect(await store.accounts.recount()).toMatchObject({ good: 1, rejected: 3 });
  expect((await store.reports.reconcile("A-1")).agree).toBe(true);
});

test("a lost body is a difference that names its card, until two people book it", async () => {
  const card = await made("good");
  const other = await made("good");
  expect(await differences()).toEqual([]);
  const ask = { store, data, serial: card.serial, lost: true, ...people };
  await expect(withdraw(ask)).rejects.toThrow(/lies in its slot: it is not lost/);
  const [body] = floor.bodiesAt(slot(1));
  rmSync(body?.dir ?? "", { recursive: true });
  expect(await differences()).toEqual([
    { what: `${card.label} is good, but is nowhere to be found`, lost: card.serial },
  ]);
  expect(await withdraw(ask)).toMatchObject({ state: "destroyed" });
  expect(await differences()).toEqual([]);
  expect(await store.accounts.recount()).toMatchObject({ good: 1, destroyed: 1 });
  expect(await store.accounts.progress("A-1")).toMatchObject({ waiting: 1, produced: 1 });
  expect((await store.reports.reconcile("A-1")).agree).toBe(true);
  const told: string[] = [];
  for await (const { what, object } of store.audit.entries())
    if (object === `card ${card.serial}`) told.push(what);
  expect(told.slice(-2)).toEqual(["card.reject", "card.lost"]);

  // A body that is there, but in a wrong place or one too many, is nobody's loss.
  const [second] = floor.bodiesAt(slot(2));
  cpSync(second?.dir ?? "", join(data.shopFloor, "good/A-1", "000009-L9-000001"), { recursive: true });
  floor.carry(other.label, slot(2), { at: "hold" });
  expect(await differences()).toEqual([
    { what: `${other.label} is good, but lies at hold` },
    { what: "nobody knows L9-000001, which lies at good" },
  ]);
});

test("a lot that never lay on the simulated floor is nobody's difference", async () => {
  await made("good");
  rmSync(floor.bodiesAt(slot(1))[0]?.dir ?? "", { recursive: true });
  const lots = join(data.shopFloor, "lots/L1.json");
  const kept = readFileSync(lots);
  rmSync(lots);
  expect(await differences()).toEqual([]);
  writeFileSync(lots, kept);
  expect(await differences()).toHaveLength(1);
});
