import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { codeOf, unlessRefused, vectorsOf } from "../../node/testing.js";
import { aid, CardProblem, fid, hex, sfi, unhex } from "../bytes/index.js";
import { parseTlv, tlv } from "../tlv/index.js";
import {
  type AccessRule,
  decodeCompactRules,
  decodeConditionByte,
  decodeExpandedRules,
  decodeFci,
  decodeFcp,
  decodeFileDescriptor,
  encodeCompactRules,
  encodeConditionByte,
  encodeExpandedRules,
  encodeFci,
  encodeFcp,
  encodeFileDescriptor,
  type Fcp,
  type FileDescriptor,
  fileDescriptorByte,
  LCS,
  lifeCycle,
  type SecurityCondition,
} from "./index.js";

interface FcpVector {
  readonly fcp?: string;
  readonly tlv?: string;
  readonly expected:
    | string
    | {
        readonly fid: string;
        readonly fdb?: string;
        readonly structure: string;
        readonly size?: number;
        readonly sfi?: number;
        readonly lcs: string;
        readonly arr?: string;
      };
}
const vectors = vectorsOf<FcpVector>("fcp");
const fcps = vectors.filter(({ fcp }) => fcp !== undefined);

const number = (n: number, digits: number) => n.toString(16).toUpperCase().padStart(digits, "0");

describe("FCP vectors", () => {
  test("all are here", () => expect([vectors.length, fcps.length]).toEqual([3, 2]));
  test.each(fcps)("$id", ({ fcp: text = "", expected }) => {
    const fcp = decodeFcp(unhex(text));
    const { arr, descriptor } = fcp;
    if (descriptor === undefined || typeof expected === "string") throw new Error("no file descriptor");
    expect({
      fid: number(fcp.fid ?? 0, 4),
      fdb: number(fileDescriptorByte(descriptor), 2),
      structure: descriptor.structure,
      ...(fcp.size === undefined ? {} : { size: fcp.size }),
      ...(fcp.sfi === undefined ? {} : { sfi: fcp.sfi }),
      lcs: number(fcp.lcs ?? 0, 2),
      ...(arr !== undefined && "record" in arr && "fid" in arr && expected.arr !== undefined
        ? { arr: `${number(arr.fid, 4)}:${number(arr.record, 2)}` }
        : {}),
    }).toEqual(expected);
    expect(lifeCycle(fcp.lcs ?? 0)).toBe("activated");
    expect(hex(encodeFcp(fcp))).toBe(text);
    expect(decodeFci(unhex(text))).toEqual({ template: "FCP", fcp });
  });
  test.each(fcps)("$id damaged", ({ fcp: text = "" }) => {
    const bytes = unhex(text);
    for (let cut = 0; cut < bytes.length; cut++)
      expect(codeOf(() => decodeFcp(bytes.subarray(0, cut)))).toBe(cut === 0 ? "bad-fcp" : "bad-tlv");
    for (let at = 0; at < bytes.length; at++) {
      const damaged = bytes.slice();
      damaged[at] = (damaged[at] ?? 0) ^ 0xff;
      // A damaged value is a different file; a damaged structure is no file.
      expect(unlessRefused(() => hex(encodeFcp(decodeFcp(damaged))))).not.toBe(text);
    }
  });
  test("file descriptor byte 79", () => {
    const vector = vectors.find(({ id }) => id === "fdb-79");
    const value = parseTlv(unhex(vector?.tlv ?? ""))[0]?.value ?? new Uint8Array(0);
    const descriptor = decodeFileDescriptor(value);
    expect(vector?.expected).toBe("working EF, BER-TLV structure (39), shareable");
    expect(descriptor).toEqual({ kind: "working", structure: "ber-tlv", shareable: true, dataCoding: 0x21 });
    expect(hex(encodeFileDescriptor(descriptor))).toBe("7921");
  });
});

const descriptor: fc.Arbitrary<FileDescriptor> = fc
  .record({
    kind: fc.constantFrom("working" as const, "internal" as const, 2 as const, 6 as const),
    structure: fc.constantFrom(
      "none" as const,
      "transparent" as const,
      "linear-fixed" as const,
      "cyclic-tlv" as const,
    ),
    special: fc.constantFrom(undefined, "DF" as const, "ber-tlv" as const, "simple-tlv" as const),
    shareable: fc.boolean(),
    sizes: fc.constantFrom(
      {},
      { dataCoding: 0x21 },
      { dataCoding: 0x01, recordSize: 255 },
      { dataCoding: 0x21, recordSize: 0x20, recordCount: 10 },
      { dataCoding: 0x21, recordSize: 300, recordCount: 1000 },
    ),
  })
  .map(({ kind, structure, special, shareable, sizes }) => {
    if (special === undefined) return { kind, structure, shareable, ...sizes };
    return {
      kind: special === "DF" ? ("DF" as const) : ("working" as const),
      structure: special,
      shareable,
      ...sizes,
    };
  });

const condition: fc.Arbitrary<SecurityCondition> = fc.nat(255).map(decodeConditionByte);
const compactRule: fc.Arbitrary<AccessRule> = fc
  .tuple(fc.constantFrom(0x40, 0x20, 0x10, 0x08, 0x04, 0x02, 0x01), fc.boolean(), condition)
  .map(([bit, own, one]) => ({ mode: { kind: "mode", byte: (own ? 0x80 : 0) | bit }, conditions: [one] }));
const expandedCondition: fc.Arbitrary<SecurityCondition> = fc.letrec<{ any: SecurityCondition }>((tie) => ({
  any: fc.oneof(
    { maxDepth: 3 },
    condition,
    fc.record({
      kind: fc.constant("authentication" as const),
      keyReference: fc.nat(255),
      usage: fc.nat(255),
    }),
    fc.record({
      kind: fc.constant("secure-messaging" as const),
      template: fc.constantFrom("CCT" as const, "DST" as const, "CT" as const),
      content: fc.constantFrom(unhex("830101"), unhex("8301029501C0")),
    }),
    fc.record({
      kind: fc.constantFrom("any-of" as const, "all-of" as const, "none-of" as const),
      conditions: fc.array(tie("any"), { minLength: 1, maxLength: 3 }),
    }),
  ),
})).any;
const expandedRule: fc.Arbitrary<AccessRule> = fc.record({
  mode: fc.oneof(
    fc.record({ kind: fc.constant("mode" as const), byte: fc.nat(255) }),
    fc.record({
      kind: fc.constant("commands" as const),
      fields: fc.integer({ min: 1, max: 15 }),
      list: fc.uint8Array({ maxLength: 8 }),
    }),
    fc.record({ kind: fc.constant("proprietary" as const), value: fc.uint8Array({ maxLength: 8 }) }),
  ),
  conditions: fc.array(expandedCondition, { minLength: 1, maxLength: 3 }),
});
const bytes = (min: number, max: number) => fc.uint8Array({ minLength: min, maxLength: max });
const anyFcp: fc.Arbitrary<Fcp> = fc.record(
  {
    descriptor,
    fid: fc.nat(0xffff).map(fid),
    dfName: bytes(5, 16).map(aid),
    size: fc.nat(0xffffff),
    totalSize: fc.nat(0xffffff),
    sfi: fc.oneof(fc.integer({ min: 1, max: 30 }).map(sfi), fc.constant("none" as const)),
    lcs: fc.nat(255),
    arr: fc.oneof(
      fc.record({ record: fc.nat(255) }),
      fc.record({ fid: fc.nat(0xffff).map(fid), record: fc.nat(255) }),
      fc.record({
        fid: fc.nat(0xffff).map(fid),
        byEnvironment: fc.array(fc.record({ seid: fc.nat(255), record: fc.nat(255) }), {
          minLength: 1,
          maxLength: 4,
        }),
      }),
    ),
    compactRules: fc.array(compactRule, { maxLength: 8 }),
    expandedRules: fc.array(expandedRule, { maxLength: 3 }),
    proprietarySecurity: bytes(0, 6),
    proprietary: bytes(0, 6),
    proprietaryTlv: fc.constant([tlv(0x80, unhex("71"))]),
    others: fc.constant([tlv(0xc6, tlv(0x90, unhex("60"))), tlv(0x8e, unhex("00"))]),
  },
  { requiredKeys: [] },
);

describe("FCP round trips", () => {
  test("decode what encode gives", () => {
    fc.assert(
      fc.property(anyFcp, (fcp) => {
        expect(decodeFcp(encodeFcp(fcp))).toEqual(fcp);
      }),
    );
  });
  test("FCI and FMD", () => {
    const fcp: Fcp = { fid: fid(0x0101), size: 256 };
    const fmd = [tlv(0x50, unhex("41"))];
    for (const fci of [
      { template: "FCP", fcp },
      { template: "FCI", fcp },
      { template: "FCI", fcp, fmd },
      { template: "FMD", fcp: {}, fmd },
    ] as const) {
      expect(decodeFci(encodeFci(fci))).toEqual(fci);
    }
    expect(hex(encodeFcp(fcp, 0x6f))).toBe("6F088302010180020100");
    expect(codeOf(() => decodeFcp(encodeFcp(fcp, 0x6f)))).toBe("bad-fcp");
  });
  test("an FCI of a GlobalPlatform card", () => {
    const { fcp } = decodeFci(unhex("6F108408A000000151000000A5049F6501FF"));
    expect(hex(fcp.dfName ?? new Uint8Array(0))).toBe("A000000151000000");
    expect(fcp.proprietaryTlv).toEqual([{ tag: 0x9f65, value: unhex("FF") }]);
  });
  test.each([
    ["6100", "another template"],
    ["62008001AA", "two objects"],
    ["62068302010183020102", "an object twice"],
    ["6203830101", "a file identifier of one byte"],
    ["6203880139", "low bits in the SFI"],
    ["62038801F8", "SFI 31"],
    ["6203880100", "SFI 0"],
    ["62048A020505", "a life cycle byte of two"],
    ["62048B020101", "a reference of two bytes"],
    ["62078B050101010101", "a reference of five bytes"],
    ["62028000", "a size without bytes"],
    ["62028200", "an empty file descriptor"],
    ["62038201C1", "b8 of the file descriptor"],
    ["62038C0103", "conditions missing"],
    ["6203820178840000", "trailing bytes"],
  ])("%s is refused: %s", (text) => {
    expect(() => decodeFcp(unhex(text))).toThrow(CardProblem);
  });
  test("contradictory descriptors are refused", () => {
    const df = { kind: "DF", structure: "DF", shareable: false } as const;
    expect(codeOf(() => encodeFileDescriptor({ ...df, recordCount: 1 }))).toBe("bad-fcp");
    expect(codeOf(() => encodeFileDescriptor({ ...df, recordSize: 1 }))).toBe("bad-fcp");
    expect(codeOf(() => encodeFileDescriptor({ ...df, kind: "working" }))).toBe("bad-fcp");
    expect(codeOf(() => encodeFileDescriptor({ ...df, structure: "cyclic" }))).toBe("bad-fcp");
  });
  test("the descriptors of the standard's example", () => {
    expect(decodeFileDescriptor(unhex("42210020" + "0A"))).toEqual({
      kind: "working",
      structure: "linear-fixed",
      shareable: true,
      dataCoding: 0x21,
      recordSize: 32,
      recordCount: 10,
    });
    expect(decodeFileDescriptor(unhex("7821"))).toMatchObject({
      kind: "DF",
      structure: "DF",
      shareable: true,
    });
    expect(decodeFileDescriptor(unhex("09"))).toMatchObject({ kind: "internal", structure: "transparent" });
  });
});

describe("access rules", () => {
  test("compact: UPDATE never, READ after PIN", () => {
    const rules = decodeCompactRules(unhex("03FF10"));
    expect(rules).toEqual([
      { mode: { kind: "mode", byte: 0x02 }, conditions: [{ kind: "never" }] },
      {
        mode: { kind: "mode", byte: 0x01 },
        conditions: [
          {
            kind: "conditions",
            need: "any",
            secureMessaging: false,
            externalAuthentication: false,
            userAuthentication: true,
            environment: 0,
          },
        ],
      },
    ]);
    expect(hex(encodeCompactRules(rules))).toBe("03FF10");
  });
  test("compact: alternatives stay apart", () => {
    for (const text of ["011001A0", "7F00FF10203040FF", "81F1" + "0110"]) {
      expect(hex(encodeCompactRules(decodeCompactRules(unhex(text))))).toBe(text);
    }
    expect(codeOf(() => decodeCompactRules(unhex("00")))).toBe("bad-fcp");
    expect(codeOf(() => decodeCompactRules(unhex("0310")))).toBe("bad-fcp");
  });
  test("every condition byte", () => {
    for (let sc = 0; sc < 256; sc++) expect(encodeConditionByte(decodeConditionByte(sc))).toBe(sc);
    const all = {
      kind: "conditions",
      secureMessaging: true,
      externalAuthentication: true,
      userAuthentication: true,
    } as const;
    expect(codeOf(() => encodeConditionByte({ ...all, need: "all", environment: 15 }))).toBe("bad-fcp");
    expect(codeOf(() => encodeConditionByte({ ...all, need: "all", environment: 16 }))).toBe("bad-fcp");
    expect(codeOf(() => encodeConditionByte({ kind: "authentication" }))).toBe("bad-fcp");
    expect(codeOf(() => encodeCompactRules([{ mode: { kind: "mode", byte: 1 }, conditions: [] }]))).toBe(
      "bad-fcp",
    );
  });
  test("expanded: an EF.ARR record", () => {
    const good = "8001019000" + "800102A010A406830101950108A406830181950108" + "84012297" + "00";
    const rules = decodeExpandedRules(unhex(good));
    expect(rules).toMatchObject([
      { mode: { kind: "mode", byte: 1 }, conditions: [{ kind: "always" }] },
      {
        mode: { kind: "mode", byte: 2 },
        conditions: [
          {
            kind: "any-of",
            conditions: [
              { kind: "authentication", keyReference: 0x01, usage: 0x08 },
              { kind: "authentication", keyReference: 0x81, usage: 0x08 },
            ],
          },
        ],
      },
      { mode: { kind: "commands", fields: 4 }, conditions: [{ kind: "never" }] },
    ]);
    expect(hex(encodeExpandedRules(rules))).toBe(good);
  });
  test.each([
    "9000",
    "800101",
    "80010190009E",
    "8001019E0111FF",
    "800101900190",
    "80020101900",
    "8001018801019000BB00",
  ])("expanded %s is refused", (text) => expect(() => decodeExpandedRules(unhex(text))).toThrow(CardProblem));
});

test("life cycle", () => {
  const states = new Map<number, string>([
    [0x00, "no-information"],
    [0x01, "creation"],
    [0x03, "initialisation"],
    [0x04, "deactivated"],
    [0x05, "activated"],
    [0x06, "deactivated"],
    [0x07, "activated"],
    [0x0c, "terminated"],
    [0x0d, "terminated"],
    [0x0e, "terminated"],
    [0x0f, "terminated"],
  ]);
  for (let byte = 0; byte < 256; byte++) {
    expect(lifeCycle(byte)).toBe(states.get(byte) ?? (byte > 0x0f ? "proprietary" : "reserved"));
  }
  for (const [name, byte] of Object.entries(LCS)) expect(lifeCycle(byte)).toBe(name);
});
