import { describe, expect, test } from "vitest";
import { passagesCsv, passagesHtml, reportPassages } from "./report.js";
import { granted, serialOf, site } from "./site.test.data.js";
import type { Passage } from "./types.js";

const at = (time: string): string => `2026-12-${time}:00.000Z`;
const passages: readonly Passage[] = [
  granted(at("01T20:00"), "main-in", "YARD", "in", "A"),
  granted(at("01T21:00"), "main-in", "YARD", "in", "B"),
  granted(at("01T22:00"), "main-out", "YARD", "out", "B"),
  {
    at: at("01T22:30"),
    gate: "office-in",
    zone: "OFFICE",
    direction: "in",
    serial: serialOf(9),
    decision: "refused",
    reason: "denied-unknown-credential",
    detail: "<the card> is in no register",
  },
  granted(at("02T01:00"), "main-out", "YARD", "out", "A"),
];
const nameOf = (person: string) => (person === "A" ? { name: "=Anna <u>", department: "" } : undefined);

describe("the passages report", () => {
  test("counts entries, people, peak and hours of each zone, shared between local days", () => {
    const { zones, days, refusals } = reportPassages(site, passages);
    const yard = { zone: "YARD", entries: 2, people: 2, peak: 2, peakAt: at("01T21:00"), hours: 6 };
    expect(zones).toEqual(expect.arrayContaining([yard, { ...yard, zone: "SITE" }]));
    // Berlin's midnight is 23:00 UTC.
    expect(days.filter(({ zone }) => zone === "YARD")).toEqual([
      { date: "2026-12-01", zone: "YARD", people: 2, hours: 4 },
      { date: "2026-12-02", zone: "YARD", people: 1, hours: 2 },
    ]);
    expect(refusals).toHaveLength(1);
  });

  test("of a span counts what lies in it, and who was inside before it", () => {
    const span = { from: at("01T21:30"), until: at("01T23:30") };
    const { zones, inside, passages: counted } = reportPassages(site, passages, span);
    expect(zones.find(({ zone }) => zone === "YARD")).toEqual({
      zone: "YARD",
      entries: 0,
      people: 2,
      peak: 2,
      peakAt: at("01T21:30"),
      hours: 2.5,
    });
    expect(inside.map(({ person }) => person)).toEqual(["A"]);
    expect(counted).toBe(2);
  });

  test("as a page and a table says names as text, never as markup or formula", async () => {
    const report = reportPassages(site, passages);
    let page = "";
    for await (const piece of passagesHtml(report, site, nameOf)) page += piece;
    expect(page).toContain("=Anna &lt;u&gt;");
    expect(page).not.toContain("<u>");
    expect(page).toContain("denied-unknown-credential");
    expect([...passagesCsv(report, nameOf)].join("")).toContain("'=Anna <u>");
  });

  test("of nothing is empty, not an error", () => {
    const report = reportPassages(site, []);
    expect(report).toMatchObject({ passages: 0, stays: [], inside: [], days: [] });
  });
});
