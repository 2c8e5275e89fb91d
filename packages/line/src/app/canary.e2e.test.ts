import { once } from "node:events";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { unhex } from "@persoline/card/bytes";
import Database from "better-sqlite3";
import { afterAll, beforeAll, expect, test } from "vitest";
import { pinIn, printedIn } from "../devices/hsm/letters/letters.test.data.js";
import { openVault } from "../devices/hsm/vault.js";
import { openStore } from "../store/store.js";
import { begun, persoline, root, smallOrder } from "./command.test.data.js";
import { readKeyFile } from "./key-file.js";

const people = 8;
let folder: string;
let data: string;
let words: string[];
let rows: string[][];

/** Database, journal and their logs, as somebody would find them who takes the disk at this moment. */
type Snapshot = ReadonlyMap<string, Buffer>;
const snapshot = (): Snapshot =>
  new Map(
    readdirSync(data)
      .filter((name) => /\.db(-wal|-shm|-journal)?$/.test(name))
      .map((name) => [name, readFileSync(join(data, name))]),
  );

/** Names of files of the snapshots that hold one of these, in UTF-8 or UTF-16. */
const holding = (snapshots: readonly Snapshot[], canaries: readonly (string | Uint8Array)[]): string[] =>
  snapshots.flatMap((files) =>
    [...files].flatMap(([name, content]) =>
      canaries.some((one) =>
        typeof one === "string"
          ? content.includes(one) || content.includes(Buffer.from(one, "utf16le"))
          : content.includes(Buffer.from(one)),
      )
        ? [name]
        : [],
    ),
  );

function cardsIn(state: string): number {
  const database = new Database(join(data, "persoline.db"), { readonly: true });
  try {
    const count = database.prepare<[string], { cards: number }>(
      "select count(*) as cards from blanks where state = ? and (record is not null or state <> 'in-process')",
    );
    return count.get(state)?.cards ?? 0;
  } finally {
    database.close();
  }
}

const taken: Snapshot[] = [];

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "persoline-canary-"));
  data = join(folder, "data");
  const order = smallOrder(folder, people, ([head = "", ...lines]) => {
    const columns = head.split(",");
    rows = lines.map((line, at) => {
      const cells = line.split(",");
      cells[columns.indexOf("Full name")] = `Canária Żółć-${String(at)}`;
      cells[columns.indexOf("Department")] = "Kanarienvögel";
      cells[columns.indexOf("Employee number")] = `CNR-9${String(at).padStart(5, "0")}`;
      return cells;
    });
    return [head, ...rows.map((cells) => cells.join(","))];
  });
  const line = join(folder, "line.yaml");
  writeFileSync(
    line,
    readFileSync(join(root, "examples/lines/carousel.yaml"), "utf8")
      .replace(/speed: .*/, "speed: 6")
      .replace(
        /stock:[\s\S]*/,
        "stock: [{ lot: L1, count: 12, faults: [{ blanks: { number: 3 }, fault: { kind: dead } }] }]\n",
      ),
  );
  words = ["run", order, "--line", line, "--data", data];
  const child = begun(words);
  const ended = once(child, "exit");
  // Bound cards in work, then some good ones beside them, then a power cut.
  for (const [state, cards] of [
    ["in-process", 1],
    ["in-process", 3],
    ["good", 2],
  ] as const) {
    for (let tries = 0; tries < 1200 && child.exitCode === null; tries++) {
      if (readdirSync(folder).includes("data") && readdirSync(data).includes("persoline.db-wal")) {
        const there = ((): number => {
          try {
            return cardsIn(state);
          } catch {
            // Not made yet, or just being made.
            return 0;
          }
        })();
        if (there >= cards) break;
      }
      await sleep(25);
    }
    taken.push(snapshot());
  }
  child.kill("SIGKILL");
  await ended;
  taken.push(snapshot());
  const { code, err } = persoline(words);
  if (code !== 0) throw new Error(err);
  taken.push(snapshot());
});
afterAll(() => rmSync(folder, { recursive: true }));

test("the snapshots were taken while cards were in work, with what was not yet in the database's file", () => {
  expect(taken).toHaveLength(5);
  for (const files of taken.slice(0, 4)) {
    expect([...files.keys()]).toEqual(
      expect.arrayContaining([
        "persoline.db",
        "persoline.db-wal",
        "journal-carousel.db",
        "journal-carousel.db-wal",
      ]),
    );
    expect(files.get("persoline.db-wal")?.length).toBeGreaterThan(0);
  }
  // The search finds what may be there: the order's number, and the chip numbers of cards in work, in the journal too.
  expect(holding(taken.slice(0, 1), ["T-1"])).toEqual(expect.arrayContaining(["persoline.db-wal"]));
  const inWork = /504C[0-9A-F]{16}/.exec(
    taken[1]?.get("journal-carousel.db-wal")?.toString("latin1") ?? "",
  )?.[0];
  expect(inWork).toBeDefined();
  expect(holding(taken.slice(1, 2), [inWork ?? "-"])).toContain("persoline.db-wal");
});

test("no name, department or number of a person, and no picture, is in clear in database, journal or their logs", () => {
  const personal = [
    ...new Set(rows.flatMap((cells) => cells.filter((cell) => /Canária|Kanarien|CNR-9|\.png$/.test(cell)))),
  ];
  expect(personal.length).toBeGreaterThan(2 * people);
  const png = Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a);
  expect(holding(taken, [...personal, png, "JFIF\0"])).toEqual([]);
});

test("no key is: neither published ones, which stand for all, nor the one the order's data are sealed under", async () => {
  const { keys } = await readKeyFile(join(root, "examples/keys/test-keys.yaml"));
  const published = keys.flatMap(({ published: value }) => (value === undefined ? [] : [value]));
  expect(published.length).toBeGreaterThan(0);
  const store = await openStore({ file: join(data, "persoline.db") });
  const hsm = await openVault({
    file: join(data, "keystore.json"),
    unlock: { keyFile: join(data, "keystore.key") },
  });
  const sealed = (await store.orders.find("T-1"))?.sealedDataKey ?? new Uint8Array(0);
  const dataKey = await hsm.releaseDataKey({ order: "T-1", sealed });
  await hsm.close();
  await store.close();
  // The sealed key has to be there: the search would find the open one as well.
  expect(holding(taken, [sealed]).length).toBeGreaterThan(0);
  const forms = [...published.map((text) => unhex(text)), dataKey].flatMap((bytes) => {
    const hex = Buffer.from(bytes).toString("hex");
    return [bytes, hex, hex.toUpperCase(), Buffer.from(bytes).toString("base64")];
  });
  expect(holding(taken, forms)).toEqual([]);
});

test("no PIN is, though its letter tells it", () => {
  const release = ["letters", "release", "T-1", "--by", "Ada", "--witness", "Bo", "--json"];
  const released = persoline([...release, "--data", data]);
  expect(released).toMatchObject({ code: 0 });
  const letters = printedIn(join(data, "letter-printer.pem"), join(data, "letters"));
  const pins = [...letters.values()].map(pinIn);
  expect(pins).toHaveLength(people);
  expect(pins.every((pin) => pin.length === 6)).toBe(true);
  // As a word of its own: six digits occur in times and hashes by chance.
  const word = new RegExp(`(?<![0-9A-Fa-f.])(?:${pins.join("|")})(?![0-9A-Fa-f])`);
  const found = [...taken, snapshot()].some((files) =>
    [...files.values()].some((content) => word.test(content.toString("latin1"))),
  );
  // Not the PIN itself in the test's output.
  expect(found).toBe(false);
});
