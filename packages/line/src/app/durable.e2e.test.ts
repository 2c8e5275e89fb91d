/**
 * What the kernel saw, in order: no page of a chip is written while a note of the journal or an entry of the accounts that came before it
 * waits for its sync. One card at a time, so that whatever waits is this card's.
 */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { idealLine, root, smallOrder } from "./command.test.data.js";

interface Event {
  readonly kind: "chip" | "written" | "synced";
  /** Which log; of a chip its folder. */
  readonly file: string;
}

/** A call that was interrupted in the log counts when it ends, except for writes of a chip: these count when they begin. */
export function eventsOf(trace: string): Event[] {
  const begun = new Map<string, string>();
  const events: Event[] = [];
  for (const line of trace.split("\n")) {
    const [, thread = "", call = ""] = /^(\d+)\s+(.*)$/.exec(line) ?? [];
    const resumed = /^<\.\.\. \w+ resumed>/.test(call);
    const whole = resumed ? (begun.get(thread) ?? "") : call;
    const unfinished = call.endsWith("<unfinished ...>");
    if (unfinished) begun.set(thread, call);
    const [, name = "", path = ""] = /^(\w+)\(\d+<([^>]*)>/.exec(whole) ?? [];
    const write = name === "pwrite64" || name === "write" || name === "pwritev";
    if (path.endsWith("chip.eeprom")) {
      if (write && !resumed) events.push({ kind: "chip", file: path });
    } else if (path.endsWith("-wal") && !unfinished) {
      if (write) events.push({ kind: "written", file: path });
      else if (call.endsWith("= 0")) events.push({ kind: "synced", file: path });
    }
  }
  return events;
}

/** Chip writes that left while something written before was not yet synced. */
export function tooEarly(events: readonly Event[]): number {
  const waiting = new Set<string>();
  let early = 0;
  for (const { kind, file } of events) {
    if (kind === "written") waiting.add(file);
    else if (kind === "synced") waiting.delete(file);
    else if (waiting.size > 0) early++;
  }
  return early;
}

/** The program's calls, each a line. */
function traced(calls: string, words: readonly string[]): string {
  const trace = join(folder, "trace");
  const log = ["-f", "-y", "-s", "300", "-e", "signal=none", "-e", `trace=${calls}`, "-o", trace];
  const program = [join(root, "packages/line/bin/persoline.js"), ...words];
  const data = ["--data", join(folder, "data"), "--json"];
  const { status, stderr, error } = spawnSync("strace", [...log, process.execPath, ...program, ...data], {
    encoding: "utf8",
  });
  if (error !== undefined)
    throw new Error(`strace is needed here (apt-get install strace): ${error.message}`);
  if (status !== 0) throw new Error(stderr);
  return readFileSync(trace, "utf8");
}

let folder: string;
let events: readonly Event[];

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "persoline-durable-"));
  const line = idealLine(folder, "ideal", (text) =>
    text
      .replaceAll(/heads: \d+/g, "heads: 1")
      .replace(
        /stock:[\s\S]*/,
        'stock:\n  - { lot: L1, count: 4, faults: [{ blanks: { number: 1 }, fault: { kind: rom-fault } }, { blanks: { number: 2 }, fault: { kind: dies-at, ins: "B0", nth: 1 } }] }\n',
      ),
  );
  const calls = "write,pwrite64,pwritev,fsync,fdatasync";
  events = eventsOf(traced(calls, ["run", smallOrder(folder, 1), "--line", line]));
  writeFileSync(join(folder, "events"), events.map(({ kind, file }) => `${kind} ${file}`).join("\n"));
});
afterAll(() => rmSync(folder, { recursive: true }));

test("three cards, one after the other: every change of a chip comes after the syncs of what announced it", () => {
  const count = (kind: Event["kind"]): number => events.filter((event) => event.kind === kind).length;
  expect(
    new Set(events.filter(({ kind }) => kind === "chip").map(({ file }) => file)).size,
  ).toBeGreaterThanOrEqual(2);
  expect(count("chip")).toBeGreaterThan(100);
  expect(count("synced")).toBeGreaterThan(20);
  expect(tooEarly(events)).toBe(0);
});

test("a log that was not synced once is found out", () => {
  const journal = events.flatMap(({ kind, file }, at) =>
    kind === "synced" && file.includes("journal") ? [at] : [],
  );
  expect(journal.length).toBeGreaterThan(10);
  // Without the sync, the next page of a chip is written too early: true of each of them that a chip's write follows directly.
  const followed = journal.filter((at) => events[at + 1]?.kind === "chip");
  expect(followed.length).toBeGreaterThan(5);
  for (const at of followed) expect(tooEarly(events.filter((_, other) => other !== at))).toBeGreaterThan(0);
});

test("the issuer's file and its signature are synced before they have their names, and the names after that", () => {
  const trace = traced("fsync,rename,renameat,renameat2", ["order", "result", "T-1"]);
  const reports = join(folder, "data/reports/T-1");
  const seen = trace.split("\n").flatMap((line) => {
    const [, synced] = /fsync\(\d+<([^>]*)>/.exec(line) ?? [];
    if (synced?.startsWith(reports) === true) return [`sync ${synced.slice(reports.length)}`];
    const [, renamed] = /rename\w*\(.*"([^"]*)"/.exec(line) ?? [];
    return renamed?.startsWith(reports) === true ? [`name ${renamed.slice(reports.length)}`] : [];
  });
  expect(seen).toEqual([
    "sync /result.txt.new",
    "sync /result.txt.sig.new",
    "name /result.txt",
    "sync ",
    "name /result.txt.sig",
    "sync ",
  ]);
});
