import { copyFileSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { once } from "node:events";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import Database from "better-sqlite3";
import { afterEach, beforeEach, expect, test } from "vitest";
import { ShopFloor } from "../devices/shop-floor/floor.js";
import { virtualSilicon } from "../devices/shop-floor/silicon.js";
import { chance } from "../devices/shop-floor/random.js";
import type { Blank } from "../ledger/types.js";
import { pairAt } from "../plan/life.test.data.js";
import { disagreements } from "../stations/census.js";
import { openJournalFile } from "../store/journal-file.js";
import { openStore, type Store } from "../store/store.js";
import { begun, idealLine, persoline, smallOrder } from "./command.test.data.js";
import { inspectVirtual } from "./inspect.js";

/** Enough for all three engraving heads at once, both planted faults, and remakes. */
const people = 4;
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

/** Opened for reading only: chips are not fabricated, nothing moves. */
const floorOf = (data: string): ShopFloor =>
  new ShopFloor(
    join(data, "shop-floor"),
    virtualSilicon({ loaderMaster: new Uint8Array(16), random: (length) => new Uint8Array(length) }),
  );

async function blanksOf(store: Store): Promise<Blank[]> {
  const blanks = [];
  for await (const blank of store.stock.list()) blanks.push(blank);
  return blanks;
}

/** Tries of a chip that are not what they began with, by its EEPROM (docs/card-os.md 1, 5 and 6): loader, SCP03, PIN, keys of the application. */
function lostTries(label: string, eeprom: Uint8Array): string[] {
  const blank = pairAt(eeprom, 0x00c0)[0] === 0x01;
  const loader = blank ? pairAt(eeprom, 0x0040)[16] : undefined;
  const scp03 = pairAt(eeprom, 0x01c0)[0];
  const told: string[] = [];
  if (loader !== undefined && loader !== 3) told.push(`${label}: ${String(loader)} loader tries`);
  if (!blank && scp03 !== undefined && scp03 !== 10) told.push(`${label}: ${String(scp03)} SCP03 tries`);
  const application = blank ? new Uint8Array(0) : pairAt(eeprom, 0x3480);
  const [limit = 0, tries = 0] = application;
  if (tries !== limit) told.push(`${label}: ${String(tries)} of ${String(limit)} PIN tries`);
  for (let at = 10; at + 19 <= application.length; at += 19)
    if (application[at] !== 0 && application[at + 2] !== 15)
      told.push(`${label}: ${String(application[at + 2])} tries of a key`);
  return told;
}

/** After everything: what the accounts say, where the bodies lie and what their chips hold, card by card. */
async function reckoning(data: string) {
  const store = await openStore({ file: join(data, "persoline.db") });
  const floor = floorOf(data);
  const blanks = await blanksOf(store);
  const good = blanks.filter(({ state }) => state === "good");
  const states: string[] = [];
  const tries: string[] = [];
  let read = 0;
  for (const { label, state } of blanks) {
    const body = floor.find(label);
    if (body === undefined || !existsSync(join(body.dir, "chip.eeprom"))) continue;
    // Before anything powers it: what the last power-off left.
    const eeprom = readFileSync(join(body.dir, "chip.eeprom"));
    tries.push(...lostTries(label, eeprom));
    if (state !== "good") continue;
    const pin = pairAt(eeprom, 0x3480);
    if (pin[0] === 3 && pin[1] === 3) read++;
    const loaded = floor.loadCard(body.dir);
    const { facts } = await inspectVirtual(loaded.card);
    states.push(facts.find(({ what }) => what === "chip status")?.value ?? "");
    loaded.eeprom.close();
  }
  const totals = await store.accounts.recount();
  const rejects = blanks.flatMap(({ label, state, reject }) =>
    state === "rejected" ? [`${label} ${reject?.code ?? ""}`] : [],
  );
  const records = good.map(({ record }) => record).sort((a = 0, b = 0) => a - b);
  const different = disagreements(floor.census(), blanks);
  floor.close();
  await store.close();
  return { totals, rejects, records, different, states: new Set(states), tries, read };
}

/** Stations with an intent that has no outcome; and what else a kill can hit. */
type Hit = "nothing begun" | "between intents" | (string & {});

/**
 * Right after a kill, on copies of accounts and journal: each body against its state. A move and its entry are two steps (a good body
 * moves first, every other is counted first), so a body may be one step ahead; whatever else differs is told.
 */
async function afterKill(data: string): Promise<{ hits: Hit[]; different: string[] }> {
  const database = join(data, "persoline.db");
  if (!existsSync(data)) return { hits: ["nothing begun"], different: [] };
  const journal = readdirSync(data, { withFileTypes: true }).find(({ name }) =>
    /^journal-.*\.db$/.test(name),
  );
  if (!existsSync(database) || journal === undefined) return { hits: ["nothing begun"], different: [] };
  const copy = mkdtempSync(join(folder, "copy-"));
  for (const name of readdirSync(data))
    if (/\.db(-wal)?$/.test(name)) copyFileSync(join(data, name), join(copy, name));
  const store = await openStore({ file: join(copy, "persoline.db") });
  const blanks = await blanksOf(store);
  await store.accounts.recount();
  await store.close();
  const notes = openJournalFile(join(copy, journal.name));
  const hits = notes.states().flatMap(({ open }) => open?.station ?? []);
  notes.close();
  rmSync(copy, { recursive: true });
  const floor = floorOf(data);
  const census = floor.census();
  floor.close();
  // Lots are delivered before they are received.
  if (blanks.length === 0) return { hits: ["nothing begun"], different: [] };
  const at = new Map(census.map(({ label, place }) => [label, place.at]));
  const inMachine = (label: string): boolean => at.get(label) === "head" || at.get(label) === "queue";
  const settled = blanks.filter(({ label, state }) => {
    const arrived = state === "in-process" && (at.get(label) === "good" || at.get(label) === "hopper");
    const counted = state !== "in-process" && state !== "good" && inMachine(label);
    return !arrived && !counted;
  });
  const known = new Set(settled.map(({ label }) => label));
  const everybody = new Set(blanks.map(({ label }) => label));
  const different = [
    ...disagreements(
      census.filter(({ label }) => known.has(label)),
      settled,
    ),
    ...census.flatMap(({ label }) => (everybody.has(label) ? [] : [`nobody knows ${label}`])),
  ];
  return { hits: hits.length === 0 ? ["between intents"] : hits, different };
}

/** Comes back as soon as an engraver or embosser is at work on a card, or when nobody asks any more. */
async function markUnderWay(data: string, over: AbortSignal): Promise<"time"> {
  const machine = join(data, "shop-floor", "machine");
  const isMarked = (place: string): boolean =>
    readdirSync(join(machine, place)).some((body) =>
      readdirSync(join(machine, place, body)).some((file) => file.endsWith(".under-way")),
    );
  while (!over.aborted) {
    try {
      if (readdirSync(machine).some(isMarked)) break;
    } catch {
      // Not there yet, or moved on between two looks.
    }
    await sleep(1);
  }
  return "time";
}

test("kill -9 at forty random moments, each time the same command again: nothing lost, nothing twice, no try lost, only unknown marks rejected", async () => {
  const order = smallOrder(folder, people);
  const line = idealLine(folder, "carousel", faults);
  const random = chance("forty kills");
  const hits = new Map<Hit, number>();
  let kills = 0;
  let rounds = 0;
  let resumed = 0;
  // How long this machine takes now: moments are drawn over it, so that a slow one is not always hit at its start.
  const began = performance.now();
  expect(persoline(["run", order, "--line", line, "--data", join(folder, "first"), "--json"])).toMatchObject({
    code: 0,
  });
  let whole = performance.now() - began;
  while (kills < 40) {
    const data = join(folder, `data-${String(++rounds)}`);
    const words = ["run", order, "--line", line, "--data", data, "--json"];
    let produced = false;
    for (let tries = 0; tries < 8 && kills < 40; tries++) {
      const start = performance.now();
      const child = begun(words);
      const ended = once(child, "exit");
      const moment = new AbortController();
      const winner = await Promise.race([
        ended.then(() => "ended"),
        // Marks of an ideal line take milliseconds: by chance alone forty moments may miss them all.
        kills % 4 === 3
          ? markUnderWay(data, moment.signal)
          : sleep(whole * 0.85 ** tries * (0.2 + 0.7 * random.next()), "time"),
      ]);
      moment.abort();
      // Faster than its kill: the order is whole, and is not made twice.
      produced = winner === "ended" && child.exitCode === 0;
      if (winner === "ended") {
        if (tries === 0) whole = performance.now() - start;
        break;
      }
      child.kill("SIGKILL");
      await ended;
      kills++;
      const found = await afterKill(data);
      expect(found.different).toEqual([]);
      for (const hit of new Set(found.hits)) hits.set(hit, (hits.get(hit) ?? 0) + 1);
    }
    const rest = produced ? undefined : persoline(words);
    // Killed on its way out, with everything done: what is made is not made again.
    produced ||= rest?.err.includes("order T-1 is produced: it was made already") === true;
    const last =
      rest === undefined || produced ? persoline(["order", "show", "T-1", "--data", data, "--json"]) : rest;
    expect(last).toMatchObject({ code: 0, err: "" });
    expect(JSON.parse(last.out)).toMatchObject(
      produced
        ? { records: people, state: "produced" }
        : { records: people, produced: people, held: 0, balanced: true },
    );
    const found = await reckoning(data);
    expect(found.different).toEqual([]);
    expect(found.records).toEqual(Array.from({ length: people }, (_, at) => at + 1));
    expect([...found.states]).toEqual([
      "operating system completed, ROM 1.0, OS 1.3, EEPROM 32 KiB, card state SECURED",
    ]);
    expect(found.tries).toEqual([]);
    expect(found.read).toBe(people);
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
  // What the moments have to hit among themselves: chips in work, and marks.
  expect(hits.get("visual") ?? 0).toBeGreaterThan(0);
  expect(
    [...hits.keys()].filter((hit) => !["visual", "nothing begun", "between intents"].includes(hit)).length,
  ).toBeGreaterThan(0);
  // Marks that were under way are the only cards the kills may cost: at most the engraving heads' cards each time.
  expect(resumed).toBeLessThanOrEqual(kills * 3);
});

test("Ctrl-C lets cards in work end safely, says so, and the same command finishes the order", async () => {
  const order = smallOrder(folder, people);
  const line = idealLine(folder, "carousel", faults);
  const data = join(folder, "data");
  const words = ["run", order, "--line", line, "--data", data, "--json"];
  const child = begun(words);
  const ended = once(child, "exit");
  // The line is at work as soon as bodies lie in the machine.
  const machine = join(data, "shop-floor", "machine");
  while (child.exitCode === null && !(existsSync(machine) && readdirSync(machine).length > 2))
    await sleep(20);
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
});
