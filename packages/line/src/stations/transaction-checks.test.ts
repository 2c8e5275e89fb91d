import { unhex } from "@persoline/card/bytes";
import type { CardCryptogram, TransactionResult } from "@persoline/card/emv";
import { describe, expect, test } from "vitest";
import { scriptsUncounted, scriptTrouble } from "./transaction-checks.js";

/** A cryptogram whose verification results end in this byte (docs/payment-card.md 5): scripts done, 08: one failed. */
const cryptogram = (scripts: string): CardCryptogram => ({
  type: "TC",
  cryptogram: new Uint8Array(8),
  version: 18,
  data: {
    terminal: new Uint8Array(29),
    aip: new Uint8Array(2),
    atc: new Uint8Array(2),
    issuerApplicationData: unhex(`06011203A4B0${scripts}`),
  },
});
const counted = (first: string, second: string, before = 1) =>
  scriptsUncounted(
    { first: cryptogram(first), second: cryptogram(second) } as unknown as TransactionResult,
    before,
  )?.code;

describe("the card's own count of scripts", () => {
  test.each<[string, string, number, string | undefined]>([
    ["00", "10", 1, undefined],
    ["00", "20", 2, undefined],
    ["10", "20", 1, undefined],
    ["F0", "F0", 1, undefined],
    ["00", "00", 1, "script-wrong"],
    ["00", "20", 1, "script-wrong"],
    ["10", "10", 1, "script-wrong"],
    ["00", "18", 1, "script-wrong"],
  ])("%s, then %s after %i", (first, second, before, code) => {
    expect(counted(first, second, before)).toBe(code);
  });
});

test("a refused script tells which key is another", () => {
  const said = (detail: string) => scriptTrouble([{ step: "script", result: "failed", detail }]);
  expect(said("instruction 24: 6988")?.detail).toMatch(/key of scripts' integrity is another/);
  expect(said("instruction 24: 6A80")?.detail).toMatch(/key of confidential scripts is another/);
  expect(said("instruction DA: 6A88")).toEqual({
    code: "script-wrong",
    detail: "script, instruction DA: 6A88",
  });
  expect(scriptTrouble([{ step: "script", result: "ok", detail: "instruction 24: 9000" }])).toBeUndefined();
});
