import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { vectorsOf } from "../../node/testing.js";
import { CardProblem, hex, unhex } from "../bytes/index.js";
import {
  type Atr,
  atrDifference,
  atrIsValid,
  bitRate,
  blockWaitingTime,
  characterWaitingEtu,
  describeAtr,
  etuSeconds,
  matchAtr,
  minTransmissionSeconds,
  parseAtr,
  parseHistorical,
  workWaitingTime,
} from "./index.js";

interface AtrVector {
  readonly atr: string;
  readonly parsed?: Readonly<Record<string, unknown>>;
  readonly expect?: string;
}
const vectors = vectorsOf<AtrVector>("atr");
const good = vectors.filter(({ parsed }) => parsed !== undefined);
const bad = vectors.filter(({ expect: wanted }) => wanted !== undefined);

const byte = (n: number) => hex(Uint8Array.of(n));

/** The parsed ATR in the names of the vector file. */
function asVector(atr: Atr): Record<string, unknown> {
  const { specific, t0, t1, t15 } = atr;
  return {
    TS: atr.convention,
    K: atr.historicalBytes.length,
    hist: hex(atr.historicalBytes),
    protocols: atr.protocols,
    ib: Object.fromEntries(Object.entries(atr.interfaceBytes).map(([name, value]) => [name, byte(value)])),
    tck: atr.tck === undefined ? null : byte(atr.tck),
    tckOk: atr.tckRight ?? null,
    TA1: byte(atr.ta1),
    Fi: atr.fi,
    Di: atr.di,
    fmaxMHz: atr.fmaxMHz,
    TA1absent: atr.interfaceBytes["TA1"] === undefined,
    N: atr.n,
    specificMode: specific !== undefined,
    ...(specific === undefined
      ? {}
      : {
          specificProtocol: specific.protocol,
          TA2implicitParams: specific.implicitParameters,
          TA2canChange: specific.canChange,
        }),
    WI: t0?.wi ?? null,
    ...(t1 === undefined ? {} : { T1: { IFSC: t1.ifsc, BWI: t1.bwi, CWI: t1.cwi, EDC: t1.edc } }),
    ...(t15?.ta === undefined ? {} : { T15_TA: byte(t15.ta) }),
  };
}

/** An ATR from its parsed parts: the other direction of the parser, written apart from it. */
function assembled(parsed: Readonly<Record<string, unknown>>): string {
  const ib = parsed["ib"] as Readonly<Record<string, string>>;
  const sets = [1, 2, 3, 4, 5].map((set) => ["A", "B", "C", "D"].map((letter) => ib[`T${letter}${set}`]));
  let text = "";
  let head = parsed["K"] as number;
  for (const set of sets) {
    const presence = set.reduce((bits, value, at) => (value === undefined ? bits : bits | (0x10 << at)), 0);
    text += byte(presence | head) + set.slice(0, 3).join("");
    const td = set[3];
    if (td === undefined) break;
    head = Number.parseInt(td, 16) & 0x0f;
  }
  text += parsed["hist"] as string;
  const sum = unhex(text).reduce((xored, value) => xored ^ value, 0);
  return `${parsed["TS"] === "direct" ? "3B" : "3F"}${text}${parsed["tck"] === null ? "" : byte(sum)}`;
}

describe("parseAtr", () => {
  test("all vectors are here", () => expect([vectors.length, good.length, bad.length]).toEqual([15, 13, 2]));
  test.each(good)("$atr", ({ atr, parsed }) => {
    const read = parseAtr(unhex(atr));
    expect(asVector(read)).toEqual(parsed);
    expect(atrIsValid(read)).toBe(true);
    expect(assembled(parsed ?? {})).toBe(atr);
  });
  test.each(good)("$atr cut anywhere, or with one byte more, is refused", ({ atr }) => {
    const bytes = unhex(atr);
    for (let cut = 0; cut < bytes.length; cut++)
      expect(atrIsValid(parseAtr(bytes.subarray(0, cut)))).toBe(false);
    expect(atrIsValid(parseAtr(unhex(`${atr}00`)))).toBe(false);
  });
  test.each(good.filter(({ parsed }) => parsed?.["tck"] !== null))(
    "$atr with a flipped bit is refused",
    ({ atr }) => {
      const bytes = unhex(atr);
      for (let bit = 8; bit < bytes.length * 8; bit++) {
        const damaged = bytes.slice();
        damaged[bit >> 3] = (damaged[bit >> 3] ?? 0) ^ (1 << (bit & 7));
        const { problems } = parseAtr(damaged);
        // Flips of T0 and TD bytes can also change the length or the need for TCK; none of them passes.
        expect(problems.some(({ severity }) => severity === "error")).toBe(true);
      }
    },
  );
  test.each(bad)("$atr: $expect", ({ atr, expect: wanted }) => {
    const { problems } = parseAtr(unhex(atr));
    const codes = problems.map(({ code }) => code);
    expect(codes).toContain(wanted === "reject: TCK wrong" ? "tck-wrong" : "historical-bytes-missing");
  });
  test("never throws", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
        const atr = parseAtr(bytes);
        expect(describeAtr(atr).length).toBeGreaterThan(5);
      }),
    );
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), (rest) => {
        expect(parseAtr(Uint8Array.of(0x3b, ...rest)).convention).toBe("direct");
      }),
    );
  });

  const codesOf = (text: string) => parseAtr(unhex(text)).problems.map(({ code }) => code);
  test.each([
    ["", "empty"],
    ["3C021050", "ts"],
    ["03021050", "ts"],
    ["3BF0", "interface-bytes-missing"],
    ["3B8001", "tck-missing"],
    ["3B02105000", "bytes-left-over"],
    [`3B0F${"00".repeat(15)}${"00".repeat(20)}`, "too-long"],
    ["3B107F", "ta1-reserved"],
    ["3B8081110011", "ifsc"],
    ["3B808121A505", "bwi"],
    ["3B8081410242", "edc"],
    ["3B804000", "wi"],
    ["3B801001", "ta2-protocol"],
    ["3B90111010", "ta2-implicit"],
    ["3B800F8F", "t15-first"],
    ["3B8081800101", "protocol-order"],
  ])("%s: %s", (text, code) => {
    expect(codesOf(text)).toContain(code);
  });
  test("repeated bytes of one protocol: the first count", () => {
    const atr = parseAtr(unhex("3B808191FE11AAD5"));
    expect(atr.protocols).toEqual([1, 1, 1]);
    expect(atr.t1?.ifsc).toBe(0xfe);
    expect(atrIsValid(atr)).toBe(true);
  });
});

describe("matchAtr", () => {
  const expected = unhex("3B02AABB");
  test("compares whole bytes, and under a mask only its bits", () => {
    expect(matchAtr(expected, unhex("3B02AABB"))).toBe(true);
    expect(matchAtr(expected, unhex("3B02AABC"))).toBe(false);
    expect(matchAtr(expected, unhex("3B02AABC"), unhex("FFFFFFF0"))).toBe(true);
    expect(matchAtr(expected, unhex("3B02AACB"), unhex("FFFFFFF0"))).toBe(false);
    expect(matchAtr(expected, unhex("3B02AABC"), unhex("FFFF"))).toBe(false);
    expect(matchAtr(expected, unhex("3B02AABB00"))).toBe(false);
  });
  test("says what differs", () => {
    expect(atrDifference(expected, unhex("3B02AABC"))).toBe("byte 4 is BC instead of BB");
    expect(atrDifference(expected, unhex("3B02AA"))).toBe("3 bytes instead of 4");
    expect(atrDifference(expected, expected)).toBeUndefined();
  });
});

describe("in words", () => {
  test("a UICC", () => {
    const lines = describeAtr(parseAtr(unhex("3B9E96801F478031A073BE211366868802101D1049")));
    expect(lines).toContain("convention: direct");
    expect(lines).toContain("protocols: T=0");
    expect(lines).toContain("TA1 96: Fi 512, Di 32, at most 5 MHz: etu 3.2 µs, 312500 bit/s");
    expect(lines).toContain("classes: A (5 V), B (3 V), C (1.8 V); clock stop: low");
    expect(
      lines.some((line) => line.includes("select by full-name") && line.includes("4 logical channels")),
    ).toBe(true);
  });
  test("faults come last, with their place", () => {
    expect(describeAtr(parseAtr(unhex("3B046089"))).at(-1)).toBe(
      "error at byte 5: 4 historical bytes are announced, 2 are there",
    );
  });
  test("historical bytes by category", () => {
    expect(parseHistorical(new Uint8Array(0)).kind).toBe("none");
    expect(parseHistorical(unhex("1050")).kind).toBe("dir-reference");
    expect(parseHistorical(unhex("4A434F503331")).kind).toBe("proprietary");
    expect(parseHistorical(unhex("8073FF01")).kind).toBe("proprietary");
    expect(parseHistorical(unhex("0031C0059000"))).toMatchObject({ kind: "compact-tlv", lcs: 5, sw: 0x9000 });
    expect(parseHistorical(unhex("8081058105"))).toMatchObject({ lcs: 5 });
    expect(parseHistorical(unhex("80829000"))).toMatchObject({ sw: 0x9000 });
    expect(parseHistorical(unhex("8073B62100"))).toMatchObject({
      capabilities: {
        selection: ["full-name", "path", "file-id"],
        sfi: true,
        recordNumber: true,
        recordId: false,
        dataCoding: 0x21,
        chaining: false,
        extendedLength: false,
        channels: 1,
      },
    });
  });
});

describe("timing", () => {
  interface TimingVector {
    readonly clock_hz: number;
    readonly Fi: number;
    readonly Di?: number;
    readonly protocol?: string;
    readonly N?: number;
    readonly nc?: number;
    readonly ne?: number;
    readonly IFSC?: number;
    readonly etu_us?: number;
    readonly min_transmission_ms?: number;
    readonly BWI?: number;
    readonly CWI?: number;
    readonly BWT_etu?: number;
    readonly BWT_ms?: number;
    readonly CWT_etu?: number;
    readonly CWT_ms?: number;
    readonly WI?: number;
    readonly WT_ms?: number;
  }
  const timings = vectorsOf<TimingVector>("timing");
  const exchanges = timings.filter((v) => v.min_transmission_ms !== undefined);
  test("all vectors are here", () => expect([timings.length, exchanges.length]).toEqual([6, 4]));
  test.each(exchanges)("$id", (v) => {
    const line = {
      protocol: v.protocol === "T=0" ? 0 : 1,
      clockHz: v.clock_hz,
      f: v.Fi,
      d: v.Di ?? 1,
      n: v.N ?? 0,
      ifsc: v.IFSC ?? 254,
    } as const;
    expect(etuSeconds(line.f, line.d, line.clockHz) * 1e6).toBeCloseTo(v.etu_us ?? 0, 5);
    expect(bitRate(line.f, line.d, line.clockHz) * etuSeconds(line.f, line.d, line.clockHz)).toBeCloseTo(
      1,
      12,
    );
    const lengths = { nc: v.nc ?? 0, ne: v.ne ?? 0 };
    expect(minTransmissionSeconds(line, lengths) * 1e3).toBeCloseTo(v.min_transmission_ms ?? 0, 6);
  });
  test("waiting times", () => {
    const block = timings.find(({ id }) => id === "bwt-default");
    const work = timings.find(({ id }) => id === "wt-t0-default");
    if (block === undefined || work === undefined) throw new Error("vectors are missing");
    const etu = etuSeconds(block.Fi, block.Di ?? 1, block.clock_hz);
    const bwt = blockWaitingTime(block.BWI ?? 0, etu, block.clock_hz);
    expect(bwt * 1e3).toBeCloseTo(block.BWT_ms ?? 0, 2);
    expect(bwt / etu).toBeCloseTo(block.BWT_etu ?? 0, 6);
    expect(characterWaitingEtu(block.CWI ?? 0)).toBe(block.CWT_etu);
    expect(characterWaitingEtu(block.CWI ?? 0) * etu * 1e3).toBeCloseTo(block.CWT_ms ?? 0, 2);
    expect(workWaitingTime(work.WI ?? 0, work.Fi, work.clock_hz) * 1e3).toBeCloseTo(work.WT_ms ?? 0, 6);
    expect(() => blockWaitingTime(10, etu, block.clock_hz)).toThrow(CardProblem);
  });
  test("chained blocks and N = 255", () => {
    const line = { protocol: 1, clockHz: 5e6, f: 512, d: 32, ifsc: 32 } as const;
    // 5 + 100 bytes in four blocks of 32: 121 characters, 3 acknowledgements of 44 − 24 + 48 etu, one answer of 2 bytes.
    const etus = minTransmissionSeconds(line, { nc: 100, ne: 0 }) / etuSeconds(512, 32, 5e6);
    expect(etus).toBeCloseTo(121 * 12 + 3 * 68 + 10 + 6 * 12, 6);
    const fast = minTransmissionSeconds({ ...line, n: 255 }, { nc: 100, ne: 0 });
    expect(fast).toBeLessThan(minTransmissionSeconds(line, { nc: 100, ne: 0 }));
  });
});
