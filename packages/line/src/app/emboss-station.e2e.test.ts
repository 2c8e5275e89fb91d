import { readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import { embosserRoom, gone, until } from "./emboss-station.test.data.js";

/** Each card goes to the other room from its head, as a tray of its own. */
const people = 6;
const room = embosserRoom({ people, cards: 1, seconds: 30 });
const { station, started, journal, lines, struckIn, begun } = room;

test("cards are embossed in another room, each once, by their own chip; what it was sent is erased there", async () => {
  const there = await station();
  room.wire.to(there.port);
  const end = await started().end();
  expect(end).toMatchObject({ produced: people, balanced: true, rejects: [] });
  expect(struckIn()).toHaveLength(people);
  expect(new Set(struckIn()).size).toBe(people);
  expect(lines()).toEqual([]);
  // Neither the journal nor the cable shows a name.
  const names = readFileSync(join(room.folder, "employees.csv"), "utf8").match(/[A-Z][a-z]{4,}/g) ?? [];
  expect(names.length).toBeGreaterThan(people);
  for (const text of [journal(), there.said(), room.wire.seen()])
    for (const name of names.slice(5)) expect(text.toUpperCase()).not.toContain(` ${name.toUpperCase()} `);
  there.child.kill("SIGTERM");
  await gone(there.child);
  expect(there.child.exitCode).toBe(0);
});

test("the station killed in the middle: its card is a reject and made anew; no card is embossed twice", async () => {
  const first = await station();
  room.wire.to(first.port);
  const running = started();
  await until(begun, running);
  first.child.kill("SIGKILL");
  await gone(first.child);
  const second = await station();
  room.wire.to(second.port);
  const end = await running.end();
  expect(end).toMatchObject({ produced: people, balanced: true });
  const lost = /"event":"rejected"/.test(journal());
  expect(end.rejects.map(({ code }) => code)).toEqual(lost ? ["mark-unknown"] : []);
  const struck = struckIn();
  expect(new Set(struck).size).toBe(struck.length);
  expect(lines()).toEqual([]);
});

test("the line killed in the middle: its next run clears the tray, rejects the card, and makes the rest", async () => {
  const there = await station();
  room.wire.to(there.port);
  const running = started();
  await until(begun, running);
  running.child.kill("SIGKILL");
  await gone(running.child);
  const end = await started().end();
  expect(end).toMatchObject({ produced: people, balanced: true });
  for (const { code } of end.rejects) expect(code).toBe("mark-unknown");
  const struck = struckIn();
  expect(new Set(struck).size).toBe(struck.length);
  expect(lines()).toEqual([]);
});

test("the cable cut in the middle and mended: every card is embossed once, and none is lost", async () => {
  const there = await station();
  room.wire.to(there.port);
  const running = started();
  await until(begun, running);
  room.wire.cut(true);
  await sleep(1_500);
  room.wire.cut(false);
  expect(await running.end()).toMatchObject({ produced: people, balanced: true, rejects: [] });
  expect(struckIn()).toHaveLength(people);
  expect(lines()).toEqual([]);
});
