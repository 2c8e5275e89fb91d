import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { spoiler, type SpoilerOptions } from "./spoiler.js";

const root = mkdtempSync(join(tmpdir(), "persoline-spoiler-"));
afterAll(() => rmSync(root, { recursive: true, force: true }));
const record = join(root, "spoilt.jsonl");

const engraving = ["faint", "shift", "scratch"] as const;
const wheels = ["missing-line"] as const;

/** Kinds made on so many cards, by card; each is engraved on both sides, then struck. */
function run(
  cards: number,
  more: Partial<SpoilerOptions> = {},
  can: (kind: string, side: string) => boolean = () => true,
) {
  const head = spoiler({ percent: 10, seed: "7", record, ...more });
  return Array.from({ length: cards }, (_, card) => {
    const label = `L-${String(card)}`;
    const sides = (["front", "back"] as const).map((side) =>
      head.next({
        label,
        head: 0,
        machine: "engraver",
        side,
        kinds: engraving,
        can: (kind) => can(kind, side),
      }),
    );
    const struck = head.next({
      label,
      head: 0,
      machine: "embosser",
      side: "front",
      kinds: wheels,
      can: () => true,
    });
    return [...sides, struck].flatMap((kind) => kind ?? []);
  });
}

describe("a station that spoils a share of its cards", () => {
  test("spares a head's first card, then spoils one in every so many, and none twice", () => {
    const made = run(100);
    expect(made[0]).toEqual([]);
    expect(made.flat()).toHaveLength(10);
    expect(Math.max(...made.map((kinds) => kinds.length))).toBe(1);
    for (let block = 0; block < 10; block++)
      expect(made.slice(10 * block, 10 + 10 * block).flat()).toHaveLength(1);
  });
  test("3 % of 300 are 9; all of them at 100 %", () => {
    expect(run(300, { percent: 3 }).flat()).toHaveLength(9);
    expect(run(50, { percent: 100 }).map((kinds) => kinds.length)).toEqual([0, ...Array<number>(49).fill(1)]);
  });
  test("its heads share the count: forty cards on three of them are not too few for one", () => {
    const station = spoiler({ percent: 3, seed: "7", record });
    const made = Array.from({ length: 40 }, (_, card) =>
      station.next({
        label: `L-${String(card)}`,
        head: card % 3,
        machine: `engraver ${String(card % 3)}`,
        side: "front",
        kinds: engraving,
        can: () => true,
      }),
    );
    expect(made.slice(0, 3)).toEqual([undefined, undefined, undefined]);
    expect(made.slice(0, 34).filter((kind) => kind !== undefined)).toHaveLength(1);
  });
  test("each kind comes once before any comes again, by the seed", () => {
    const kinds = run(100).flat();
    for (const four of [kinds.slice(0, 4), kinds.slice(4, 8)])
      expect([...four].sort()).toEqual(["faint", "missing-line", "scratch", "shift"]);
    expect(run(100)).toEqual(run(100));
    expect(run(100, { seed: "8" })).not.toEqual(run(100));
  });
  test("only what was wished, and only what a job can have", () => {
    expect(new Set(run(100, { kinds: ["faint", "missing-line"] }).flat())).toEqual(
      new Set(["faint", "missing-line"]),
    );
    const backs = run(100, { kinds: engraving }, (kind, side) => kind === "scratch" && side === "back");
    expect(backs.flat()).toEqual(Array<string>(10).fill("scratch"));
    expect(run(100, { kinds: ["wrong-photo"] }).flat()).toEqual([]);
  });
  test("a card that cannot be spoilt leaves it to the next", () => {
    const head = spoiler({ percent: 50, seed: "7", record });
    const made = Array.from({ length: 41 }, (_, card) =>
      head.next({
        label: `L-${String(card)}`,
        head: 0,
        machine: "engraver",
        side: "front",
        kinds: ["shift"],
        // Every fourth card only, the first one too.
        can: () => card % 4 === 0,
      }),
    );
    expect(made.flatMap((kind, card) => (kind === undefined ? [] : [card]))).toEqual([
      4, 8, 12, 16, 20, 24, 28, 32, 36, 40,
    ]);
  });
  test("what was made is written down, a line each", () => {
    expect(existsSync(record)).toBe(false);
    const head = spoiler({ percent: 3, seed: "7", record });
    head.made({ label: "L-1", machine: "engraver", side: "front", kind: "faint" });
    head.made({ label: "L-2", machine: "embosser", side: "front", kind: "missing-line", field: "line 2" });
    expect(
      readFileSync(record, "utf8")
        .trimEnd()
        .split("\n")
        .map((line) => JSON.parse(line) as unknown),
    ).toEqual([
      { label: "L-1", machine: "engraver", side: "front", kind: "faint" },
      { label: "L-2", machine: "embosser", side: "front", kind: "missing-line", field: "line 2" },
    ]);
  });
});
