/** A card's whole life character by character: the office programs, the real security module, both ends of T=0 and of T=1 between. */
import { unhex } from "@persoline/card/bytes";
import { type LineErrors, ownInstructions, type VirtualCard } from "@persoline/card/virtual";
import { beforeAll, expect, test } from "vitest";
import { overContacts } from "../devices/reader/contacts.js";
import { chance } from "../devices/shop-floor/random.js";
import { after, Bench, contentBefore, liveOnce, sameCard, stations } from "./life.test.data.js";

beforeAll(liveOnce);

/** The same chip under an answer to reset that offers T=0 alone, in inverse convention. */
const offering = (card: VirtualCard, atr: string): VirtualCard => ({
  powerOn: () => (card.powerOn() === undefined ? undefined : unhex(atr)),
  warmReset: () => (card.warmReset() === undefined ? undefined : unhex(atr)),
  powerOff: () => {
    card.powerOff();
  },
  transmit: (apdu) => card.transmit(apdu),
  get elapsedMicros() {
    return card.elapsedMicros;
  },
  get workMicros() {
    return card.workMicros ?? 0;
  },
  counters: card.counters,
});

function numbersOf(seed: string): () => number {
  const seeded = chance(seed);
  return () => seeded.next();
}

const errors = (seed: string, rates: Omit<LineErrors, "chance">): LineErrors => ({
  ...rates,
  chance: numbersOf(seed),
});

test.each([
  ["T=0", "3B1096", {}],
  ["T=0, inverse convention, parity errors", "3F1096", { errors: errors("t0", { garbled: 0.001 }) }],
  ["T=1", undefined, {}],
  [
    "T=1, a bad line",
    undefined,
    { errors: errors("t1", { garbled: 0.0003, doubled: 0.0001, noise: 0.0001 }) },
  ],
])(
  "%s: every station passes without a resume, and the card is the same as without contacts",
  async (_name, atr, more) => {
    for (const [name, program] of stations) {
      const phase = name === "test" || name === "completion" ? "loader" : "os";
      const bench = new Bench(contentBefore(name), [], (card) =>
        overContacts(atr === undefined ? card : offering(card, atr), {
          ...more,
          habits: { cases: ownInstructions(phase) },
        }),
      );
      const end = await bench.run(program);
      expect(end).toMatchObject({ kind: "passed", resumes: 0 });
      expect(sameCard(after(name), bench.store.load())).toEqual([]);
    }
  },
);
