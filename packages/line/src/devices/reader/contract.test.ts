import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type CardChannel, CardMute, type Sent, type World } from "@persoline/card/program";
import type { VirtualCard } from "@persoline/card/virtual";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { DeviceFault } from "../problem.js";
import { ShopFloor } from "../shop-floor/floor.js";
import type { Place } from "../transport/port.js";
import type { ContactsOptions } from "./contacts.js";
import { deadlineMs, withDeadlines } from "./deadline.js";
import type { Reader } from "./port.js";
import { simulatedReader } from "./simulated.js";

/** A card that answers by INS, and shows what it got. */
class ScriptedCard implements VirtualCard {
  powered = false;
  endless = false;
  elapsedMicros = 0;
  readonly workMicros = 0;
  readonly got: number[] = [];
  readonly counters = { apdus: 0, pagesWritten: 0, wireCharacters: 0, aesBlocks: 0 };
  readonly #atr: Uint8Array | undefined;
  constructor(atr: Uint8Array | undefined) {
    this.#atr = atr;
  }
  powerOn(): Uint8Array | undefined {
    this.powered = true;
    this.elapsedMicros += 10_000;
    return this.#atr;
  }
  warmReset(): Uint8Array | undefined {
    return this.#atr;
  }
  powerOff(): void {
    this.powered = false;
  }
  transmit(apdu: Uint8Array): Uint8Array | undefined {
    if (!this.powered) throw new Error("no power");
    const ins = apdu[1] ?? 0;
    this.got.push(ins);
    this.elapsedMicros += 4_300;
    switch (ins) {
      case 0xca:
        return Uint8Array.of(1, 2, 3, 0x90, 0x00);
      case 0xb0:
        return (apdu[4] ?? 0) === 0 ? Uint8Array.of(0x6c, 0x05) : Uint8Array.of(1, 2, 3, 4, 5, 0x90, 0x00);
      case 0xa4:
        return Uint8Array.of(0x61, 0x02);
      case 0xc0:
        return this.endless ? Uint8Array.of(0xee, 0x61, 0x01) : Uint8Array.of(0x6f, 0x00, 0x90, 0x00);
      case 0xb2:
        this.endless = true;
        return Uint8Array.of(0xee, 0x61, 0x01);
      case 0x84:
        return new Uint8Array(300).fill(0x90);
      case 0x20:
        return Uint8Array.of(0x90);
      case 0xd6:
        return Uint8Array.of(0x6a, 0x82);
      case 0xe2:
        return Uint8Array.of(0x12, 0x34);
      default:
        return undefined;
    }
  }
}

const place: Place = { at: "head", station: "test", head: 0 };
const atr = Uint8Array.of(0x3b, 0x80, 0x01, 0x81);
const ok = [{ value: 0x9000, mask: 0xffff }];
const ask = (ins: number, le?: number): Sent => ({
  command: { cla: 0, ins, p1: 0, p2: 0, ...(le === undefined ? {} : { le }) },
  sw: ok,
});

interface Bench {
  readonly reader: Reader;
  readonly card: ScriptedCard;
  /** Takes the card from under the contacts. */
  readonly clear: () => void;
}

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

async function inserted(reader: Reader): Promise<CardChannel> {
  const reset = await reader.insert();
  if (reset === "mute") throw new Error("the card is mute");
  return reset.channel;
}

/** What every reader promises. A real one runs this with its own bench. */
describe.each([
  ["simulated", simulated],
  ["simulated, with deadlines", withDeadline],
  ["simulated, T=1 character by character", contacted],
])("reader contract: %s", (_name, bench) => {
  test("gives the ATR and says what it measured of the reset and what it did not", async () => {
    const { reader } = bench(atr);
    const reset = await reader.insert();
    expect(reset).toMatchObject({ atr });
    expect(reset === "mute" ? [] : reset.findings).toContainEqual({
      what: "contact currents",
      result: "simulated",
    });
    await reader.remove();
  });

  test("a silent card is a result", async () => {
    const { reader } = bench(undefined);
    expect(await reader.insert()).toBe("mute");
    await reader.reseat();
    expect(await reader.insert()).toBe("mute");
  });

  test("no card at all is the machine's fault", async () => {
    const { reader, clear } = bench(atr);
    clear();
    await expect(reader.insert()).rejects.toThrow(DeviceFault);
  });

  test("sends in order and stops after the first answer that was not expected", async () => {
    const { reader, card } = bench(atr);
    const channel = await inserted(reader);
    const answers = await channel.exchange([ask(0xca, 256), ask(0xd6), ask(0xca, 256)]);
    expect(answers.map(({ sw }) => sw)).toEqual([0x9000, 0x6a82]);
    expect(card.got).toEqual([0xca, 0xd6]);
  });

  test("follows 61xx and 6Cxx", async () => {
    const { reader, card } = bench(atr);
    const channel = await inserted(reader);
    const answers = await channel.exchange([ask(0xa4, 256), ask(0xb0, 256)]);
    expect(answers.map(({ data }) => [...data])).toEqual([
      [0x6f, 0x00],
      [1, 2, 3, 4, 5],
    ]);
    expect(card.got).toEqual([0xa4, 0xc0, 0xb0, 0xb0]);
  });

  test("a card that falls silent: the answers so far are not lost", async () => {
    const { reader } = bench(atr);
    const channel = await inserted(reader);
    const thrown = await channel.exchange([ask(0xca, 256), ask(0x10)]).catch((problem: unknown) => problem);
    expect(thrown).toBeInstanceOf(CardMute);
    expect(thrown instanceof CardMute ? thrown.answers : []).toHaveLength(1);
  });

  test.each([
    ["an answer that is far too long", 0x84, "more than 258 bytes"],
    ["an answer without status word", 0x20, "no status word"],
  ])("%s counts as silence and is bounded", async (_what, ins, text) => {
    const { reader } = bench(atr);
    const channel = await inserted(reader);
    await expect(channel.exchange([ask(0xca, 256), ask(ins, 256)])).rejects.toThrow(text);
  });

  test("an answer that never ends is cut off, with a status word nobody expects", async () => {
    const { reader, card } = bench(atr);
    const channel = await inserted(reader);
    const [answer] = await channel.exchange([ask(0xb2, 256)]);
    expect((answer?.sw ?? 0) >> 8).toBe(0x61);
    expect(card.got.length).toBeLessThan(300);
  });

  test("a status word that is none is handed on, to be refused by who expected another", async () => {
    const { reader } = bench(atr);
    const channel = await inserted(reader);
    expect((await channel.exchange([ask(0xe2)]))[0]?.sw).toBe(0x1234);
  });

  test("a channel is dead after a removal, a new reset or a re-seat", async () => {
    const { reader } = bench(atr);
    for (const end of [() => reader.remove(), () => reader.reseat(), () => reader.insert()]) {
      const channel = await inserted(reader);
      await end();
      await expect(channel.exchange([ask(0xca, 256)])).rejects.toThrow(DeviceFault);
    }
  });
});

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
