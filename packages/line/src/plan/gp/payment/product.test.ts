import { nodeCrypto } from "@persoline/card/node";
import { describe, expect, test } from "vitest";
import { problemText } from "../../../orders/yaml.js";
import { parseAnyProduct } from "../../product.js";
import { recordProblems } from "../../prepare.js";
import {
  authority,
  cardholder,
  certificate,
  paymentText,
  plannedPayment,
  withProof,
} from "./payment.test.data.js";
import { readScheme } from "./scheme.js";

/** The example with one thing changed, and what is told of it. */
function problems(from: string | RegExp, to: string): string[] {
  const changed = paymentText.replace(from, to);
  expect(changed).not.toBe(paymentText);
  const read = parseAnyProduct(changed, "product.yaml");
  return read.ok ? [] : read.problems.map(problemText);
}

test("the example is read, in the words of EMV", () => {
  const { payment, pins } = plannedPayment();
  expect(payment).toMatchObject({
    application: "F050534C501010",
    profile: {
      label: "PERSOLINE PAY",
      issuer: "999901",
      proof: "cda",
      cvm: { x: 2000, y: 0, rules: [{ method: "none", when: "underX", orNext: false }, {}, {}, {}] },
      offlineLimits: { lower: 3, upper: 5 },
      cryptogram: { version: 18, keyIndex: 1, option: "B" },
      issuerKey: { authorityIndex: 0xf1, modulusBytes: 176, iccModulusBytes: 144 },
    },
    masters: { ac: "pay-ac", issuer: "pay-rsa" },
    certified: "3912",
  });
  expect(pins).toMatchObject([{ name: "pin", length: 4, tries: 3, letter: true, by: { method: "drawn" } }]);
});

test("what tracks say of the PIN: its verification value, or an offset as long as it", () => {
  const said = (text: string) => plannedPayment(text).payment?.profile.pinVerification;
  expect(said(paymentText)).toEqual({ by: "pvv", keyIndex: 1 });
  const offset = paymentText.replace(
    "method: drawn, length: 4",
    "method: drawn, length: 6, verification: offset",
  );
  expect(said(offset)).toEqual({ by: "offset", keyIndex: 1, digits: 6 });
});
test("a record's track 2 that an offset makes too long is told before a card moves", () => {
  const text = paymentText.replace(
    "method: drawn, length: 4",
    "method: drawn, length: 10, verification: offset",
  );
  const where = { order: "1", file: "a.csv" };
  expect(recordProblems(plannedPayment(paymentText), cardholder, where)).toEqual([]);
  expect(recordProblems(plannedPayment(text), cardholder, where)).toMatchObject([
    { column: "PAN", code: "no-card", message: expect.stringContaining("track 2") as string },
  ]);
});

test("without offline proof there is nothing to certify", () => {
  const { payment } = plannedPayment(withProof(paymentText, "none"));
  expect(payment?.profile.issuerKey).toBeUndefined();
});

describe("what is wrong is told with its place", () => {
  test.each([
    [/ {6}certificate: .*\n/, "", "proof cda needs certificate"],
    [", issuer: pay-rsa", "", "proof cda needs keys.issuer"],
    ["proof: cda", "proof: none", "with proof none nothing is signed"],
    ["usage: FF00", "usage: FC00", "its cards may be used for nothing"],
    ["lower: 3", "lower: 7", "the lower limit is above the upper one"],
    ["pan: pan, psn", "pan: card, psn", "there is no field card"],
    ["PAN, required: true, unique: true", "PAN, required: true", "two cards of one PAN would be one card"],
    ["Valid thru, required: true", "Valid thru", "expiry is the expiry of every card"],
    ["method: drawn", "method: trivial", "method trivial needs digits"],
    ["method: drawn", 'method: drawn, digits: "0000"', "method drawn has no use for digits"],
    ["method: drawn, length: 4", 'method: trivial, digits: "0000"', "needs no letter"],
    ["method: drawn", "method: issuer", "method issuer needs block"],
    [
      "method: drawn, length: 4, tries: 3",
      'method: trivial, digits: "0000", tries: 3, verification: offset',
      "the offset of a PIN that everybody knows would tell the natural PIN",
    ],
    [
      "method: drawn",
      "method: issuer, verification: offset, block: { field: pan, format: 1, keys: pin-key }",
      "the offset of a PIN that came without its account (format 1) would tell the natural PIN",
    ],
    ["method: drawn", "method: drawn, verification: cvv", "verification"],
    [
      "method: drawn",
      "method: issuer, block: { field: nothing, format: 0, keys: pin-key }",
      "there is no field nothing",
    ],
    ["aid: 315041592E", "aid: 335041592E", "terminals look for this directory by another name"],
    [/ {4}payment:\n(?: {6}.*\n)+/, "", "there is no payment application to name"],
    ["memory: 2600\n", 'memory: 2600\n    data: { "0101": { value: "{name}" } }\n', "from payment: alone"],
    ["method: enciphered-pin", "method: encyphered-pin", "method"],
    ["when: under-x", "when: below-x", "when"],
    ['issuer: "999901"', 'issuer: "99990"', "an issuer number has 6 or 8 digits"],
    ['country: "276"', "country: 276", "put it in quotes"],
    ["back: layout/back.yaml, ", "", "there is no back"],
  ])("%s -> %s", (from, to, message) => {
    const told = problems(from, to);
    expect(told.join("\n")).toContain(message);
    expect(told[0]).toMatch(/^product\.yaml:\d+:\d+/);
  });

  test("a second payment application", () => {
    const [own = ""] = / {2}- name: pay\n(?: {4}.*\n)+/.exec(paymentText) ?? [];
    const second = own.replace("name: pay", "name: pay2").replace("501010", "501011");
    expect(problems(own, own + second).join("\n")).toContain("a product has one payment application");
  });
});

describe("a certificate is judged before any card is made", () => {
  const judged = (
    change: Partial<Record<"authority" | "certificate", (text: string) => string>>,
    profile: { issuer?: string; aid?: Uint8Array; iccModulusBytes?: number } = {},
  ): string => {
    const { payment } = plannedPayment();
    if (payment === undefined) throw new Error("no payment application");
    const { iccModulusBytes = 144, ...rest } = profile;
    const read = readScheme(
      nodeCrypto,
      {
        authority: { ...authority, text: change.authority?.(authority.text) ?? authority.text },
        certificate: { ...certificate, text: change.certificate?.(certificate.text) ?? certificate.text },
      },
      { profile: { ...payment.profile, ...rest }, iccModulusBytes },
    );
    return read.ok ? "good" : read.problems.map(problemText).join("\n");
  };
  const bit = (text: string, key: string): string =>
    text.replace(
      new RegExp(`(${key}: "[0-9A-F]{20})(.)`),
      (_, front: string, digit: string) => `${front}${digit === "0" ? "1" : "0"}`,
    );

  test("as it is", () => {
    expect(judged({})).toBe("good");
  });
  test.each([
    [
      "one digit of it",
      { certificate: (text: string) => bit(text, "certificate") },
      "issuer-certificate.yaml:3:",
    ],
    [
      "one digit of the authority's key",
      { authority: (text: string) => bit(text, "modulus") },
      "issuer-certificate.yaml:3:",
    ],
    [
      "another index",
      { certificate: (text: string) => text.replace('"F1"', '"F2"') },
      "issuer-certificate.yaml:2:12",
    ],
    [
      "another scheme",
      { authority: (text: string) => text.replace("F050534C50", "F050534C51") },
      "authority.yaml:2:",
    ],
    [
      "no hexadecimal digits",
      { authority: (text: string) => text.replace('index: "F1"', "index: F") },
      "authority.yaml:3:",
    ],
  ])("%s changed", (_, change, where) => {
    expect(judged(change)).toContain(where);
  });
  test("of another issuer, or for cards' keys it could not certify", () => {
    expect(judged({}, { issuer: "999902" })).toContain("it is of issuer 999901, the product's is 999902");
    expect(judged({}, { iccModulusBytes: 184 })).toContain("could not certify");
  });
});
