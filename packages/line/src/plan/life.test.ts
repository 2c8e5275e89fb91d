import { completedTiming, estimate } from "@persoline/card/program";
import type { RunEnd } from "@persoline/card/program";
import type { Fault } from "@persoline/card/virtual";
import { beforeAll, describe, expect, test } from "vitest";
import {
  Bench,
  contentBefore,
  lasted,
  liveOnce,
  office,
  pairAt,
  personalization,
  proof,
  record,
  stations,
} from "./life.test.data.js";
import type { Station } from "./life.test.data.js";
import { prepare } from "./prepare.js";

beforeAll(liveOnce);

describe("a life without trouble", () => {
  test.each(stations)(
    "%s: the card's own clock agrees with the estimate within 3 %",
    (name, program, timing) => {
      const planned = estimate(program, timing);
      const own = lasted.get(name);
      expect(own?.pages).toBe(planned.pages);
      expect(own?.apdus).toBe(planned.apdus);
      expect((own?.characters ?? 0) / planned.characters).toBeGreaterThan(0.97);
      expect((own?.characters ?? 0) / planned.characters).toBeLessThan(1.03);
      expect((own?.ms ?? 0) / planned.ms).toBeGreaterThan(0.97);
      expect((own?.ms ?? 0) / planned.ms).toBeLessThan(1.03);
    },
  );

  test("termination ends a personalized card, and asking again finds it done", async () => {
    const bench = new Bench(contentBefore("end"));
    expect(await bench.run(office.termination)).toMatchObject({ kind: "passed" });
    expect(await bench.run(office.termination, { resume: { segment: 0, resumes: 0 } })).toMatchObject({
      kind: "passed",
    });
    expect(await bench.run(proof)).toMatchObject({ kind: "rejected" });
  });

  test("a card with its initial keys is terminated under those", async () => {
    const bench = new Bench(contentBefore("personalization"));
    expect(await bench.run(office.terminationInitial)).toMatchObject({ kind: "passed" });
  });

  test.each([
    ["termination", "end"],
    ["terminationInitial", "personalization"],
  ] as const)("%s: the card's own clock agrees with the estimate", async (name, from) => {
    const bench = new Bench(contentBefore(from));
    expect(await bench.run(office[name])).toMatchObject({ kind: "passed" });
    const { pagesWritten, apdus, wireCharacters } = bench.card.counters;
    const planned = estimate(office[name], completedTiming);
    expect([pagesWritten, apdus]).toEqual([planned.pages, planned.apdus]);
    expect(wireCharacters / planned.characters).toBeGreaterThan(0.97);
    expect(wireCharacters / planned.characters).toBeLessThan(1.03);
    expect(bench.card.elapsedMicros / 1000 / planned.ms).toBeGreaterThan(0.97);
    expect(bench.card.elapsedMicros / 1000 / planned.ms).toBeLessThan(1.03);
  });

  test("a proof with another record's data fails", async () => {
    const other = prepare(
      office,
      { ...record, fields: { ...record.fields, premises: ["HQ"] } },
      { order: "OF-26-1" },
    );
    expect(await new Bench(contentBefore("end")).run(other.proof)).toMatchObject({
      kind: "rejected",
      code: "proof-wrong",
    });
  });
});

describe("bad cards are found by the program that looks for them", () => {
  test.each<[string, Station, Fault, string]>([
    ["a fault in the RAM", "test", { kind: "ram-fault" }, "ram-fault"],
    ["a fault in the ROM", "test", { kind: "rom-fault" }, "rom-fault"],
    ["a weak page", "test", { kind: "weak-page", page: 300 }, "eeprom-fault"],
    ["a wrong loader key", "completion", { kind: "wrong-loader-key" }, "card-cryptogram"],
    ["a response MAC spoilt", "personalization", { kind: "bad-mac", nth: 3 }, "response-mac"],
    ["a card that says it wrote records", "proof", { kind: "lying", ins: 0xdc }, "proof-wrong"],
    ["a card that says it wrote the holder", "proof", { kind: "lying", ins: 0xd6 }, "wrong-answer"],
    ["a card that says it took its keys", "personalization", { kind: "lying", ins: 0xd8 }, "wrong-answer"],
    ["a card that falls silent for good", "initialisation", { kind: "dies-at", ins: 0xd6, nth: 1 }, "mute"],
  ])("%s", async (_, station, fault, code) => {
    const from = station === "proof" ? "personalization" : station;
    const bench = new Bench(contentBefore(from), [fault]);
    let end: RunEnd | undefined;
    for (const [name, program] of stations.slice(stations.findIndex(([one]) => one === from))) {
      end = await bench.run(program);
      if (name === station || end.kind !== "passed") break;
    }
    expect(end).toMatchObject({ kind: "rejected", code });
  });

  test("a wrong loader key costs no try", async () => {
    const bench = new Bench(contentBefore("completion"), [{ kind: "wrong-loader-key" }]);
    await bench.run(office.completion);
    expect(pairAt(bench.store.load(), 0x0040)[16]).toBe(3);
  });

  test("keys of another set: found by the card's cryptogram, no try lost", async () => {
    const wrong = personalization.segments.map((segment) =>
      segment.channel !== "plain" && segment.channel.protocol === "scp03"
        ? { ...segment, channel: { ...segment.channel, keys: "issuer-2026" as typeof segment.channel.keys } }
        : segment,
    );
    const bench = new Bench(contentBefore("personalization"));
    expect(await bench.run({ ...personalization, segments: wrong })).toMatchObject({
      code: "card-cryptogram",
    });
    expect(pairAt(bench.store.load(), 0x01c0)[0]).toBe(10);
  });
});
