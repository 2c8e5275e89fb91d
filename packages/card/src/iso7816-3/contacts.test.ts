/** Both ends of ISO/IEC 7816-3 against each other: they share bytes and nothing else. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { atrs, echoCard, echoCases, echoed } from "../../tools/contacts-bench.js";
import { CardProblem, concat, equal, hex, unhex } from "../bytes/index.js";
import { type CardHabits, ContactedCard, type LineErrors } from "../virtual/index.js";
import { type Conversation, type Powered, Terminal } from "./index.js";

/** mulberry32. */
function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 0x1_0000_0000;
  };
}

interface Bench {
  readonly atr?: Uint8Array;
  readonly protocol?: 0 | 1;
  readonly errors?: Omit<LineErrors, "chance"> & { readonly seed: number };
  readonly habits?: CardHabits;
  readonly longest?: number;
  readonly apduSeconds?: number;
}

function bench({ atr = atrs.t1, protocol, errors, habits, longest, apduSeconds }: Bench = {}) {
  const card = echoCard(atr, longest);
  const line = new ContactedCard(card, {
    habits: { cases: echoCases, ...habits },
    ...(errors === undefined ? {} : { errors: { ...errors, chance: seeded(errors.seed) } }),
  });
  const terminal = new Terminal(line, {
    ...(protocol === undefined ? {} : { protocol }),
    ...(apduSeconds === undefined ? {} : { apduSeconds }),
  });
  return { card, line, terminal };
}

const ready = (terminal: Terminal): Conversation => spoken(terminal.cold());

function spoken(powered: Powered): Conversation {
  if (powered.kind !== "ready") throw new Error(`the card is ${powered.kind}`);
  return powered.conversation;
}

/** On a bad line a reader tries again, as long as no command has been sent. */
function readyAtLast(terminal: Terminal): Conversation {
  for (let again = 0; ; again++) {
    try {
      const powered = terminal.cold();
      if (powered.kind === "ready") return powered.conversation;
      if (again > 4) throw new CardProblem("line-silent", "reset", powered.kind);
    } catch (thrown) {
      if (!(thrown instanceof CardProblem) || again > 4) throw thrown;
    }
  }
}

const short = fc.tuple(
  fc.constantFrom(0x10, 0x11, 0x12, 0x13, 0x1d),
  fc.uint8Array({ minLength: 1, maxLength: 255 }),
  fc.integer({ min: 1, max: 256 }),
);
/** An APDU of any case; case 4 asks for all there is, for T=0 does not carry Le there. */
const apdus = short.map(([ins, data, le]) => {
  const header = [0x00, ins, 0x00, 0x00];
  const takes = (ins & 1) !== 0;
  const answers = (ins & 2) !== 0;
  return Uint8Array.of(
    ...header,
    ...(takes ? [data.length, ...data] : []),
    ...(answers ? [takes ? 0 : le & 0xff] : []),
  );
});
const extended = fc
  .tuple(fc.constantFrom(0x11, 0x13), fc.integer({ min: 256, max: 1200 }), fc.integer({ min: 1, max: 2000 }))
  .map(([ins, length, le]) => {
    const data = Uint8Array.from({ length }, (_, at) => (at * 11) & 0xff);
    const head = Uint8Array.of(0x00, ins, 0x00, 0x00, 0x00, length >> 8, length & 0xff);
    const tail = (ins & 2) === 0 ? [] : [le >> 8, le & 0xff];
    return concat(head, data, Uint8Array.from(tail));
  });
const lengths = fc.integer({ min: 0, max: 256 });

describe("without errors every APDU gets the plain card's answer, and the card hears it once", () => {
  test.each([
    ["T=0", { atr: atrs.t0 }],
    ["T=0 at 372/1, no PPS", { atr: atrs.t0Slow }],
    ["T=0, inverse convention", { atr: atrs.t0Inverse }],
    ["T=0, byte by byte", { atr: atrs.t0, habits: { byteByByte: true } }],
    ["T=1", { atr: atrs.t1 }],
    ["T=1, inverse convention, IFSC 80", { atr: atrs.t1Inverse }],
    ["T=1, IFSC 32, no PPS", { atr: atrs.t1Plain }],
    ["T=1, CRC", { atr: atrs.t1Crc }],
    ["T=1 at 11 etu", { atr: atrs.shortGuard }],
    ["T=1, specific mode", { atr: atrs.specificT1 }],
    ["T=1, the card changes its IFSC", { atr: atrs.t1, habits: { announcesIfsc: 16 } }],
    ["both offered, T=0 taken", { atr: atrs.both, protocol: 0 as const }],
    ["both offered, T=1 taken", { atr: atrs.both, protocol: 1 as const }],
  ])("%s", (_name, options: Bench) => {
    fc.assert(
      fc.property(
        fc.array(fc.oneof(apdus, apdus, extended), { minLength: 1, maxLength: 5 }),
        lengths,
        (all, longest) => {
          const { card, line, terminal } = bench({ ...options, longest });
          const { transmit } = ready(terminal);
          for (const apdu of all) expect(hex(transmit(apdu))).toBe(hex(echoed(apdu, longest)));
          expect(card.commands).toHaveLength(all.length);
          expect(line.violations).toEqual([]);
        },
      ),
      { numRuns: 40 },
    );
  });
});

describe("with errors on the line", () => {
  /** What happened to `runs` series of APDUs: equal answers, or a problem that says so; never another answer. */
  function survey(options: Bench & { readonly rates: Omit<LineErrors, "chance"> }, runs = 150) {
    const found = { equal: 0, problems: 0, repeated: 0 };
    for (let seed = 1; seed <= runs; seed++) {
      const { card, terminal } = bench({ ...options, errors: { ...options.rates, seed } });
      let sent = 0;
      try {
        const { transmit } = readyAtLast(terminal);
        for (const text of [
          "0010000000".slice(0, 8),
          "0011000010" + "5A".repeat(16),
          "001200000C",
          "00130000200" + "1".repeat(63) + "00",
        ]) {
          sent++;
          const apdu = unhex(text);
          expect(hex(transmit(apdu))).toBe(hex(echoed(apdu, 100)));
          found.equal++;
        }
      } catch (thrown) {
        if (!(thrown instanceof CardProblem)) throw thrown;
        found.problems++;
      }
      if (card.commands.length > sent) found.repeated++;
    }
    return found;
  }

  test.each([
    ["T=0: parity errors are repeated", { atr: atrs.t0, rates: { garbled: 0.02 } }],
    ["T=0, inverse: parity errors are repeated", { atr: atrs.t0Inverse, rates: { garbled: 0.02 } }],
    ["T=1: garbled characters", { atr: atrs.t1, rates: { garbled: 0.002 } }],
    ["T=1: characters with two wrong levels", { atr: atrs.t1, rates: { doubled: 0.002 } }],
    ["T=1: lost characters", { atr: atrs.t1, rates: { lost: 0.001 } }],
    ["T=1: noise", { atr: atrs.t1, rates: { noise: 0.001 } }],
    [
      "T=1, chains of 16: everything",
      {
        atr: atrs.t1,
        habits: { announcesIfsc: 16 },
        rates: { garbled: 0.001, doubled: 0.0003, lost: 0.0003, noise: 0.0003 },
      },
    ],
    [
      "T=1, CRC: everything",
      { atr: atrs.t1Crc, rates: { garbled: 0.0005, doubled: 0.0005, lost: 0.0003, noise: 0.0003 } },
    ],
  ])("%s: the same answers, no command carried out twice", (_name, options) => {
    const { equal: same, problems, repeated } = survey({ longest: 100, ...options });
    expect(repeated).toBe(0);
    // A reset in a thousand is what such a line is worth; answers that differ have thrown above.
    expect(problems).toBeLessThanOrEqual(6);
    expect(same).toBeGreaterThan(560);
  });

  test.each([
    ["T=0: lost characters", { atr: atrs.t0, rates: { lost: 0.02 } }],
    ["T=1: a line that is hardly one", { atr: atrs.t1, rates: { garbled: 0.1, lost: 0.05, noise: 0.05 } }],
  ])("%s: a problem is told, nothing is carried out twice, nothing else is answered", (_name, options) => {
    const { problems, repeated } = survey({ longest: 100, ...options }, 60);
    expect(problems).toBeGreaterThan(20);
    expect(repeated).toBe(0);
  });

  test("one wrong character costs one repetition, in either direction", () => {
    for (const atr of [atrs.t0, atrs.t1]) {
      let left = 0;
      const card = echoCard(atr);
      const chance = () => (left-- === 0 ? 0.001 : 0.9);
      const line = new ContactedCard(card, {
        habits: { cases: echoCases },
        errors: { chance, garbled: 0.01 },
      });
      const { transmit } = ready(new Terminal(line));
      const apdu = unhex("001300000401020304" + "00");
      for (let place = 0; place < 40; place++) {
        left = place;
        expect(hex(transmit(apdu))).toBe(hex(echoed(apdu)));
      }
    }
  });
});

describe("resets", () => {
  test("a card that is activated in another order stays silent and the order is told", () => {
    const { line } = bench();
    line.setClock("running");
    line.setVcc("A");
    line.setInputOutput("reception");
    line.setReset("H");
    expect(line.receive(372, line.now + 40_000)).toBeUndefined();
    expect(line.violations[0]).toContain("CLK came before VCC");
  });

  test("RST at L for less than 400 clock periods is no reset", () => {
    const { line } = bench();
    line.setVcc("A");
    line.setInputOutput("reception");
    line.setClock("running");
    line.wait(line.now + 399);
    line.setReset("H");
    expect(line.receive(372, line.now + 40_000)).toBeUndefined();
    expect(line.violations).toEqual(["RST was at L for less than 400 clock periods"]);
  });

  test("cold, warm, off and cold again: the ATR each time, the protocol from its beginning", () => {
    const { card, line, terminal } = bench();
    const apdu = unhex("0012000004");
    for (const begin of [() => terminal.cold(), () => terminal.warm(), () => terminal.cold()]) {
      expect(hex(spoken(begin()).transmit(apdu))).toBe(hex(echoed(apdu)));
    }
    terminal.off();
    expect(line.violations).toEqual([]);
    expect(card.commands).toHaveLength(3);
  });

  test.each([
    ["no answer", undefined, "mute"],
    ["garbage", unhex("FFFFFFFF"), "mute"],
    ["cut off", unhex("3B98968131"), "malformed"],
    ["wrong TCK", unhex("3B8001FF"), "malformed"],
    ["never-ending", new Uint8Array(64).fill(0xff).with(0, 0x3b), "malformed"],
  ])("%s: told, and the answer is bounded", (_name, atr, kind) => {
    const card = { ...echoCard(new Uint8Array(0)), powerOn: () => atr, warmReset: () => atr };
    const powered = new Terminal(new ContactedCard(card)).cold();
    expect(powered.kind).toBe(kind);
    expect(powered.kind === "malformed" ? powered.atr.length : 0).toBeLessThanOrEqual(33);
  });

  test("the terminal takes the speed that the card offers, and no other", () => {
    expect(ready(bench({ atr: atrs.t1 }).terminal)).toMatchObject({
      pps: { protocol: 1, ta1: 0x96 },
      transmission: { etu: 16, protocol: 1 },
    });
    const slow = ready(bench({ atr: atrs.t0Slow }).terminal);
    expect(slow.transmission.etu).toBe(372);
    expect(slow.pps).toBeUndefined();
    expect(ready(bench({ atr: atrs.specificT1 }).terminal).pps).toBeUndefined();
  });
});

describe("cards that ask for time", () => {
  const slow = unhex("0012FFFF04");
  test.each([
    ["T=0", { atr: atrs.t0 }],
    ["T=1", { atr: atrs.t1 }],
  ])("%s: a command that works 65 ms", (_name, options) => {
    const { line, terminal } = bench(options);
    const { transmit } = ready(terminal);
    const began = line.now;
    expect(hex(transmit(slow))).toBe(hex(echoed(slow)));
    const ms = ((line.now - began) / line.clockHz) * 1000;
    expect(ms).toBeGreaterThan(65);
    expect(ms).toBeLessThan(70);
  });

  test.each([
    ["T=0: NULL", { atr: atrs.t0 }],
    ["T=1: S(WTX)", { atr: atrs.t1 }],
  ])("%s without end is ended after the time of one APDU", (_name, options) => {
    const { line, terminal } = bench({ ...options, habits: { waitsForEver: 0x12 }, apduSeconds: 5 });
    const { transmit } = ready(terminal);
    const began = line.now;
    expect(() => transmit(slow)).toThrow(expect.objectContaining({ code: "line-endless" }));
    const seconds = (line.now - began) / line.clockHz;
    expect(seconds).toBeGreaterThanOrEqual(5);
    expect(seconds).toBeLessThan(7.5);
  });

  test("characters that dawdle are borne up to the time of one APDU", () => {
    const { terminal } = bench({ atr: atrs.t0, habits: { dawdles: true }, apduSeconds: 5 });
    const { transmit } = ready(terminal);
    expect(hex(transmit(unhex("00100000")))).toBe("9000");
    expect(() => transmit(unhex("0012000040"))).toThrow(expect.objectContaining({ code: "line-endless" }));
  });

  test("work beyond BWT comes after S(WTX), and the command is carried out once", () => {
    const { card, terminal } = bench({ atr: atrs.t1 });
    const { transmit } = ready(terminal);
    const plain = card.transmit.bind(card);
    card.transmit = (apdu) => {
      card.workMicros += 5_000_000;
      return plain(apdu);
    };
    expect(equal(transmit(slow), echoed(slow))).toBe(true);
    expect(card.commands).toHaveLength(1);
  });
});
