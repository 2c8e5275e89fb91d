import { unhex } from "@persoline/card/bytes";
import type { CardCryptogram, TransactionResult } from "@persoline/card/emv";
import { describe, expect, test } from "vitest";
import type { PreparedPayment } from "../plan/gp/payment/record.js";
import { scriptsUncounted, scriptTrouble, unexpectedTvr } from "./transaction-checks.js";

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

describe("terminal verification results that a good card's proof leaves", () => {
  const code = (tvr: string, proof: "none" | "sda" | "cda", showsPin: boolean) =>
    unexpectedTvr(
      { tvr: unhex(tvr) } as unknown as TransactionResult,
      { plan: { profile: { proof }, terminal: { showsPin } } } as unknown as PreparedPayment,
    )?.code;
  test.each([
    ["0008008000", "cda", true, undefined],
    ["0208008000", "sda", true, undefined],
    ["8008908000", "none", false, undefined],
    ["0008E08000", "cda", true, "transaction-wrong"],
    ["2008008000", "cda", true, "transaction-wrong"],
    ["8008008000", "cda", true, "transaction-wrong"],
    ["0088008000", "cda", true, "transaction-wrong"],
    ["0018008000", "none", false, "transaction-wrong"],
    ["0008008040", "cda", true, "transaction-wrong"],
  ] as const)("%s with proof %s, PIN shown: %s", (tvr, proof, showsPin, wrong) => {
    expect(code(tvr, proof, showsPin)).toBe(wrong);
  });
});
