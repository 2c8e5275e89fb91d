import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { complete, fresh, image10, image12, powered } from "../../tools/bench.js";
import { minTransmissionSeconds, parseAtr, parseHistorical } from "../atr/index.js";
import { unhex, utf8 } from "../bytes/index.js";
import { Clock } from "./clock.js";
import { Contact } from "./contact.js";

describe("the answer to reset, read by the host's parser", () => {
  test("before and after completion: sound, T=1 at 512/32, saying what the card can do", () => {
    const { card } = fresh();
    const before = parseAtr(unhex(powered(card)));
    complete(card, image12);
    const after = parseAtr(unhex(powered(card)));
    for (const atr of [before, after]) {
      expect(atr.problems).toEqual([]);
      expect(atr.protocols).toEqual([1, 1]);
      expect([atr.fi, atr.di, atr.n]).toEqual([512, 32, 0]);
      expect(atr.t1).toEqual({ ifsc: 254, bwi: 4, cwi: 5, edc: "LRC" });
    }
    expect(parseHistorical(before.historicalBytes)).toMatchObject({
      objects: [{ tag: 6, value: Uint8Array.of(...utf8("PSLR"), 1, 0) }],
    });
    expect(parseHistorical(after.historicalBytes)).toMatchObject({
      objects: [{ tag: 7 }, { tag: 6, value: Uint8Array.of(...utf8("PSLO"), 1, 2) }],
      capabilities: {
        selection: ["full-name", "path", "file-id"],
        sfi: true,
        recordNumber: true,
        chaining: false,
        extendedLength: false,
        channels: 1,
      },
    });
  });

  test("names the image the card was completed with", () => {
    const [ten, twelve] = [image10, image12].map((image) => {
      const { card } = fresh();
      powered(card);
      complete(card, image);
      return powered(card);
    });
    expect(ten?.slice(0, -4)).toBe(twelve?.slice(0, -4));
    expect(ten).not.toBe(twelve);
  });
});

test("the time of an exchange is the host's own lower bound, for all lengths", () => {
  const line = { protocol: 1, clockHz: 5_000_000, f: 512, d: 32 } as const;
  fc.assert(
    fc.property(fc.nat(255), fc.nat(256), (nc, ne) => {
      const clock = new Clock(1);
      const contact = new Contact(clock);
      contact.received(new Uint8Array(4 + (nc > 0 ? 1 + nc : 0) + (ne > 0 ? 1 : 0)));
      contact.sent(new Uint8Array(ne + 2));
      expect(clock.elapsedMicros).toBeCloseTo(minTransmissionSeconds(line, { nc, ne }) * 1e6, 6);
    }),
  );
});
