import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { World } from "@persoline/card/program";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { ShopFloor } from "../shop-floor/floor.js";
import type { Place } from "../transport/port.js";
import { ask, atr, type Bench, inserted, readerContract, ScriptedCard } from "./contract.test.data.js";
import { simulatedReader } from "./simulated.js";

const place: Place = { at: "head", station: "test", head: 0 };
let root: string;
let slept: number;
let clock: number;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "persoline-reader-"));
  slept = 0;
  clock = 0;
});
afterEach(() => {
  rmSync(root, { recursive: true, force: true });
});

/** Time passes only by sleeping, and every sleep takes 1.5 ms too long. */
const sloppyWorld: World = {
  now: () => clock,
  sleep: (ms) => {
    slept++;
    clock += ms + 1.5;
    return Promise.resolve();
  },
  random: (length) => new Uint8Array(length),
  outside: (_ms, answer) => answer,
};

function simulated(cardAtr: Uint8Array | undefined, timing: "ideal" | "timed" = "ideal"): Bench {
  const card = new ScriptedCard(cardAtr);
  const floor = new ShopFloor(root, { fabricate: () => new Uint8Array(32 * 1024), power: () => card });
  floor.makeLot({ lot: "L", count: 1, seed: 1, faults: [], flaws: [] });
  floor.feed(place);
  const reader = simulatedReader({ name: "reader 1", place, floor, world: sloppyWorld, timing });
  return {
    reader,
    card,
    clear: () => {
      floor.move(place, { at: "reject" });
    },
  };
}

readerContract("simulated", simulated, "simulated");

describe("the simulated reader's time", () => {
  test("ideal: it never waits for the card", async () => {
    const { reader } = simulated(atr, "ideal");
    const channel = await inserted(reader);
    await channel.exchange([ask(0xca, 256), ask(0xca, 256)]);
    expect(slept).toBe(0);
  });

  test("timed: many messages together take the card's own time, though every wait is sloppy", async () => {
    const { reader, card } = simulated(atr, "timed");
    const channel = await inserted(reader);
    for (let at = 0; at < 100; at++) await channel.exchange([ask(0xca, 256)]);
    const ms = card.elapsedMicros / 1000;
    expect(ms).toBe(440);
    expect(Math.abs(clock - ms)).toBeLessThan(3);
  });

  test("timed: lifting and lowering the contacts takes time too", async () => {
    const { reader } = simulated(atr, "timed");
    await reader.reseat();
    expect(clock).toBeGreaterThanOrEqual(300);
  });
});
