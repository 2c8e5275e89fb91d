import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { complete, fresh, image12, on, powered, say } from "../../tools/bench.js";
import { unhex } from "../bytes/index.js";
import { memoryStore } from "./index.js";

const instructions = [...unhex("CA121416185082D6D844A4B0B2DCE2E0E404FE20242C8488F05C")];

const firstStatusBytes = [...unhex("616263656768696A6B6C6D6E90")];

/** Bytes that look like a command of this card more often than chance would have it. */
const apdu = fc.oneof(
  fc.uint8Array({ maxLength: 261 }),
  fc
    .record({
      cla: fc.constantFrom(0x00, 0x04, 0x0c, 0x80, 0x84, 0x90),
      ins: fc.constantFrom(...instructions),
      p1: fc.integer({ min: 0, max: 255 }),
      p2: fc.integer({ min: 0, max: 255 }),
      data: fc.uint8Array({ maxLength: 40 }),
      le: fc.option(fc.integer({ min: 0, max: 255 })),
    })
    .map(({ cla, ins, p1, p2, data, le }) =>
      Uint8Array.of(
        cla,
        ins,
        p1,
        p2,
        ...(data.length > 0 ? [data.length, ...data] : []),
        ...(le === null ? [] : [le]),
      ),
    ),
);

const { store, card: made } = fresh();
powered(made);
const blank = store.load();
complete(made, image12);
powered(made);
const completed = store.load();

function survives(content: Uint8Array, atr: RegExp): void {
  fc.assert(
    fc.property(fc.array(apdu, { minLength: 1, maxLength: 12 }), (commands) => {
      const silicon = memoryStore(content);
      const card = on(silicon);
      powered(card);
      for (const command of commands) {
        const before = command.slice();
        const answer = card.transmit(command);
        expect(command).toEqual(before);
        expect(answer?.length).toBeGreaterThanOrEqual(2);
        expect(answer?.length).toBeLessThanOrEqual(258);
        expect(firstStatusBytes).toContain(answer?.at(-2));
      }
      expect(powered(card)).toMatch(atr);
      // Chip number and phase have not moved.
      const after = silicon.load();
      expect(Buffer.compare(after.subarray(0, 64), content.subarray(0, 64))).toBe(0);
      expect(Buffer.compare(after.subarray(0xc0, 0x140), content.subarray(0xc0, 0x140))).toBe(0);
    }),
    { numRuns: 150 },
  );
}

describe("whatever is sent, the card answers, keeps its secrets and stays the card it was", () => {
  test("before completion", () => {
    expect(() => survives(blank, /^3B98/)).not.toThrow();
  });

  test("after completion", () => {
    expect(() => survives(completed, /^3B9C/)).not.toThrow();
  });

  test("a chip whose pages hold anything at all never throws", () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.tuple(
            fc.oneof(fc.integer({ min: 1, max: 12 }), fc.integer({ min: 128, max: 140 }), fc.nat(511)),
            fc.uint8Array({ minLength: 64, maxLength: 64 }),
          ),
          { maxLength: 30 },
        ),
        (pages) => {
          const bytes = completed.slice();
          for (const [page, content] of pages) bytes.set(content, page * 64);
          const card = on(memoryStore(bytes));
          const atr = powered(card);
          const answers = [
            "80CADF0100",
            "00A4000C023F00",
            "00A40004020101",
            "8050000008010203040506070800",
          ].map((command) => say(card, command));
          expect(answers.every((answer) => (answer === "mute") === (atr === "mute"))).toBe(true);
        },
      ),
      { numRuns: 100 },
    );
  });
});
