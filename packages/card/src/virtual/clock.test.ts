import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { complete, fresh, image12, powered, say } from "../../tools/bench.js";
import { Clock } from "./clock.js";
import { Contact } from "./contact.js";

const etu = 3.2;
const slowEtu = 74.4;

/** Duration of one T=1 exchange by the closed formula of ISO/IEC 7816-3 (GT 12, CGT 12, BGT 22, LRC, 254 bytes a block). */
function formula(command: number, response: number): number {
  const [nb, nr] = [Math.ceil(command / 254), Math.ceil(response / 254)];
  const out = command + 4 * nb;
  const back = response + 4 * nr;
  const etus = out * 12 + (nb - 1) * (44 - 24 + 48) + nr * 10 + back * 12 + (nr - 1) * (22 - 12 + 48);
  return etus * etu;
}

describe("the card's clock", () => {
  test("a T=1 exchange lasts what the standard's formula says, chained or not", () => {
    for (const command of [4, 5, 253, 254, 255, 261, 508, 509]) {
      for (const response of [2, 253, 254, 255, 258]) {
        const clock = new Clock(1);
        const contact = new Contact(clock);
        for (let times = 0; times < 3; times++) {
          contact.received(new Uint8Array(command));
          contact.sent(new Uint8Array(response));
        }
        expect(clock.elapsedMicros).toBeCloseTo(3 * formula(command, response), 6);
      }
    }
  });

  test("agrees with the published minimum of a 240-byte command", () => {
    const { vectors } = JSON.parse(
      readFileSync(new URL("../../vectors/timing.json", import.meta.url), "utf8"),
    ) as { vectors: { id: string; nc: number; ne: number; min_transmission_ms: number }[] };
    const vector = vectors.find(({ id }) => id === "timing-4");
    if (vector === undefined) throw new Error("no vector timing-4");
    const clock = new Clock(1);
    const contact = new Contact(clock);
    contact.received(new Uint8Array(5 + vector.nc));
    contact.sent(new Uint8Array(vector.ne + 2));
    expect(clock.elapsedMicros / 1000).toBeCloseTo(vector.min_transmission_ms, 6);
  });

  test("a reset: ATR and PPS at 372/1, then the announcement of IFSD", () => {
    const { card } = fresh();
    powered(card);
    expect(card.elapsedMicros).toBeCloseTo((16 + 8) * 12 * slowEtu + (10 * 12 + 10) * etu, 6);
    expect(card.counters.wireCharacters).toBe(16 + 8 + 10);
    const begin = card.elapsedMicros;
    card.warmReset();
    expect(card.elapsedMicros).toBeCloseTo(2 * begin, 6);
  });

  test("each command: its characters and its work, no more", () => {
    const { card } = fresh();
    powered(card);
    const spent = (command: string): number => {
      const begin = card.elapsedMicros;
      const answer = say(card, command);
      return card.elapsedMicros - begin - formula(command.length / 2, answer.length / 2);
    };
    expect(spent("80CA00CF00")).toBeCloseTo(0, 6);
    expect(spent("80120000")).toBeCloseTo(4096, 6);
    expect(spent("8014000004")).toBeCloseTo(819.2, 6);
    expect(spent("80160000040000020004")).toBeCloseTo(3276.8, 6);
    expect(spent("801801000401000100")).toBeCloseTo(256 * 3500, 6);
    expect(spent("801801010401000100")).toBeCloseTo(256 * 350, 6);
    // 43 bytes: 3 blocks and the subkeys' one.
    expect(spent(`8050000010${"A0".repeat(16)}00`)).toBeCloseTo(40, 6);
    // One cryptogram compared, the tries lowered.
    expect(spent(`8082000010${"00".repeat(16)}`)).toBeCloseTo(40 + 3500, 6);
  });

  test("a whole completion is the sum of its parts", () => {
    const { card } = fresh();
    powered(card);
    const begin = card.elapsedMicros;
    expect(complete(card, image12)).toBe("9000");
    const { aesBlocks, pagesWritten } = card.counters;
    const wire =
      formula(22, 44) +
      formula(21, 2) +
      formula(5 + 142 + 8, 2) +
      formula(5 + 57 + 8, 2) +
      formula(5 + 16, 2);
    // Cryptograms and keys 4 × 4; MACs over 16+5+142, 16+5+57 and 16+5+8 bytes; three keys of two blocks.
    expect(aesBlocks).toBe(16 + (11 + 1) + (5 + 1) + (2 + 1) + 6);
    expect(card.elapsedMicros - begin).toBeCloseTo(
      wire + aesBlocks * 10 + pagesWritten * 3500 + image12.length / 10,
      6,
    );
  });

  test("the same events in any order give the same time to the last bit", () => {
    const [a, b] = [new Clock(1), new Clock(1)];
    for (let n = 0; n < 1000; n++) {
      a.fast(7, 84);
      a.aes(1);
      a.page("normal");
    }
    for (let n = 0; n < 1000; n++) b.page("normal");
    for (let n = 0; n < 1000; n++) b.fast(7, 84);
    b.aes(1000);
    expect(a.elapsedMicros).toBe(b.elapsedMicros);
  });

  test("counts wear page by page", () => {
    const { card } = fresh();
    powered(card);
    say(card, "801801000400140003");
    say(card, "801802000400140001");
    expect([19, 20, 21, 22, 23].map((page) => card.wear(page))).toEqual([0, 2, 1, 1, 0]);
  });
});
