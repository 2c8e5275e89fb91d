import { describe, expect, test } from "vitest";
import { Whereabouts } from "./presence.js";
import { type Claim, decide } from "./rules.js";
import { holder, serialOf, site } from "./site.test.data.js";
import type { KeyProof, Reading } from "./types.js";
import { ZoneTree } from "./zones.js";

const tree = new ZoneTree(site);
const noon = Date.parse("2026-12-01T11:00:00Z");
const minute = 60_000;

const proof: KeyProof = {
  result: "right",
  data: { zones: ["YARD", "CRANE"], validUntil: "2028-12-31", reference: "FM-0001" },
};
const reading = (key: KeyProof = proof): Reading => ({ kind: "card", serial: serialOf(1), key, ms: 200 });

function gateNamed(name: string): Claim["gate"] {
  const gate = site.gates.find((one) => one.name === name);
  if (gate === undefined) throw new Error(`no gate ${name}`);
  return gate;
}

const claim = (change: Partial<Claim> & { at?: number } = {}): Claim => ({
  at: noon,
  gate: gateNamed("main-in"),
  reading: reading(),
  holder: holder(),
  refusal: undefined,
  places: new Whereabouts(tree),
  ...change,
});

/** Somebody who came through these gates, each the given minutes before noon. */
function been(...moves: readonly (readonly [before: number, from: string, to: string, person?: string])[]) {
  const places = new Whereabouts(tree);
  for (const [before, from, to, person = "FM-0001"] of moves) {
    places.move({ at: noon - before * minute, gate: "x", person, from, to });
  }
  return places;
}

const refusal = { reason: "picture-wrong", since: "2026-11-20T10:00:00.000Z" };
const bad = (result: Exclude<KeyProof["result"], "right">): Reading => reading({ result, detail: "as told" });
const told = (data: object): Reading => reading({ result: "right", data });

describe("what is checked, and the event of the first check that fails", () => {
  test.each<[string, Partial<Claim>, string]>([
    ["a good card", {}, "granted"],
    [
      "silence",
      { reading: { kind: "unreadable", detail: "mute", ms: 1 } },
      "denied-authentication-unavailable",
    ],
    ["a stranger", { holder: undefined }, "denied-unknown-credential"],
    ["a reject of the line", { holder: undefined, refusal }, "denied-credential-disabled"],
    ["a holder's card on the refusal list", { refusal }, "denied-credential-disabled"],
    ["a blocked card", { holder: holder({ status: "blocked" }) }, "denied-credential-manual-disable"],
    ["a withdrawn card", { holder: holder({ status: "withdrawn" }) }, "denied-credential-disabled"],
    [
      "a card of tomorrow",
      { holder: holder({ validFrom: "2026-12-02" }) },
      "denied-credential-not-yet-active",
    ],
    ["its first day", { holder: holder({ validFrom: "2026-12-01" }) }, "granted"],
    ["a card of yesterday", { holder: holder({ validUntil: "2026-11-30" }) }, "denied-credential-expired"],
    ["a date nobody can read", { holder: holder({ validUntil: "soon" }) }, "denied-credential-expired"],
    ["a key that is not the card's", { reading: bad("wrong") }, "denied-incorrect-authentication-factor"],
    ["a blocked key", { reading: bad("blocked") }, "denied-max-attempts"],
    ["no application", { reading: bad("unavailable") }, "denied-authentication-unavailable"],
    ["files that cannot be read", { reading: bad("unreadable") }, "denied-authentication-factor-error"],
    [
      "other zones on the card",
      { reading: told({ zones: ["YARD", "FUEL"] }) },
      "denied-authentication-factor-error",
    ],
    [
      "a zone twice on the card",
      { reading: told({ zones: ["YARD", "YARD"] }) },
      "denied-authentication-factor-error",
    ],
    [
      "another day on the card",
      { reading: told({ validUntil: "2029-12-31" }) },
      "denied-authentication-factor-error",
    ],
    [
      "another number on the card",
      { reading: told({ reference: "FM-0002" }) },
      "denied-authentication-factor-error",
    ],
    ["a card without files for gates", { reading: told({}) }, "granted"],
    ["no right to the zone", { gate: gateNamed("office-in") }, "denied-zone-no-access-rights"],
    ["one of two rights", { gate: gateNamed("hall-in"), places: been([5, "outside", "YARD"]) }, "granted"],
    [
      "a full hall",
      { gate: gateNamed("hall-in"), places: been([9, "YARD", "HALL", "A"], [8, "YARD", "HALL", "B"]) },
      "denied-upper-occupancy-limit",
    ],
    ["inside already, at a hard gate", { places: been([60, "outside", "YARD"]) }, "denied-passback"],
    ["in a zone further in, at a hard gate", { places: been([60, "YARD", "HALL"]) }, "denied-passback"],
    ["outside again", { places: been([60, "outside", "YARD"], [30, "YARD", "outside"]) }, "granted"],
    [
      "not where a soft gate leads from",
      { gate: gateNamed("hall-in"), places: been([5, "YARD", "HALL"]) },
      "passback-detected",
    ],
    ["never seen", { gate: gateNamed("hall-in") }, "granted"],
    ["last seen before all was forgiven", { places: been([11 * 60, "outside", "YARD"]) }, "granted"],
    ["last seen after all was forgiven", { places: been([8 * 60, "outside", "YARD"]) }, "denied-passback"],
  ])("%s", (_, change, event) => {
    expect(decide(site, tree, claim(change)).event).toBe(event);
  });

  test("a timed gate refuses the same zone again until its minutes are over", () => {
    const fuel = {
      gate: gateNamed("gas-in"),
      holder: holder({ zones: ["FUEL"] }),
      reading: told({ zones: ["FUEL"] }),
    };
    const after = (minutes: number) =>
      decide(
        site,
        tree,
        claim({ ...fuel, places: been([minutes, "YARD", "GAS"], [minutes - 1, "GAS", "YARD"]) }),
      );
    expect(after(9)).toMatchObject({ decision: "refused", event: "denied-passback" });
    expect(after(10)).toMatchObject({ decision: "granted", event: "granted" });
  });

  test("nobody is kept in: dates and rights are not looked at on the way out", () => {
    const gate = gateNamed("gas-out");
    const places = been([60, "YARD", "GAS"]);
    const late = holder({ validUntil: "2026-11-30" });
    expect(decide(site, tree, claim({ gate, places, holder: late, reading: told({}) })).event).toBe(
      "granted",
    );
    expect(decide(site, tree, claim({ gate, places, reading: bad("wrong") })).decision).toBe("refused");
    expect(decide(site, tree, claim({ gate, places, refusal })).decision).toBe("refused");
  });

  test("validity ends with the site's day, not with Greenwich's", () => {
    const until = holder({ validUntil: "2026-11-30" });
    const at = (text: string) =>
      decide(site, tree, claim({ at: Date.parse(text), holder: until, reading: told({}) })).event;
    expect(at("2026-11-30T22:59:59Z")).toBe("granted");
    expect(at("2026-11-30T23:00:00Z")).toBe("denied-credential-expired");
  });

  test("checks stand in their order: whoever fails all of them hears of the first, then of the next", () => {
    const worst: Partial<Claim> = {
      gate: gateNamed("hall-in"),
      reading: bad("wrong"),
      holder: holder({ status: "blocked", validUntil: "2026-11-30", zones: ["OFFICE"] }),
      places: been([9, "YARD", "HALL", "A"], [8, "YARD", "HALL", "B"], [7, "YARD", "GAS"]),
    };
    const mended: readonly (readonly [Partial<Claim>, string])[] = [
      [{ holder: undefined }, "denied-unknown-credential"],
      [{ holder: holder({ status: "blocked" }) }, "denied-credential-manual-disable"],
      [{ holder: holder({ validUntil: "2026-11-30", zones: ["OFFICE"] }) }, "denied-credential-expired"],
      [{ holder: holder({ zones: ["OFFICE"] }) }, "denied-incorrect-authentication-factor"],
      [{ reading: told({ zones: ["YARD"] }) }, "denied-authentication-factor-error"],
      [{ reading: told({}) }, "denied-zone-no-access-rights"],
      [{ holder: holder() }, "denied-upper-occupancy-limit"],
      [{ places: been([7, "YARD", "GAS"]) }, "passback-detected"],
      [{ places: been([7, "outside", "YARD"]) }, "granted"],
    ];
    let state = worst;
    for (const [change, event] of mended) {
      state = { ...state, ...change };
      expect(decide(site, tree, claim(state)).event).toBe(event);
    }
  });

  test("no detail of a decision says a name", () => {
    const decisions = [
      claim({ refusal }),
      claim({ reading: told({ zones: [] }) }),
      claim({ gate: gateNamed("office-in") }),
    ];
    for (const one of decisions) expect(JSON.stringify(decide(site, tree, one))).not.toContain("Rourke");
  });
});
