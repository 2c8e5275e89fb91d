import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  inOrder,
  type Move,
  moveOf,
  muster,
  occupancy,
  personOf,
  type Stay,
  Whereabouts,
} from "./presence.js";
import { granted, serialOf, site } from "./site.test.data.js";
import { outside, type Passage } from "./types.js";
import { crossing, ZoneTree } from "./zones.js";

const tree = new ZoneTree(site);
const hour = 3_600_000;

function fold(passages: readonly Passage[]): { stays: Stay[]; people: Whereabouts } {
  const people = new Whereabouts(tree);
  const stays: Stay[] = [];
  for (const passage of inOrder(passages)) {
    const move = moveOf(site, tree, passage);
    if (move !== undefined) stays.push(...people.move(move));
  }
  return { stays: [...stays, ...people.open()], people };
}

const day = (time: string): string => `2026-12-01T${time}:00.000Z`;
const short = (stays: readonly Stay[]) =>
  stays.map((stay) => [
    stay.zone,
    stay.in === undefined ? "?" : new Date(stay.in).toISOString().slice(11, 16),
    stay.out === undefined ? "…" : new Date(stay.out).toISOString().slice(11, 16),
    stay.entry,
    stay.exit,
  ]);

describe("stays", () => {
  test("an entry into an inner zone is a stay in all zones around it, and ends with each one's exit", () => {
    const { stays } = fold([
      granted(day("07:00"), "main-in", "YARD", "in"),
      granted(day("08:00"), "hall-in", "HALL", "in"),
      granted(day("09:00"), "hall-out", "HALL", "out"),
      granted(day("16:00"), "main-out", "YARD", "out"),
    ]);
    expect(short(stays)).toEqual([
      ["HALL", "08:00", "09:00", "seen", "seen"],
      ["SITE", "07:00", "16:00", "seen", "seen"],
      ["YARD", "07:00", "16:00", "seen", "seen"],
    ]);
  });

  test("an entry while inside closes the old stay as one whose exit was not seen", () => {
    const { stays } = fold([
      granted(day("07:00"), "main-in", "YARD", "in"),
      granted(day("12:00"), "main-in", "YARD", "in"),
    ]);
    expect(short(stays)).toEqual([
      ["SITE", "07:00", "12:00", "seen", "not-seen"],
      ["YARD", "07:00", "12:00", "seen", "not-seen"],
      ["SITE", "12:00", "…", "seen", "open"],
      ["YARD", "12:00", "…", "seen", "open"],
    ]);
  });

  test("an exit without an entry says so, and counts for nobody's presence", () => {
    const { stays, people } = fold([granted(day("12:00"), "hall-out", "HALL", "out")]);
    expect(short(stays)).toEqual([
      ["HALL", "?", "12:00", "not-seen", "seen"],
      ["SITE", "12:00", "…", "inferred", "open"],
      ["YARD", "12:00", "…", "inferred", "open"],
    ]);
    expect(people.count("HALL")).toBe(0);
  });

  test("a door between two zones ends one stay and begins the other", () => {
    const { stays, people } = fold([
      granted(day("07:00"), "main-in", "YARD", "in"),
      granted(day("08:00"), "inner-door", "OFFICE", "in"),
    ]);
    expect(short(stays)).toEqual([
      ["YARD", "07:00", "08:00", "seen", "seen"],
      ["SITE", "07:00", "…", "seen", "open"],
      ["OFFICE", "08:00", "…", "seen", "open"],
    ]);
    expect(people.place("FM-0001")).toMatchObject({ zone: "OFFICE" });
  });

  test("refused passages, unknown zones and a passage told twice change nothing", () => {
    const once = granted(day("07:00"), "main-in", "YARD", "in");
    const { stays } = fold([
      once,
      { ...granted(day("08:00"), "main-out", "YARD", "out"), decision: "refused" },
      granted(day("09:00"), "old-gate", "CELLAR", "in"),
      { ...once },
    ]);
    expect(short(stays).map(([zone]) => zone)).toEqual(["SITE", "YARD"]);
  });

  test("a passage that is told late takes its place in time and moves nobody who was seen later", () => {
    const early = granted(day("07:00"), "main-in", "YARD", "in");
    const late = granted(day("16:00"), "main-out", "YARD", "out");
    expect(fold([late, early]).stays).toEqual(fold([early, late]).stays);
    expect(fold([late, early]).people.place("FM-0001")).toMatchObject({ zone: outside });
  });

  test("two cards of one person are one person; a card without a holder is itself", () => {
    expect(personOf({ reference: "FM-0001" })).toBe("FM-0001");
    const first = granted(day("07:00"), "main-in", "YARD", "in");
    const second = { ...granted(day("08:00"), "hall-in", "HALL", "in"), serial: serialOf(2) };
    const { people } = fold([first, second]);
    expect(people.count("SITE")).toBe(1);
  });

  test("a gate that was taken away is read by its zone's border", () => {
    const passage = granted(day("07:00"), "north-gate", "HALL", "in");
    expect(moveOf(site, tree, passage)).toMatchObject({ from: "YARD", to: "HALL" });
  });
});

describe("muster", () => {
  test("lists who was inside and has not come to the meadow or left since", () => {
    const passages = [
      granted(day("07:00"), "main-in", "YARD", "in", "A"),
      granted(day("07:01"), "main-in", "YARD", "in", "B"),
      granted(day("07:02"), "office-in", "OFFICE", "in", "C"),
      granted(day("07:03"), "main-in", "YARD", "in", "D"),
      granted(day("07:30"), "main-out", "YARD", "out", "D"),
      granted(day("08:02"), "main-out", "YARD", "out", "A"),
      granted(day("08:03"), "meadow", "MEADOW", "in", "B"),
      granted(day("08:04"), "hall-in", "HALL", "in", "E"),
    ];
    expect(muster(site, passages, Date.parse(day("08:00")))).toEqual({
      safe: ["A", "B"],
      missing: [{ person: "C", zone: "OFFICE", since: Date.parse(day("07:02")) }],
    });
  });
});

describe("any stream of passages", () => {
  const move = fc.record({
    person: fc.constantFrom("A", "B", "C", "D"),
    gate: fc.constantFrom(...site.gates),
    at: fc.integer({ min: 0, max: 48 }).map((half) => Date.parse("2026-12-01T00:00:00Z") + half * (hour / 2)),
  });
  const stream = fc
    .array(move, { maxLength: 60 })
    .map((moves) =>
      moves
        .sort((a, b) => a.at - b.at)
        .map(({ person, gate, at }): Move => ({ person, at, gate: gate.name, from: gate.from, to: gate.to })),
    );

  function run(moves: readonly Move[]): { stays: Stay[]; people: Whereabouts } {
    const people = new Whereabouts(tree);
    const ended = moves.flatMap((one) => people.move(one));
    return { stays: [...ended, ...people.open()], people };
  }

  test("people are where their last gate led, and in nothing else", () => {
    fc.assert(
      fc.property(stream, (moves) => {
        const { people } = run(moves);
        const last = new Map(moves.map(({ person, to }) => [person, to]));
        for (const { name } of site.zones) {
          const there = [...last.values()].filter((zone) => tree.path(zone)?.includes(name) === true).length;
          expect(people.count(name)).toBe(there);
        }
      }),
    );
  });

  test("occupancy is never negative, and its integral is the sum of all stays", () => {
    const end = Date.parse("2026-12-02T06:00:00Z");
    fc.assert(
      fc.property(stream, (moves) => {
        const { stays } = run(moves);
        for (const { name } of site.zones) {
          const steps = occupancy(stays, name);
          expect(Math.min(0, ...steps.map(({ count }) => count))).toBe(0);
          const integral = steps.reduce(
            (sum, { at, count }, index) => sum + count * ((steps[index + 1]?.at ?? end) - at),
            0,
          );
          const total = stays
            .filter((stay) => stay.zone === name && stay.in !== undefined)
            .reduce((sum, stay) => sum + (stay.out ?? end) - (stay.in ?? end), 0);
          expect(integral).toBe(total);
        }
      }),
    );
  });

  test("nobody is twice in a zone at one time", () => {
    fc.assert(
      fc.property(stream, (moves) => {
        const { stays } = run(moves);
        const timed = stays.filter((stay) => stay.in !== undefined);
        for (const a of timed) {
          for (const b of timed) {
            if (a === b || a.person !== b.person || a.zone !== b.zone) continue;
            const apart = (a.out ?? Infinity) <= (b.in ?? 0) || (b.out ?? Infinity) <= (a.in ?? 0);
            expect(apart).toBe(true);
          }
        }
      }),
    );
  });

  test("what is recorded of a passage leads back to its move", () => {
    for (const gate of site.gates) {
      const passage = granted(day("07:00"), gate.name, "", "in");
      expect(moveOf(site, tree, { ...passage, ...crossing(tree, gate) })).toMatchObject({
        from: gate.from,
        to: gate.to,
      });
    }
  });
});
