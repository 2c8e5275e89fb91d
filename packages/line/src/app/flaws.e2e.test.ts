/**
 * The loop of marking and judging, closed: simulated machines that spoil cards in every way they can write down what they spoilt, and the
 * run must have found all of it, by the detector that is there for it, and nothing else, and must have made every record again.
 */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Finding } from "@persoline/card/program";
import Database from "better-sqlite3";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { stripeFlawKinds, visualFlawKinds } from "../devices/flaw-kinds.js";
import type { Spoiling } from "../devices/shop-floor/spoiler.js";
import { parseLine } from "../stations/line-file.js";
import { ownFindings } from "../stations/quality/captures.test.data.js";
import { type Ended, persoline, root } from "./command.test.data.js";
import type { Produced } from "./end-run.js";

const folder = mkdtempSync(join(tmpdir(), "persoline-flaws-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const lineText = (name: string): string =>
  readFileSync(join(root, `examples/lines/flawed-${name}.yaml`), "utf8");

/** What an example's order says, for its first people only, on a line that spoils much more than three in a hundred. */
function orderOf(
  name: string,
  people: number,
  percent: number,
): { readonly order: string; readonly line: string } {
  const own = join(folder, name);
  mkdirSync(own);
  const example = join(root, "examples", name === "payment" ? name : `${name}-access`);
  const input = name === "payment" ? "cardholders.csv" : "employees.csv";
  const rows = readFileSync(join(example, input), "utf8")
    .split("\n")
    .slice(0, people + 1);
  writeFileSync(join(own, input), `${rows.join("\n")}\n`);
  // One head, so that every kind of flaw comes round on few cards; so many rejects would stop a line that people look after.
  const line = lineText(name)
    .replace(/(name: visual, heads: )3/, "$11")
    .replace("spoils: 3", `spoils: ${String(percent)}`)
    .replace("stations:", "limits: { rejectsInARow: 200, rejectsAtHead: 200 }\n\nstations:");
  writeFileSync(join(own, "line.yaml"), line);
  const text = readFileSync(join(example, "order.yaml"), "utf8")
    .replaceAll("../", `${join(root, "examples")}/`)
    .replace(/file: employees\.xlsx.*/, "file: employees.csv")
    .replace("photos: photos", `photos: ${join(example, "photos")}`)
    .replace(/records: .*\n/, "")
    .replace(/line: .*/, "line: line.yaml");
  const order = join(own, "order.yaml");
  writeFileSync(order, text);
  return { order, line: join(own, "line.yaml") };
}

interface Visit {
  readonly label: string;
  readonly end: string;
  readonly station: string | null;
  readonly code: string | null;
  readonly findings: string;
}

/** Findings of quality control that name a flaw of marks as such; machines' own checks end a card with its own code. */
const named = ({ kind, side }: Spoiling, { code, station, findings }: Visit): boolean => {
  if (station === "visual") return code === "mark-wrong";
  const own = Object.entries(ownFindings).find(([known]) => known === kind)?.[1] ?? [];
  const wrong = (JSON.parse(findings) as Finding[]).filter(({ result }) => result === "wrong");
  // A print that lies there twice shows first as ink too much, or as contacts where it reaches their place; what a line needs is that it is found.
  const twice = ["extra-ink", "stray-ink", "wrong-glyph", "burnt", "scratch", "spot", "wrong-side"];
  const told = kind === "double-print" ? [...own, ...twice] : own;
  return wrong.some(
    ({ what, detail = "" }) => what.startsWith(side) && told.some((one) => detail.includes(`: ${one}`)),
  );
};

describe.each([
  ["office", 13, visualFlawKinds],
  ["warehouse", 13, visualFlawKinds],
  // Nobody's photo is printed on it.
  ["payment", 15, [...visualFlawKinds.filter((kind) => kind !== "wrong-photo"), ...stripeFlawKinds]],
] as const)("the order of %s on worn machines", (name, people, kinds) => {
  let ended: Ended;
  let made: Produced;
  let spoilt: readonly Spoiling[];
  let visits: readonly Visit[];
  beforeAll(() => {
    const { order, line } = orderOf(name, people, 60);
    const data = join(folder, name, "data");
    ended = persoline(["run", order, "--line", line, "--data", data, "--json"]);
    made = JSON.parse(ended.out) as Produced;
    spoilt = readFileSync(join(data, "shop-floor/spoilt.jsonl"), "utf8")
      .trimEnd()
      .split("\n")
      .map((one) => JSON.parse(one) as Spoiling);
    const database = new Database(join(data, "persoline.db"), { readonly: true });
    visits = database
      .prepare<[], Visit>(
        "select label, end_kind as end, station, code, findings from visits join blanks using (serial)",
      )
      .all();
    database.close();
  }, 600_000);

  test("the example's line spoils three in a hundred, this one each kind of flaw that its machines can make", () => {
    const { stations } = parseLine(lineText(name), "line.yaml");
    expect(stations.find(({ does }) => does.includes("visual"))?.spoils).toEqual({ percent: 3 });
    expect(new Set(spoilt.map(({ kind }) => kind))).toEqual(new Set(kinds));
    expect(new Set(spoilt.map(({ label }) => label)).size).toBe(spoilt.length);
  });
  test("all that was spoilt was found, nothing else was thrown out, all was made again, and the accounts balance", () => {
    expect(ended).toMatchObject({ code: 0, err: "" });
    expect(made).toMatchObject({ records: people, produced: people, held: 0, balanced: true });
    expect(made.blanks).toMatchObject({
      good: people,
      rejected: spoilt.length,
      used: people + spoilt.length,
    });
    expect(made.blanks.remade).toBeGreaterThan(0);
    const rejected = visits.filter(({ end }) => end === "rejected").map(({ label }) => label);
    expect(rejected.sort()).toEqual(spoilt.map(({ label }) => label).sort());
  });
  test("each by the detector that is there for it", () => {
    const unnamed = spoilt.filter((one) => {
      const visit = visits.find(({ label }) => label === one.label);
      return visit === undefined || !named(one, visit);
    });
    expect(unnamed).toEqual([]);
  });
});
