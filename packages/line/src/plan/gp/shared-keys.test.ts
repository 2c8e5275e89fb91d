import type { Serial } from "@persoline/card/program";
import { describe, expect, test } from "vitest";
import { chipNumberOf, serialOf } from "../../devices/shop-floor/lot.js";
import { planned, productText, scp02Text } from "./life.test.data.js";
import { SharedKeys } from "./shared-keys.js";

const lotOf = (lot: string, count: number): Serial[] =>
  Array.from({ length: count }, (_, at) => serialOf(chipNumberOf({ lot, seed: 1 }, at + 1)));

function twins(issuers: string, chips: readonly Serial[], initial = "visa2") {
  const text = scp02Text
    .replace("diversify: emv-cps", `diversify: ${issuers}`)
    .replace("diversify: visa2", `diversify: ${initial}`);
  const shared = new SharedKeys(planned(text).product);
  for (const serial of chips) shared.add(serial);
  return shared.twins;
}

describe("which cards of a stock would have the same keys", () => {
  test("VISA2 makes one key of a whole Persoline lot, for either channel", () => {
    const [one, other] = lotOf("L1", 2);
    expect(twins("visa2", lotOf("L1", 1000))).toEqual([
      { channel: "initial", method: "visa2", one, other },
      { channel: "channel", method: "visa2", one, other },
    ]);
  });

  test("EMV CPS takes the lot and all of the number", () => {
    expect(twins("emv-cps", lotOf("L1", 70_000), "emv-cps")).toEqual([]);
  });

  test("VISA tells 65,536 cards of a lot apart, and no more", () => {
    expect(twins("visa", lotOf("L1", 65_536), "emv-cps")).toEqual([]);
    expect(twins("visa", lotOf("L1", 65_537), "emv-cps")).toMatchObject([
      { channel: "channel", method: "visa" },
    ]);
  });

  test("the same chip twice, and cards of another kind, are no twins", () => {
    const [one] = lotOf("L1", 1);
    if (one === undefined) throw new Error("no chip");
    expect(twins("visa2", [one, one, "04A1B2C3D4E5F6" as Serial])).toEqual([]);
  });

  test("KDF3 takes all ten bytes: nothing is asked", () => {
    expect(new SharedKeys(planned(productText).product).asks).toBe(false);
  });
});
