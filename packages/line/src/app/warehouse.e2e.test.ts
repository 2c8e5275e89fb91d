import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

const root = fileURLToPath(new URL("../../../../", import.meta.url));
const example = (name: string): string => join(root, "examples", name);
let data: string;
let silent: string;

/** The command as a user types it; standard output. */
const persoline = (...words: string[]): string =>
  execFileSync(process.execPath, [join(root, "packages/line/bin/persoline.js"), ...words, "--data", data], {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "pipe"],
  });
const json = <T>(...words: string[]): T => JSON.parse(persoline(...words, "--json")) as T;

beforeAll(() => {
  data = mkdtempSync(join(tmpdir(), "persoline-warehouse-"));
  // The same line and stock as the example's, without waiting.
  const line = readFileSync(example("lines/warehouse.yaml"), "utf8");
  writeFileSync(
    join(data, "line.yaml"),
    line.replace("mode: timed", "mode: ideal").replace(/speed: .*\n/, ""),
  );
});
afterAll(() => rmSync(data, { recursive: true }));

describe("a metal yard, from its spreadsheet to its gates", () => {
  test("makes the cards, and throws out just the blanks that are bad", () => {
    const made = json<{
      produced: number;
      balanced: boolean;
      rejects: { serial: string; station: string; code: string }[];
    }>("run", example("warehouse-access/order.yaml"), "--line", join(data, "line.yaml"));
    expect(made).toMatchObject({ produced: 40, balanced: true });
    silent = made.rejects.find(({ code }) => code === "mute")?.serial ?? "";
    expect(made.rejects.map(({ station, code }) => `${station}: ${code}`).sort()).toEqual([
      "electrical-test: eeprom-fault",
      "electrical-test: mute",
      "quality: picture-wrong",
    ]);
  });

  test("plays a day of movements: every refusal has its reason, a rejected card slipped in opens nothing", () => {
    // A list that is refused leaves nothing behind: the cards are handed over below, with the first good one.
    const wrong = join(data, "wrong.csv");
    writeFileSync(wrong, "time,gate,card\n2026-12-01T07:00:00,main-in,FM-9999\n");
    expect(() =>
      persoline("gate", "replay", wrong, "--gates", example("warehouse-access/gates.yaml")),
    ).toThrow(/no card was made for this number/);
    const played = json<{
      movements: number;
      granted: number;
      refused: number;
      known: number;
      handedOver: object[];
    }>("gate", "replay", example("warehouse-access/movements.csv"));
    expect(played).toEqual({
      movements: 176,
      granted: 172,
      refused: 4,
      known: 0,
      handedOver: [{ order: "2026-118", cards: 40 }],
    });
    expect(json("audit", "verify")).toMatchObject({ ok: true, unsigned: 0 });
    const { refusals, stays } = json<{
      refusals: { reason: string; gate: string; detail: string }[];
      stays: { person: string; zone: string; in?: string; out?: string }[];
    }>("report", "passages", "--html", join(data, "passages.html"), "--csv", join(data, "passages.csv"));
    expect(refusals.map(({ reason, gate }) => `${gate} ${reason}`)).toEqual([
      "main-in denied-credential-expired",
      "office-in denied-zone-no-access-rights",
      "main-in denied-credential-disabled",
      "main-in denied-passback",
    ]);
    expect(refusals[2]?.detail).toContain("the card is terminated");
    const backwards = stays.filter(
      (stay) => stay.in !== undefined && stay.out !== undefined && stay.in >= stay.out,
    );
    expect(backwards).toEqual([]);
    expect(readFileSync(join(data, "passages.html"), "utf8")).toContain("Who is inside");
  });

  test("the same movements again change nothing", () => {
    expect(json("gate", "replay", example("warehouse-access/movements.csv"))).toMatchObject({
      granted: 0,
      refused: 0,
      known: 176,
    });
  });

  test("a blank that is silent for ever is refused once, however often it is told", () => {
    const file = join(data, "silent.csv");
    writeFileSync(file, `time,gate,card\n2026-12-01 23:00,main-in,serial:${silent}\n`);
    const replay = () => json("gate", "replay", file, "--gates", example("warehouse-access/gates.yaml"));
    expect(replay()).toMatchObject({ refused: 1, known: 0, handedOver: [] });
    expect(replay()).toMatchObject({ refused: 0, known: 1 });
  });

  test("tells who is where, now and at another time", () => {
    interface Presence {
      readonly inside: number;
      readonly zones: readonly {
        readonly zone: string;
        readonly people: readonly { readonly in: string }[];
      }[];
    }
    const zone = ({ zones }: Presence, name: string) => zones.find((one) => one.zone === name)?.people ?? [];
    const now = json<Presence>("presence");
    expect([
      now.inside,
      zone(now, "SITE").length,
      zone(now, "OFFICE").length,
      zone(now, "YARD").length,
    ]).toEqual([7, 7, 2, 5]);
    const ten = json<Presence>("presence", "--at", "2026-12-01T10:00:00+01:00");
    expect(ten.inside).toBe(23);
    expect(zone(ten, "SITE")).toHaveLength(23);
    const alarm = json<{ safe: string[]; missing: { zone: string }[] }>(
      "presence",
      "--alarm",
      "2026-12-01T10:00:00+01:00",
      "--at",
      "2026-12-01T10:05:00+01:00",
    );
    expect(alarm.safe.length + alarm.missing.length).toBe(23);
    expect(alarm.missing.length).toBeGreaterThan(0);
    expect(json<Presence>("presence", "--at", "2026-11-30T10:00:00+01:00").inside).toBe(0);
  });

  test("an unknown gate, a time nobody can read and a card that was never made are told at once, by row", () => {
    const file = join(data, "wrong.csv");
    writeFileSync(
      file,
      "time,gate,card\n2026-12-01,main-in,FM-0001\n2026-12-01T07:00:00,side-door,FM-0001\n2026-12-01T07:00:00,main-in,a:b\n",
    );
    const told = (): string =>
      persoline("gate", "replay", file, "--gates", example("warehouse-access/gates.yaml"));
    expect(told).toThrow(/wrong\.csv:2 "time"[\s\S]*wrong\.csv:3 "gate"[\s\S]*wrong\.csv:4 "card"/);
    writeFileSync(file, "time,gate,card\n2026-12-01T07:00:00,main-in,FM-9999\n");
    expect(told).toThrow(/no card was made for this number/);
    // Of another site: none of its cards is here. With one that is, the rows are told, not all of them.
    const strange = Array.from(
      { length: 30 },
      (_, at) => `2026-12-01T07:00:${String(10 + at)},main-in,NK-${String(at)}`,
    );
    writeFileSync(file, `time,gate,card\n2026-12-01T07:00:00,main-in,rejected:1\n${strange.join("\n")}\n`);
    expect(told).toThrow(
      /none of its 30 people has a card that was made in .*opens to cards of warehouse-access; this data folder has/,
    );
    expect(told).not.toThrow(/no card was made for this number/);
    writeFileSync(
      file,
      `time,gate,card\n${[...strange, "2026-12-01T07:00:00,main-in,FM-0001"].join("\n")}\n`,
    );
    expect(told).toThrow(/:2 "card": no card was made for this number[\s\S]*… and 18 more/);
    const rows = [
      "2026-12-01T07:00:00,main-in,FM-0001",
      "2026-12-01T07:00:00,main-in,FM-0001",
      "",
      "2026-10-25T02:30:00,main-in,FM-0001",
      "2026-03-29T02:30:00,main-in,FM-0001",
      "2026-02-30T02:30:00,main-in,FM-0001",
    ];
    writeFileSync(file, `time,gate,card\n${rows.join("\n")}\n`);
    expect(told).toThrow(
      /:3: .*row 2[\s\S]*:5 "time": .*twice[\s\S]*:6 "time": .*forward[\s\S]*:7 "time": .*not a time/,
    );
    writeFileSync(file, "time,gate,card\n2026-12-01T07:00:00,main-in,serial:00000000000000000000\n");
    expect(told).toThrow(/no card has this chip number/);
  });
});
