import { describe, expect, test } from "vitest";
import { vectorsOf } from "../../node/testing.js";
import { atrs, echoCard, echoCases } from "../../tools/contacts-bench.js";
import { complete, fresh, image12, on, powered } from "../../tools/bench.js";
import { minTransmissionSeconds, parseAtr } from "../atr/index.js";
import { hex, unhex } from "../bytes/index.js";
import { ContactedCard } from "../virtual/index.js";
import { judgePps, ppsRequest, Terminal, transmissionOf } from "./index.js";

describe("PPS", () => {
  test.each([
    [{ protocol: 1, ta1: 0x94 }, "FF11947A"],
    [{ protocol: 0, ta1: 0x96 }, "FF109679"],
    [{ protocol: 1 }, "FF01FE"],
  ] as const)("%o is %s, and its echo is a success", (asked, text) => {
    expect(hex(ppsRequest(asked))).toBe(text);
    expect(judgePps(asked, unhex(text))).toEqual(asked);
  });

  test("PPS1 left out: 372/1 stays", () => {
    expect(judgePps({ protocol: 1, ta1: 0x94 }, unhex("FF01FE"))).toEqual({ protocol: 1 });
  });

  test.each([
    ["another PPS1", "FF119678"],
    ["another protocol", "FF10947B"],
    ["a wrong PCK", "FF119400"],
    ["longer than the request", "FF3194005A"],
    ["not a PPS at all", "3B0038"],
    ["nothing", ""],
  ])("%s is refused", (_name, text) => {
    expect(() => judgePps({ protocol: 1, ta1: 0x94 }, unhex(text))).toThrow(
      expect.objectContaining({ code: "pps" }),
    );
  });
});

interface TimingVector {
  readonly id: string;
  readonly clock_hz: number;
  readonly BWT_ms?: number;
  readonly CWT_etu?: number;
  readonly WT_ms?: number;
}

describe("waiting times", () => {
  const defaults = (text: string) => parseAtr(unhex(text));
  test.each(vectorsOf<TimingVector>("timing").filter(({ id }) => !id.startsWith("timing-")))(
    "$id",
    ({ clock_hz: hertz, BWT_ms: bwt, CWT_etu: cwt, WT_ms: wt }) => {
      expect(bwt ?? wt).toBeDefined();
      const t1 = transmissionOf(defaults("3B800181"), 1, 0x11);
      const t0 = transmissionOf(defaults("3B00"), 0, 0x11);
      expect((t1.bwt / hertz) * 1000).toBeCloseTo(bwt ?? (t1.bwt / hertz) * 1000, 2);
      expect(t1.cwt / t1.etu).toBe(cwt ?? t1.cwt / t1.etu);
      expect((t0.wt / hertz) * 1000).toBeCloseTo(wt ?? (t0.wt / hertz) * 1000, 3);
    },
  );

  test("guard time: N in units of F/D, of Fi/Di where T=15 is there, 255 the shortest", () => {
    expect(transmissionOf(parseAtr(unhex("3B509605")), 0, 0x96).guard).toBe((12 + 5) * 16);
    // T=15 and no PPS: 12 etu of 372, and five units of 512/32.
    expect(transmissionOf(parseAtr(unhex("3BD09605801F47")), 0, 0x11).guard).toBe(12 * 372 + 5 * 16);
    expect(transmissionOf(parseAtr(atrs.shortGuard), 1, 0x96)).toMatchObject({
      guard: 11 * 16,
      turn: 22 * 16,
    });
  });

  test.each([
    ["reserved codes", "3B00", 0, 0x1f, "reserved"],
    ["a protocol that is not offered", "3B00", 1, 0x11, "T=1 is not offered"],
    ["BWI 10", "3B90968121A5", 1, 0x11, "BWI 10"],
  ] as const)("%s are refused", (_name, text, protocol, ta1, why) => {
    expect(() => transmissionOf(parseAtr(unhex(text)), protocol, ta1)).toThrow(why);
  });
});

describe("the time of characters", () => {
  test("T=1: each exchange takes what the card's own clock counts, block for block", () => {
    const { store, card: made } = fresh();
    powered(made);
    complete(made, image12);
    const card = on(store);
    const line = new ContactedCard(card);
    const reset = new Terminal(line).cold();
    if (reset.kind !== "ready") throw new Error(reset.kind);
    for (const text of [
      "00A4040008A000000151000000",
      "80CA00CF00",
      "80CADF0100",
      "00B0000000",
      "8050000008010203040506070800",
      "00200081",
    ]) {
      const [before, began] = [card.elapsedMicros, Math.max(line.now, line.lastEdge + 22 * 16)];
      reset.conversation.transmit(unhex(text));
      // From the first leading edge to the end of the last character.
      const periods = line.lastEdge + 12 * 16 - began;
      expect((periods / line.clockHz) * 1e6).toBeCloseTo(card.elapsedMicros - before, 6);
    }
    expect(line.violations).toEqual([]);
  });

  test("a reset takes the card's own count, and the clock periods before ATR and PPS", () => {
    const { store } = fresh();
    const card = on(store);
    const line = new ContactedCard(card);
    const terminal = new Terminal(line);
    terminal.off();
    const began = line.now;
    terminal.cold();
    const micros = ((line.lastEdge + 12 * 16 - began) / line.clockHz) * 1e6;
    // Before the first character: 10 ms of rest, 400 clock periods of RST at L, 1000 until this card begins its ATR.
    expect(micros - 10_000 - (400 + 1000) / 5).toBeCloseTo(card.elapsedMicros, 6);
  });

  test.each([
    [1, 0],
    [240, 0],
    [0, 256],
    [16, 100],
  ])("T=0: %i bytes there and %i back are never faster than characters can pass", (nc, ne) => {
    const card = echoCard(atrs.t0, ne);
    const line = new ContactedCard(card, { habits: { cases: echoCases } });
    const reset = new Terminal(line).cold();
    if (reset.kind !== "ready") throw new Error(reset.kind);
    const ins = 0x10 | (nc > 0 ? 1 : 0) | (ne > 0 ? 2 : 0);
    const data = nc > 0 ? [nc, ...new Uint8Array(nc)] : [];
    const began = Math.max(line.now, line.lastEdge + 16 * 16);
    reset.conversation.transmit(Uint8Array.of(0, ins, 0, 0, ...data, ...(ne > 0 ? [0] : [])));
    const seconds = (line.lastEdge + 12 * 16 - began) / line.clockHz;
    const least = minTransmissionSeconds({ protocol: 0, clockHz: line.clockHz, f: 512, d: 32 }, { nc, ne });
    expect(seconds).toBeGreaterThanOrEqual(least - 1e-9);
    expect(seconds).toBeLessThan(least * 1.25 + 100e-6);
  });
});
