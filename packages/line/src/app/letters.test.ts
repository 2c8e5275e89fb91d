import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Serial } from "@persoline/card/program";
import Database from "better-sqlite3";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { DeviceFault } from "../devices/problem.js";
import { hasAccountNumber } from "../devices/hsm/letters/account-number.js";
import { pinIn, printedIn } from "../devices/hsm/letters/letters.test.data.js";
import { anyPin } from "../devices/hsm/order.test.data.js";
import type { Hsm } from "../devices/hsm/port.js";
import { createKeystore, openVault } from "../devices/hsm/vault.js";
import { openStore, type Store } from "../store/store.js";
import { type DataFolder, dataFolder } from "./data-folder.js";
import { nameBatches } from "./letter-drafts.js";
import {
  numberLetters,
  releaseLetters,
  replacedBy,
  takenAway,
  tidyLetters,
  unsureBatches,
} from "./letters.js";
import { reprintLetters } from "./reprint.js";

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

const two = { by: "Ada", witness: "Bo" };
const number = () => numberLetters({ order, store, pins });
const release = (
  more: { readonly hsm?: Hsm; readonly store?: Store; readonly only?: readonly string[] } = {},
) => releaseLetters({ order, store, hsm, data, ...two, ...more });
const lying = () => readdirSync(data.letters(order));
const pages = () => printedIn(data.letterPrinterKey, data.letters(order));
const states = async () => (await store.letters.list(order)).map(({ state }) => state);

test("letters are numbered with the cards, and released in batches: an interruption between a batch's writing and its entry costs nobody a letter, and nobody gets two", async () => {
  const told: string[] = [];
  const onProgress = ({ done, of }: { done: number; of: number }) =>
    told.push(`${String(done)}/${String(of)}`);
  expect(await numberLetters({ order, store, pins, onProgress })).toBe(people);
  expect(told).toEqual(["64/70", "70/70"]);
  expect(await number()).toBe(0);
  expect(lying()).toEqual([]);
  const failing: Hsm = {
    ...hsm,
    writeLetters: async (ask) => {
      await hsm.writeLetters(ask);
      throw new DeviceFault("vault", "security-module", "the vault's process ended");
    },
  };
  await expect(release({ hsm: failing })).rejects.toThrow("the vault's process ended");
  expect(lying()).toEqual(["B-0000001.letters.part"]);
  expect(new Set(await states())).toEqual(new Set(["numbered"]));

  expect(await release()).toMatchObject([{ batch: "B-0000002", letters: people }]);
  expect(lying()).toEqual(["B-0000002.letters"]);
  expect(new Set(await states())).toEqual(new Set(["released"]));
  const printed = [...pages()];
  expect(printed).toHaveLength(people);
  for (const [at, { letter, record, batch, page }] of (await store.letters.list(order)).entries()) {
    expect({ batch, page }).toEqual({ batch: "B-0000002", page: at + 1 });
    expect(printed[at]?.[0]).toBe(letter);
    expect(printed[at]?.[1]).toContain(`Batch B-0000002, page ${String(at + 1)} of ${String(people)}\n`);
    expect(printed[at]?.[1]).toContain(`\nPerson ${String(record)}\n`);
  }
  expect(await release()).toEqual([]);
}, 60_000);

test("what a file manager or a file system leaves beside the orders' folders ends no command; a folder that cannot be read is told", async () => {
  const all = join(data.root, "letters");
  mkdirSync(join(all, "lost+found"), { recursive: true });
  writeFileSync(join(all, ".DS_Store"), "");
  // Cannot be read by anybody, not even by root.
  symlinkSync("unreadable", join(all, "unreadable"));
  const told = vi.spyOn(process.stderr, "write").mockReturnValue(true);
  try {
    await nameBatches(store, data);
    expect(told.mock.calls.map(([text]) => text)).toEqual([
      `${join(all, "unreadable")} cannot be read (ELOOP) and is passed over: if it is an order's, let this user read it\n`,
    ]);
    await number();
    expect(await release()).toMatchObject([{ batch: "B-0000001", letters: people }]);
    expect(lying()).toEqual(["B-0000001.letters"]);
  } finally {
    told.mockRestore();
  }
}, 60_000);

describe("killed while a batch is released", () => {
  const killed = (): never => {
    throw new Error("killed");
  };
  const dyingHsm = (writeLetters: Hsm["writeLetters"]): Hsm => ({ ...hsm, writeLetters });
  const dyingStore = (released: Store["letters"]["released"]): Store => ({
    ...store,
    letters: { ...store.letters, released },
  });
  /** What dies then, and whether the batch is entered. */
  const moments: Readonly<
    Record<string, { readonly isEntered: boolean; readonly dying: () => { hsm?: Hsm; store?: Store } }>
  > = {
    "in the middle of its draft": {
      isEntered: false,
      dying: () => ({
        hsm: dyingHsm(async (ask) => {
          await hsm.writeLetters(ask);
          truncateSync(ask.file, 100);
          killed();
        }),
      }),
    },
    "before its entry": {
      isEntered: false,
      dying: () => ({ store: dyingStore(() => Promise.resolve().then(killed)) }),
    },
    "after its entry, before its name": {
      isEntered: true,
      dying: () => ({ store: dyingStore((ask) => store.letters.released(ask).then(killed)) }),
    },
  };
  /** What people call next. */
  const next: Readonly<Record<string, () => Promise<unknown>>> = {
    "the same command": () => release(),
    "a run, an end of a run, or whatever works on the order": () => tidyLetters(order, store, data),
    "a command that only looks": () => nameBatches(store, data),
  };

  test.each([
    { dies: "in the middle of its draft", called: "the same command" },
    { dies: "before its entry", called: "a command that only looks" },
    { dies: "before its entry", called: "a run, an end of a run, or whatever works on the order" },
    { dies: "after its entry, before its name", called: "a command that only looks" },
    {
      dies: "after its entry, before its name",
      called: "a run, an end of a run, or whatever works on the order",
    },
  ])(
    "$dies: what can be printed is entered, and $called loses nobody's letter and prints none twice",
    async ({ dies, called }) => {
      const { isEntered, dying } = moments[dies] ?? killed();
      const goOn = next[called] ?? killed;
      await number();
      await expect(release({ ...dying() })).rejects.toThrow("killed");
      // At no moment anything lies there that may be printed and is not entered.
      expect(lying()).toEqual(["B-0000001.letters.part"]);
      await goOn();
      const entered = (await store.letters.batches(order)).map(({ batch }) => `${batch}.letters`);
      expect(lying().filter((name) => !name.endsWith(".part"))).toEqual(entered);
      expect(entered.includes("B-0000001.letters")).toBe(isEntered);
      await release();
      expect(lying()).toEqual([isEntered ? "B-0000001.letters" : "B-0000002.letters"]);
      const list = await store.letters.list(order);
      expect([...pages().keys()]).toEqual(list.map(({ letter }) => letter));
      expect(new Set(list.map(({ record, state }) => `${String(record)} ${state}`)).size).toBe(people);
      expect(await tidyLetters(order, store, data)).toEqual([]);
      expect(lying()).toHaveLength(1);
    },
    60_000,
  );

  test("a reprint of a batch that lies there as an entered draft makes all its pages void, and its file goes", async () => {
    await number();
    const entered = dyingStore((ask) => store.letters.released(ask).then(killed));
    await expect(release({ store: entered })).rejects.toThrow("killed");
    const letters = (await store.letters.list(order)).map(({ letter }) => letter);
    await store.letters.reprint({ letters, reason: "never printed", ...two });
    expect(await release()).toMatchObject([{ batch: "B-0000002", letters: people }]);
    expect(lying()).toEqual(["B-0000002.letters"]);
    expect(new Set((await states()).slice(0, people))).toEqual(new Set(["void"]));
  }, 60_000);

  test("a draft that another command sweeps away is not entered: its letters wait", async () => {
    await number();
    const swept = dyingHsm(async (ask) => {
      await hsm.writeLetters(ask);
      await tidyLetters(order, store, data);
    });
    await expect(release({ hsm: swept })).rejects.toMatchObject({
      code: "wrong-state",
      message: expect.stringContaining("was swept away by another command") as string,
    });
    expect(new Set(await states())).toEqual(new Set(["numbered"]));
    expect(await release()).toMatchObject([{ batch: "B-0000002", letters: people }]);
  }, 60_000);
});

test("a batch whose letters changed while it was written is not released", async () => {
  await number();
  const [first] = await store.letters.list(order);
  const slow: Hsm = {
    ...hsm,
    writeLetters: async (ask) => {
      await hsm.writeLetters(ask);
      await store.letters.void({ letter: first?.letter ?? "", reason: "not wanted", by: "Ada" });
    },
  };
  await expect(release({ hsm: slow })).rejects.toMatchObject({ code: "wrong-state" });
  expect(await release()).toMatchObject([{ letters: people - 1 }]);
  expect(lying()).toEqual(["B-0000002.letters"]);
  expect([...pages().keys()]).not.toContain(first?.letter);
}, 60_000);

test("until delivery two people print a letter again; the old one is void and its batch's file gone; then the PIN is dead", async () => {
  await number();
  await release();
  const before = pages();
  const [old, other] = await store.letters.list(order);
  if (old === undefined || other === undefined) throw new Error("no letter");
  const again = { letters: [old.letter], reason: "torn in the printer", ...two };
  await expect(store.letters.reprint({ ...again, witness: " ada" })).rejects.toMatchObject({
    code: "two-people",
  });

  const [anew] = await store.letters.reprint(again);
  if (anew === undefined) throw new Error("no letter");
  expect(anew).toMatchObject({ record: old.record, state: "numbered", attempt: old.attempt });
  // Another one waits too, and nobody has asked for it.
  await store.letters.reprint({ ...again, letters: [other.letter] });
  expect(await release({ only: [anew.letter] })).toMatchObject([{ batch: "B-0000002", letters: 1 }]);
  expect(lying()).toEqual(["B-0000002.letters"]);
  expect(await states()).toContain("numbered");
  expect([...pages().keys()]).toEqual([anew.letter]);
  expect(pinIn(pages().get(anew.letter))).toBe(pinIn(before.get(old.letter)));
  expect(pinIn(before.get(old.letter))).toHaveLength(6);
  await expect(store.letters.reprint(again)).rejects.toThrow(`was replaced by ${anew.letter}`);
  // Of several all or none.
  const third = (await store.letters.list(order)).find(({ record }) => record === 3);
  await expect(
    store.letters.reprint({ ...again, letters: [third?.letter ?? "", old.letter] }),
  ).rejects.toThrow("was replaced");
  expect((await store.letters.list(order)).find(({ record }) => record === 3)).toEqual(third);

  // One person may make a letter void, and that alone prints none.
  expect(await store.letters.void({ letter: anew.letter, reason: "lost", by: "Ada" })).toEqual({
    order,
    delivered: false,
    batch: "B-0000002",
    page: 1,
  });
  expect(await tidyLetters(order, store, data)).toEqual(["B-0000002"]);
  expect(await number()).toBe(0);
  expect(await release()).toMatchObject([{ letters: 1 }]);
  const [last] = await store.letters.reprint({ ...again, letters: [anew.letter] });
  expect(await release()).toMatchObject([{ letters: 1 }]);

  expect([...replacedBy(await store.letters.list(order))]).toEqual([
    [old.letter, anew.letter],
    [other.letter, "L-0000072"],
    [anew.letter, last?.letter],
  ]);

  const printed = (await unsureBatches(order, store)).map(({ batch }) => batch);
  await store.orders.deliver({ order, by: "Ada", printed });
  for (let record = 1; record <= people; record++) expect(await store.orders.pins(order, record)).toEqual({});
  await expect(store.letters.reprint({ ...again, letters: [last?.letter ?? ""] })).rejects.toMatchObject({
    code: "no-pin",
  });
  await expect(store.letters.reprint({ ...again, letters: ["L-9999999"] })).rejects.toMatchObject({
    code: "unknown-letter",
  });
}, 60_000);

test("after delivery a letter is void alone: its batch stays, the only copy of the others, whatever is called next", async () => {
  await number();
  await release();
  const before = pages();
  const [lost, other] = await store.letters.list(order);
  if (lost === undefined || other === undefined) throw new Error("no letter");
  const why = { reason: "lost in the post", by: "Ada" };
  await store.orders.deliver({ order, by: "Ada" });
  expect(await store.letters.void({ letter: lost.letter, ...why })).toEqual({
    order,
    delivered: true,
    batch: "B-0000001",
    page: 1,
  });
  expect(await tidyLetters(order, store, data)).toEqual([]);
  expect(await store.letters.takenAway("B-0000001")).toBe(false);
  expect(await release()).toEqual([]);
  expect(await store.letters.batches(order)).toMatchObject([{ file: "letters/A-1/B-0000001.letters" }]);
  expect(pages()).toEqual(before);
  expect((await states()).toSorted()).toEqual([...Array<string>(people - 1).fill("released"), "void"]);
  await expect(
    store.letters.reprint({ letters: [other.letter], reason: "torn", ...two }),
  ).rejects.toMatchObject({ code: "no-pin" });
}, 60_000);

test("a batch that went with one void letter leaves the others in doubt, until all are printed again or the order is delivered", async () => {
  await number();
  await release();
  const [spoilt, , third] = await store.letters.list(order);
  if (spoilt === undefined || third === undefined) throw new Error("no letter");
  expect(await unsureBatches(order, store)).toEqual([]);
  expect(await takenAway(order, store, [])).toEqual([]);
  await store.letters.void({ letter: spoilt.letter, reason: "smeared", by: "Ada" });
  await tidyLetters(order, store, data);
  const unsure = [{ batch: "B-0000001", letters: people - 1 }];
  expect(await unsureBatches(order, store)).toEqual(unsure);
  expect(await takenAway(order, store, ["B-0000001", "B-0000009"])).toEqual([
    `Batch B-0000001 holds a letter that is void now: its file is taken away. If its ${String(people - 1)} other letters were not printed yet, two people have them printed again: "persoline letters reprint B-0000001".`,
    "Batch B-0000009 holds a letter that is void now: its file is taken away.",
  ]);
  const rest = (await store.letters.list(order)).flatMap(({ letter, state }) =>
    state === "released" && letter !== third.letter ? [letter] : [],
  );
  await store.letters.reprint({ letters: rest, reason: "was not printed", ...two });
  await release();
  expect(await unsureBatches(order, store)).toEqual([{ batch: "B-0000001", letters: 1 }]);
  const printed = ["B-0000001"];
  // The void one's PIN would die unsaid.
  const deliver = (more: object) => store.orders.deliver({ order, by: "Ada", lettersEach: 1, ...more });
  await expect(deliver({ printed })).rejects.toThrow(
    "1 PIN letter of order A-1 is not released, and its PIN dies",
  );
  await store.letters.reprint({ letters: [spoilt.letter], reason: "smeared", ...two });
  await expect(deliver({ printed })).rejects.toMatchObject({ code: "wrong-state" });
  await release();
  await expect(deliver({})).rejects.toThrow(
    'batch B-0000001, of which 1 letter is in force, was taken away with a letter that is void: if the print room has printed it, say "--printed B-0000001"',
  );
  await expect(deliver({ printed: [...printed, "B-0000002"] })).rejects.toThrow(
    "--printed B-0000002: order A-1 has no such batch",
  );
  expect(await store.orders.find(order)).toMatchObject({ state: "produced" });
  expect(await store.orders.pins(order, 1)).toHaveProperty("pin");
  await deliver({ printed });
  expect(await unsureBatches(order, store)).toEqual([]);
  const acts = [];
  for await (const { what, detail } of store.audit.entries()) if (what === "order.deliver") acts.push(detail);
  expect(acts).toEqual([{ printed: "B-0000001" }]);
}, 60_000);

test("letters that were numbered hold their order back, whatever is said of how many each card has", async () => {
  await number();
  const deliver = () => store.orders.deliver({ order, by: "Ada", lettersEach: 0 });
  await expect(deliver()).rejects.toThrow(`${String(people)} PIN letters of order A-1 are not released`);
  await release();
  await deliver();
}, 60_000);

test("a letter that is made void while its order is delivered stops the delivery, or is told that its PIN has died", async () => {
  await number();
  await release();
  const [letter] = await store.letters.list(order);
  const other = await openStore({ file: data.database });
  try {
    // Both have looked, and found nothing against it.
    const [made, delivered] = await Promise.allSettled([
      other.letters.void({ letter: letter?.letter ?? "", reason: "lost", by: "Bo" }),
      store.orders.deliver({ order, by: "Ada", lettersEach: 1 }),
    ]);
    expect(made).toMatchObject({
      status: "fulfilled",
      value: { delivered: delivered.status === "fulfilled" },
    });
  } finally {
    await other.close();
  }
}, 60_000);

test("while another order's batch is not deleted, none is released, and the file is named", async () => {
  await number();
  const left = join(data.letters("A-0"), "B-0000007.letters");
  writeFileSync(left, "sealed");
  // What an interruption left is nothing that could be printed.
  writeFileSync(join(data.letters("A-00"), "B-0000008.letters.part"), "sealed");
  await expect(release()).rejects.toThrow(
    `${left}, PIN letters of order A-0, is not deleted, and those of order A-1 are not released before it is: when the print room has printed it, delete the file`,
  );
  expect(new Set(await states())).toEqual(new Set(["numbered"]));
  expect([lying(), readdirSync(data.letters("A-0"))]).toEqual([[], ["B-0000007.letters"]]);
  rmSync(left);
  expect(await release()).toMatchObject([{ batch: "B-0000001", letters: people }]);
  // Its own batches are in nobody's way; and where nothing waits, nothing is refused.
  writeFileSync(left, "sealed");
  expect(await release()).toEqual([]);
}, 60_000);

test("while one release is at work none of another order begins: neither's batch lies there yet when the other looks", async () => {
  await number();
  const other: unknown[] = [];
  const slow: Hsm = {
    ...hsm,
    writeLetters: async (ask) => {
      other.push(
        await releaseLetters({ order: "A-2", store, hsm, data, ...two }).catch((why: unknown) => why),
      );
      await hsm.writeLetters(ask);
    },
  };
  expect(await release({ hsm: slow })).toMatchObject([{ batch: "B-0000001" }]);
  const told = `PIN letters are being released already, by process ${String(process.pid)}: no others are before it has ended`;
  expect(other).toEqual([
    expect.objectContaining({ name: "Refusal", message: expect.stringContaining(told) as string }),
  ]);
  expect(readdirSync(join(data.root, "letters"))).toEqual([order]);
  expect(await releaseLetters({ order: "A-2", store, hsm, data, ...two })).toEqual([]);
}, 60_000);

test("numbers go on in their order beyond seven digits: pages, reprints and batches too", async () => {
  const database = new Database(data.database);
  const before = database.prepare("insert into counters (scope, term, value) values (?, 'last', ?)");
  before.run("letters", 9_999_960);
  before.run("letter-batches", 9_999_998);
  database.close();
  await number();
  const [first] = await release();
  const list = await store.letters.list(order);
  expect([list.at(0)?.letter, list.at(38)?.letter, list.at(-1)?.letter]).toEqual([
    "L-9999961",
    "L-9999999",
    "L-10000030",
  ]);
  expect(list.map(({ page }) => page)).toEqual(Array.from({ length: people }, (_, at) => at + 1));
  const torn = { reason: "torn", ...two };
  const [anew] = await store.letters.reprint({ letters: ["L-9999999"], ...torn });
  expect(anew?.letter).toBe("L-10000031");
  await expect(store.letters.reprint({ letters: ["L-9999999"], ...torn })).rejects.toThrow(
    "was replaced by L-10000031",
  );
  const [second] = await release();
  expect([first?.batch, second?.batch]).toEqual(["B-9999999", "B-10000000"]);
  expect((await store.letters.batches(order)).map(({ batch }) => batch)).toEqual(["B-9999999", "B-10000000"]);
  expect(lying()).toEqual(["B-10000000.letters"]);
}, 60_000);

test("a letter of a card that was withdrawn is void, its batch's file gone; its remake's letter tells another PIN", async () => {
  await number();
  await release();
  const [old] = await store.letters.list(order);
  if (old === undefined) throw new Error("no letter");
  const withdrawn = { serial: `S${String(old.record)}` as Serial, reason: "bent", ...two };
  await store.stock.withdraw(withdrawn);
  expect((await store.letters.list(order)).find(({ letter }) => letter === old.letter)).toMatchObject({
    state: "void",
  });
  const again = { letters: [old.letter], reason: "torn", ...two };
  await expect(store.letters.reprint(again)).rejects.toThrow(
    "was cancelled: its remake has a letter of its own",
  );
  expect(await store.orders.pins(order, old.record)).toEqual({});
  expect(await tidyLetters(order, store, data)).toEqual(["B-0000001"]);
  expect(await tidyLetters(order, store, data)).toEqual([]);
  expect(lying()).toEqual([]);
  expect(await release()).toEqual([]);
}, 60_000);

test("a good card whose PIN is not kept is told, when all other letters are numbered; the others are released", async () => {
  const database = new Database(data.database);
  database.exec("delete from record_pins where record in (3, 69)");
  database.close();
  await expect(number()).rejects.toThrow(
    /keep no PIN of the good cards of records 3, 69 of order A-1, so no letter can tell it/,
  );
  expect(await states()).toHaveLength(people);
  expect(await release()).toMatchObject([{ letters: people - 2 }]);
}, 60_000);

test("letters that a former version wrote into files of their own go into a batch while their PIN is kept, and are released as they are afterwards", async () => {
  await number();
  const database = new Database(data.database);
  database.exec("update letters set state = 'written', file = 'letters/A-1/' || letter || '.letter'");
  database.exec("delete from record_pins where record > 1");
  database.close();
  const own = (await store.letters.list(order)).map(({ letter }) => `${letter}.letter`);
  for (const name of [...own, "notes.txt"]) writeFileSync(join(data.letters(order), name), "sealed");
  await expect(releaseLetters({ order, store, hsm, data, by: "Ada", witness: "ada" })).rejects.toMatchObject({
    code: "two-people",
  });
  expect(await release()).toMatchObject([{ batch: "B-0000001", letters: 1 }]);
  expect(lying().toSorted()).toEqual(["B-0000001.letters", ...own.slice(1), "notes.txt"]);
  expect(new Set(await states())).toEqual(new Set(["released"]));
}, 60_000);

test("in a letter there is a name, a reference, or the record's number, and no account number", async () => {
  expect(hasAccountNumber("9999 0100 0000 0011")).toBe(true);
  expect(hasAccountNumber("Ada, 9999-0100-0000-0011")).toBe(true);
  for (const none of ["411111111112", "Person 7", "Ada", "12345678903"])
    expect([none, hasAccountNumber(none)]).toEqual([none, false]);
});

test("a reprint that the security module refuses leaves every letter and file as it was; one that fails after that says what it has done, and what to do", async () => {
  await number();
  await release();
  const before = await store.letters.list(order);
  const reprint = (more: Partial<Hsm> = {}, who: Partial<typeof two> = {}) =>
    reprintLetters({
      order,
      number: "B-0000001",
      reason: "torn",
      store,
      hsm: { ...hsm, ...more },
      data,
      ...two,
      ...who,
    });
  const nothingDone = async () => {
    expect(await store.letters.list(order)).toEqual(before);
    expect(lying()).toEqual(["B-0000001.letters"]);
  };
  await expect(reprint({}, { witness: "ada" })).rejects.toMatchObject({ code: "two-people" });
  await nothingDone();
  const refused = new DeviceFault("vault", "security-module", "the secret is damaged");
  await expect(reprint({ tryLetters: () => Promise.reject(refused) })).rejects.toBe(refused);
  await nothingDone();
  // Of all PINs one does not open.
  const last = await store.orders.pins(order, people);
  await store.orders.storePins(order, people, {
    pin: (await store.orders.pins(order, 1))["pin"] ?? new Uint8Array(),
  });
  await expect(reprint()).rejects.toThrow("record 70 is damaged or belongs elsewhere");
  await nothingDone();
  await store.orders.storePins(order, people, last);

  const full = (): never => {
    throw new DeviceFault("vault", "security-module", "the disk is full");
  };
  await expect(reprint({ writeLetters: full })).rejects.toThrow(
    /the disk is full\. What was done before: letter L-0000001 is void and L-0000071 takes its place, letter L-0000002 .*, and so on to L-0000070, and no batch stays that holds a void letter\. .* "persoline letters release A-1"$/,
  );
  expect(lying()).toEqual([]);
  await expect(
    reprintLetters({ order, number: "L-0000001", reason: "torn", store, hsm, data, ...two }),
  ).rejects.toThrow(
    'was replaced by L-0000071, which was not printed yet: "persoline letters release A-1" has it printed',
  );
  expect(await release()).toMatchObject([{ batch: "B-0000003", letters: people }]);
}, 60_000);
