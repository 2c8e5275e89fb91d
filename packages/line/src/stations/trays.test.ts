import { mkdirSync, renameSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect, test } from "vitest";
import { openTrayBook, trayReports } from "../store/tray-book.js";
import { bad, Bench, type BenchOptions, disagreements } from "./bench.test.data.js";
import { Room } from "./tray-room.test.data.js";

const benchWith = (room: Room, more: BenchOptions = {}): Bench =>
  new Bench({ records: 10, blanks: 16, heads: { visual: 2, quality: 2 }, room: room.at, ...more });

/** Every good card bears the line of its own record, once. */
function wronglyStruck({ accounts }: Bench, room: Room): string[] {
  const wrong = [...room.struck].flatMap(([label, lines]) =>
    lines.length === 1 ? [] : [`${label} was struck ${String(lines.length)} times`],
  );
  for (const { blank, record } of accounts.rows.values()) {
    if (blank.state !== "good") continue;
    const [line] = room.struck.get(blank.label) ?? [];
    if (line !== `RECORD ${String(record)}`) wrong.push(`${blank.label} bears ${String(line)}`);
  }
  return wrong;
}

const count = (bench: Bench, state: string): number =>
  [...bench.accounts.rows.values()].filter(({ blank }) => blank.state === state).length;
const told = (bench: Bench, how: string): string[] =>
  bench.events.flatMap((event) => (event.kind === "tray" && event.how === how ? [event.detail] : []));
/** The body with this label, in a tray that is away. */
function bodyAway(bench: Bench, label: string): string {
  const dir = bench.floor.bodies().get(label)?.dir;
  if (dir?.includes("/elsewhere/") !== true) throw new Error(`${label} is not away`);
  return dir;
}
/** Kills the line when its first tray has just been carried away; answers the labels of its cards. */
async function untilAway(bench: Bench): Promise<string[]> {
  const { world, line } = bench;
  const away = (): string[] =>
    [...bench.floor.bodies().values()].flatMap(({ dir, label }) =>
      dir.includes("/elsewhere/") ? [label] : [],
    );
  const seen = async (): Promise<void> => {
    while (away().length === 0) await world.sleep(50);
  };
  await world.run(() => Promise.race([line.run(), seen()]));
  if (away().length === 0) throw new Error("no tray went out");
  return away();
}

describe("trays", () => {
  test("go out full, the last one shorter, and each card is struck once with the lines of its own record", async () => {
    const room = new Room({ cards: 4, trays: 2 });
    const bench = benchWith(room);
    expect(await bench.run()).toMatchObject({ ended: "complete", counts: { good: 10, rejected: 0 } });
    expect([...room.trays.values()].map(({ cards }) => cards.length)).toEqual([4, 4, 2]);
    expect(wronglyStruck(bench, room)).toEqual([]);
    expect(room.open()).toEqual([]);
    expect(disagreements(bench)).toEqual([]);
    expect(told(bench, "in")).toHaveLength(3);
    expect(trayReports(bench.trays)).toMatchObject([
      { tray: "A-1.tray-1", result: { missing: [], more: [] }, receipt: "receipt A-1.tray-1" },
      { tray: "A-1.tray-2" },
      { tray: "A-1.tray-3" },
    ]);
    expect(bench.journal.notes).toEqual([]);
  });

  test("never more than there are: the line goes on until they are all away, and no head waits holding a card", async () => {
    const room = new Room({ cards: 3, trays: 2, slow: 20 });
    let waited = 0;
    let elsewhere = 0;
    const acts = {
      completion: () => {
        if (room.open().length > 0) elsewhere++;
        return { kind: "passed" } as const;
      },
    };
    const bench = benchWith(room, { records: 14, blanks: 14, acts });
    const watching = bench.run();
    const { options } = room;
    const pause = room.strike.bind(room);
    room.strike = (at) => {
      const visual = at.line.view().stations.find(({ name }) => name === "visual");
      if (room.open().length === options.trays)
        waited += visual?.heads.filter(({ state }) => state === "done").length ?? 0;
      pause(at);
    };
    expect(await watching).toMatchObject({ ended: "complete", counts: { good: 14 } });
    expect(room.most).toBe(2);
    expect(waited).toBe(0);
    expect(elsewhere).toBeGreaterThan(0);
    expect(wronglyStruck(bench, room)).toEqual([]);
  });

  test("what the room's machine did not confirm is a reject, and its record gets another card", async () => {
    const room = new Room({ cards: 4, trays: 1 });
    room.spoils = [2, 7];
    const bench = benchWith(room, { acts: { "chip-proof": bad("memory-failure", 5) } });
    expect(await bench.run()).toMatchObject({ ended: "complete", counts: { good: 10, rejected: 3 } });
    const ends = bench.accounts.ends.flatMap(({ end }) => (end.kind === "rejected" ? [end.code] : []));
    expect(ends.toSorted()).toEqual(["mark-unknown", "mark-unknown", "memory-failure"]);
    expect(wronglyStruck(bench, room)).toEqual([]);
    expect(disagreements(bench)).toEqual([]);
  });

  test("a room that begins no card stops the line and spoils none; a room out of reach does too", async () => {
    for (const how of ["stands", "deaf"] as const) {
      const room = new Room({ cards: 4, trays: 2 });
      const bench = benchWith(room);
      room[how] = true;
      const end = await bench.run();
      expect(end).toMatchObject({ ended: "halted", counts: { good: 0, rejected: 0 } });
      expect(end.detail).toMatch(
        how === "stands"
          ? /no card of tray .* was begun .*: it says the port cannot be opened/
          : /no connection/,
      );
      room[how] = false;
      bench.newLine();
      expect(await bench.run()).toMatchObject({ ended: "complete" });
      expect(count(bench, "good")).toBe(10);
      expect(wronglyStruck(bench, room)).toEqual([]);
      expect(disagreements(bench)).toEqual([]);
    }
  });

  test("cut off just before a tray is counted in, its cards wait until it is: the next run counts it in first", async () => {
    const room = new Room({ cards: 4, trays: 2 });
    const bench = benchWith(room);
    room.deafAtEnd = true;
    expect(await bench.run()).toMatchObject({ ended: "halted", counts: { good: 0, rejected: 0 } });
    const marked = bench.journal.notes.filter(({ station }) => station === "visual/tray");
    expect(marked.length).toBeGreaterThanOrEqual(4);
    bench.newLine();
    expect(await bench.run()).toMatchObject({ ended: "halted", counts: { good: 0, rejected: 0 } });
    room.deafAtEnd = false;
    bench.newLine();
    expect(await bench.run()).toMatchObject({ ended: "complete" });
    expect(count(bench, "good")).toBe(10);
    expect(wronglyStruck(bench, room)).toEqual([]);
    expect(disagreements(bench)).toEqual([]);
    // Told once, though three runs came to it.
    for (const [serial, { findings }] of bench.accounts.histories)
      expect([serial, findings.filter(({ what }) => what === "room").length]).toEqual([serial, 1]);
  });

  test("a room that has forgotten a tray which it took makes rejects of its cards: nobody knows what was struck", async () => {
    const room = new Room({ cards: 4, trays: 1 });
    const bench = benchWith(room);
    const away = await untilAway(bench);
    room.strike(bench);
    room.trays.clear();
    bench.newLine();
    expect(await bench.run()).toMatchObject({ ended: "complete" });
    expect(count(bench, "good")).toBe(10);
    for (const label of away) expect(bench.accounts.rows.get(label)?.blank.state).toBe("rejected");
    expect(wronglyStruck(bench, room)).toEqual([]);
  });

  test("a tray that only the room knows is withdrawn and erased there", async () => {
    const room = new Room({ cards: 4, trays: 1 });
    const bench = benchWith(room);
    const lines = [{ text: "SOMEBODY", font: "4B", x: 7, yFromBottom: 6, pitch: 2.54 }] as const;
    const card = { serial: "0A", record: 99, attempt: 1, does: "emboss", side: "front", lines } as const;
    await room.at(bench).countOut("OLD.tray-1", [card]);
    expect(await bench.run()).toMatchObject({ ended: "complete" });
    expect(room.trays.get("OLD.tray-1")?.closed).toBe(true);
  });
});

describe("a tray that comes back with a difference", () => {
  const settle = (bench: Bench, tray: string): Promise<void> => {
    const book = openTrayBook(bench.trays);
    return book
      .settled(tray, { reason: "looked for it everywhere", by: "A", witness: "B" })
      .finally(() => book.close());
  };

  test("stops the line; two people decide, the missing card is held and its record made anew", async () => {
    const room = new Room({ cards: 4, trays: 2 });
    const bench = benchWith(room);
    const [gone = ""] = await untilAway(bench);
    const serial = bench.accounts.rows.get(gone)?.blank.serial ?? "";
    renameSync(bodyAway(bench, gone), join(dirname(bench.trays), gone));
    bench.newLine();
    const first = await bench.run();
    expect(first.ended).toBe("halted");
    expect(first.detail).toContain(`missing: ${serial}`);
    // Run again without a decision, nothing of that tray moves, and its lines stay in the room.
    bench.newLine();
    expect((await bench.run()).ended).toBe("halted");
    expect(bench.accounts.rows.get(gone)?.blank.state).toBe("in-process");
    expect(room.open()).toEqual(["A-1.tray-1"]);
    await settle(bench, "A-1.tray-1");
    bench.newLine();
    expect(await bench.run()).toMatchObject({ ended: "complete" });
    expect(bench.accounts.rows.get(gone)?.blank.state).toBe("held");
    expect(count(bench, "good")).toBe(10);
    expect(room.open()).toEqual([]);
    expect(wronglyStruck(bench, room)).toEqual([]);
  });

  test("goes on by itself when the missing card is found and put back", async () => {
    const room = new Room({ cards: 4, trays: 2 });
    const bench = benchWith(room);
    const [gone = ""] = await untilAway(bench);
    const from = bodyAway(bench, gone);
    const pocket = join(dirname(bench.trays), gone);
    renameSync(from, pocket);
    bench.newLine();
    expect((await bench.run()).ended).toBe("halted");
    const back = from.replace("/elsewhere/", "/machine/");
    mkdirSync(dirname(back), { recursive: true });
    renameSync(pocket, back);
    bench.newLine();
    // It was not struck in the room, for it was not there: it goes out once more.
    expect(await bench.run()).toMatchObject({ ended: "complete" });
    expect(count(bench, "good")).toBe(10);
    expect(count(bench, "held")).toBe(0);
    expect(wronglyStruck(bench, room)).toEqual([]);
    expect(disagreements(bench)).toEqual([]);
  });

  test("a decision about one difference is none about the next", async () => {
    const room = new Room({ cards: 4, trays: 2 });
    const bench = benchWith(room);
    const [gone = "", other = ""] = await untilAway(bench);
    renameSync(bodyAway(bench, gone), join(dirname(bench.trays), gone));
    bench.newLine();
    await bench.run();
    await settle(bench, "A-1.tray-1");
    const dir = bench.floor.bodies().get(other)?.dir ?? "";
    renameSync(dir, join(dirname(bench.trays), other));
    bench.newLine();
    const end = await bench.run();
    expect(end.ended).toBe("halted");
    expect(end.detail).toContain(bench.accounts.rows.get(other)?.blank.serial);
  });

  test("a stranger in it is never struck, and put aside once two people know of it", async () => {
    const room = new Room({ cards: 4, trays: 2 });
    const bench = benchWith(room);
    const [one = ""] = await untilAway(bench);
    const tray = dirname(dirname(bodyAway(bench, one)));
    // A blank of the stock, put among the cards.
    const stranger = bench.floor.bodies().get("L-000016")?.dir ?? "";
    mkdirSync(join(tray, "7"));
    renameSync(stranger, join(tray, "7", "000016-L-000016"));
    bench.newLine();
    const end = await bench.run();
    expect(end).toMatchObject({ ended: "halted" });
    expect(end.detail).toContain("more than were sent: L-000016");
    await settle(bench, "A-1.tray-1");
    bench.newLine();
    expect(await bench.run()).toMatchObject({ ended: "complete" });
    expect(room.struck.get("L-000016")).toBeUndefined();
    expect(bench.places()["L-000016"]).toBe("hold");
    expect(count(bench, "good")).toBe(10);
    expect(wronglyStruck(bench, room)).toEqual([]);
  });

  test("cards that changed places in it are known by their numbers", async () => {
    const room = new Room({ cards: 4, trays: 2 });
    const bench = benchWith(room);
    const [one = "", two = ""] = await untilAway(bench);
    const [first, second] = [bodyAway(bench, one), bodyAway(bench, two)];
    const name = (dir: string): string => dir.slice(dir.lastIndexOf("/") + 1);
    renameSync(first, join(dirname(second), name(first)));
    renameSync(second, join(dirname(first), name(second)));
    bench.newLine();
    expect(await bench.run()).toMatchObject({ ended: "complete" });
    expect(count(bench, "good")).toBe(10);
    expect(wronglyStruck(bench, room)).toEqual([]);
    expect(disagreements(bench)).toEqual([]);
  });
});

describe("killed at any moment", () => {
  test("every record gets its card, none is struck twice, and no line of a person stays in the room", async () => {
    let inRoom = 0;
    for (let ms = 8_000; ms < 34_000; ms += 450) {
      const room = new Room({ cards: 3, trays: 2 });
      room.spoils = [3];
      const bench = benchWith(room, { records: 7, blanks: 10 });
      if ((await bench.runUntil(ms)) !== "killed") break;
      if (room.open().length > 0) inRoom++;
      // Meanwhile the room goes on with what it has.
      if (ms % 2 === 0) room.strike(bench);
      bench.newLine();
      expect(await bench.run()).toMatchObject({ ended: "complete" });
      expect(count(bench, "good")).toBe(7);
      expect(count(bench, "rejected")).toBe(1);
      expect(wronglyStruck(bench, room)).toEqual([]);
      expect(room.open()).toEqual([]);
      expect(disagreements(bench)).toEqual([]);
      expect(bench.journal.notes).toEqual([]);
    }
    expect(inRoom).toBeGreaterThan(10);
  });

  test("killed again and again", async () => {
    for (const step of [1700, 2300, 3100]) {
      const room = new Room({ cards: 3, trays: 2 });
      const bench = benchWith(room, { records: 7, blanks: 8 });
      for (let lives = 0; lives < 100; lives++) {
        if ((await bench.runUntil(step)) !== "killed") break;
        bench.newLine();
      }
      await bench.run();
      expect(count(bench, "good")).toBe(7);
      expect(wronglyStruck(bench, room)).toEqual([]);
      expect(disagreements(bench)).toEqual([]);
    }
  });
});
