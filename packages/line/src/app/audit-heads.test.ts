import { copyFileSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import Database from "better-sqlite3";
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from "vitest";
import type { Hsm } from "../devices/hsm/port.js";
import { createKeystore, openVault } from "../devices/hsm/vault.js";
import { type AuditEntry, genesis, nextEntry } from "../ledger/audit.js";
import { openStore, type Store } from "../store/store.js";
import { type AuditVerdict, refuseBrokenAudit, signAudit, verifyAudit } from "./audit-heads.js";
import { type DataFolder, dataFolder } from "./data-folder.js";

let keys: string;
let hsm: Hsm;
let stranger: Hsm;
beforeAll(async () => {
  keys = mkdtempSync(join(tmpdir(), "persoline-audit-keys-"));
  const vault = async (name: string): Promise<Hsm> => {
    const unlock = { keyFile: join(keys, `${name}.key`) };
    const file = join(keys, `${name}.json`);
    const letterPrinter = { writePrivateKeyTo: join(keys, `${name}.pem`) };
    await createKeystore({
      file,
      environment: "test",
      unlock,
      keys: [{ name: "fab-2026", use: "scp03" }],
      letterPrinter,
    });
    return openVault({ file, unlock });
  };
  [hsm, stranger] = await Promise.all([vault("own"), vault("strange")]);
});
afterAll(async () => {
  await Promise.all([hsm.close(), stranger.close()]);
  rmSync(keys, { recursive: true });
});

let data: DataFolder;
let store: Store;
beforeEach(async () => {
  data = dataFolder(mkdtempSync(join(tmpdir(), "persoline-audit-")));
  store = await openStore({ file: data.database });
  // Nine entries, a head signed after each third.
  for (let entry = 1; entry <= 9; entry++) {
    await store.audit.note({ what: "stock.count", object: `lot ${String(entry)}`, result: "ok" });
    if (entry % 3 === 0) await signAudit({ store, data, hsm });
  }
});
afterEach(async () => {
  await store.close();
  rmSync(data.root, { recursive: true });
});

const verify = (copies: readonly string[] = [], by: Hsm = hsm): Promise<AuditVerdict> =>
  verifyAudit({ store, data, hsm: by, copies });

/** What somebody can do who owns the file: no trigger of the schema stops him. */
function tamper(work: (database: Database.Database) => void): void {
  const database = new Database(data.database);
  database.exec("drop trigger if exists audit_is_not_edited; drop trigger if exists audit_is_not_cut");
  work(database);
  database.close();
}
const lines = (): string[] => readFileSync(data.auditHeads, "utf8").trimEnd().split("\n");

/** The chain written anew, right in itself, with another story. */
async function writeAnew(entries: number): Promise<void> {
  const old: AuditEntry[] = [];
  for await (const entry of store.audit.entries()) old.push(entry);
  tamper((database) => {
    database.exec("delete from audit");
    let head = genesis("line");
    for (const {
      node: _node,
      sequence: _sequence,
      at,
      previous: _previous,
      hash: _hash,
      ...facts
    } of old.slice(0, entries)) {
      const entry = nextEntry(head, at, { ...facts, who: "nobody" });
      database
        .prepare(
          "insert into audit (node, sequence, at, who, what, place, object, result, previous, hash) values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        )
        .run(
          "line",
          entry.sequence,
          at,
          entry.who,
          entry.what,
          entry.where,
          entry.object,
          entry.result,
          entry.previous,
          entry.hash,
        );
      head = entry;
    }
  });
}

test("a whole audit with its heads, and what came since the last of them", async () => {
  expect(await verify()).toMatchObject({ ok: true, heads: 3, unsigned: 0, head: { sequence: 9 } });
  await store.audit.note({ what: "stock.count", object: "lot 10", result: "ok" });
  expect(await verify()).toMatchObject({ ok: true, heads: 3, unsigned: 1, head: { sequence: 10 } });
  await signAudit({ store, data, hsm });
  // Nothing new to sign: no second line for the same entry.
  await signAudit({ store, data, hsm });
  expect(lines()).toHaveLength(4);
  await refuseBrokenAudit({ store, data });
});

test("an edited entry is named", async () => {
  tamper((database) => database.exec("update audit set who = 'Eve' where sequence = 5"));
  expect(await verify()).toMatchObject({ ok: false, sequence: 5, why: "edited" });
});

test("a removed entry is named", async () => {
  tamper((database) => database.exec("delete from audit where sequence = 2"));
  expect(await verify()).toMatchObject({ ok: false, sequence: 2, why: "missing" });
});

test("two entries that changed places are named by the first", async () => {
  tamper((database) =>
    database.exec(
      "update audit set sequence = 99 where sequence = 4; update audit set sequence = 4 where sequence = 7; update audit set sequence = 7 where sequence = 99",
    ),
  );
  expect(await verify()).toMatchObject({ ok: false, sequence: 4 });
});

test("a tail that was cut off, with its heads, is missed by the file, and nothing is done any more", async () => {
  tamper((database) =>
    database.exec("delete from audit where sequence > 7; delete from audit_heads where sequence > 7"),
  );
  expect(await verify()).toMatchObject({ ok: false, sequence: 8, why: "cut-off" });
  await expect(refuseBrokenAudit({ store, data })).rejects.toThrow(/ends at entry 7, but entry 9 was signed/);
});

test("a chain written anew from its first entry is not the one that was signed", async () => {
  await writeAnew(9);
  tamper((database) => database.exec("delete from audit_heads"));
  expect(await verify()).toMatchObject({ ok: false, sequence: 3, why: "rewritten" });
  await expect(refuseBrokenAudit({ store, data })).rejects.toThrow(/written anew/);
});

test("heads signed by another module are none", async () => {
  await writeAnew(9);
  tamper((database) => database.exec("delete from audit_heads"));
  rmSync(data.auditHeads);
  await signAudit({ store, data, hsm: stranger });
  expect(await verify([], stranger)).toMatchObject({ ok: true });
  expect(await verify()).toMatchObject({ ok: false, sequence: 9, why: "head-signature" });
});

test("an older copy of the database is missed by the file", async () => {
  const copy = join(data.root, "old.db");
  await store.close();
  copyFileSync(data.database, copy);
  store = await openStore({ file: data.database });
  await store.audit.note({ what: "stock.count", object: "lot 10", result: "ok" });
  await signAudit({ store, data, hsm });
  await store.close();
  copyFileSync(copy, data.database);
  store = await openStore({ file: data.database });
  expect(await verify()).toMatchObject({ ok: false, sequence: 10, why: "cut-off" });
});

test.each<[string, (kept: string[]) => string, RegExp]>([
  ["cut", (kept) => `${kept.slice(0, 2).join("\n")}\n`, /head of entry 9.*is not in it: lines were cut off/],
  ["emptied", () => "", /head of entry 3.*is not in it/],
  ["robbed of a line", (kept) => `${kept[0] ?? ""}\n${kept[2] ?? ""}\n`, /head of entry 6.*is not in it/],
  [
    "spoiled",
    (kept) => `${kept.join("\n").replace('"node"', '"nodes"')}\n`,
    /heads.jsonl:1: this is no signed head/,
  ],
])("a heads file that was %s shows", async (_what, change, told) => {
  writeFileSync(data.auditHeads, change(lines()));
  const verdict = await verify();
  expect(verdict).toMatchObject({ ok: false, why: "heads-file" });
  expect(verdict.ok ? "" : verdict.text).toMatch(told);
});

test("a head whose signature or hash was changed in the file shows", async () => {
  const [first = "", ...others] = lines();
  const head = JSON.parse(first) as { signature: string; at: string };
  writeFileSync(
    data.auditHeads,
    `${[JSON.stringify({ ...head, at: "2020-01-01T00:00:00.000Z" }), ...others].join("\n")}\n`,
  );
  expect(await verify()).toMatchObject({ ok: false, sequence: 3, why: "head-signature" });
});

test("cut here from chain, database and file alike, it still shows by a copy kept elsewhere", async () => {
  const copy = join(data.root, "copy.jsonl");
  copyFileSync(data.auditHeads, copy);
  tamper((database) =>
    database.exec("delete from audit where sequence > 6; delete from audit_heads where sequence > 6"),
  );
  writeFileSync(data.auditHeads, `${lines().slice(0, 2).join("\n")}\n`);
  expect(await verify()).toMatchObject({ ok: true, head: { sequence: 6 } });
  expect(await verify([copy])).toMatchObject({ ok: false, sequence: 7, why: "cut-off" });
});

test("a line that the power cut short is dropped, and the next head follows whole ones only", async () => {
  writeFileSync(data.auditHeads, `${lines().join("\n")}\n{"node":"line","sequ`);
  expect(await verify()).toMatchObject({ ok: true, heads: 3 });
  await store.audit.note({ what: "stock.count", object: "lot 10", result: "ok" });
  await signAudit({ store, data, hsm });
  expect(lines()).toHaveLength(4);
  expect(await verify()).toMatchObject({ ok: true, heads: 4 });
});

test("without the keystore no head is believed", async () => {
  await expect(verifyAudit({ store, data, hsm: undefined, copies: [] })).rejects.toThrow(/cannot be checked/);
  expect(existsSync(data.auditHeads)).toBe(true);
});
