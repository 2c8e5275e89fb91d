import { describe, expect, test } from "vitest";
import { complete, fresh, image12, loaderKey, on, powered, say } from "../../tools/bench.js";
import { hex } from "../bytes/index.js";
import { type Fault, fabricate, memoryStore } from "./index.js";
import { Clock } from "./clock.js";
import { FaultPlan } from "./faults.js";
import { PowerLost } from "./chip.js";
import { Memory } from "./memory.js";

const torn = (write: number): Fault => ({ kind: "torn-at", write });

describe("power lost in the middle of a page write", () => {
  const { card: whole } = fresh();
  powered(whole);
  complete(whole, image12);
  const writes = whole.counters.pagesWritten;

  test("completion takes the page writes the specification names", () => {
    // AUTHENTICATE 2, LOAD BLOCK 3 (142 bytes from a page's start), LOAD KEYS 2, ACTIVATE 2.
    expect(writes).toBe(2 + 3 + 2 + 2);
    powered(whole);
    expect(whole.counters.pagesWritten).toBe(writes + 1);
    powered(whole);
    expect(whole.counters.pagesWritten).toBe(writes + 1);
  });

  test("at every write of a completion: silent, then whole again after power", () => {
    for (let write = 1; write <= writes; write++) {
      const { store, card } = fresh(torn(write));
      powered(card);
      expect(`${write}: ${complete(card, image12)}`).toBe(`${write}: mute`);
      expect(say(card, "80CA00CF00")).toBe("mute");
      expect(card.warmReset()).toBeUndefined();
      // The last write erases the loader key: by then the phase was written.
      const completed = write === writes;
      expect(powered(card)).toMatch(completed ? /^3B9C/ : /^3B98/);
      const again = completed ? "9000" : complete(card, image12);
      expect(again).toBe("9000");
      expect(powered(card)).toMatch(/^3B9C/);
      expect(isErased(store.load().subarray(0x40, 0xc0))).toBe(true);
      const resting = on(store);
      powered(resting);
      expect(resting.counters.pagesWritten).toBe(0);
    }
  });

  test("the erasing of the loader key, torn at the reset itself, is done at the next", () => {
    const { store, card } = fresh(torn(writes + 1));
    powered(card);
    expect(complete(card, image12)).toBe("9000");
    expect(powered(card)).toBe("mute");
    expect(hex(store.load())).not.toContain(hex(loaderKey));
    expect(powered(card)).toMatch(/^3B9C/);
    expect(isErased(store.load().subarray(0x40, 0xc0))).toBe(true);
  });

  test("a try that was counted down stays lost when the power goes before the answer", () => {
    // First write: counter down. Second: counter full again.
    const { store, card } = fresh(torn(2));
    powered(card);
    expect(complete(card, image12)).toBe("mute");
    const again = on(store);
    powered(again);
    expect(say(again, "80CADF0100")).toBe("DF010B01010000000202004000009000");
  });
});

const isErased = (bytes: Uint8Array): boolean => bytes.every((byte) => byte === 0xff);

describe("page pairs", () => {
  const content = (n: number): Uint8Array => Uint8Array.from({ length: 54 }, (_, i) => (n * 7 + i) & 0xff);

  function memory(store: ReturnType<typeof memoryStore>, ...faults: Fault[]): Memory {
    const plan = new FaultPlan(faults);
    const made = new Memory(store, new Clock(1), plan);
    made.powerUp();
    return made;
  }

  const blank = () =>
    memoryStore(fabricate({ chipNumber: new Uint8Array(10), loaderKey: new Uint8Array(16) }));

  test("hold the old or the new content after a tear at any write", () => {
    for (let write = 1; write <= 6; write++) {
      const store = blank();
      const torned = memory(store, torn(write));
      let last: Uint8Array | undefined;
      expect(() => {
        for (let n = 1; n <= 6; n++) {
          torned.writePair(0x1c0, content(n));
          last = content(n);
        }
      }).toThrow(PowerLost);
      expect(memory(store).readPair(0x1c0)).toEqual(last);
    }
  });

  test("take one page write a change and share the wear", () => {
    const store = blank();
    const clock = new Clock(1);
    const pair = new Memory(store, clock, new FaultPlan([]));
    pair.powerUp();
    for (let n = 0; n < 100; n++) pair.writePair(0x1c0, content(n));
    expect(clock.pagesWritten).toBe(100);
    expect([pair.wear(7), pair.wear(8)]).toEqual([50, 50]);
    expect(() => pair.writePair(0x1c0, new Uint8Array(55))).toThrow(/54 bytes/);
  });
});
