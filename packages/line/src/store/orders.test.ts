import { readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import Database from "better-sqlite3";
import { describe, expect, test } from "vitest";
import {
  blanks,
  history,
  importAsk,
  key,
  label,
  order,
  records,
  rejected,
  serial,
  store,
} from "./sample.test.data.js";
import { openStore, type Store } from "./store.js";

async function imported(people = 3): Promise<Store> {
  const s = await store();
  await s.stock.receive({ lot: "L1", blanks: blanks(people + 2), by: "Ada" });
  await s.orders.import(importAsk(people));
  return s;
}

async function make(s: Store, number: number, good = true): Promise<void> {
  await s.accounts.start({ label: label(number), order: "A-1", line: "carousel" });
  await s.accounts.bind({ serial: serial(number), order: "A-1" });
  await s.accounts.finish({ serial: serial(number), end: good ? { kind: "good" } : rejected(), history });
}

test("an order is imported once, by its number and by its input file", async () => {
  const s = await imported();
  await expect(s.orders.import(importAsk(3))).rejects.toThrow(
    /order A-1 was imported on .* and is imported; an order is produced once/,
  );
  await expect(s.orders.import({ ...importAsk(3), order: order("A-2") })).rejects.toThrow(
    /this input file was imported on .* as order A-1/,
  );
  expect(await s.orders.list()).toMatchObject([{ order: "A-1", records: 3, state: "imported" }]);
  expect(await s.orders.findInput(importAsk(3).inputSha256)).toMatchObject({ order: "A-1" });
  const refused: unknown[] = [];
  for await (const { result, what } of s.audit.entries()) if (result === "refused") refused.push(what);
  expect(refused).toEqual(["order.import", "order.import"]);
});

test("an import that broke off leaves nothing behind and can be done again", async () => {
  const s = await store();
  function* broken() {
    yield* records(600);
    throw new Error("the spreadsheet ended here");
  }
  await expect(s.orders.import({ ...importAsk(3), records: broken() })).rejects.toThrow(/ended here/);
  expect(await s.orders.find("A-1")).toBeUndefined();
  await expect(s.orders.import({ ...importAsk(3), order: { ...order(), records: 4 } })).rejects.toThrow(
    /promises 4 records, its input has 3/,
  );
  expect(await s.orders.import(importAsk(3))).toMatchObject({ records: 3 });
  expect(await s.accounts.recount()).toMatchObject({ received: 0 });
});

test("no name, reference or photo is in clear in any file of the folder", async () => {
  const s = await imported();
  await make(s, 1);
  await make(s, 2, false);
  const raw = (): string =>
    readdirSync(dirname(s.file))
      .map((name) => readFileSync(join(dirname(s.file), name)).toString("latin1"))
      .join("");
  const utf8 = (text: string): string => Buffer.from(text).toString("latin1");
  // The search finds what is not sealed: were it broken, this would show it.
  expect(raw()).toContain("Kunststoffwerk Nord");
  for (const canary of ["Canary", "PNGCANARY", "Жукова", "Extrusion", "DOCK"])
    expect(raw()).not.toContain(utf8(canary));
  expect(raw()).not.toContain(Buffer.from(key).toString("latin1"));
});

describe("sealed data", () => {
  const change = (file: string, sql: string, ...values: unknown[]): void => {
    const other = new Database(file);
    other.prepare(sql).run(...values);
    other.close();
  };

  test("any flipped byte is noticed", async () => {
    const s = await imported(1);
    const other = new Database(s.file);
    const rows = other
      .prepare<[], { rowid: number; sealed: Buffer }>("select rowid, sealed from record_data")
      .all();
    for (const { rowid, sealed } of rows)
      for (let at = 0; at < sealed.length; at += Math.max(1, Math.floor(sealed.length / 40))) {
        const flipped = Buffer.from(sealed);
        flipped[at] = (flipped[at] ?? 0) ^ 1;
        other.prepare("update record_data set sealed = ? where rowid = ?").run(flipped, rowid);
        await expect(s.orders.record("A-1", 1)).rejects.toMatchObject({ code: "data-altered" });
        other.prepare("update record_data set sealed = ? where rowid = ?").run(sealed, rowid);
      }
    other.close();
    expect((await s.orders.record("A-1", 1)).fields["number"]).toBe("E1");
  });

  test("a piece cannot be moved to another record, field, kind or order", async () => {
    const s = await imported(2);
    const take = "(select sealed from record_data where record = 2 and field = ?)";
    for (const [field, from] of [
      ["name", "name"],
      ["department", "name"],
      ["photo", "photo"],
    ]) {
      const other = new Database(s.file);
      const before = other
        .prepare<[string], { sealed: Buffer }>(
          "select sealed from record_data where record = 1 and field = ?",
        )
        .get(String(field));
      other.close();
      change(s.file, `update record_data set sealed = ${take} where record = 1 and field = ?`, from, field);
      await expect(s.orders.record("A-1", 1)).rejects.toThrow(/order A-1, record 1, field .* altered, moved/);
      change(
        s.file,
        "update record_data set sealed = ? where record = 1 and field = ?",
        before?.sealed,
        field,
      );
    }
    change(s.file, "update record_data set kind = 'list' where record = 1 and field = 'name'");
    await expect(s.orders.record("A-1", 1)).rejects.toMatchObject({ code: "data-altered" });
  });

  test("another key opens nothing, and nobody is told what was found", async () => {
    const s = await imported(1);
    s.orders.unlock("A-1", new Uint8Array(32));
    const problem = await s.orders.record("A-1", 1).catch((error: unknown) => String(error));
    expect(problem).toContain("sealed under another key");
    expect(problem).not.toContain("Canary");
  });
});

describe("the end of an order", () => {
  test("closing waits for the rejects' destruction before a witness", async () => {
    const s = await imported(2);
    await expect(s.orders.deliver({ order: "A-1", by: "Ada" })).rejects.toMatchObject({
      code: "wrong-state",
    });
    for (const [number, good] of [
      [1, true],
      [2, false],
      [3, true],
    ] as const)
      await make(s, number, good);
    await s.orders.deliver({ order: "A-1", by: "Ada" });
    await expect(s.orders.close({ order: "A-1", by: "Ada" })).rejects.toThrow(
      new RegExp(`1 of its cards .* ${serial(2)} \\(rejected\\)`),
    );
    const destroy = { serials: [serial(2)], reason: "reject", by: "Ada" };
    await expect(s.stock.destroy({ ...destroy, witness: " ADA " })).rejects.toMatchObject({
      code: "two-people",
    });
    await expect(s.stock.destroy({ ...destroy, serials: [serial(1)], witness: "Bo" })).rejects.toMatchObject({
      code: "wrong-state",
    });
    await s.stock.destroy({ ...destroy, witness: "Bo" });
    await s.orders.close({ order: "A-1", by: "Ada" });
    expect(await s.orders.find("A-1")).toMatchObject({ state: "closed" });
  });

  test("delivery enters every holder with it, or nothing at all", async () => {
    const s = await imported(2);
    await make(s, 1);
    await make(s, 2);
    const holder = (number: number) => ({
      serial: serial(number),
      order: "A-1",
      reference: `E${String(number)}`,
      name: "Zoë",
      department: "",
      zones: ["DOCK"],
    });
    const deliver = (...numbers: number[]) =>
      s.orders.deliver({ order: "A-1", by: "Ada", holders: numbers.map(holder) });
    // The second one is refused after the order has moved and the first was entered.
    await expect(deliver(1, 9)).rejects.toMatchObject({ code: "wrong-state" });
    await expect(deliver(1)).rejects.toThrow(/2 good cards, but 1 holders/);
    expect(await s.orders.find("A-1")).toMatchObject({ state: "produced" });
    expect(await s.access.holder(serial(1))).toBeUndefined();
    expect(await s.accounts.recount()).toMatchObject({ good: 2 });
    const before = s.commits();
    await deliver(1, 2);
    expect(s.commits() - before).toBe(1);
    expect(await s.orders.find("A-1")).toMatchObject({ state: "delivered" });
    expect(await s.access.holder(serial(2))).toMatchObject({ reference: "E2", status: "active" });
  });

  test("closing is refused while the sums differ", async () => {
    const s = await imported(1);
    await make(s, 1);
    await s.orders.deliver({ order: "A-1", by: "Ada" });
    const other = new Database(s.file);
    other.exec("update lots set received = received + 1");
    other.close();
    await expect(s.orders.close({ order: "A-1", by: "Ada" })).rejects.toMatchObject({ code: "unbalanced" });
    expect(await s.orders.find("A-1")).toMatchObject({ state: "delivered" });
  });

  test("erasing destroys the key and everything sealed under it; the accounts stay whole", async () => {
    const s = await imported(2);
    await make(s, 1);
    await make(s, 2);
    await s.orders.storePins("A-1", 1, { user: new Uint8Array([1]) });
    const before = await s.accounts.recount();
    await expect(s.orders.erase({ order: "A-1", by: "Ada", approvedBy: "Bo" })).rejects.toMatchObject({
      code: "wrong-state",
    });
    await s.orders.deliver({ order: "A-1", by: "Ada" });
    await s.orders.close({ order: "A-1", by: "Ada" });
    await s.orders.erase({ order: "A-1", by: "Ada", approvedBy: "Bo" });
    expect(await s.accounts.recount()).toEqual(before);
    const found = await s.orders.find("A-1");
    expect(found).toMatchObject({ state: "erased", records: 2 });
    expect(found?.sealedDataKey).toBeUndefined();
    await expect(s.orders.record("A-1", 1)).rejects.toMatchObject({ code: "key-not-released" });
    expect(await s.orders.pins("A-1", 1)).toEqual({});
    expect(await s.audit.verify()).toMatchObject({ ok: true });
    // Gone from the log and from freed pages too, once the file is closed.
    const { file } = s;
    await s.close();
    const files = readdirSync(dirname(file)).map((name) =>
      readFileSync(join(dirname(file), name)).toString("latin1"),
    );
    expect(files.join("")).not.toContain("sealed by the module");
    const again = await openStore({ file });
    expect(
      (await again.reports.production({ order: "A-1", timeZone: "UTC", simulated: [], seconds: 1 })).cards,
    ).toMatchObject({ good: 2 });
    await again.close();
  });

  test("after the sweep no name is left in the file or its log, while both are open; gates still know the cards", async () => {
    const s = await imported(2);
    await make(s, 1);
    await make(s, 2);
    const holders = [1, 2].map((number) => ({
      serial: serial(number),
      order: "A-1",
      reference: `E${String(number)}`,
      name: `Zoë O’Canary-${String(number)}`,
      department: "Canary Extrusion",
      zones: ["DOCK"],
      validUntil: "2027-01-01",
    }));
    await s.orders.deliver({ order: "A-1", by: "Ada", holders });
    await s.orders.close({ order: "A-1", by: "Ada" });
    const everything = (): string =>
      readdirSync(dirname(s.file))
        .map((name) => readFileSync(join(dirname(s.file), name)).toString("latin1"))
        .join("");
    expect(everything()).toContain("Canary");
    const erase = { order: "A-1", by: "Ada", approvedBy: "Bo" };
    await expect(s.orders.erase({ ...erase, approvedBy: "ada " })).rejects.toMatchObject({
      code: "two-people",
    });
    await s.orders.erase(erase);
    await s.sweep();
    expect(everything()).not.toContain("Canary");
    expect(everything()).not.toContain("sealed by the module");
    expect(await s.access.holder(serial(1))).toMatchObject({
      reference: "E1",
      name: "",
      department: "",
      zones: ["DOCK"],
      validUntil: "2027-01-01",
    });
    expect(await s.accounts.recount()).toMatchObject({ good: 2 });
    expect((await s.reports.reconcile("A-1")).agree).toBe(true);
    expect(await s.audit.verify()).toMatchObject({ ok: true });
  });

  test("a letter that nobody released goes with its order and is not released afterwards", async () => {
    const s = await imported(2);
    for (const record of [1, 2]) {
      await make(s, record);
      if (record > 1) continue;
      const { letter } = await s.letters.number({ order: "A-1", record, pin: "user" });
      await s.orders.storePins("A-1", record, { user: new Uint8Array([1]) });
      const batch = await s.letters.batchNumber();
      const two = { by: "Ada", witness: "Bo" };
      await s.letters.released({
        isWritten: () => true,
        order: "A-1",
        batch,
        file: "letters/1",
        letters: [letter],
        ...two,
      });
    }
    await s.orders.deliver({ order: "A-1", by: "Ada" });
    // As a former version left it, which delivered such orders.
    await s.letters.number({ order: "A-1", record: 2, pin: "user" });
    await s.orders.close({ order: "A-1", by: "Ada" });
    await s.orders.erase({ order: "A-1", by: "Ada", approvedBy: "Bo" });
    expect(await s.letters.due("A-1", 9)).toEqual([]);
    expect((await s.letters.batches("A-1"))[0]).not.toHaveProperty("file");
    expect(await s.letters.list("A-1")).toMatchObject([
      { state: "released" },
      { state: "void", voidReason: "order erased" },
    ]);
  });

  test("an erasure that gates hear of too leaves no holder", async () => {
    const s = await imported(1);
    await make(s, 1);
    const holder = { serial: serial(1), order: "A-1", reference: "E1", name: "Zoë", department: "" };
    await s.orders.deliver({ order: "A-1", by: "Ada", holders: [{ ...holder, zones: [] }] });
    await s.orders.close({ order: "A-1", by: "Ada" });
    await s.orders.erase({ order: "A-1", by: "Ada", approvedBy: "Bo", holders: "forget" });
    expect(await s.access.holder(serial(1))).toBeUndefined();
  });

  test("a sweep that another reader keeps from emptying the log says so", async () => {
    const s = await imported(1);
    const other = new Database(s.file);
    other.exec("begin; select * from orders");
    other.prepare("select count(*) from orders").get();
    await expect(s.sweep()).rejects.toMatchObject({ code: "busy" });
    other.close();
    await s.sweep();
  });
});
