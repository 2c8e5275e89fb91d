/** The key office's own chain and the database's: what one tells of the other, and what both find. */
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { Keyring } from "../devices/hsm/keyring.js";
import { bob, type Desk, opened, plan } from "../devices/hsm/office/office.test.data.js";
import type { SignedAct, SignedRecord } from "../devices/hsm/office/types.js";
import type { Hsm } from "../devices/hsm/port.js";
import { vaultCalls } from "../devices/hsm/vault-core.js";
import { openStore, type Store } from "../store/store.js";
import { dataFolder, type DataFolder } from "./data-folder.js";
import { linkOffice, verifyLinks } from "./office-chain.js";

let folder: string;
let data: DataFolder;
let store: Store;
let desk: Desk;

/** As the office's process leaves it. */
function left({
  acts = [],
  records,
}: {
  acts?: readonly SignedAct[];
  records: readonly SignedRecord[];
}): void {
  mkdirSync(data.ceremonies, { recursive: true });
  writeFileSync(data.officeActs, acts.map((act) => `${JSON.stringify(act)}\n`).join(""));
  for (const record of records) {
    const [, number = ""] = /"number": "(C-\d+)"/.exec(record.text) ?? [];
    writeFileSync(join(data.ceremonies, `${number}.json`), JSON.stringify(record, null, 2));
  }
}
const now = () => {
  left(desk.keep.book);
};
const module = (): Hsm => vaultCalls(new Keyring("test", desk.keep.keys)) as unknown as Hsm;
const verified = () => verifyLinks(store, data, module());
const refusal = () => linkOffice({ store, data }).then(String, (problem: Error) => problem.message);
const record = (number: string) => join(data.ceremonies, `${number}.json`);

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "persoline-office-chain-"));
  data = dataFolder(folder);
  store = await openStore({ file: data.database, who: "Ada", place: "here" });
  desk = await opened();
  await desk.both({ do: "generate", key: plan("one") });
  await desk.begin({ do: "generate", key: plan("two") });
  now();
});
afterEach(async () => {
  await store.close();
  rmSync(folder, { recursive: true });
});

describe("what the key office did", () => {
  test("comes into the database's chain once, with names, results and digests; what is done later comes later", async () => {
    expect(await verified()).toEqual({ ok: true, linked: 0, waiting: 8, records: 3 });
    expect(await linkOffice({ store, data })).toBe(8);
    expect(await linkOffice({ store, data })).toBe(0);
    await expect(desk.confirm({ ...bob, passphrase: "not bob's at all, no" })).rejects.toThrow("passphrase");
    await desk.confirm();
    now();
    expect(await verified()).toEqual({ ok: true, linked: 8, waiting: 3, records: 4 });
    expect(await linkOffice({ store, data })).toBe(3);
    expect(await verified()).toEqual({ ok: true, linked: 11, waiting: 0, records: 4 });
    const entries = [];
    for await (const { who, what, object, result } of store.audit.entries())
      entries.push([who, what, object, result].join(" | "));
    expect(entries.slice(-4)).toEqual([
      expect.stringMatching(/^key office \| key-office.record \| ceremony C-0003 \| ok$/),
      expect.stringMatching(/^Bob \| key-office.act \| ceremony C-0004: generate, key two \| refused$/),
      expect.stringMatching(/^Bob \| key-office.act \| ceremony C-0004: generate, key two \| ok$/),
      expect.stringMatching(/^key office \| key-office.record \| ceremony C-0004 \| ok$/),
    ]);
    expect((await store.audit.verify()).ok).toBe(true);
  });
  test("is proved without a database too", async () => {
    expect(await verifyLinks(undefined, data, module())).toEqual({
      ok: true,
      linked: 0,
      waiting: 0,
      records: 3,
    });
  });
});

describe("what does not agree is told by its entry, and stops all work", () => {
  test("an older copy of acts and records beside a database that knows more", async () => {
    const before = desk.keep.book;
    await desk.confirm();
    now();
    await linkOffice({ store, data });
    rmSync(record("C-0004"));
    left(before);
    const told = "audit entry 6 tells of act 6 of the key office, which is not in";
    expect(await verified()).toMatchObject({ ok: false, text: expect.stringContaining(told) as string });
    expect(await refusal()).toContain(told);
  });
  test("a record that was taken away", async () => {
    await linkOffice({ store, data });
    rmSync(record("C-0003"));
    expect(await refusal()).toContain("tells of the record of ceremony C-0003, which is not in");
  });
  test("acts and records of another office, each whole in itself", async () => {
    await linkOffice({ store, data });
    const own = desk;
    desk = await opened();
    await desk.both({ do: "generate", key: plan("other") });
    await desk.begin({ do: "generate", key: plan("two") });
    now();
    expect(await verifyLinks(undefined, data, module())).toMatchObject({ ok: true });
    expect(await verified()).toMatchObject({
      ok: false,
      text: expect.stringContaining("is another one than audit entry") as string,
    });
    desk = own;
    now();
    expect(await verified()).toMatchObject({ ok: true, linked: 8 });
  });
  test("an edited record, one that follows from none, and one signed by the line itself", async () => {
    const file = record("C-0003");
    const whole = readFileSync(file, "utf8");
    writeFileSync(file, whole.replace("AES-128", "AES-256"));
    expect(await verified()).toMatchObject({
      ok: false,
      text: expect.stringContaining("C-0003 was altered") as string,
    });
    writeFileSync(file, whole);
    rmSync(record("C-0002"));
    expect(await verified()).toMatchObject({
      ok: false,
      text: expect.stringContaining("the record before that of ceremony C-0003 is missing") as string,
    });
    expect(() => module().sign("ceremony" as "audit", new TextEncoder().encode(whole))).toThrow(
      'nothing is signed here as "ceremony"',
    );
  });
  test("a line of the acts that is none", async () => {
    writeFileSync(data.officeActs, `${readFileSync(data.officeActs, "utf8")}{"text": 1}\n`);
    expect(await refusal()).toContain("line 6 is no act of a key office");
    expect(existsSync(data.officeActs) && readdirSync(data.ceremonies)).toHaveLength(3);
  });
});
