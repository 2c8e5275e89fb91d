import { describe, expect, test } from "vitest";
import { vectorsOf } from "../../../node/testing.js";
import { hex, unhex } from "../../bytes/index.js";
import { restrictionsOf } from "./restrictions.js";
import { TVR, Verification } from "./verification.js";

interface RestrictionVector {
  readonly id: string;
  readonly terminal: {
    readonly version?: string;
    readonly country?: string;
    readonly type?: number;
    readonly cashback?: number;
    readonly atm?: boolean;
  };
  readonly card: Readonly<Record<string, string>>;
  readonly tvr: string;
}

/** TVR byte 2 of a vector, with some of the card's data changed. */
function bits({ terminal, card }: RestrictionVector, change: RestrictionVector["card"] = {}): string {
  const { version, country = "276", type, cashback, atm } = terminal;
  const data = new Map(
    Object.entries({ ...card, ...change }).map(([tag, value]) => [parseInt(tag, 16), unhex(value)] as const),
  );
  const tvr = new Verification();
  const place = {
    country,
    date: "261128",
    ...(version === undefined ? {} : { applicationVersion: unhex(version) }),
    ...(type === undefined ? {} : { transactionType: type }),
    ...(cashback === undefined ? {} : { cashback }),
    ...(atm === undefined ? {} : { atm }),
  };
  for (const { bit, detail } of restrictionsOf(place, data)) {
    expect(detail).not.toBe("");
    tvr.set(TVR[bit]);
  }
  const said = hex(tvr.bytes);
  expect(said.slice(0, 2) + said.slice(4)).toBe("00000000");
  return said.slice(2, 4);
}

describe("processing restrictions, vector by vector", () => {
  const vectors = vectorsOf<RestrictionVector>("emv-restrictions");
  test.each(vectors)("$id", (vector) => {
    expect(bits(vector)).toBe(vector.tvr);
  });

  test("usage control without a single bit allows nothing, anywhere", () => {
    for (const vector of vectors)
      expect([vector.id, parseInt(bits(vector, { "9F07": "0000" }), 16) & 0x10]).toEqual([vector.id, 0x10]);
  });

  test("each bit of usage control that a vector needs is needed: without it the service is not allowed", () => {
    const allowed = vectors.filter(({ card, tvr }) => card["9F07"] !== undefined && tvr === "00");
    expect(allowed.length).toBeGreaterThan(8);
    for (const vector of allowed) {
      const usage = unhex(vector.card["9F07"] ?? "");
      for (let at = 0; at < 16; at++) {
        const bit = 0x80 >> (at & 7);
        if (((usage[at >> 3] ?? 0) & bit) === 0) continue;
        const less = usage.map((byte, index) => (index === at >> 3 ? byte & ~bit : byte));
        expect([vector.id, at, bits(vector, { "9F07": hex(less) })]).toEqual([vector.id, at, "10"]);
      }
    }
  });
});
