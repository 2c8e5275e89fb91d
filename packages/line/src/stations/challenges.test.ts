import type { StatusWord } from "@persoline/card/apdu";
import { concat, unhex } from "@persoline/card/bytes";
import type { CardChannel, Serial } from "@persoline/card/program";
import { describe, expect, test } from "vitest";
import { Challenges } from "./challenges.js";

const first = "504C0000000000000001" as Serial;
const second = "504C0000000000000002" as Serial;
const random = (n: number, length: number) =>
  Uint8Array.from({ length }, (_, at) => (n * 151 + at * at * 29 + 77 * (at % 3)) & 0xff);

/** INITIALIZE UPDATE's answer in SCP03, S8, i = 70. */
const update = (challenge: Uint8Array) =>
  concat(new Uint8Array(10), unhex("010370"), challenge, new Uint8Array(8), new Uint8Array(3));

function session(memory: Challenges, serial: Serial) {
  let next: Uint8Array = new Uint8Array(0);
  const channel: CardChannel = {
    exchange: (commands) => Promise.resolve(commands.map(() => ({ data: next, sw: 0x9000 as StatusWord }))),
  };
  const { channel: watched, weakness } = memory.watch(channel, serial);
  const say = async (ins: number, data: Uint8Array, cla = 0x80) => {
    next = data;
    await watched.exchange([{ command: { cla, ins, p1: 0, p2: 0 }, sw: [] }]);
    return weakness();
  };
  return {
    open: async (data: Uint8Array) => {
      await say(0x50, data);
      return say(0x82, new Uint8Array(0));
    },
    initialize: (data: Uint8Array) => say(0x50, data),
    challenge: (data: Uint8Array) => say(0x84, data, 0x00),
  };
}

describe("challenges of cards", () => {
  test("new ones, session after session, are nobody's concern", async () => {
    const memory = new Challenges();
    for (let n = 0; n < 50; n++)
      expect(await session(memory, first).open(update(random(n, 8)))).toBeUndefined();
  });

  test.each([
    ["SCP03", update(random(1, 8))],
    ["SCP03, S16", concat(new Uint8Array(10), unhex("010371"), random(1, 16), new Uint8Array(19))],
    ["SCP02", concat(new Uint8Array(10), unhex("0102"), random(1, 8), new Uint8Array(8))],
    ["the loader", concat(new Uint8Array(10), random(1, 16), new Uint8Array(16))],
  ])("%s: the same one for two cards: the second is told from the first", async (_name, answer) => {
    const memory = new Challenges();
    expect(await session(memory, first).open(answer)).toBeUndefined();
    expect(await session(memory, second).open(answer)).toContain(first);
  });

  test.each([0xaa, 0x71])(
    "DESFire, INS %i: each is drawn anew, also for a proof that failed",
    async (ins) => {
      const memory = new Challenges();
      const answered = (serial: Serial, data: Uint8Array, sw: number) => {
        const channel: CardChannel = {
          exchange: (commands) => Promise.resolve(commands.map(() => ({ data, sw: sw as StatusWord }))),
        };
        const { channel: watched, weakness } = memory.watch(channel, serial);
        const command = { cla: 0x90, ins, p1: 0, p2: 0 };
        return watched.exchange([{ command, sw: [] }]).then(() => weakness());
      };
      expect(await answered(first, random(1, 16), 0x91af)).toBeUndefined();
      // A refusal carries none.
      expect(await answered(first, random(1, 16), 0x9140)).toBeUndefined();
      expect(await answered(first, random(2, 16), 0x91af)).toBeUndefined();
      expect(await answered(first, random(1, 16), 0x91af)).toContain("before");
      expect(await answered(second, random(2, 16), 0x91af)).toContain(first);
    },
  );

  test("the same one again after a session was opened with it", async () => {
    const memory = new Challenges();
    const answer = update(random(1, 8));
    expect(await session(memory, first).open(answer)).toBeUndefined();
    expect(await session(memory, first).open(answer)).toContain("before");
  });

  test("the same one again after a session that never came to be is what SCP03 asks for", async () => {
    const memory = new Challenges();
    const answer = update(random(1, 8));
    expect(await session(memory, first).initialize(answer)).toBeUndefined();
    expect(await session(memory, first).open(answer)).toBeUndefined();
  });

  test.each([
    ["all alike", new Uint8Array(8).fill(0x5a)],
    ["counting up", Uint8Array.from({ length: 8 }, (_, at) => 0xfc + at)],
    ["counting down in sevens", Uint8Array.from({ length: 16 }, (_, at) => 200 - 7 * at)],
  ])("%s: a pattern, at the first sight", async (_name, challenge) => {
    expect(await session(new Challenges(), first).challenge(challenge)).toContain("pattern");
  });

  test("GET CHALLENGE: a repetition on one card shows", async () => {
    const memory = new Challenges();
    expect(await session(memory, first).challenge(random(3, 16))).toBeUndefined();
    expect(await session(memory, first).challenge(random(3, 16))).toContain("before");
    expect(await session(memory, first).challenge(random(4, 4))).toBeUndefined();
    expect(await session(memory, first).challenge(random(4, 4))).toBeUndefined();
  });

  test("the memory is bounded: the oldest is forgotten", async () => {
    const memory = new Challenges();
    const many = session(memory, first);
    const numbered = (n: number) => concat(unhex("A7135B"), Uint8Array.of(n >> 16, n >> 8, n), unhex("0042"));
    for (let n = 0; n < 8_600; n++) await many.challenge(numbered(n));
    expect(memory.remembered).toBe(8_192);
    expect(await session(memory, first).challenge(numbered(0))).toBeUndefined();
    expect(await session(memory, first).challenge(numbered(8_599))).toContain("before");
  });
});
