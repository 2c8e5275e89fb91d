import { describe, expect, test } from "vitest";
import { complete, fresh, image12, keys, loaderKey, powered } from "../../tools/bench.js";
import { hex } from "../bytes/index.js";
import { compare, fabricate, memoryStore, snapshot } from "./index.js";

describe("snapshots", () => {
  test("two of an untouched card are alike", () => {
    const { store, card } = fresh();
    const before = snapshot(store);
    powered(card);
    expect(compare(before, snapshot(store))).toEqual([]);
  });

  test("tell what a completion changed, without its secrets", () => {
    const { store, card } = fresh();
    const before = snapshot(store);
    powered(card);
    complete(card, image12);
    powered(card);
    const words = compare(before, snapshot(store)).map((difference) => difference.words);
    expect(words).toEqual([
      "page 1 (loader key, first copy): erased",
      "page 4 (phase, second copy): written, to phase 03, card state 01",
      "page 5 (key set, first copy): written",
      "page 10 (completion image): written",
      "page 11 (completion image): written",
      "page 12 (completion image): written",
    ]);
    for (const secret of [loaderKey, ...keys]) expect(words.join()).not.toContain(hex(secret));
  });

  test("of chips of different size cannot be compared", () => {
    const [small, large] = [200, 512].map((pages) =>
      snapshot(
        memoryStore(fabricate({ chipNumber: new Uint8Array(10), loaderKey: new Uint8Array(16), pages })),
      ),
    );
    if (small === undefined || large === undefined) throw new Error("two snapshots were taken");
    expect(() => compare(small, large)).toThrow(/cannot be compared/);
  });
});

describe("the fab", () => {
  test("refuses numbers, keys and sizes that no chip has", () => {
    const [chipNumber, key] = [new Uint8Array(10), new Uint8Array(16)];
    expect(() => fabricate({ chipNumber: new Uint8Array(9), loaderKey: key })).toThrow(/10 bytes/);
    expect(() => fabricate({ chipNumber, loaderKey: new Uint8Array(15) })).toThrow(/16/);
    for (const pages of [128, 513])
      expect(() => fabricate({ chipNumber, loaderKey: key, pages })).toThrow(/pages/);
  });
});
