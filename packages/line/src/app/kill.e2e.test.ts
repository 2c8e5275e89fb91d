import { mkdtempSync, rmSync } from "node:fs";
import { once } from "node:events";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import Database from "better-sqlite3";
import { afterEach, beforeEach, expect, test } from "vitest";
import { ShopFloor } from "../devices/shop-floor/floor.js";
import { virtualSilicon } from "../devices/shop-floor/silicon.js";
import { chance } from "../devices/shop-floor/random.js";
import { disagreements } from "../stations/census.js";
import { openStore } from "../store/store.js";
import { begun, idealLine, persoline, smallOrder } from "./command.test.data.js";
import { inspectVirtual } from "./inspect.js";

const people = 14;
let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "persoline-kill-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

const faults = (text: string): string =>
  text.replace(
    /stock:[\s\S]*/,
    `stock:
  - lot: L1
    count: 60
    faults:
      - { blanks: { number: 2 }, fault: { kind: dead } }
      - { blanks: { number: 5 }, fault: { kind: rom-fault } }
`,
  );

/** After everything: what the accounts say and where the bodies lie, card by card. */
async function reckoning(data: string) {
  const store = await openStore({ file: join(data, "persoline.db") });
  const floor = new ShopFloor(
    join(data, "shop-floor"),
    virtualSilicon({ loaderMaster: new Uint8Array(16), random: (length) => new Uint8Array(length) }),
  );
  const blanks = [];
  for await (const blank of store.stock.list()) blanks.push(blank);
  const good = blanks.filter(({ state }) => state === "good");
  const tries: string[] = [];
  for (const { label } of good) {
    const body = floor.find(label);
    if (body === undefined) continue;
    const { card, eeprom } = floor.loadCard(body.dir);
    const { facts } = await inspectVirtual(card);
    tries.push(facts.find(({ what }) => what === "chip status")?.value ?? "");
    eeprom.close();
  }
  const totals = await store.accounts.recount();
  const rejects = blanks.flatMap(({ label, state, reject }) =>
    state === "rejected" ? [`${label} ${reject?.code ?? ""}`] : [],
  );
  const records = good.map(({ record }) => record).sort((a = 0, b = 0) => a - b);
  const different = disagreements(floor.census(), blanks);
  floor.close();
  await store.close();
  return { totals, rejects, records, different, states: new Set(tries) };
}

test("kill -9 at forty random moments, each time the same command again: nothing lost, nothing twice, only unknown marks rejected", async () => {
  const order = smallOrder(folder, people);
  const line = idealLine(folder, "carousel", faults);
  const random = chance("forty kills");
  let kills = 0;
  let rounds = 0;
  let resumed = 0;
  while (kills < 40) {
    const data = join(folder, `data-${String(++rounds)}`);
    const words = ["run", order, "--line", line, "--data", data, "--json"];
    let whole = false;
    // The first seconds are start and import; what follows is the line at work, a few hundred milliseconds a card.
    for (let tries = 0; tries < 4 && kills < 40; tries++) {
      const child = begun(words);
      const ended = once(child, "exit");
      const winner = await Promise.race([
        ended.then(() => "ended"),
        sleep(700 + random.next() * 5200, "time"),
      ]);
      // Faster than its kill: the order is whole, and is not made twice.
      whole = winner === "ended" && child.exitCode === 0;
      if (winner === "ended") break;
      child.kill("SIGKILL");
      await ended;
      kills++;
    }
    const last = whole ? persoline(["order", "show", "T-1", "--data", data, "--json"]) : persoline(words);
    expect(last).toMatchObject({ code: 0, err: "" });
    expect(JSON.parse(last.out)).toMatchObject(
      whole
        ? { records: people, state: "produced" }
        : { records: people, produced: people, held: 0, balanced: true },
    );
    const found = await reckoning(data);
    expect(found.different).toEqual([]);
    expect(found.records).toEqual(Array.from({ length: people }, (_, at) => at + 1));
    expect([...found.states]).toEqual([
      "operating system completed, ROM 1.0, OS 1.2, EEPROM 32 KiB, card state SECURED",
    ]);
    const unplanned = found.rejects.filter(
      (reject) => !["L1-000002 mute", "L1-000005 rom-fault"].includes(reject),
    );
    expect(unplanned.map((reject) => reject.split(" ")[1]).filter((code) => code !== "mark-unknown")).toEqual(
      [],
    );
    const database = new Database(join(data, "persoline.db"), { readonly: true });
    const twice = database
      .prepare(
        "select record, count(*) as cards from blanks where state = 'good' group by record having cards > 1",
      )
      .all();
    database.close();
    expect(twice).toEqual([]);
    resumed += unplanned.length;
    rmSync(data, { recursive: true });
  }
  expect(kills).toBe(40);
  // Marks that were under way are the only cards the kills may cost: at most the engraving heads' cards each time.
  expect(resumed).toBeLessThanOrEqual(kills * 3);
}, 600_000);

test("Ctrl-C lets cards in work end safely, says so, and the same command finishes the order", async () => {
  const order = smallOrder(folder, people);
  const line = idealLine(folder, "carousel", faults);
  const data = join(folder, "data");
  const words = ["run", order, "--line", line, "--data", data, "--json"];
  const child = begun(words);
  const ended = once(child, "exit");
  await sleep(4_000);
  child.kill("SIGINT");
  const [code] = (await ended) as [number | null];
  const midway = await reckoning(data);
  expect(midway.different).toEqual([]);
  expect(midway.totals).toMatchObject({ inProcess: 0, held: 0 });
  expect(midway.rejects.filter((reject) => reject.endsWith("mark-unknown"))).toEqual([]);
  // Stopped in the middle: the rest is made now. Already whole: an order is never made twice.
  const whole = midway.records.length === people;
  const last = persoline(words);
  const produced = whole ? people : (JSON.parse(last.out) as { readonly produced: number }).produced;
  expect({ first: code, last: last.code, produced }).toEqual({
    first: whole ? 0 : 1,
    last: whole ? 1 : 0,
    produced: people,
  });
}, 120_000);
