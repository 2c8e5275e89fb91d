import type { Outcome } from "@persoline/card/program";
import { describe, expect, test } from "vitest";
import { DeviceFault } from "../devices/problem.js";
import { onlineFindings } from "../ledger/proof.test.data.js";
import { bad, Bench, disagreements, numberOf, passed, rejected } from "./bench.test.data.js";
import { type Work, workOrder } from "./station.js";

describe("a line", () => {
  test("makes a good card for every record, in its own slot, and feeds no blank too many", async () => {
    const bench = new Bench({ records: 10, blanks: 30, heads: { personalization: 3, quality: 2 } });
    const result = await bench.run();
    expect(result).toMatchObject({
      ended: "complete",
      missing: 0,
      counts: { fed: 10, good: 10, rejected: 0, restocked: 0 },
    });
    const slots = Object.values(bench.places()).filter((place) => place.startsWith("good"));
    expect(slots.sort()).toEqual(Array.from({ length: 10 }, (_, at) => `good ${String(at + 1)}`).sort());
    expect(disagreements(bench)).toEqual([]);
    expect(bench.journal.notes).toEqual([]);
  });

  test("counts the cards whose online transaction was completed and judged, and no others", async () => {
    const unjudged = onlineFindings.filter(({ what }) => what !== "transaction: ARQC by the security module");
    const quality = ({ label }: { readonly label: string }): Outcome => {
      const number = numberOf(label);
      if (number === 4) return { ...rejected("counter-wrong"), findings: onlineFindings } as Outcome;
      return { kind: "passed", findings: number === 2 ? unjudged : number === 3 ? [] : onlineFindings };
    };
    const result = await new Bench({ records: 5, blanks: 8, acts: { quality } }).run();
    expect(result.counts).toMatchObject({ good: 5, rejected: 1, online: 3 });
  });

  test("throws bad blanks out before any record is bound to them", async () => {
    const bench = new Bench({ blanks: 15, acts: { "electrical-test": bad("ram-fault", 2, 5) } });
    const result = await bench.run();
    expect(result).toMatchObject({
      ended: "complete",
      counts: { fed: 12, good: 10, rejected: 2, remade: 0 },
    });
    expect(bench.places()).toMatchObject({
      "L-000002": "reject",
      "L-000005": "reject",
      "L-000013": "hopper",
    });
    expect(disagreements(bench)).toEqual([]);
  });

  test("binds the record of a card that fails later to another one, by itself", async () => {
    const acts = { personalization: bad("memory-failure", 3), quality: bad("picture-wrong", 7, 9) };
    const bench = new Bench({ blanks: 15, acts });
    const result = await bench.run();
    expect(result).toMatchObject({
      ended: "complete",
      counts: { fed: 13, good: 10, rejected: 3, remade: 3 },
    });
    expect(disagreements(bench)).toEqual([]);
    const ends = bench.accounts.ends.filter(({ end }) => end.kind === "rejected");
    expect(ends.map(({ label, end }) => [label, end])).toEqual([
      [
        "L-000003",
        expect.objectContaining({ code: "memory-failure", personalised: true, terminated: false }),
      ],
      ["L-000007", expect.objectContaining({ code: "picture-wrong", personalised: true })],
      ["L-000009", expect.objectContaining({ code: "picture-wrong", personalised: true })],
    ]);
  });

  test("gives up a record after too many cards, and still ends", async () => {
    const quality = ({
      bound,
    }: {
      readonly bound: { readonly record: { readonly number: number } } | undefined;
    }): Outcome => (bound?.record.number === 4 ? rejected("picture-wrong") : passed);
    const bench = new Bench({ blanks: 20, attempts: 3, acts: { quality } });
    const result = await bench.run();
    expect(result).toMatchObject({ ended: "complete", counts: { good: 9, rejected: 3 } });
    expect(bench.accounts.records[3]?.state).toBe("held");
    expect(disagreements(bench)).toEqual([]);
  });

  test("puts doubtful and foreign cards aside and makes others in their place", async () => {
    const bench = new Bench({
      blanks: 15,
      acts: {
        "electrical-test": ({ label }) =>
          numberOf(label) === 1
            ? { kind: "returned", code: "wrong-card-type", detail: "another type" }
            : passed,
        quality: ({ label }) =>
          numberOf(label) === 2 ? { kind: "held", question: "is this the name?" } : passed,
      },
    });
    expect(await bench.run()).toMatchObject({
      ended: "complete",
      counts: { good: 10, held: 2, rejected: 0 },
    });
    expect(bench.places()).toMatchObject({ "L-000001": "hold", "L-000002": "hold" });
    expect(disagreements(bench)).toEqual([]);
  });

  test("a full queue holds the station before it", async () => {
    let most = 0;
    const visiting = { personalization: 0 };
    const bench = new Bench({
      records: 20,
      blanks: 20,
      queue: 2,
      heads: { "electrical-test": 4, completion: 4, initialisation: 4 },
      visitMs: { personalization: 20_000 },
      acts: {
        personalization: () => {
          const { stations } = bench.line.view();
          const before = stations
            .slice(0, 4)
            .reduce(
              (sum, { heads, queued }) =>
                sum + queued + heads.filter(({ label }) => label !== undefined).length,
              0,
            );
          most = Math.max(most, before);
          visiting.personalization++;
          return passed;
        },
      },
    });
    expect(await bench.run()).toMatchObject({ ended: "complete" });
    // Heads of the first three, the queues between them, and the one at personalization.
    expect(most).toBeLessThanOrEqual(12 + 3 * 2 + 1);
    expect(most).toBeGreaterThan(12);
  });

  test("several heads work side by side: the slowest station alone sets the pace", async () => {
    const bench = new Bench({
      records: 60,
      blanks: 60,
      heads: { personalization: 5 },
      visitMs: { personalization: 5000 },
      moveMs: 50,
    });
    const result = await bench.run();
    // One card a second or so: 1,000 ms of visit and 100 ms of moves at each single head.
    expect(result.cardsPerHour).toBeGreaterThan(0.85 * (3_600_000 / 1150));
  });

  test("the same again is the same again", async () => {
    const acts = { personalization: bad("memory-failure", 3), quality: bad("picture-wrong", 7) };
    const options = { blanks: 15, acts, heads: { personalization: 2, quality: 3 } };
    const [one, other] = [new Bench(options), new Bench(options)];
    await one.run();
    await other.run();
    expect(other.events).toEqual(one.events);
    expect(one.events.length).toBeGreaterThan(100);
  });
});

describe("a stock too small", () => {
  test("stops whole before a card has moved, and says how many are missing", async () => {
    const bench = new Bench({ records: 10, blanks: 7 });
    expect(await bench.run()).toMatchObject({ ended: "stock-too-small", missing: 3, counts: { fed: 0 } });
    expect(Object.values(bench.places())).toEqual(Array.from({ length: 7 }, () => "hopper"));
  });

  test("found out on the way: cards in work are finished, the rest is named", async () => {
    const bench = new Bench({ records: 10, blanks: 11, acts: { quality: bad("picture-wrong", 1, 2, 3) } });
    expect(await bench.run()).toMatchObject({
      ended: "stock-too-small",
      missing: 2,
      counts: { good: 8, rejected: 3 },
    });
    expect(disagreements(bench)).toEqual([]);
  });
});

describe("ended by whoever brings the cards", () => {
  test("is a stop, not a stock too small: blanks are left, and the same command goes on", async () => {
    const bench = new Bench({ records: 10, blanks: 12, feeds: 4, stations: [workOrder] });
    expect(await bench.run()).toMatchObject({
      ended: "stopped",
      detail: "ended at the desk",
      missing: 0,
      counts: { good: 4 },
    });
    bench.options = { ...bench.options, feeds: 100 };
    bench.newLine();
    expect(await bench.run()).toMatchObject({ ended: "complete", counts: { good: 6 } });
  });

  test("because there was nothing more to bring: the blanks that are missing are told", async () => {
    const bench = new Bench({
      records: 10,
      blanks: 11,
      feeds: 11,
      stations: [workOrder],
      acts: { quality: bad("picture-wrong", 1, 2, 3) },
    });
    expect(await bench.run()).toMatchObject({ ended: "stock-too-small", missing: 2, counts: { good: 8 } });
  });
});

describe("stopping", () => {
  test("bound cards are finished, unbound ones go back with their stage, and the next run needs no step twice", async () => {
    const tested: string[] = [];
    const bench = new Bench({
      records: 20,
      blanks: 25,
      heads: { completion: 2 },
      acts: {
        "electrical-test": ({ label }) => {
          tested.push(label);
          return passed;
        },
      },
    });
    const running = bench.world.run(async () => {
      const result = bench.line.run();
      await bench.world.sleep(15_000);
      bench.line.stop();
      return result;
    });
    const result = await running;
    expect(result.ended).toBe("stopped");
    expect(result.counts.good).toBeGreaterThan(0);
    expect(result.counts.restocked).toBeGreaterThan(0);
    expect(await bench.accounts.inWork("bench")).toEqual([]);
    expect(disagreements(bench)).toEqual([]);
    bench.newLine();
    expect(await bench.run()).toMatchObject({ ended: "complete", counts: { restocked: 0 } });
    expect(disagreements(bench)).toEqual([]);
    expect(new Set(tested).size).toBe(tested.length);
  });

  test("three failed cryptograms in a row stop the line; a good one between them does not", async () => {
    const wrong = new Bench({ blanks: 30, acts: { completion: bad("card-cryptogram", 4, 5, 6, 7, 8, 9) } });
    const result = await wrong.run();
    expect(result).toMatchObject({ ended: "halted", counts: { rejected: 3 } });
    expect(result.detail).toContain("do not know the key set");
    expect(disagreements(wrong)).toEqual([]);
    const single = new Bench({ blanks: 30, acts: { completion: bad("card-cryptogram", 2, 3, 5, 6) } });
    expect(await single.run()).toMatchObject({ ended: "complete", counts: { rejected: 4 } });
  });

  test("a row of rejects at one station stops the line before it eats the stock", async () => {
    const bench = new Bench({
      records: 50,
      blanks: 100,
      acts: { "electrical-test": () => rejected("ram-fault") },
    });
    expect(await bench.run()).toMatchObject({ ended: "stopped", counts: { rejected: 8 } });
  });
});

describe("a bad head among good ones", () => {
  const stateOf = ({ line }: Bench, station: string): string[] =>
    line
      .view()
      .stations.find(({ name }) => name === station)
      ?.heads.map(({ state }) => state) ?? [];

  test("is named and stops alone; the others make the order", async () => {
    const bench = new Bench({
      records: 40,
      blanks: 60,
      attempts: 20,
      heads: { personalization: 3 },
      visitMs: { personalization: 3000 },
      acts: { personalization: (_, head) => (head === 1 ? rejected("command-refused") : passed) },
    });
    const result = await bench.run();
    expect(result).toMatchObject({
      ended: "complete",
      counts: { good: 40, rejected: 5, remade: 5 },
      parked: [
        { station: "personalization", head: 1, why: expect.stringMatching(/^5 rejects in a row/) as string },
      ],
    });
    expect(stateOf(bench, "personalization")).toEqual(["idle", "halted", "idle"]);
    expect(bench.events.filter(({ kind }) => kind === "halted")).toMatchObject([
      { station: "personalization", head: 1, device: "personalization/2", code: "rejects" },
    ]);
    expect(disagreements(bench)).toEqual([]);
  });

  test("rejects of the cards' own, spread over all heads, stop no head", async () => {
    const bench = new Bench({
      records: 60,
      blanks: 120,
      heads: { "electrical-test": 2 },
      acts: {
        "electrical-test": ({ label }) => (numberOf(label) % 3 === 0 ? rejected("ram-fault") : passed),
      },
    });
    const result = await bench.run();
    expect(result).toMatchObject({ ended: "complete", parked: [] });
    expect(result.counts.rejected).toBeGreaterThan(20);
  });

  test("all heads throwing out is no head's fault: the line stops, none is parked", async () => {
    const bench = new Bench({
      records: 50,
      blanks: 100,
      heads: { "electrical-test": 4 },
      acts: { "electrical-test": () => rejected("ram-fault") },
    });
    const result = await bench.run();
    expect(result).toMatchObject({ ended: "stopped", parked: [] });
    expect(result.detail).toContain("8 rejects in a row at electrical-test");
  });

  test("the last good head is never parked: when it fails too, the line stops", async () => {
    let made = 0;
    const bench = new Bench({
      records: 50,
      blanks: 100,
      heads: { "electrical-test": 2 },
      acts: {
        "electrical-test": (_, head) => (head === 0 && made++ < 12 ? passed : rejected("ram-fault")),
      },
    });
    const result = await bench.run();
    expect(result).toMatchObject({ ended: "stopped", parked: [{ head: 1 }] });
    expect(result.detail).toContain("8 rejects in a row at electrical-test");
    expect(disagreements(bench)).toEqual([]);
  });
});

describe("rows of rejects", () => {
  /** Visits that began after the line had said that it stops. */
  const begunLate = ({ events }: Bench, work?: Work): number =>
    events
      .slice(events.findIndex(({ kind }) => kind === "stopping"))
      .filter((event) => event.kind === "visit" && event.work === (work ?? event.work)).length;

  test("are counted by work: what a card passes before at the same head does not end them", async () => {
    const stations: readonly (readonly Work[])[] = [
      ["electrical-test", "completion", "initialisation"],
      ["personalization", "chip-proof", "visual", "quality"],
    ];
    const wrong = new Bench({
      stations,
      blanks: 30,
      acts: { completion: () => rejected("card-cryptogram") },
    });
    expect(await wrong.run()).toMatchObject({ ended: "halted", counts: { rejected: 3 } });
    const dull = new Bench({
      stations,
      records: 20,
      blanks: 40,
      acts: { quality: () => rejected("picture-wrong") },
    });
    const result = await dull.run();
    expect(result).toMatchObject({ counts: { rejected: 8, good: 0 } });
    expect(result.detail).toContain("8 rejects in a row at quality");
    expect(disagreements(dull)).toEqual([]);
  });

  test("of a wrong key set burn no try of another card: no head takes one", async () => {
    const bench = new Bench({
      records: 20,
      blanks: 40,
      queue: 4,
      heads: { "chip-proof": 2, personalization: 3 },
      visitMs: { personalization: 500 },
      acts: { "chip-proof": ({ label }) => (numberOf(label) > 2 ? rejected("card-cryptogram") : passed) },
    });
    const result = await bench.run();
    expect(result.ended).toBe("halted");
    // The other head may have been at it when the third card failed.
    expect(result.counts.rejected).toBeLessThanOrEqual(4);
    expect(begunLate(bench)).toBe(0);
    expect((await bench.accounts.inWork("bench")).length).toBeGreaterThan(0);
    expect(disagreements(bench)).toEqual([]);
    bench.options = { ...bench.options, acts: {} };
    bench.newLine();
    expect(await bench.run()).toMatchObject({ ended: "complete" });
    expect(disagreements(bench)).toEqual([]);
  });

  test("close their station; bound cards before it wait for the next run, those behind it are finished", async () => {
    const bench = new Bench({
      records: 30,
      blanks: 60,
      queue: 3,
      heads: { visual: 2 },
      acts: { visual: ({ label }) => (numberOf(label) > 3 ? rejected("mark-wrong") : passed) },
    });
    const result = await bench.run();
    expect(result).toMatchObject({ ended: "halted", counts: { good: 3 } });
    expect(result.detail).toContain("8 rejects in a row at visual");
    expect(begunLate(bench, "visual")).toBe(0);
    const taken = bench.floor
      .occupied()
      .filter(({ place }) => place.at === "head" && place.station === "visual");
    expect(taken).toEqual([]);
    expect((await bench.accounts.inWork("bench")).length).toBeGreaterThan(0);
    bench.options = { ...bench.options, acts: {} };
    bench.newLine();
    expect(await bench.run()).toMatchObject({ ended: "complete" });
    expect(disagreements(bench)).toEqual([]);
  });
});

describe("a broken machine", () => {
  const unplugged = (): never => {
    throw new DeviceFault("reader 2", "unplugged", "the reader is gone");
  };

  test("one head stops, the others take its card and go on; nobody is rejected", async () => {
    let dead = false;
    const taken: (string | undefined)[] = [];
    const bench = new Bench({
      heads: { personalization: 2 },
      acts: {
        personalization: (card, head) => {
          if (head === 1 && (dead || numberOf(card.label) === 4)) {
            dead = true;
            return unplugged();
          }
          if (card.interrupted !== undefined) taken.push(card.label);
          return passed;
        },
      },
    });
    expect(await bench.run()).toMatchObject({ ended: "complete", counts: { good: 10, rejected: 0 } });
    expect(taken).toEqual(["L-000004"]);
    expect(bench.line.view().stations[3]?.heads.map(({ state }) => state)).toEqual(["idle", "halted"]);
    expect(disagreements(bench)).toEqual([]);
  });

  test("no head left: what can be finished is, the rest lies where it was and the next run takes it up", async () => {
    let broken = true;
    const bench = new Bench({
      acts: { visual: ({ label }) => (broken && numberOf(label) >= 4 ? unplugged() : passed) },
    });
    const result = await bench.run();
    expect(result).toMatchObject({ ended: "halted", counts: { good: 3, rejected: 0 } });
    expect(result.detail).toContain("the reader is gone");
    expect(disagreements(bench)).toEqual([]);
    expect((await bench.accounts.inWork("bench")).length).toBeGreaterThan(0);
    broken = false;
    bench.newLine();
    const second = await bench.run();
    expect(second).toMatchObject({ ended: "complete", counts: { rejected: 0 } });
    expect(second.counts.recovered).toBeGreaterThan(0);
    expect(Object.values(bench.places()).filter((place) => place.startsWith("good"))).toHaveLength(10);
    expect(disagreements(bench)).toEqual([]);
  });

  test("accounts that fail stop the line with their own words; afterwards everything is still there", async () => {
    const bench = new Bench({});
    const failing = bench.world.run(async () => {
      const result = bench.line.run();
      await bench.world.sleep(12_000);
      bench.accounts.failing = "finish";
      return result;
    });
    await expect(failing).rejects.toThrow("the accounts are away");
    bench.accounts.failing = undefined;
    bench.newLine();
    expect(await bench.run()).toMatchObject({ ended: "complete" });
    expect(disagreements(bench)).toEqual([]);
    expect(Object.values(bench.places()).filter((place) => place.startsWith("good"))).toHaveLength(10);
  });

  test("a jam is told and tried again; one that stays stops the line, and nothing is lost", async () => {
    const once = new Bench({ jams: [5, 20] });
    expect(await once.run()).toMatchObject({ ended: "complete" });
    expect(once.events.filter(({ kind }) => kind === "alarm")).toHaveLength(2);
    const stuck = new Bench({ jams: Array.from({ length: 500 }, (_, at) => 30 + at) });
    expect(await stuck.run()).toMatchObject({ ended: "halted" });
    expect(Object.keys(stuck.places())).toHaveLength(12);
    stuck.options = {};
    stuck.newLine();
    expect(await stuck.run()).toMatchObject({ ended: "complete", counts: { rejected: 0 } });
    expect(disagreements(stuck)).toEqual([]);
  });

  test("a body nobody knows is put aside untouched; a number that turns up twice holds both", async () => {
    const bench = new Bench({ records: 5, blanks: 12 });
    bench.accounts.rows.delete("L-000002");
    expect(await bench.run()).toMatchObject({ ended: "complete", counts: { good: 5 } });
    expect(bench.places()["L-000002"]).toBe("hold");
    expect(bench.events.some((event) => event.kind === "alarm" && event.detail.includes("L-000002"))).toBe(
      true,
    );
    const twice = new Bench({ records: 5, blanks: 12 });
    // The third blank carries the number of the second.
    const feed = twice.floor.feed.bind(twice.floor);
    twice.floor.feed = (to) => {
      const body = feed(to);
      return body?.label === "L-000003" ? { ...body, label: "L-000002" } : body;
    };
    expect(await twice.run()).toMatchObject({ ended: "complete", counts: { good: 5, held: 1 } });
    expect(twice.places()).toMatchObject({ "L-000002": "hold", "L-000003": "hold" });
  });
});
