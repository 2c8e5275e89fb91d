import { describe, expect, test } from "vitest";
import { complete, fresh, image12, initialize, on, open, powered, say } from "../../tools/bench.js";
import { unhex } from "../bytes/index.js";
import { FaultPlan } from "./faults.js";
import { Clock } from "./clock.js";
import { Memory } from "./memory.js";

const romChecksum = "8014000004";
const number = "80CA00CF00";
const goodAtr = "3B98968131FE45806650534C520100FF";
const testPage20 = "801801000400140001";

describe("planted faults show", () => {
  test("dead: no ATR, ever", () => {
    const { card } = fresh({ kind: "dead" });
    expect([powered(card), powered(card), say(card, number)]).toEqual(["mute", "mute", "mute"]);
    expect(card.warmReset()).toBeUndefined();
    expect(card.counters.pagesWritten).toBe(0);
  });

  test("bad seat: mended by seating again", () => {
    const { card } = fresh({ kind: "bad-seat", times: 2 });
    expect([powered(card), powered(card), powered(card)]).toEqual(["mute", "mute", goodAtr]);
  });

  test("wrong ATR", () => {
    const { card } = fresh({ kind: "wrong-atr", atr: unhex("3B00") });
    expect(powered(card)).toBe("3B00");
    expect(say(card, number)).toMatch(/9000$/);
  });

  test("ROM and RAM", () => {
    const [good, rom, ram] = [fresh(), fresh({ kind: "rom-fault" }), fresh({ kind: "ram-fault" })].map(
      ({ card }) => {
        powered(card);
        return [say(card, romChecksum), say(card, "80120000")];
      },
    );
    expect(rom?.[0]).toMatch(/9000$/);
    expect(rom?.[0]).not.toBe(good?.[0]);
    expect([good?.[1], rom?.[1], ram?.[1]]).toEqual(["9000", "9000", "6581"]);
    expect(ram?.[0]).toBe(good?.[0]);
  });

  test("a weak page, with either pulse and either pattern, and no other page", () => {
    const { card } = fresh({ kind: "weak-page", page: 20 });
    powered(card);
    for (const [p1p2, first, answer] of [
      ["0100", "0014", "6581"],
      ["0200", "0014", "6581"],
      ["0101", "0014", "6581"],
      ["0201", "0014", "6581"],
      ["0100", "0013", "9000"],
      ["0100", "0015", "9000"],
    ] as const)
      expect(say(card, `8018${p1p2}04${first}0001`)).toBe(answer);
  });

  test("a weak page below a block, a key set or the phase: 6581, and the card is not completed", () => {
    // Of the pairs, completion writes both pages of the loader's, the second of the phase's, the first of the key set's.
    for (const page of [1, 2, 4, 5, 10, 11, 12]) {
      const { store, card } = fresh({ kind: "weak-page", page });
      powered(card);
      expect(`${page}: ${complete(card, image12)}`).toBe(`${page}: 6581`);
      expect(powered(on(store))).toBe(goodAtr);
    }
  });

  test("mute at the nth command of a kind, until powered again", () => {
    const { card } = fresh({ kind: "mute-at", ins: 0xca, nth: 2 });
    powered(card);
    expect(say(card, number)).toMatch(/9000$/);
    expect([say(card, number), say(card, romChecksum)]).toEqual(["mute", "mute"]);
    expect(card.warmReset()).toBeUndefined();
    expect(powered(card)).toBe(goodAtr);
    expect(say(card, number)).toMatch(/9000$/);
  });

  test("dead from the nth command of a kind on, for ever", () => {
    const { card } = fresh({ kind: "dies-at", ins: 0x14, nth: 2 });
    powered(card);
    expect(say(card, romChecksum)).toMatch(/9000$/);
    expect([say(card, romChecksum), powered(card), say(card, number)]).toEqual(["mute", "mute", "mute"]);
  });

  test("slow: all its work, none of its characters", () => {
    const [plain, slow] = [fresh(), fresh({ kind: "slow", factor: 3 })].map(({ card }) => {
      powered(card);
      const begin = card.elapsedMicros;
      say(card, number);
      const wire = card.elapsedMicros - begin;
      say(card, testPage20);
      return { wire, rest: card.elapsedMicros - begin - wire };
    });
    expect(slow?.wire).toBe(plain?.wire);
    expect((slow?.rest ?? 0) - (plain?.rest ?? 0)).toBeCloseTo(2 * 3500, 6);
  });

  test("lying: 9000, and nothing done", () => {
    const { store, card } = fresh({ kind: "lying", ins: 0xd8 });
    powered(card);
    expect(complete(card, image12)).toBe("6985");
    expect(
      store
        .load()
        .subarray(0x140, 0x1c0)
        .every((byte) => byte === 0xff),
    ).toBe(true);
  });

  test("over-long: more than was asked", () => {
    const { card } = fresh({ kind: "over-long", ins: 0x14 });
    powered(card);
    expect(say(card, romChecksum)).toMatch(/^[0-9A-F]{8}E{8}9000$/);
  });

  test("wrong loader key: the card's proof is wrong, and no try is lost by finding out", () => {
    const { card } = fresh({ kind: "wrong-loader-key" });
    powered(card);
    expect(open(card).sw).toBe("refused");
    expect(say(card, initialize)).toMatch(/9000$/);
    expect(say(card, "80CADF0100")).toBe("DF010B01010000000302004000009000");
  });

  test("flips back: right when written, wrong after the power cycle, only when written", () => {
    const { card } = fresh({ kind: "flips-back", page: 20 });
    powered(card);
    const sum = (): string => say(card, "80160000040014000104");
    const erased = sum();
    powered(card);
    expect(sum()).toBe(erased);
    expect(say(card, testPage20)).toBe("9000");
    const written = sum();
    card.warmReset();
    expect(sum()).toBe(written);
    card.powerOff();
    powered(card);
    const flipped = sum();
    expect(flipped).not.toBe(written);
    powered(card);
    expect(sum()).toBe(flipped);
  });

  test("the nth response MAC is spoiled, and only that one", () => {
    const plan = new FaultPlan([{ kind: "bad-mac", nth: 2 }]);
    expect([plan.spoilsMac(), plan.spoilsMac(), plan.spoilsMac()]).toEqual([false, true, false]);
  });
});

describe("misuse by the host's own code is an exception, not an answer", () => {
  test("commands without power, silicon of another kind", () => {
    const { card, store } = fresh();
    expect(() => say(card, number)).toThrow(/no power/);
    expect(() => card.warmReset()).toThrow(/no power/);
    powered(card);
    card.powerOff();
    expect(() => say(card, number)).toThrow(/no power/);
    expect(() => on({ ...store, pageSize: 32 })).toThrow(/64 bytes/);
    expect(() => new Memory({ ...store, pages: 3 }, new Clock(1), new FaultPlan([])).powerUp()).toThrow(
      /3 pages/,
    );
  });

  test("silicon that the fab never initialised stays mute", () => {
    const { store } = fresh();
    const empty = { ...store, load: () => store.load().fill(0xff) };
    expect(powered(on(empty))).toBe("mute");
    const scratched = { ...store, load: () => store.load().with(3, 0x77) };
    expect(powered(on(scratched))).toBe("mute");
  });
});
