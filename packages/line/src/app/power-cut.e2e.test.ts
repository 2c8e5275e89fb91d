/**
 * The power of the line's computer lost at every command that a chip is given, on the real parts: the program itself runs once under
 * `strace`; for each cut its files are put together from the calls as a loss of power leaves them (of the computer's files what was
 * synced, of the shop floor, which is the physical world, everything), and the program goes on from there. Points of each command:
 * before it is sent, half of it carried out, carried out (the answer lost), answered and the journal's next note written but not yet synced,
 * journalled. Besides, before and after every sync of accounts and journal between commands. Cuts that leave the same files are judged once.
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { CardProgram } from "@persoline/card/program";
import { afterAll, beforeAll, expect, test } from "vitest";
import { ShopFloor } from "../devices/shop-floor/floor.js";
import { virtualSilicon } from "../devices/shop-floor/silicon.js";
import { office, pairAt, personalization, proof, sameCard } from "../plan/life.test.data.js";
import { disagreements } from "../stations/census.js";
import { openJournalFile } from "../store/journal-file.js";
import { openStore } from "../store/store.js";
import { root, smallOrder } from "./command.test.data.js";
import { Refusal } from "./problem.js";
import { produce } from "./produce.js";
import { type Call, callsOf, type LeftFiles, ReplayedDisk, traced } from "./replayed.test.data.js";

/** The first body's records are not what they should be: it is rejected after personalization and ended, and its record made anew. */
const lineText = `
line: cut
mode: ideal
seed: 7
transport: { kind: simulated-carousel, moveMs: 200 }
limits: { resumes: 100 }
stations:
  - { name: electrical-test, heads: 1, reader: simulated }
  - { name: completion, heads: 1, queue: 1, reader: simulated }
  - { name: initialisation, heads: 1, queue: 1, reader: simulated }
  - { name: personalization, heads: 1, queue: 1, reader: simulated }
  - { name: chip-proof, heads: 1, queue: 1, reader: simulated }
  - { name: quality, heads: 1, queue: 1, reader: simulated }
without: [visual]
stock:
  - { lot: L1, count: 4, faults: [{ blanks: { number: 1 }, fault: { kind: lying, ins: "DC" } }] }
`;
const [bad, good] = ["L1-000001", "L1-000002"];

type Point = "before" | "half" | "executed" | "answered" | "journalled" | "sync";
interface Command {
  readonly label: string;
  readonly station: string;
  readonly ins: string;
  /** Calls at which it began and ended, and those between that wrote its chip. */
  readonly from: number;
  to: number;
  readonly writes: number[];
}
interface Cut {
  /** The last call that happened. */
  readonly call: number;
  readonly point: Point;
  readonly command: Command;
}

let folder: string;
let data: string;
let calls: readonly Call[];
let commands: readonly Command[];
let cuts: readonly Cut[];
let end: LeftFiles;

const isJournal = (path: string): boolean => path.startsWith("journal-");
const isSync = ({ name }: Call): boolean => name === "fsync" || name === "fdatasync";

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "persoline-cut-"));
  data = join(folder, "data");
  const [trace, said, line] = [join(folder, "trace"), join(folder, "commands"), join(folder, "line.yaml")];
  writeFileSync(line, lineText);
  const spy = new URL("../../dist/app/spied.test.data.js", import.meta.url);
  spy.searchParams.set("said", said);
  // The program as tsc wrote it: the spy listens at a module of its own dist, of which the joined program has a copy.
  const program = [process.execPath, "--import", spy.href, join(root, "packages/line/dist/app/cli.js")];
  const words = ["run", smallOrder(folder, 1), "--line", line, "--data", data, "--json"];
  const { status, stderr, error } = spawnSync(
    "strace",
    [
      "-f",
      "-y",
      "-xx",
      "-s",
      "4194304",
      "-e",
      "signal=none",
      "-e",
      `trace=${traced}`,
      "-o",
      trace,
      ...program,
      ...words,
    ],
    { encoding: "utf8" },
  );
  if (error !== undefined)
    throw new Error(`strace is needed here (apt-get install strace): ${error.message}`);
  if (status !== 0) throw new Error(stderr);
  calls = [...callsOf(readFileSync(trace, "latin1"))];
  const disk = new ReplayedDisk(data);
  const [found, syncs] = [[] as Command[], [] as { call: number; journal: boolean }[]];
  for (const [call, one] of calls.entries()) {
    const path = disk.apply(one);
    const now = found.at(-1);
    if (one.paths[0] === said && one.name === "write") {
      const [what = "", label = "", station = "", ins = ""] = one.data.toString().trim().split(" ");
      if (what === "before")
        found.push({ label, station, ins, from: call, to: Number.POSITIVE_INFINITY, writes: [] });
      else if (now !== undefined) now.to = call;
    } else if (path?.endsWith("chip.eeprom") === true && now?.to === Number.POSITIVE_INFINITY)
      now.writes.push(call);
    else if (path !== undefined && isSync(one) && now !== undefined)
      syncs.push({ call, journal: isJournal(path) });
  }
  commands = found;
  end = disk.left(() => false);
  cuts = cutsOf(found, syncs);
});
afterAll(() => rmSync(folder, { recursive: true }));

function cutsOf(all: readonly Command[], syncs: readonly { call: number; journal: boolean }[]): Cut[] {
  // The bad body's first stations are those of the good one, without an own program: it is cut from its proof on.
  const proved = all.findIndex(({ label, station }) => label === bad && station === "chip-proof");
  const from = all.findIndex(({ label }) => label === good);
  return all.flatMap((command, at) => {
    if (at < proved || (at < from && command.label !== bad)) return [];
    const next = all[at + 1]?.from ?? calls.length;
    const between = syncs.filter(({ call }) => call > command.to && call < next);
    const journalled = between.find(({ journal }) => journal)?.call;
    const half = command.writes[Math.floor((command.writes.length - 1) / 2)];
    const points: [Point, number][] = [
      ["before", command.from],
      ...(half === undefined ? [] : [["half", half] as [Point, number]]),
      ["executed", command.to],
      ["answered", journalled === undefined ? command.to : journalled - 1],
      ["journalled", journalled ?? next - 1],
      ...between.flatMap(({ call }): [Point, number][] => [
        ["sync", call - 1],
        ["sync", call],
      ]),
    ];
    return points.map(([point, call]) => ({ point, call, command }));
  });
}

interface State {
  readonly left: LeftFiles;
  readonly cuts: Cut[];
}

/**
 * Different files that cuts leave: with what was not synced gone, and with it kept (a disk may do either). `deaf`: syncs that do not
 * happen, as if the program did not ask for them.
 */
function states(
  of: readonly Cut[],
  unsynced: readonly ("gone" | "kept")[],
  deaf: (call: Call, at: number) => boolean = () => false,
): State[] {
  const disk = new ReplayedDisk(data);
  const found = new Map<string, State>();
  const byCall = new Map<number, Cut[]>();
  for (const cut of of) byCall.set(cut.call, [...(byCall.get(cut.call) ?? []), cut]);
  for (const [at, call] of calls.entries()) {
    if (!isSync(call) || !deaf(call, at)) disk.apply(call);
    const here = byCall.get(at);
    if (here === undefined) continue;
    for (const fate of unsynced) {
      const lost = (file: string): boolean => fate === "gone" && !file.startsWith("shop-floor/");
      const stamp = disk.stamp(lost);
      const known = found.get(stamp);
      if (known === undefined) found.set(stamp, { left: disk.left(lost), cuts: [...here] });
      else known.cuts.push(...here);
    }
  }
  return [...found.values()];
}

const eepromOf = (files: LeftFiles, label: string): Buffer | undefined =>
  [...files.files].find(([path]) => path.endsWith(`-${label}/chip.eeprom`))?.[1];

const words = ({ point, command: { label, station, ins } }: Cut): string =>
  `${label} ${station} INS ${ins}: ${point}`;

/** What is wrong before anything is recovered: a command changed a chip that the journal does not have in work there. */
function unannounced({ cuts: here }: State, place: string): string[] {
  const journal = openJournalFile(join(place, "journal-cut.db"));
  const known = journal.states();
  journal.close();
  return here
    .filter(({ point, command }) => command.writes.length > 0 && (point === "half" || point === "executed"))
    .filter(
      ({ command }) =>
        !known.some(({ open }) => open?.station === command.station || open?.station === "termination"),
    )
    .map((cut) => `${words(cut)}: pages written, and no durable intent says so`);
}

/** What is wrong after the program went on from these files until the order was whole. */
async function afterwards(place: string): Promise<string[]> {
  const wrong: string[] = [];
  try {
    const ended = await produce({
      orderFile: join(folder, "order.yaml"),
      lineFile: join(folder, "line.yaml"),
      data: place,
      by: "test",
      timeZone: "UTC",
    });
    if (ended.unfinished !== undefined) return [ended.unfinished];
    if (!ended.produced.balanced) wrong.push("the accounts do not balance");
  } catch (problem) {
    // Cut after the last card was counted: an order is not made twice.
    if (!(problem instanceof Refusal) || !problem.message.includes("is produced")) throw problem;
  }
  const store = await openStore({ file: join(place, "persoline.db") });
  const floor = new ShopFloor(
    join(place, "shop-floor"),
    virtualSilicon({ loaderMaster: new Uint8Array(16), random: (length) => new Uint8Array(length) }),
  );
  const blanks = [];
  for await (const blank of store.stock.list()) blanks.push(blank);
  const told = blanks.map(({ label, state, record, reject }) =>
    [label, state, reject?.code ?? record ?? ""].join(" ").trimEnd(),
  );
  const totals = await store.accounts.recount();
  if (totals.received !== 4 || totals.inProcess !== 0) wrong.push("the recount differs");
  // The cut costs no card: the bad body is rejected, the good one is the record's, the others are blank. Ending a bad card may be what was cut.
  const expected = [
    /^L1-000001 rejected proof-wrong$/,
    /^L1-000002 good 1$/,
    /^L1-000003 in-stock$/,
    /^L1-000004 in-stock$/,
  ];
  if (told.length !== 4 || !told.every((text, at) => expected[at]?.test(text))) wrong.push(told.join(", "));
  if (!(await store.audit.verify()).ok) wrong.push("the audit's chain is broken");
  wrong.push(...disagreements(floor.census(), blanks));
  const body = floor.find(good);
  const [left, right] = [eepromOf(end, good), body && readFileSync(join(body.dir, "chip.eeprom"))];
  if (left === undefined || right === undefined) wrong.push(`${good} is not there`);
  // Keys, files, the SCP03 tries; then the page pair of the application: keys and PIN, each with its tries.
  else {
    wrong.push(...sameCard(left, withTestPagesOf(left, right)));
    if (!limits(left).equals(limits(right))) wrong.push("keys or tries of the application differ");
  }
  floor.close();
  await store.close();
  return wrong;
}

/** The file of a chip follows its test patterns in runs: a page that still holds either of them is free memory, whichever it is. */
function withTestPagesOf(left: Uint8Array, right: Uint8Array): Uint8Array {
  const made = Uint8Array.from(right);
  const isTested = (page: Uint8Array): boolean =>
    page.every((byte, at) => byte === (at % 2 === 0 ? page[0] : page[1])) &&
    (page[0] ?? 0) + (page[1] ?? 0) === 0xff &&
    [0x55, 0xaa].includes(page[0] ?? 0);
  for (let at = 0; at < made.length; at += 64) {
    const own = left.subarray(at, at + 64);
    if (isTested(own) && isTested(made.subarray(at, at + 64))) made.set(own, at);
  }
  return made;
}

/** Keys and tries of the application, whose page pair follows that of the MF (first fit); without the PIN itself, which is drawn anew with each card and was verified by the program. */
const limits = (eeprom: Uint8Array): Buffer => Buffer.from(pairAt(eeprom, 0x3480)).fill(0, 2, 10);

test("every card-changing command of the office's programs is cut at all its points", () => {
  const programs: readonly [string, CardProgram][] = [
    ["electrical-test", office.test],
    ["completion", office.completion],
    ["initialisation", office.initialisation],
    ["personalization", personalization],
    ["chip-proof", proof],
    ["termination", office.termination],
  ];
  for (const [station, { segments }] of programs) {
    const changing = segments.flatMap(({ steps }) => steps).filter(({ changes }) => changes === true);
    const kinds = new Set(changing.map(({ ins }) => ins.toString(16).padStart(2, "0")));
    const [label, place] = station === "termination" ? [bad, "chip-proof"] : [good, station];
    for (const ins of kinds) {
      const own = cuts.filter(
        ({ command }) => command.label === label && command.station === place && command.ins === ins,
      );
      expect([station, ins, new Set(own.map(({ point }) => point)).size]).toEqual([
        station,
        ins,
        expect.toSatisfy((points: number) => points >= 5),
      ]);
    }
    const sent = commands.filter(
      (command) => command.label === label && command.station === place && kinds.has(command.ins),
    );
    expect(sent.length).toBeGreaterThanOrEqual(changing.length);
  }
});

/** Two at a time: most of it is waiting for syncs and for the security module. */
async function told(
  all: readonly State[],
  judge: (state: State, place: string) => Promise<string[]>,
): Promise<string[]> {
  const found: string[] = [];
  const waiting = [...all.entries()];
  const next = async (): Promise<void> => {
    for (let one = waiting.shift(); one !== undefined; one = waiting.shift()) {
      const [at, state] = one;
      const place = join(folder, `cut-${String(at)}`);
      state.left.writeTo(place);
      const wrong = await judge(state, place);
      rmSync(place, { recursive: true });
      if (wrong.length > 0)
        found.push(`${[...new Set(state.cuts.map(words))].join("; ")} => ${wrong.join("; ")}`);
    }
  };
  await Promise.all([next(), next()]);
  return found;
}

test("cut everywhere: the same cards, no command lost or doubled, no try lost, accounts balanced", async () => {
  const all = states(cuts, ["gone", "kept"]);
  // Fewer would mean that the cuts were not where the files change.
  expect(all.length).toBeGreaterThan(commands.length / 2);
  expect(
    await told(all, async (state, place) => [...unannounced(state, place), ...(await afterwards(place))]),
  ).toEqual([]);
});

test("a journal that never syncs is found out: chips change, and no note says so", async () => {
  const half = cuts.filter(({ point }) => point === "half");
  const all = states(half, ["gone"], ({ paths: [path = ""] }) => path.includes("/journal-"));
  expect((await told(all, (state, place) => Promise.resolve(unannounced(state, place)))).length).toBe(
    all.length,
  );
  expect(all.length).toBeGreaterThan(20);
});

test("a journal that does not sync one intent is found out", async () => {
  for (const station of ["completion", "initialisation", "personalization", "chip-proof", "quality"]) {
    // The last sync before the station's first page is written.
    const first = commands.find(
      (command) => command.label === good && command.station === station && command.writes.length > 0,
    );
    const intent = calls.findLastIndex(
      (call, at) => at < (first?.from ?? 0) && isSync(call) && (call.paths[0] ?? "").includes("/journal-"),
    );
    const early = cuts.filter(
      ({ command, point }) => command === first && (point === "half" || point === "executed"),
    );
    const found = await told(
      states(early, ["gone"], (_, at) => at === intent),
      (state, place) => Promise.resolve(unannounced(state, place)),
    );
    expect(found.join()).toContain(`${station} INS 82: half: pages written, and no durable intent says so`);
    expect(
      await told(states(early, ["gone"]), (state, place) => Promise.resolve(unannounced(state, place))),
    ).toEqual([]);
  }
});
