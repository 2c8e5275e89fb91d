import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CardMute, type World } from "@persoline/card/program";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { DeviceFault } from "../problem.js";
import { ShopFloor } from "../shop-floor/floor.js";
import type { Place } from "../transport/port.js";
import type { ContactsOptions } from "./contacts.js";
import { ask, atr, type Bench, inserted, readerContract, ScriptedCard } from "./contract.test.data.js";
import { deadlineMs, withDeadlines } from "./deadline.js";
import type { Reader } from "./port.js";
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

function simulated(
  cardAtr: Uint8Array | undefined,
  timing: "ideal" | "timed" = "ideal",
  contacts?: ContactsOptions,
): Bench {
  const card = new ScriptedCard(cardAtr);
  const floor = new ShopFloor(root, { fabricate: () => new Uint8Array(32 * 1024), power: () => card });
  floor.makeLot({ lot: "L", count: 1, seed: 1, faults: [], flaws: [] });
  floor.feed(place);
  const reader = simulatedReader({
    name: "reader 1",
    place,
    floor,
    world: sloppyWorld,
    timing,
    ...(contacts === undefined ? {} : { contacts }),
  });
  return {
    reader,
    card,
    clear: () => {
      floor.move(place, { at: "reject" });
    },
  };
}

function withDeadline(cardAtr: Uint8Array | undefined): Bench {
  const bench = simulated(cardAtr);
  return { ...bench, reader: withDeadlines(bench.reader) };
}

/** The same card under an answer to reset that offers T=1. */
function contacted(cardAtr: Uint8Array | undefined): Bench {
  return simulated(cardAtr, "ideal", { protocol: 1 });
}

readerContract("simulated", simulated, "simulated");
readerContract("simulated, with deadlines", withDeadline, "simulated");
readerContract("simulated, T=1 character by character", contacted, "simulated");

describe("deadlines", () => {
  const never = new Promise<never>(() => undefined);
  const hanging = (what: "insert" | "exchange" | "reseat" | "remove"): Reader => ({
    name: "reader 9",
    kind: "real",
    insert: () =>
      what === "insert"
        ? never
        : Promise.resolve({
            atr,
            findings: [],
            channel: { exchange: () => (what === "exchange" ? never : Promise.resolve([])) },
          }),
    reseat: () => (what === "reseat" ? never : Promise.resolve()),
    remove: () => (what === "remove" ? never : Promise.resolve()),
  });
  // A thousandth of the usual: 21 ms for a usual command, 30 ms for the reader.
  const short = 0.001;

  test("a card that never answers is silent, and its channel is dead until the next reset", async () => {
    const reader = withDeadlines(hanging("exchange"), short);
    const channel = await inserted(reader);
    await expect(channel.exchange([ask(0xca)])).rejects.toThrow(CardMute);
    await expect(channel.exchange([ask(0xca)])).rejects.toThrow(DeviceFault);
    const again = await inserted(withDeadlines(hanging("remove"), short));
    expect(await again.exchange([ask(0xca)])).toEqual([]);
  });

  test("a reader that hangs by itself is the machine's fault; taking the power away never throws", async () => {
    await expect(withDeadlines(hanging("insert"), short).insert()).rejects.toMatchObject({ code: "timeout" });
    await expect(withDeadlines(hanging("reseat"), short).reseat()).rejects.toMatchObject({ code: "timeout" });
    expect(await withDeadlines(hanging("remove"), short).remove()).toBeUndefined();
  });

  test("what fails before its deadline fails as it did", async () => {
    const broken: Reader = { ...hanging("remove"), insert: () => Promise.reject(new Error("no power")) };
    await expect(withDeadlines(broken, short).insert()).rejects.toThrow("no power");
  });

  test("key generation may take longer than anything else", () => {
    expect(deadlineMs({ ins: 0x46 })).toBeGreaterThan(deadlineMs({ ins: 0xe6 }));
    expect(deadlineMs({ ins: 0xe6 })).toBeGreaterThan(deadlineMs({ ins: 0xb0 }));
  });

  test("a card whose own clock runs on is silent at its deadline, and nobody waits longer", async () => {
    const { reader, card } = simulated(atr, "timed");
    const channel = await inserted(reader);
    const plain = card.transmit.bind(card);
    card.transmit = (apdu) => {
      card.elapsedMicros += 3_600_000_000;
      return plain(apdu);
    };
    const began = clock;
    await expect(channel.exchange([ask(0xca, 256)])).rejects.toThrow("deadline");
    expect(clock - began).toBeLessThan(deadlineMs({ ins: 0xca }) + 100);
  });
});

describe("an answer in pieces", () => {
  test("whose card's clock runs on is silent once the whole has taken too long, and nobody waits longer", async () => {
    const { reader, card } = simulated(atr, "timed");
    const channel = await inserted(reader);
    const plain = card.transmit.bind(card);
    card.transmit = (apdu) => {
      card.elapsedMicros += 7_000_000;
      return plain(apdu);
    };
    const began = clock;
    await expect(channel.exchange([ask(0xb2, 256)])).rejects.toThrow("not whole within 40 s");
    expect(clock - began).toBeLessThan(40_100);
    expect(card.got).toEqual([0xb2, 0xc0, 0xc0, 0xc0, 0xc0, 0xc0]);
  });
});

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
