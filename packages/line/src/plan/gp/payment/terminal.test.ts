import { unhex } from "@persoline/card/bytes";
import type { CvmRule, PaymentProfile } from "@persoline/card/emv";
import { describe, expect, test } from "vitest";
import { proofTerminal } from "./terminal.js";

const pin: CvmRule = { method: "encipheredPin", when: "always", orNext: false };
const profile = (change: Partial<PaymentProfile> = {}) => ({
  country: "276",
  proof: "cda" as const,
  usage: unhex("FF00"),
  cvm: { x: 2000, y: 0, rules: [pin] },
  ...change,
});
const rules = (...list: readonly CvmRule[]) => ({ cvm: { x: 2000, y: 9000, rules: list } });

describe("where a product's cards are proved", () => {
  test("a purchase at home, above all amounts, with the PIN", () => {
    expect(proofTerminal(profile())).toEqual({
      atm: false,
      transactionType: 0x00,
      country: "276",
      amount: 2001,
      methods: ["encipheredPin", "signature", "none"],
      showsPin: true,
    });
  });

  test.each([
    ["cash cards", "8200", { atm: true, transactionType: 0x01, country: "276" }],
    ["cash at a counter", "8100", { atm: false, transactionType: 0x01, country: "276" }],
    ["cards for abroad only", "1500", { atm: false, transactionType: 0x00, country: "756" }],
    ["services only", "0900", { atm: false, transactionType: 0x00, country: "276" }],
  ])("%s (%s)", (_, usage, place) => {
    expect(proofTerminal(profile({ usage: unhex(usage) }))).toMatchObject({ ...place, showsPin: true });
  });

  test("a country of its own has another one abroad", () => {
    expect(proofTerminal(profile({ country: "756", usage: unhex("1100") }))?.country).toBe("276");
  });

  test.each<[string, readonly CvmRule[], object]>([
    [
      "asked for cash only",
      [
        { method: "encipheredPin", when: "manualCash", orNext: true },
        { method: "signature", when: "always", orNext: false },
      ],
      { transactionType: 0x01, atm: false, showsPin: true },
    ],
    [
      "asked for small amounts only",
      [
        { method: "encipheredPin", when: "underX", orNext: false },
        { method: "none", when: "always", orNext: false },
      ],
      { transactionType: 0x00, amount: 1999, showsPin: true },
    ],
    ["never asked for", [{ method: "signature", when: "always", orNext: false }], { showsPin: false }],
  ])("a PIN that is %s", (_, list, place) => {
    expect(proofTerminal(profile(rules(...list)))).toMatchObject(place);
  });

  test("a card without a key of its own shows no PIN", () => {
    expect(proofTerminal(profile({ proof: "sda" }))?.showsPin).toBe(false);
  });

  test.each(["0000", "0300", "FC00", "FCC0"])("usage %s allows nothing", (usage) => {
    expect(proofTerminal(profile({ usage: unhex(usage) }))).toBeUndefined();
  });
});
