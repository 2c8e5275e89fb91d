import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Site } from "../access/types.js";
import { mostTold, readMovements } from "./movements.js";

const site: Site = {
  name: "Yard",
  timeZone: "Europe/Berlin",
  zones: [{ name: "HALL", rights: [], muster: false }],
  gates: [
    { name: "main-in", from: "outside", to: "HALL", passback: { kind: "off" } },
    { name: "main-out", from: "HALL", to: "outside", passback: { kind: "off" } },
  ],
};
let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "persoline-movements-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

const told = (rows: readonly string[]): Promise<string> => {
  const file = join(folder, "list.csv");
  writeFileSync(file, `time,gate,card\n${rows.join("\n")}\n`);
  return readMovements(file, site).then(
    () => "",
    (problem: Error) => problem.message,
  );
};
const rows = (count: number, gate: string): string[] =>
  Array.from(
    { length: count },
    (_, at) => `2026-12-01T07:${String(10 + at)}:00,${gate},FM-${String(1001 + at)}`,
  );

test("a list for another site is told in one sentence, with the gates of this one", async () => {
  const text = await told(rows(40, "lab-in"));
  expect(text.split("\n")).toHaveLength(1);
  expect(text).toContain("none of its gates is one of Yard (main-in, main-out); name the gates file");
});

test("of many problems the first are told, of the others their number", async () => {
  const lines = (await told([...rows(1, "main-in"), ...rows(40, "lab-in")])).split("\n");
  expect(lines).toHaveLength(mostTold + 1);
  expect(lines[0]).toMatch(/list\.csv:3 "gate": there is no such gate; use one of main-in, main-out$/);
  expect(lines.at(-1)).toBe(`… and ${String(40 - mostTold)} more`);
});

test("an empty list is none of another site", async () => {
  expect(await told([])).toBe("");
});
