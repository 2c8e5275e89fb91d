import { generateKeyPairSync, sign, verify } from "node:crypto";
import { copyFileSync } from "node:fs";
import { join } from "node:path";
import Database from "better-sqlite3";
import { describe, expect, test } from "vitest";
import type { SignedHead } from "../ledger/audit.js";
import { blanks, folder, history, importAsk, label, serial, store } from "./sample.test.data.js";
import { openStore, type Store } from "./store.js";

const keys = generateKeyPairSync("ed25519");
const signer = (bytes: Uint8Array): Promise<Uint8Array> =>
  Promise.resolve(sign(null, bytes, keys.privateKey));
const check = (bytes: Uint8Array, signature: Uint8Array): Promise<boolean> =>
  Promise.resolve(verify(null, bytes, keys.publicKey, signature));

/** Some work, a signed head in the middle and one at the end, kept outside. */
async function worked(): Promise<{ s: Store; outside: SignedHead[] }> {
  const s = await store();
  const outside: SignedHead[] = [];
  await s.stock.receive({ lot: "L1", blanks: blanks(4), by: "Ada" });
  await s.orders.import(importAsk(3));
  for (const number of [1, 2, 3]) {
    await s.accounts.start({ label: label(number), order: "A-1", line: "carousel" });
    await s.accounts.bind({ serial: serial(number), order: "A-1" });
    await s.accounts.finish({ serial: serial(number), end: { kind: "good" }, history });
    if (number > 1) outside.push(await s.audit.signHead(signer));
  }
  return { s, outside };
}

/** As an insider with the file in hands would. */
function tamper(s: Store, ...sql: readonly string[]): void {
  const database = new Database(s.file);
  database.exec("drop trigger audit_is_not_edited; drop trigger audit_is_not_cut");
  for (const one of sql) database.exec(one);
  database.close();
}

test("what the store writes verifies, and every deed of a card is told", async () => {
  const { s, outside } = await worked();
  expect(await s.audit.verify(outside, check)).toMatchObject({ ok: true, head: { sequence: 13 } });
  const told: string[] = [];
  for await (const { what, who, where, at } of s.audit.entries())
    told.push([what, who, where, at.slice(-1)].join(" "));
  expect(told.slice(0, 6)).toEqual([
    "stock.receive Ada persoline Z",
    "order.import system persoline Z",
    "order.start system carousel Z",
    "card.start system carousel Z",
    "card.bind system carousel Z",
    "card.pass system carousel Z",
  ]);
  expect(told.at(-1)).toBe("order.complete system persoline Z");
});

describe("tampering in the database itself", () => {
  test.each([
    ["an edit", "update audit set who = 'Eve' where sequence = 5", 5],
    ["an edit of what is only indexed", "update audit set order_number = 'B' where sequence = 5", 5],
    ["a detail that is no JSON any more", "update audit set detail = '{' where sequence = 5", 5],
    ["a deletion", "delete from audit where sequence = 5", 5],
    ["the head cut off", "delete from audit where sequence < 4", 1],
    [
      "the tail cut off",
      "delete from audit where sequence > 11; delete from audit_heads where sequence > 11",
      12,
    ],
    [
      "two swapped",
      "update audit set sequence = -1 where sequence = 5; update audit set sequence = 5 where sequence = 6; update audit set sequence = 6 where sequence = -1",
      5,
    ],
    [
      "an insertion before all",
      "insert into audit select node, 0, at, who, what, place, object, order_number, result, before_hash, after_hash, detail, previous, hash from audit where sequence = 5",
      1,
    ],
    [
      "an insertion for another node",
      "insert into audit select 'desk', 5, at, who, what, place, object, order_number, result, before_hash, after_hash, detail, previous, hash from audit where sequence = 5",
      1,
    ],
    ["everything gone", "delete from audit; delete from audit_heads", 1],
    ["a forged head", "update audit_heads set hash = 'aa' where sequence = 9", 9],
  ])("%s", async (_what, sql, sequence) => {
    const { s, outside } = await worked();
    tamper(s, sql);
    const kept = sql.includes("audit_heads set") ? [] : outside;
    expect(await s.audit.verify(kept, check)).toMatchObject({ ok: false, sequence });
  });

  test("an older copy of the whole database", async () => {
    const { s } = await worked();
    await s.close();
    const copy = join(folder(), "backup.db");
    copyFileSync(s.file, copy);
    const later = await openStore({ file: s.file });
    await later.audit.note({ what: "test.note", object: "x", result: "ok" });
    const outside = await later.audit.signHead(signer);
    expect(await later.audit.contains(outside)).toBe("yes");
    await later.close();
    const restored = await openStore({ file: copy });
    expect(await restored.audit.contains(outside)).toBe("cut-off");
    expect(await restored.audit.verify([outside], check)).toMatchObject({
      ok: false,
      why: "cut-off",
      sequence: 14,
    });
    await restored.audit.note({ what: "test.other", object: "y", result: "ok" });
    expect(await restored.audit.contains(outside)).toBe("rewritten");
    await restored.close();
  });
});

test("the sequence does not follow the clock, and a step back is told", async () => {
  let now = Date.parse("2026-05-01T12:00:00Z");
  const s = await store({ clock: () => now });
  const note = () => s.audit.note({ what: "test.note", object: "x", result: "ok" });
  await note();
  now -= 365 * 86_400_000;
  await note();
  now += 2 * 365 * 86_400_000;
  await note();
  const told: unknown[] = [];
  for await (const { sequence, what, at } of s.audit.entries()) told.push([sequence, what, at.slice(0, 4)]);
  expect(told).toEqual([
    [1, "test.note", "2026"],
    [2, "clock.step", "2025"],
    [3, "test.note", "2025"],
    [4, "test.note", "2027"],
  ]);
  expect(await s.audit.verify()).toMatchObject({ ok: true });
});

test("when the audit cannot be written, nothing happens", async () => {
  const s = await store();
  await s.stock.receive({ lot: "L1", blanks: blanks(2), by: "Ada" });
  await s.orders.import(importAsk(1));
  const database = new Database(s.file);
  database.exec(
    "create trigger audit_is_full before insert on audit begin select raise(abort, 'the audit is full'); end",
  );
  await expect(s.accounts.start({ label: label(1), order: "A-1", line: "l" })).rejects.toThrow(
    /audit is full/,
  );
  database.exec("drop trigger audit_is_full");
  database.close();
  expect(await s.stock.find(serial(1))).toMatchObject({ state: "in-stock" });
  expect(await s.accounts.recount()).toMatchObject({ inStock: 2 });
  expect(await s.orders.find("A-1")).toMatchObject({ state: "imported" });
});
