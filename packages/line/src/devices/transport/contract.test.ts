import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { World } from "@persoline/card/program";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { DeviceFault } from "../problem.js";
import { ShopFloor } from "../shop-floor/floor.js";
import type { BinSizes, Place, Transport } from "./port.js";
import { simulatedCarousel } from "./simulated.js";

let root: string;
let clock: number;
let floor: ShopFloor;
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
function carousel(blanks: number, jams: readonly number[] = [], bins: BinSizes = {}): Transport {
  floor = new ShopFloor(root, {
    fabricate: () => new Uint8Array(32 * 1024),
    power: () => {
      throw new Error("nobody powers a card here");
    },
  });
  floor.makeLot({ lot: "L", count: blanks, seed: 1, faults: [], flaws: [] });
  return simulatedCarousel({ floor, world, moveMs: 250, jams, bins });
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

  test("feeds no blank unless each bin has room for all bodies in the machine, and says which to empty", async () => {
    const transport = carousel(6, [], { reject: 3 });
    await transport.feed(head(0));
    await transport.move(head(0), { at: "reject" });
    await transport.feed(head(0));
    await transport.feed(head(1));
    // One of three lies in the bin and two may follow: a third would find no room.
    await expect(transport.feed(head(2))).rejects.toMatchObject({ code: "bin-full" });
    await expect(transport.feed(head(2))).rejects.toThrow(
      /reject bin holds 1 of 3 bodies, and 2 bodies are in the machine: empty it, enter "persoline stock empty reject"/,
    );
    expect(await transport.occupied()).toHaveLength(2);
    await transport.move(head(0), { at: "reject" });
    await transport.move(head(1), { at: "reject" });
    await expect(transport.feed(head(0))).rejects.toThrow(/holds 3 of 3 bodies: empty it/);
    expect(floor.empty("reject")).toBe(3);
    expect(await transport.feed(head(0))).toEqual({ label: "L-000004" });
    // What was taken out is still known: the accounts are compared with it.
    expect(floor.census().filter(({ place }) => place.at === "reject")).toHaveLength(3);
    expect(
      new ShopFloor(root, { fabricate: () => new Uint8Array(), power: () => ({}) as never }).fill("reject"),
    ).toBe(0);
  });

  test("speaks of one body as of one", async () => {
    const transport = carousel(3, [], { hold: 1 });
    await transport.feed(head(0));
    await expect(transport.feed(head(1))).rejects.toThrow(
      /hold bin holds 0 of 1 bodies, and 1 body is in the machine: empty it/,
    );
  });

  test.each(["reject", "hold", "good"] as const)("lets nothing fall beside a full %s bin", async (bin) => {
    const to: Place = bin === "good" ? { at: "good", order: "A-1", slot: 9 } : { at: bin };
    const first: Place = bin === "good" ? { at: "good", order: "A-1", slot: 8 } : { at: bin };
    const before = carousel(3);
    for (const number of [0, 1]) await before.feed(head(number));
    await before.move(head(0), first);
    const transport = simulatedCarousel({ floor, world, moveMs: 0, bins: { [bin]: 1 } });
    await expect(transport.move(head(1), to)).rejects.toMatchObject({ code: "bin-full" });
    expect(await transport.occupied()).toEqual([{ place: head(1), label: "L-000002" }]);
    floor.empty(bin);
    await transport.move(head(1), to);
    expect(await transport.occupied()).toEqual([]);
  });
});
