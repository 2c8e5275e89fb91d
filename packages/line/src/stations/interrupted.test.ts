import type { Outcome, Serial } from "@persoline/card/program";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { bad, Bench, disagreements, numberOf, passed, rejected } from "./bench.test.data.js";
import { type CardInWork, type Work, workOrder } from "./station.js";

/** Good cards whose history lacks a station, a finding or a picture, or has one twice. */
function untold({ accounts }: Bench): string[] {
  return accounts.ends.flatMap(({ label, end }) => {
    if (end.kind !== "good") return [];
    const history = accounts.histories.get(accounts.rows.get(label)?.blank.serial as Serial);
    const whole =
      history?.times.map(({ station }) => station).join() === workOrder.join() &&
      history.findings.map(({ station, what }) => `${station} ${what}`).join() === "chip-proof current" &&
      history.pictures?.back.file === `${label} back`;
    return whole ? [] : [`${label}: ${JSON.stringify(history)}`];
  });
}

describe("kill at any moment", () => {
  const options = {
    records: 6,
    blanks: 16,
    queue: 1,
    heads: { completion: 2, personalization: 2 } satisfies Partial<Record<Work, number>>,
    visitMs: { visual: 700, quality: 400 },
    acts: {
      "electrical-test": bad("ram-fault", 3),
      "chip-proof": (): Outcome => ({
        kind: "passed",
        findings: [{ what: "current", result: "not measured" }],
      }),
      quality: (card: CardInWork): Outcome => {
        const picture = (side: string) => ({ file: `${card.label} ${side}`, sha256: side });
        card.pictures = { front: picture("front"), back: picture("back") };
        return bad("picture-wrong", 5)(card);
      },
    },
  };

  test("what the stations saw before the kill is in the card's history, pictures too", async () => {
    let between = 0;
    for (let ms = 7300; ms < 7700; ms += 25) {
      const bench = new Bench(options);
      await bench.runUntil(ms);
      const states = await bench.journal.states();
      if (states.some(({ passed: known }) => known.includes("quality"))) between++;
      bench.newLine();
      await bench.run();
      expect(untold(bench)).toEqual([]);
    }
    expect(between).toBeGreaterThan(2);
  });

  test("a card whose program had ended badly when the kill came is judged by that: nothing is sent to it again", async () => {
    let between = 0;
    for (let ms = 4000; ms < 10_000; ms += 250) {
      const begun: string[] = [];
      const bench: Bench = new Bench({
        ...options,
        acts: {
          personalization: async (card, _head, world) => {
            if (numberOf(card.label) !== 2) return passed;
            begun.push(card.label);
            const head = { serial: card.serial, station: "personalization", program: "p", segment: 1 };
            await bench.journal.write({ ...head, event: "failed", detail: "card-cryptogram" });
            await world.sleep(1500);
            return rejected("card-cryptogram");
          },
        },
      });
      await bench.runUntil(ms);
      if ((await bench.journal.states()).some(({ failed, rejected: told }) => failed && !told)) between++;
      bench.newLine();
      expect(await bench.run()).toMatchObject({ ended: "complete" });
      expect(begun).toHaveLength(1);
      expect(bench.accounts.ends.filter(({ end }) => end.kind === "rejected")).toMatchObject([
        { end: { code: "card-cryptogram", station: "personalization" } },
      ]);
    }
    expect(between).toBeGreaterThan(2);
  });

  test("a card that went back to stock and is fed again has no notes of its way before", async () => {
    let seen = 0;
    for (let ms = 100; ms < 320; ms += 20) {
      const bench = new Bench(options);
      // The kill takes the dropping of the notes with it.
      const { journal } = bench;
      const forget = journal.forget.bind(journal);
      journal.forget = () => Promise.resolve();
      await bench.world.run(() => {
        const end = bench.line.run();
        const stopping = bench.world.sleep(6000).then(() => {
          bench.line.stop();
          return bench.world.sleep(ms);
        });
        return Promise.race([end, stopping]);
      });
      journal.forget = forget;
      const back = bench.accounts.ends.filter(({ end }) => end.kind === "restocked");
      if (back.some(({ label }) => bench.places()[label] !== "hopper")) seen++;
      bench.newLine();
      expect(await bench.run()).toMatchObject({ ended: "complete" });
      for (const { label } of back) {
        const { serial } = bench.accounts.rows.get(label)?.blank ?? {};
        const stations = bench.accounts.histories.get(serial as Serial)?.times.map(({ station }) => station);
        expect(stations).not.toContain("electrical-test");
      }
      expect(bench.journal.notes).toEqual([]);
    }
    expect(seen).toBeGreaterThan(1);
  });

  test.each([
    ["a station for each work", workOrder.map((work) => [work])],
    ["one station for all works", [workOrder]],
    ["two stations for several works", [workOrder.slice(0, 3), workOrder.slice(3)]],
  ])(
    "any number of kills ends with the same balance: no record twice, no blank lost, bodies where the accounts say (%s)",
    async (_, stations) => {
      await fc.assert(
        fc.asyncProperty(fc.array(fc.integer({ min: 1, max: 9000 }), { maxLength: 8 }), async (kills) => {
          const bench = new Bench({ ...options, stations });
          for (const ms of kills) {
            const end = await bench.runUntil(ms);
            bench.newLine();
            if (end !== "killed") break;
          }
          const result = await bench.run();
          expect(result).toMatchObject({ ended: "complete" });
          expect(disagreements(bench)).toEqual([]);
          const goods = Object.values(bench.places()).filter((place) => place.startsWith("good"));
          expect(new Set(goods).size).toBe(6);
          const totals = await bench.accounts.totals();
          expect(totals).toMatchObject({ good: 6, inProcess: 0, held: 0, rejected: 2 });
          expect(untold(bench)).toEqual([]);
        }),
        { numRuns: 15 },
      );
    },
  );

  test("a note of passing that fails stops the line: the visit begun meanwhile is the last one, and nothing follows from it", async () => {
    const visited: string[] = [];
    const seen = (work: Work) => () => {
      visited.push(work);
      return passed;
    };
    let failed = false;
    // What would put the card aside in the accounts at once.
    const asks = (): Outcome => {
      visited.push("initialisation");
      return failed ? { kind: "held", question: "what is this?" } : passed;
    };
    const all = Object.fromEntries(workOrder.map((work) => [work, seen(work)]));
    const acts = { ...all, initialisation: asks };
    const bench = new Bench({ records: 1, blanks: 1, stations: [workOrder], acts });
    const { journal } = bench;
    const write = journal.write.bind(journal);
    journal.write = (note) => {
      failed ||= note.event === "passed" && note.station === "completion";
      // As the journal's own: what fails once fails for good.
      return failed ? Promise.reject(new Error("the disk is gone")) : write(note);
    };
    await expect(bench.run()).rejects.toThrow("the disk is gone");
    expect(visited).toEqual(["electrical-test", "completion", "initialisation"]);
    expect(bench.accounts.ends).toEqual([]);
    journal.write = write;
    failed = false;
    bench.newLine();
    expect(await bench.run()).toMatchObject({ ended: "complete" });
    expect(disagreements(bench)).toEqual([]);
  });

  test("a card judged bad stays bad, for its first reason, wherever its ending is interrupted; no mark is made twice", async () => {
    const endings = new Set<string>();
    for (let ms = 0; ms <= 2400; ms += 80) {
      const marked = new Map<string, number>();
      const bench = new Bench({
        records: 3,
        blanks: 8,
        endingMs: 500,
        acts: {
          visual: async ({ label, serial, interrupted }) => {
            if (interrupted?.open?.station === "visual") return rejected("mark-unknown");
            marked.set(label, (marked.get(label) ?? 0) + 1);
            const note = { serial, station: "visual", program: "visual", segment: 0 } as const;
            await bench.journal.write({ ...note, event: "intent" });
            if (numberOf(label) === 2) return rejected("mark-unknown");
            await bench.journal.write({ ...note, event: "done" });
            return passed;
          },
        },
      });
      // The second card comes to its mark about seven seconds after the start.
      await bench.runUntil(7500 + ms);
      const before = await bench.journal.states();
      for (const { open, rejected: said } of before) {
        if (said !== undefined) endings.add(open?.station ?? "ended");
      }
      bench.newLine();
      expect(await bench.run()).toMatchObject({ ended: "complete" });
      expect([...marked.values()].every((times) => times === 1)).toBe(true);
      const end = bench.accounts.ends.find(({ label }) => label === "L-000002");
      const { serial } = bench.accounts.rows.get("L-000002")?.blank ?? {};
      const { times = [] } = bench.accounts.histories.get(serial as Serial) ?? {};
      expect(times.map(({ station }) => station)).toEqual(workOrder.slice(0, 6));
      expect(end?.end).toMatchObject({ code: "mark-unknown", station: "visual", terminated: true });
      expect(await bench.accounts.totals()).toMatchObject({ good: 3, rejected: 1 });
      expect(bench.journal.notes).toEqual([]);
      expect(disagreements(bench)).toEqual([]);
    }
    expect(endings.size).toBeGreaterThan(0);
  });
});
