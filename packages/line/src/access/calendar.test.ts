import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  cutDays,
  instantsOf,
  isTimeZone,
  lastTime,
  localDate,
  localTime,
  nextDate,
  startOfDay,
  validFromInstant,
  validUntilInstant,
} from "./calendar.js";

const hour = 3_600_000;
const utc = (text: string): number => Date.parse(text);

describe("local days", () => {
  test.each([
    ["Europe/Berlin", "2026-03-29", 23],
    ["Europe/Berlin", "2026-10-25", 25],
    ["Europe/Berlin", "2026-12-01", 24],
    ["America/New_York", "2026-03-08", 23],
    ["America/New_York", "2026-11-01", 25],
    // Clocks go from 00:00 to 01:00: the day begins at one.
    ["Africa/Cairo", "2026-04-24", 23],
    ["Australia/Lord_Howe", "2026-04-05", 24.5],
    // A day this island never had.
    ["Pacific/Apia", "2011-12-30", 0],
    ["Asia/Kolkata", "2026-12-01", 24],
  ])("%s %s has %d hours", (zone, date, hours) => {
    expect((startOfDay(nextDate(date), zone) - startOfDay(date, zone)) / hour).toBe(hours);
  });

  test("a wall's time is one instant, two when clocks go back, none when they go forward", () => {
    expect(instantsOf("2026-12-01T07:30:00", "Europe/Berlin")).toEqual([utc("2026-12-01T06:30:00Z")]);
    expect(instantsOf("2026-10-25T02:30:00", "Europe/Berlin")).toEqual([
      utc("2026-10-25T00:30:00Z"),
      utc("2026-10-25T01:30:00Z"),
    ]);
    expect(instantsOf("2026-03-29T02:30:00", "Europe/Berlin")).toEqual([]);
  });

  test("the daily hour is found on the same day or the one before, also where clocks jumped over it", () => {
    const zone = "Europe/Berlin";
    expect(lastTime("03:00", utc("2026-12-01T12:00:00Z"), zone)).toBe(utc("2026-12-01T02:00:00Z"));
    expect(lastTime("03:00", utc("2026-12-01T01:00:00Z"), zone)).toBe(utc("2026-11-30T02:00:00Z"));
    expect(lastTime("02:30", utc("2026-03-29T12:00:00Z"), zone)).toBe(utc("2026-03-29T01:30:00Z"));
  });

  test("a date of validity counts whole local days, a time counts itself", () => {
    expect(validUntilInstant("2026-11-30", "Europe/Berlin")).toBe(utc("2026-11-30T23:00:00Z"));
    expect(validFromInstant("2026-11-30", "Europe/Berlin")).toBe(utc("2026-11-29T23:00:00Z"));
    expect(validUntilInstant("2026-11-30T12:00:00Z", "Europe/Berlin")).toBe(utc("2026-11-30T12:00:00Z"));
  });

  test("knows time zones by name", () => {
    expect(isTimeZone("Europe/Berlin")).toBe(true);
    expect(isTimeZone("Europe/Atlantis")).toBe(false);
  });

  test("a span cut at midnights is the whole span, each piece within its own day", () => {
    const zones = ["Europe/Berlin", "America/New_York", "Pacific/Apia", "Africa/Cairo", "UTC"];
    const start = utc("2011-01-01T00:00:00Z");
    const at = fc.integer({ min: start, max: start + 16 * 365 * 24 * hour });
    fc.assert(
      fc.property(
        fc.constantFrom(...zones),
        at,
        fc.integer({ min: 0, max: 100 * hour }),
        (zone, from, length) => {
          const pieces = cutDays({ from, until: from + length }, zone);
          expect(pieces.reduce((sum, piece) => sum + piece.until - piece.from, 0)).toBe(length);
          let next = from;
          for (const piece of pieces) {
            expect(piece.from).toBe(next);
            expect(localDate(piece.from, zone)).toBe(piece.date);
            expect(localDate(piece.until - 1, zone)).toBe(piece.date);
            next = piece.until;
          }
        },
      ),
      { numRuns: 300 },
    );
  });

  test("the wall's time read back is the instant", () => {
    const at = fc.integer({ min: 0, max: 2_000_000_000 }).map((seconds) => seconds * 1000);
    fc.assert(
      fc.property(
        fc.constantFrom("Europe/Berlin", "America/St_Johns", "Pacific/Apia"),
        at,
        (zone, instant) => {
          expect(instantsOf(localTime(instant, zone).replace(" ", "T"), zone)).toContain(instant);
        },
      ),
      { numRuns: 300 },
    );
  });
});
