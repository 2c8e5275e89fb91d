import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Serial } from "@persoline/card/program";
import Database from "better-sqlite3";
import { afterEach, beforeEach, expect, test } from "vitest";
import { DeviceFault } from "../devices/problem.js";
import { openLetter } from "../devices/hsm/letter.js";
import { anyPin } from "../devices/hsm/order.test.data.js";
import type { Hsm } from "../devices/hsm/port.js";
import { createKeystore, openVault } from "../devices/hsm/vault.js";
import { openStore, type Store } from "../store/store.js";
import { type DataFolder, dataFolder } from "./data-folder.js";
import { takeAwayVoid, writeLetters } from "./letters.js";

const people = 70;
const order = "A-1";
const pins = [{ name: "pin", length: 6, tries: 3, letter: true }];
let data: DataFolder;
let hsm: Hsm;
let store: Store;

beforeEach(async () => {
  data = dataFolder(mkdtempSync(join(tmpdir(), "persoline-letters-")));
  const unlock = { keyFile: data.keyFile };
  await createKeystore({
    file: data.keystore,
    environment: "test",
    unlock,
    keys: [{ name: "issuer", use: "scp03" }],
    letterPrinter: { writePrivateKeyTo: data.letterPrinterKey },
  });
  hsm = await openVault({ file: data.keystore, unlock });
  store = await openStore({ file: data.database });
  const numbers = Array.from({ length: people }, (_, at) => at + 1);
  const serial = (number: number) => `S${String(number)}` as Serial;
  const blanks = numbers.map((number) => ({ serial: serial(number), label: `L${String(number)}` }));
  await store.stock.receive({ lot: "L", blanks, by: "Ada" });
  const policy = anyPin();
  const sealedDataKey = await hsm.createDataKey({ order, policy });
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
    records: numbers.map((number) => ({
      number,
      row: number + 1,
      fields: { name: `Person ${String(number)}` },
      photos: {},
    })),
    sealedDataKey,
    dataKey: await hsm.releaseDataKey({ order, sealed: sealedDataKey, policy }),
  });
  await Promise.all(
    numbers.map(async (record) => {
      const pin = await hsm.drawPin({ order, record, name: "pin", length: 6 });
      await store.orders.storePins(order, record, { pin });
      await store.accounts.start({ label: `L${String(record)}`, order, line: "l" });
      await store.accounts.bind({ serial: serial(record), order });
      const history = { times: [], findings: [] };
      await store.accounts.finish({ serial: serial(record), end: { kind: "good" }, history });
    }),
  );
}, 60_000);
afterEach(async () => {
  await store.close();
  await hsm.close();
  rmSync(data.root, { recursive: true });
});

test("letters are written in groups; an interruption between a group's writing and its entry costs nobody a letter, and nobody gets two", async () => {
  const told: string[] = [];
  const onProgress = ({ done, of }: { done: number; of: number }) =>
    told.push(`${String(done)}/${String(of)}`);
  let groups = 0;
  const failing: Hsm = {
    ...hsm,
    writeLetters: async (asks) => {
      await hsm.writeLetters(asks);
      if (++groups === 2) throw new DeviceFault("vault", "security-module", "the vault's process ended");
    },
  };
  await expect(writeLetters({ order, store, hsm: failing, data, pins, onProgress })).rejects.toThrow(
    "the vault's process ended",
  );
  const states = async () => (await store.letters.list(order)).map(({ state }) => state);
  const lying = readdirSync(data.letters(order));
  expect(lying).toHaveLength(people);
  expect((await states()).filter((state) => state === "written")).toHaveLength(64);

  expect(await writeLetters({ order, store, hsm, data, pins, onProgress })).toBe(people - 64);
  expect(told).toEqual(["64/70", "64/70", "70/70"]);
  expect(new Set(await states())).toEqual(new Set(["written"]));
  expect(readdirSync(data.letters(order))).toEqual(lying);
  const printer = readFileSync(data.letterPrinterKey, "utf8");
  for (const { letter, record, file } of await store.letters.list(order)) {
    const text = openLetter(printer, readFileSync(join(data.root, file ?? ""), "utf8"));
    expect(text).toContain(`Letter ${letter}\n`);
    expect(text).toContain(`Person ${String(record)}\n`);
  }
  expect(await writeLetters({ order, store, hsm, data, pins })).toBe(0);
}, 60_000);

test("until delivery two people print a letter again; the old one is void and its file gone; then the PIN is dead", async () => {
  await writeLetters({ order, store, hsm, data, pins });
  const letters = await store.letters.list(order);
  const [old] = letters;
  if (old === undefined) throw new Error("no letter");
  const printer = readFileSync(data.letterPrinterKey, "utf8");
  const text = (file: string | undefined) =>
    openLetter(printer, readFileSync(join(data.root, file ?? ""), "utf8"));
  const pinOf = (content: string) => /Your PIN: (\d{6})/.exec(content)?.[1];
  const before = text(old.file);
  const again = { letter: old.letter, reason: "torn in the printer", by: "Ada", witness: "Bo" };
  await expect(store.letters.reprint({ ...again, witness: " ada" })).rejects.toMatchObject({
    code: "two-people",
  });

  const anew = await store.letters.reprint(again);
  expect(anew).toMatchObject({ record: old.record, state: "numbered", attempt: old.attempt });
  expect(await takeAwayVoid(order, store, data)).toBe(1);
  expect(readdirSync(data.letters(order))).not.toContain(`${old.letter}.letter`);
  expect(await writeLetters({ order, store, hsm, data, pins })).toBe(1);
  const now = (await store.letters.list(order)).find(({ letter }) => letter === anew.letter);
  expect(now).toMatchObject({ state: "written" });
  expect(text(now?.file)).toContain(`Letter ${anew.letter}\n`);
  expect(pinOf(text(now?.file))).toBe(pinOf(before));
  expect(pinOf(before)).toHaveLength(6);
  await expect(store.letters.reprint(again)).rejects.toThrow(`was replaced by ${anew.letter}`);

  // One person may make a letter void, and that alone prints none.
  await store.letters.void({ letter: anew.letter, reason: "lost", by: "Ada" });
  expect(await writeLetters({ order, store, hsm, data, pins })).toBe(0);
  const third = await store.letters.reprint({ ...again, letter: anew.letter });
  expect(await writeLetters({ order, store, hsm, data, pins })).toBe(1);
  const released = await store.letters.release({ order, by: "Ada", witness: "Bo" });
  expect(released).toHaveLength(people);
  expect(released.map(({ letter }) => letter)).not.toContain(old.letter);

  await store.orders.deliver({ order, by: "Ada" });
  for (let record = 1; record <= people; record++) expect(await store.orders.pins(order, record)).toEqual({});
  await expect(store.letters.reprint({ ...again, letter: third.letter })).rejects.toMatchObject({
    code: "no-pin",
  });
  await expect(store.letters.reprint({ ...again, letter: "L-9999999" })).rejects.toMatchObject({
    code: "unknown-letter",
  });
}, 60_000);

test("a letter of a card that was withdrawn is void; its remake's letter tells another PIN", async () => {
  await writeLetters({ order, store, hsm, data, pins });
  const [old] = await store.letters.list(order);
  if (old === undefined) throw new Error("no letter");
  await store.stock.withdraw({
    serial: `S${String(old.record)}` as Serial,
    reason: "bent",
    by: "Ada",
    witness: "Bo",
  });
  expect((await store.letters.list(order)).find(({ letter }) => letter === old.letter)).toMatchObject({
    state: "void",
  });
  const again = { letter: old.letter, reason: "torn", by: "Ada", witness: "Bo" };
  await expect(store.letters.reprint(again)).rejects.toThrow(
    "was cancelled: its remake has a letter of its own",
  );
  expect(await store.orders.pins(order, old.record)).toEqual({});
  expect(await takeAwayVoid(order, store, data)).toBe(1);
  const released = await store.letters.release({ order, by: "Ada", witness: "Bo" });
  expect(released.map(({ letter }) => letter)).not.toContain(old.letter);
  expect(released).toHaveLength(people - 1);
}, 60_000);

test("a good card whose PIN is not kept is told, when all other letters are written", async () => {
  const database = new Database(data.database);
  database.exec("delete from record_pins where record in (3, 69)");
  database.close();
  await expect(writeLetters({ order, store, hsm, data, pins })).rejects.toThrow(
    /keep no PIN of the good cards of records 3, 69 of order A-1, so no letter can tell it/,
  );
  const states = (await store.letters.list(order)).map(({ record, state }) => [record, state] as const);
  expect(states.filter(([, state]) => state === "written")).toHaveLength(people - 2);
  expect(states.filter(([, state]) => state !== "written")).toEqual([
    [3, "numbered"],
    [69, "numbered"],
  ]);
}, 60_000);
