import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { World } from "@persoline/card/program";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { DeviceFault } from "../problem.js";
import { ShopFloor } from "../shop-floor/floor.js";
import type { Place, Transport } from "./port.js";
import { simulatedCarousel } from "./simulated.js";

let root: string;
let clock: number;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "persoline-transport-"));
  clock = 0;
});
afterEach(() => {
  rmSync(root, { recursive: true, force: true });
});

const world: World = {
  now: () => clock,
  sleep: (ms) => {
    clock += ms;
    return Promise.resolve();
  },
  random: (length) => new Uint8Array(length),
  outside: (_ms, answer) => answer,
};
const head = (number: number): Place => ({ at: "head", station: "a", head: number });

/** A transport with this many blanks. */
function carousel(blanks: number, jams: readonly number[] = []): Transport {
  const floor = new ShopFloor(root, {
    fabricate: () => new Uint8Array(32 * 1024),
    power: () => {
      throw new Error("nobody powers a card here");
    },
  });
  floor.makeLot({ lot: "L", count: blanks, seed: 1, faults: [], flaws: [] });
  return simulatedCarousel({ floor, world, moveMs: 250, jams });
}

describe.each([["simulated carousel", carousel]])("transport contract: %s", (_name, make) => {
  test("feeds what the hopper has, then says it is empty", async () => {
    const transport = make(2);
    expect(await transport.feed(head(0))).toEqual({ label: "L-000001" });
    expect(await transport.feed(head(1))).toEqual({ label: "L-000002" });
    expect(await transport.feed(head(2))).toBe("empty");
  });

  test("tells where bodies are, also to a line that has just started", async () => {
    const transport = make(3);
    await transport.feed(head(0));
    await transport.feed(head(1));
    await transport.move(head(1), { at: "queue", station: "b", slot: 0 });
    expect(await transport.occupied()).toEqual([
      { place: head(0), label: "L-000001" },
      { place: { at: "queue", station: "b", slot: 0 }, label: "L-000002" },
    ]);
    await transport.move(head(0), { at: "reject" });
    await transport.move({ at: "queue", station: "b", slot: 0 }, { at: "good", order: "A-1", slot: 1 });
    expect(await transport.occupied()).toEqual([]);
  });

  test("a move that cannot be is a jam, and nothing has moved", async () => {
    const transport = make(3);
    await transport.feed(head(0));
    await transport.feed(head(1));
    const before = await transport.occupied();
    await expect(transport.move(head(0), head(1))).rejects.toThrow(DeviceFault);
    await expect(transport.move(head(5), head(6))).rejects.toThrow(DeviceFault);
    await expect(transport.feed(head(1))).rejects.toThrow(DeviceFault);
    expect(await transport.occupied()).toEqual(before);
  });
});

describe("the simulated carousel", () => {
  test("takes its time for each move", async () => {
    const transport = carousel(1);
    await transport.feed(head(0));
    await transport.move(head(0), head(1));
    expect(clock).toBe(500);
  });

  test("jams where it was told to; the card lies where it was and the next try goes through", async () => {
    const transport = carousel(1, [2]);
    await transport.feed(head(0));
    await expect(transport.move(head(0), head(1))).rejects.toMatchObject({ code: "jam" });
    expect((await transport.occupied())[0]?.place).toEqual(head(0));
    await transport.move(head(0), head(1));
    expect((await transport.occupied())[0]?.place).toEqual(head(1));
  });
});
