import { PassThrough } from "node:stream";
import { expect, test } from "vitest";
import type { LineView } from "../stations/line-types.js";
import { eventLine, lineTable, screen } from "./screen.js";

const escape = String.fromCodePoint(27);

function terminal(columns = 60) {
  const out = Object.assign(new PassThrough(), { isTTY: true, columns }) as unknown as NodeJS.WriteStream;
  let text = "";
  out.on("data", (bytes: Buffer) => (text += bytes.toString()));
  return { out, written: () => text };
}

test("a reject whose words a card or reader made up moves no cursor, wipes no screen and names no window", async () => {
  const { out, written } = terminal();
  const shown = screen({ out });
  const line = eventLine(
    {
      kind: "halted",
      at: 0,
      station: "chip-proof",
      head: 0,
      device: `Twin${escape}[2J${escape}]0;owned\u0007`,
      code: "unplugged",
      detail: `gone${String.fromCodePoint(0x9b)}8m${escape}[8m`,
    },
    shown.paint,
  );
  shown.say(line ?? "");
  shown.draw([`table ${escape}[1A`]);
  await new Promise((resolve) => setImmediate(resolve));
  const own = new RegExp(`${escape}\\[(?:\\d+A|0J|0m|1m|2m|3[1236]m)`, "g");
  expect(written().replaceAll(own, "")).not.toContain(escape);
  expect(written()).toContain("Twin<1B>[2J<1B>]0;owned<07>");
  expect(written()).toContain("gone<9B>8m<1B>[8m");
  expect(written()).toContain("table <1B>[1A");
});

test.each([80, 60, 20])("what a person is to do is whole on a terminal of %i columns", (columns) => {
  const { out, written } = terminal(columns);
  const shown = screen({ out });
  const asked =
    "waiting 0:05  GOOD: Take card SERVED-000006 out and put it into the good tray of order 2026-117/replacements-of-november, place 112.";
  const lines = shown.fold(asked);
  expect(lines.length).toBeGreaterThan(1);
  shown.draw(lines);
  expect(written().trimEnd().split("\n")).toEqual(lines);
  expect(lines.join("").replaceAll(" ", "")).toBe(asked.replaceAll(" ", ""));
  expect(shown.fold("Insert it.")).toEqual(["Insert it."]);
});

const view: LineView = {
  at: 0,
  seconds: 1,
  stations: [],
  counts: { fed: 0, good: 0, rejected: 0, held: 0, restocked: 0, remade: 0, recovered: 0, online: 0 },
  waiting: 0,
  cardsPerHour: 0,
  stopping: false,
};
const plain = (_: unknown, text: string): string => text;

test("nothing counted yet is no order that is done: no bar, and no share of nothing", () => {
  expect(lineTable(view, 0, plain).at(-1)).toBe("0 good   0 rejected, 0 remade, 0 held   0 cards/h");
  expect(lineTable(view, 6, plain).at(-1)).toMatch(/^░{14} 0\/6 good /);
});

test("payment cards: how many of the good ones completed their transaction; other cards have no such line", () => {
  const counts = { ...view.counts, good: 7 };
  expect(lineTable({ ...view, counts }, 8, plain).join("\n")).not.toContain("transaction");
  expect(lineTable({ ...view, counts: { ...counts, online: 6 } }, 8, plain).at(-1)).toBe(
    "6 of 7 completed an online transaction, ARQC judged right",
  );
});

test("counts and pace of an order of a thousand have room in 80 columns; that it stops has a line of its own", () => {
  const counts = { ...view.counts, good: 998, rejected: 12, remade: 12 };
  const [count = "", stops] = lineTable(
    { ...view, counts, cardsPerHour: 3500, stopping: true },
    1000,
    plain,
  ).slice(-2);
  expect(count).toMatch(/ 998\/1000 good   12 rejected, 12 remade, 0 held   3,500 cards\/h$/);
  expect(count.length).toBeLessThan(80);
  expect(stops).toBe("stopping: cards in work are finished");
});
