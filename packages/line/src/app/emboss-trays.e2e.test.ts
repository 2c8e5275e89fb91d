import { existsSync, readdirSync, readFileSync, renameSync } from "node:fs";
import { basename, join } from "node:path";
import { expect, test } from "vitest";
import { persoline } from "./command.test.data.js";
import { embosserRoom, gone, until } from "./emboss-station.test.data.js";

/** Trays of three go to the other room, two at most: seven people's cards are a tray, another, and a short one. */
const people = 7;
const room = embosserRoom({ people, cards: 3, seconds: 10 });
const { station, started, lines, struckIn, begun } = room;

interface Trays {
  readonly lines: readonly {
    readonly trays: readonly {
      readonly tray: string;
      readonly cards: unknown[];
      readonly receipt?: string;
    }[];
  }[];
}
const trays = (): Trays["lines"][number]["trays"] =>
  (JSON.parse(persoline(["station", "trays", "--data", room.data, "--json"]).out) as Trays).lines[0]?.trays ??
  [];
const names = (): string[] =>
  (readFileSync(join(room.folder, "employees.csv"), "utf8").match(/[A-Z][a-z]{4,}/g) ?? []).slice(5);
/** Bodies in trays that are away. */
function bodiesAway(): string[] {
  const away = join(room.data, "shop-floor/elsewhere");
  if (!existsSync(away)) return [];
  return readdirSync(away, { recursive: true, withFileTypes: true }).flatMap((entry) =>
    entry.isDirectory() && /^\d{6}-/.test(entry.name) ? [join(entry.parentPath, entry.name)] : [],
  );
}

test("trays go to the other room and come back: each card is struck once, its tray signed for, its lines erased", async () => {
  const there = await station();
  room.wire.to(there.port);
  expect(await started().end()).toMatchObject({ produced: people, balanced: true, rejects: [] });
  expect(new Set(struckIn()).size).toBe(people);
  expect(struckIn()).toHaveLength(people);
  expect(lines()).toEqual([]);
  expect(trays().map(({ cards }) => cards.length)).toEqual([3, 3, 1]);
  // Cards at the line's own heads are in nobody's tray, and no strangers there.
  expect(room.journal()).not.toContain('"stranger"');
  for (const { receipt = "" } of trays()) expect(receipt.length).toBeGreaterThan(60);
  const theirs = persoline(["station", "trays", "--data", join(room.folder, "room")]).out;
  expect(theirs.split("\n").filter((line) => line.includes(".tray-"))).toHaveLength(3);
  // Neither the line's book nor the room's journal knows a name.
  const book = readFileSync(join(room.data, "trays/warehouse.jsonl"), "utf8");
  expect(names().length).toBeGreaterThan(people);
  for (const text of [book, theirs, room.journal(), there.said()])
    for (const name of names()) expect(text.toUpperCase()).not.toContain(name.toUpperCase());
});

test("station and line killed one after the other in the middle of trays: nothing is struck twice, nobody goes without", async () => {
  const first = await station();
  room.wire.to(first.port);
  const running = started();
  await until(begun, running);
  first.child.kill("SIGKILL");
  await gone(first.child);
  const before = struckIn().length;
  const second = await station();
  room.wire.to(second.port);
  await until(() => struckIn().length > before, running);
  // Under a new lease the tray that was half done goes on; then the line is killed, and its tray waits for the next run.
  running.child.kill("SIGKILL");
  await gone(running.child);
  const end = await started().end();
  expect(end).toMatchObject({ produced: people, balanced: true });
  const lost = (room.journal().match(/"event":"rejected"/g) ?? []).length;
  expect(end.rejects.map(({ code }) => code)).toEqual(Array.from({ length: lost }, () => "mark-unknown"));
  expect(new Set(struckIn()).size).toBe(struckIn().length);
  expect(lines()).toEqual([]);
});

test("a card taken out of a tray is named by its chip and stops the line, until two people decide", async () => {
  const there = await station();
  room.wire.to(there.port);
  const running = started();
  await until(() => bodiesAway().length > 0, running);
  room.wire.cut(true);
  // It ends the card in hand, and begins no other.
  const ended = (): number => room.journal().match(/"event":"(struck|rejected)"/g)?.length ?? 0;
  await until(() => (room.journal().match(/"intent"/g)?.length ?? 0) === ended(), there);
  const [taken = ""] = bodiesAway().filter((dir) => !existsSync(join(dir, "emboss.json")));
  renameSync(taken, join(room.folder, "pocket"));
  room.wire.cut(false);
  await gone(running.child);
  const settle = (by: string, and: string) =>
    persoline(
      [
        "station",
        "settle",
        trays().find(({ receipt }) => receipt === undefined)?.tray ?? "",
        "--reason",
        "gone",
      ].concat(["--by", by, "--and", and, "--data", room.data]),
    );
  const shown = persoline(["station", "trays", "--data", room.data]).out;
  expect(shown).toMatch(/missing: [0-9A-F]{20}.*two people must decide/);
  expect(running.child.exitCode).toBe(1);
  expect(settle("ada", "Ada")).toMatchObject({ code: 1 });
  expect(settle("ada", "bob")).toMatchObject({ code: 0 });
  // The card is still nowhere: that is said, until it is found and lies where held cards do.
  expect(await started().end(1)).toMatchObject({ produced: people, balanced: false });
  expect(persoline(["stock", "held", "--data", room.data]).out).toContain("did not come back");
  renameSync(join(room.folder, "pocket"), join(room.data, "shop-floor/hold", basename(taken)));
  expect(await started().end()).toMatchObject({ produced: people, balanced: true });
  expect(new Set(struckIn()).size).toBe(struckIn().length);
  expect(lines()).toEqual([]);
});
