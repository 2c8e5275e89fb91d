import { createHash } from "node:crypto";
import { describe, expect, test } from "vitest";
import { digest } from "./digest.js";
import { costs, estimate } from "./estimate.js";
import { explain, explanationText } from "./explain.js";
import { blankTiming, completedTiming, exchangeWire, powerUpWire } from "./timing.js";
import type { KeyRef, SecureChannelSpec } from "./channel-spec.js";
import type { CardProgram, Step } from "./types.js";

const ok = [{ value: 0x9000, mask: 0xffff }];
const step = (more: Partial<Step> = {}): Step => ({
  cla: 0x00,
  ins: 0xd6,
  p1: 0x81,
  p2: 0x00,
  data: [new Uint8Array(20)],
  sw: ok,
  again: "session",
  changes: true,
  why: "write",
  clause: "ISO/IEC 7816-4",
  cost: { pages: 1 },
  ...more,
});
const scp03 = (level: 0x01 | 0x11 | 0x33): SecureChannelSpec => ({
  protocol: "scp03",
  keys: "issuer-2026" as KeyRef,
  kvn: 0x30,
  level,
});
const program = (channel: "plain" | SecureChannelSpec, ...steps: Step[]): CardProgram => ({
  name: "p",
  segments: [{ name: "s", channel, steps }],
});
const sha256 = (bytes: Uint8Array): Uint8Array => new Uint8Array(createHash("sha256").update(bytes).digest());

describe("estimate", () => {
  const bytesOf = (channel: "plain" | SecureChannelSpec, one: Step): number => {
    const item = costs(program(channel, one), completedTiming).at(-1);
    return (item?.characters ?? 0) - 8;
  };

  test.each<[string, "plain" | SecureChannelSpec, Partial<Step>, number]>([
    // Header, Lc, data, Le | answer, MAC, status word.
    ["plain write", "plain", {}, 5 + 20 + 2],
    ["plain read", "plain", { data: [], le: 10, answer: { value: new Uint8Array(10) } }, 5 + 10 + 2],
    ["C-MAC", scp03(0x01), {}, 5 + 20 + 8 + 2],
    ["C-MAC and R-MAC", scp03(0x11), {}, 5 + 20 + 8 + 8 + 2],
    ["all: padded to 32", scp03(0x33), {}, 5 + 32 + 8 + 8 + 2],
    ["16 bytes grow to 32", scp03(0x33), { data: [new Uint8Array(16)] }, 5 + 32 + 8 + 8 + 2],
    ["an answer of 10 grows to 16", scp03(0x33), { data: [], le: 10 }, 5 + 8 + 1 + 16 + 8 + 2],
    [
      "a key set",
      scp03(0x01),
      { data: [{ secret: "key-set", keys: "k" as KeyRef, kvn: 1 }] },
      5 + 70 + 8 + 2,
    ],
    [
      "loader keys",
      { protocol: "loader", keys: "l" as KeyRef },
      { data: [{ secret: "key-set", keys: "k" as KeyRef, kvn: 1 }] },
      5 + 57 + 8 + 2,
    ],
  ])("%s", (_, channel, more, bytes) => {
    expect(bytesOf(channel, step(more))).toBe(bytes);
  });

  test("AES blocks of a fully secured write: two MACs, encryption and its ICV", () => {
    const item = costs(program(scp03(0x33), step()), completedTiming).at(-1);
    const commandMac = Math.ceil((16 + 5 + 32) / 16) + 1;
    const answerMac = Math.ceil((16 + 2) / 16) + 1;
    expect(item?.cryptoMs).toBeCloseTo((commandMac + 2 + 1 + answerMac) * 0.01, 9);
  });

  test("pages cost their pulse, power-ups their ATR and PPS, own work its time", () => {
    const normal = estimate(program("plain", step()), blankTiming);
    const short = estimate(program("plain", step({ cost: { pages: 1, shortPulse: true } })), blankTiming);
    expect(normal.writeMs).toBe(3.5);
    expect(short.writeMs).toBe(0.35);
    const twice = estimate(program("plain", step()), blankTiming, { powerUps: 2 });
    expect(twice.ms - normal.ms).toBeCloseTo(powerUpWire(blankTiming).micros / 1000, 9);
    // 16 + 8 characters of 12 etu at 372/1 and 5 MHz, then IFSD both ways.
    const ifsd = exchangeWire(blankTiming, 1, 1);
    expect(powerUpWire(blankTiming).micros).toBeCloseTo(24 * 12 * 74.4 + ifsd.micros, 6);
    expect(estimate(program("plain", step({ cost: { pages: 0, micros: 500 } })), blankTiming).workMs).toBe(
      0.5,
    );
    expect(estimate({ ...program("plain", step()), resetPages: 1 }, blankTiming, { powerUps: 2 }).pages).toBe(
      2,
    );
  });
});

describe("explain", () => {
  const secrets = step({
    cla: 0x80,
    ins: 0xd8,
    p1: 0x00,
    p2: 0x01,
    data: [{ secret: "key", keys: "gate-2026" as KeyRef, kid: 1, kvn: 1 }],
    le: 256,
    answer: { value: Uint8Array.of(1, 0, 0, 0), mask: Uint8Array.of(0xff, 0, 0, 0) },
  });

  test("names secrets, shows bytes, and counts the opening of the session", () => {
    const told = explain(program(scp03(0x33), step(), secrets), completedTiming);
    expect(told.segments[0]?.commands.map(({ apdu }) => apdu)).toEqual([
      "80 50 30 00 08 ⟨host challenge, 8 bytes⟩ 00",
      "84 82 33 00 10 ⟨host cryptogram, 8 bytes⟩ ⟨C-MAC⟩",
      `00 D6 81 00 14${" 00".repeat(20)}`,
      "80 D8 00 01 18 ⟨key gate-2026 kid 01 as version 01⟩ 00",
    ]);
    expect(told.segments[0]?.commands.at(-1)?.expect).toBe("9000, 01 .. .. ..");
    expect(told.estimate.apdus).toBe(4);
    expect(JSON.parse(JSON.stringify(told))).toEqual(told);
  });

  test("the text says why, what is expected and how it is done again", () => {
    const asked = step({ again: "probe", probe: { ask: [step({ ins: 0xa4, why: "ask" })], absent: ok } });
    const text = explanationText(explain(program("plain", asked), completedTiming));
    expect(text).toContain("expects 9000; again: probe; 1 page, ");
    expect(text).toContain("after an interruption asks 00 A4 81 00");
    expect(text).toMatch(/^p: 1 command, \d+\.\d\d ms/);
  });

  test("a status word pattern shows what does not count", () => {
    const any = step({ sw: [{ value: 0x6300, mask: 0xff00 }] });
    expect(explain(program("plain", any), completedTiming).segments[0]?.commands[0]?.expect).toBe("63xx");
  });
});

describe("digest", () => {
  const base = program(scp03(0x33), step());
  const of = (one: CardProgram): string => digest(one, sha256);

  test("is the same for the same acts, however they are worded", () => {
    expect(of(program(scp03(0x33), step({ why: "other words", clause: "x", cost: { pages: 9 } })))).toBe(
      of(base),
    );
  });

  test.each<[string, CardProgram]>([
    ["a byte", program(scp03(0x33), step({ data: [new Uint8Array(20).fill(1)] }))],
    ["an expectation", program(scp03(0x33), step({ answer: { value: new Uint8Array(1) } }))],
    ["the rule of repetition", program(scp03(0x33), step({ again: "never" }))],
    ["a probe", program(scp03(0x33), step({ probe: { ask: [step()], absent: ok } }))],
    ["the level", program(scp03(0x11), step())],
    ["a key's name", program({ protocol: "loader", keys: "x" as KeyRef }, step())],
    ["one step more", program(scp03(0x33), step(), step())],
    ["the name", { ...base, name: "q" }],
    ["a question at the end", { ...base, segments: base.segments.map((s) => ({ ...s, done: [step()] })) }],
  ])("changes with %s", (_, other) => {
    expect(of(other)).not.toBe(of(base));
  });
});
