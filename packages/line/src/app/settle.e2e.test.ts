import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Serial } from "@persoline/card/program";
import Database from "better-sqlite3";
import { random } from "@persoline/card/node";
import { afterAll, beforeAll, expect, test } from "vitest";
import { openVault } from "../devices/hsm/vault.js";
import { ShopFloor } from "../devices/shop-floor/floor.js";
import { virtualSilicon } from "../devices/shop-floor/silicon.js";
import { disagreements } from "../stations/census.js";
import { openStore } from "../store/store.js";
import { type Ended, idealLine, persoline, smallOrder } from "./command.test.data.js";
import { facesDesk } from "./faces.js";
import { prepareRecord, readJob } from "./job.js";
import { preprintOf } from "./marks.js";
import { orderPolicy } from "./order-policy.js";

const plan = { lot: "L1", count: 12, seed: 7, faults: [], flaws: [] };
let folder: string;
let data: string;
let order: string;
let line: string;

const run = (...words: string[]): Ended => persoline([...words, "--data", data]);
const silicon = virtualSilicon({ loaderMaster: new Uint8Array(16), random });

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "persoline-settle-"));
  data = join(folder, "data");
  order = smallOrder(folder, 3);
  line = idealLine(folder, "carousel", (text) =>
    text.replace(/stock:[\s\S]*/, `stock: [{ lot: ${plan.lot}, count: ${String(plan.count)} }]\n`),
  );
});
afterAll(() => rmSync(folder, { recursive: true }));

/** What a line leaves that put cards aside and was stopped: one that is not ours, one not finished, one with doubtful pictures only. */
async function holdThree(): Promise<readonly [foreign: string, unfinished: string, doubtful: string]> {
  const store = await openStore({ file: join(data, "persoline.db") });
  const hsm = await openVault({
    file: join(data, "keystore.json"),
    unlock: { keyFile: join(data, "keystore.key") },
  });
  const floor = new ShopFloor(join(data, "shop-floor"), silicon);
  const faces = facesDesk();
  try {
    const stored = await store.orders.find("T-1");
    const sealed = stored?.sealedDataKey ?? new Uint8Array(0);
    store.orders.unlock("T-1", await hsm.releaseDataKey({ order: "T-1", sealed }));
    const [job, example] = [await readJob(order), await store.orders.record("T-1", 1)];
    const policy = orderPolicy(job, example);
    await hsm.releaseDataKey({ order: "T-1", sealed, policy });
    for (const record of [1, 2, 3]) {
      const pin = await hsm.drawPin({ order: "T-1", record, name: "pin", length: 6 });
      await store.orders.storePins("T-1", record, { pin });
    }
    // As their maker prints them: the camera would reject bare ones.
    const blanks = floor.makeLot(plan, await preprintOf(prepareRecord(job, example), faces));
    await store.stock.receive({ lot: plan.lot, blanks, by: "Ada" });
    const head = { at: "head", station: "quality", head: 0 } as const;
    const hold = async (left: readonly string[] | undefined): Promise<Serial> => {
      const { label = "" } = floor.feed(head) ?? {};
      const started = await store.accounts.start({ label, order: "T-1", line: "carousel" });
      if (!started.ok) throw new Error(started.why);
      const { serial } = started.blank;
      if (left !== undefined) await store.accounts.bind({ serial, order: "T-1" });
      await store.accounts.finish({
        serial,
        end: { kind: "held", station: "quality", question: "front, name: doubtful" },
        history: { times: [], findings: [], ...(left === undefined ? {} : { left }) },
      });
      floor.move(head, { at: "hold" });
      return serial;
    };
    const foreign = await hold(undefined);
    const doubtful = await hold(["quality/pictures"]);
    await store.stock.settle({
      serial: doubtful,
      verdict: "good",
      reason: "sharp enough",
      by: "Ada",
      witness: "Bo",
    });
    // A body of a delivery that was never received.
    mkdirSync(join(data, "shop-floor/hold/000999-L9-000001"));
    const unfinished = await hold(["visual", "quality"]);
    return [foreign, unfinished, doubtful];
  } finally {
    floor.close();
    await faces.close();
    await hsm.close();
    await store.close();
  }
}

test("held cards are listed, settled by two people, and the order is finished by the next run", async () => {
  expect(run("order", "import", order)).toMatchObject({ code: 0, err: "" });
  const [foreign, unfinished, doubtful] = await holdThree();
  const settle = (serial: string, as: string, by = "Ada", and = "Bo"): Ended =>
    run("stock", "settle", serial, "--as", as, "--reason", "looked at it", "--by", by, "--and", and);

  const held = JSON.parse(run("stock", "held", "--json").out) as {
    cards: { serial: string }[];
    bodies: string[];
  };
  expect(held.bodies).toEqual(["L9-000001"]);
  expect(held.cards.map(({ serial }) => serial).sort()).toEqual([foreign, unfinished].sort());
  expect(run("stock", "held").out).toMatch(/visual, quality +front, name: doubtful/);

  expect(settle(unfinished, "good").err).toMatch(/has not passed visual, quality/);
  expect(settle(unfinished, "good").code).toBe(1);
  expect(settle(unfinished, "reject", "Ada", "ada").err).toMatch(/two different people/);
  expect(settle(unfinished, "return").err).toMatch(/cannot be returned/);
  expect(settle(unfinished, "perhaps").code).toBe(2);
  // Bodies that accounts and shop floor know apart would be a difference at the end of the run.
  expect(settle(unfinished, "reject")).toMatchObject({ code: 0, err: "" });
  expect(settle(foreign, "return").out).toMatch(/returned/);
  // The accounts know this one already; what is left is its way from the hold bin to its slot.
  expect(settle(doubtful, "good")).toMatchObject({ code: 0 });
  expect(settle(doubtful, "good").err).toMatch(/not held/);
  // A body in no stock list: nobody can say that it is good.
  expect(settle("L9-000001", "good").err).toMatch(/only be settled as return/);
  expect(settle("L9-000002", "return").err).toMatch(/no unknown body L9-000002/);
  expect(settle("L9-000001", "return", "Ada", "Ada").err).toMatch(/two different people/);
  expect(settle("L9-000001", "return").code).toBe(0);
  expect(JSON.parse(run("stock", "held", "--json").out)).toEqual({ cards: [], bodies: [], records: [] });

  const last = run("run", order, "--line", line, "--json");
  expect(last).toMatchObject({ code: 0, err: "" });
  expect(JSON.parse(last.out)).toMatchObject({ records: 3, produced: 3, held: 0, balanced: true });
  // The card that people found good has the PIN it was made with, and its letter waits with the others.
  expect(JSON.parse(run("letters", "list", "T-1", "--json").out)).toMatchObject(
    [1, 2, 3].map((record) => ({ record, state: "numbered" })),
  );
  expect(run("letters", "release", "T-1", "--by", "Ada", "--witness", "Bo").out).toMatch(
    /3 letters in batch B-0000001 released/,
  );
  expect(run("letters", "void", "L-0000002", "--reason", "lost in the post").code).toBe(0);
  const store = await openStore({ file: join(data, "persoline.db") });
  const floor = new ShopFloor(join(data, "shop-floor"), silicon);
  const blanks = [];
  for await (const blank of store.stock.list()) blanks.push(blank);
  expect(disagreements(floor.census(), blanks)).toEqual([]);
  expect(await store.accounts.recount()).toMatchObject({ good: 3, rejected: 1, returned: 1, held: 0 });
  expect(await store.reports.reconcile("T-1")).toMatchObject({ agree: true });
  floor.close();
  await store.close();
});

test("samples and returned blanks leave the hopper; they answer in JSON too", () => {
  const blanks = JSON.parse(run("stock", "list", "--state", "in-stock", "--json").out) as {
    serial: string;
    label: string;
  }[];
  const [first = { serial: "", label: "" }, second = { serial: "", label: "" }] = blanks;
  const json = (...words: string[]): unknown => JSON.parse(run(...words, "--json").out);
  expect(json("stock", "sample", first.serial, "--reason", "first article")).toEqual({
    serial: first.serial,
    state: "sample",
  });
  expect(json("stock", "return", second.serial, "--reason", "end of contract")).toEqual({
    serial: second.serial,
    state: "returned",
  });
  // The line would put them aside, into a bin that nobody takes them out of.
  const floor = new ShopFloor(join(data, "shop-floor"), silicon);
  const left = floor.bodiesAt({ at: "hopper" }).map(({ label }) => label);
  expect([first.label, second.label].filter((label) => left.includes(label))).toEqual([]);
  expect(left).toHaveLength(blanks.length - 2);
  floor.close();
  expect(run("stock", "return", second.serial, "--reason", "again").err).toMatch(/is returned.*in-stock/);
});

test("every decision left a signed head; an audit that was cut is told, and nothing is decided any more", () => {
  const whole = run("audit", "verify", "--json");
  expect(whole).toMatchObject({ code: 0, err: "" });
  const verdict = JSON.parse(whole.out) as { heads: number };
  // Import, a reject, two returns, the run, letters released and one void, a sample and a return; the good card was decided before and left nothing to tell.
  expect(verdict).toMatchObject({ ok: true, heads: 9, unsigned: 0 });
  expect(run("audit", "verify").out).toMatch(/The audit is whole: \d+ entries, 9 signed heads/);

  const database = new Database(join(data, "persoline.db"));
  database.exec("drop trigger audit_is_not_cut");
  database.exec("delete from audit where sequence = (select max(sequence) from audit)");
  database.close();
  const cut = run("audit", "verify", "--json");
  expect(cut.code).toBe(1);
  expect(JSON.parse(cut.out)).toMatchObject({ ok: false, why: "cut-off" });
  expect(run("audit", "verify").out).toMatch(/The audit is damaged. audit entry \d+: is missing/);
  const refused = run("stock", "count", "9");
  expect(refused.code).toBe(1);
  expect(refused.err).toMatch(/its tail is gone.*audit verify/);
  expect(run("letters", "void", "L-0000003", "--reason", "lost").err).toMatch(/its tail is gone/);
  expect(run("run", order, "--line", line).err).toMatch(/its tail is gone/);
});
