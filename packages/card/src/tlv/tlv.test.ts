import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { codeOf, unlessRefused, vectorsOf } from "../../node/testing.js";
import { equal, hex, unhex } from "../bytes/index.js";
import {
  encodeCompactTlv,
  encodeDgi,
  encodeTlv,
  encodeTlvLength,
  findTlv,
  parseCompactTlv,
  parseDgis,
  parseTlv,
  type Tlv,
  tlv,
} from "./index.js";

const primitiveTag = fc.constantFrom(0x04, 0x5a, 0x80, 0x9f7f, 0x5f20, 0xdf01, 0x9f8101, 0xdf818201);
const templateTag = fc.constantFrom(0x30, 0x62, 0x6f, 0xa5, 0xe0, 0x7f21, 0xbf0c, 0xff21);
const primitive: fc.Arbitrary<Tlv> = fc
  .tuple(primitiveTag, fc.uint8Array({ maxLength: 300 }))
  .map(([tag, value]) => tlv(tag, value));
const object: fc.Arbitrary<Tlv> = fc.letrec<{ tlv: Tlv }>((tie) => ({
  tlv: fc.oneof(
    { maxDepth: 5 },
    primitive,
    fc.tuple(templateTag, fc.array(tie("tlv"), { maxLength: 3 })).map(([tag, list]) => tlv(tag, ...list)),
  ),
})).tlv;

describe("BER-TLV", () => {
  test("reads what it writes", () => {
    fc.assert(
      fc.property(fc.array(object, { maxLength: 4 }), (list) => {
        const bytes = encodeTlv(list);
        const read = parseTlv(bytes);
        expect(hex(encodeTlv(read))).toBe(hex(bytes));
        expect(read.map(({ tag }) => tag)).toEqual(list.map(({ tag }) => tag));
      }),
    );
  });
  test("a truncated object is always refused", () => {
    fc.assert(
      fc.property(object, fc.nat(), (whole, cut) => {
        const bytes = encodeTlv(whole);
        expect(codeOf(() => parseTlv(bytes.subarray(0, 1 + (cut % (bytes.length - 1)))))).toBe("bad-tlv");
      }),
    );
  });
  test("any bytes are read or refused, never anything else", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
        const read = unlessRefused(() => parseTlv(bytes));
        // What was read has every byte in its place: written again, it is no longer than before.
        expect(encodeTlv(read ?? []).length).toBeLessThanOrEqual(bytes.length);
        expect(() => unlessRefused(() => parseTlv(bytes, { padding: "00-or-FF" }))).not.toThrow();
      }),
    );
  });
  test.each([
    [0, "00"],
    [0x7f, "7F"],
    [0x80, "8180"],
    [0xff, "81FF"],
    [0x100, "820100"],
    [0x10000, "83010000"],
    [0x1000000, "8401000000"],
  ])("length %i is %s", (length, text) => {
    expect(hex(encodeTlvLength(length))).toBe(text);
  });
  test("lengths longer than needed are read, as cards write them", () => {
    expect(parseTlv(unhex("80820001AA"))).toEqual([{ tag: 0x80, value: unhex("AA") }]);
    expect(parseTlv(unhex("808400000001AA"))[0]?.value).toEqual(unhex("AA"));
  });
  test.each([
    ["80", "the length is missing"],
    ["9F", "the tag is cut off"],
    ["9F8001AA", "the second tag byte may not be 80"],
    ["9F8182838401AA", "the tag is longer than 4 bytes"],
    ["8080AA0000", "indefinite length"],
    ["8085000000000100", "length byte 85"],
    ["80FF", "length byte FF"],
    ["8002AA", "value too short"],
    ["8084FFFFFFFFAA", "length far beyond the end"],
    ["808201", "length cut off"],
    ["000000", "padding that was not allowed"],
    ["6203800255", "inner object beyond its template"],
  ])("refuses %s: %s", (text) => {
    expect(codeOf(() => parseTlv(unhex(text)))).toBe("bad-tlv");
  });
  test("the offset of a fault is absolute", () => {
    expect(() => parseTlv(unhex("8001AA6204A5028005"))).toThrow(/^TLV, offset 7: /);
  });
  test("fill bytes pass only where they are allowed, and only on top", () => {
    const filled = unhex("00008001AA00FF8101BBFFFF");
    expect(parseTlv(filled, { padding: "00-or-FF" }).map(({ tag }) => tag)).toEqual([0x80, 0x81]);
    expect(parseTlv(unhex("00008001AA00"), { padding: "00" }).length).toBe(1);
    expect(codeOf(() => parseTlv(filled, { padding: "00" }))).toBe("bad-tlv");
    expect(codeOf(() => parseTlv(unhex("6204008001AA"), { padding: "00" }))).toBe("bad-tlv");
  });
  test("nesting has a limit", () => {
    const nested = (depth: number): Tlv => (depth === 0 ? tlv(0x80) : tlv(0x62, nested(depth - 1)));
    expect(parseTlv(encodeTlv(nested(7))).length).toBe(1);
    expect(codeOf(() => parseTlv(encodeTlv(nested(8))))).toBe("bad-tlv");
    expect(codeOf(() => parseTlv(encodeTlv(nested(2)), { maxDepth: 1 }))).toBe("bad-tlv");
  });
  test("finds along a path, through repeated templates", () => {
    const list = [
      tlv(0x61, tlv(0x50, unhex("41"))),
      tlv(0x61, tlv(0x4f, unhex("A0")), tlv(0x50, unhex("42"))),
    ];
    expect(findTlv(list, 0x61, 0x4f)?.value).toEqual(unhex("A0"));
    expect(findTlv(list, 0x61, 0x50)?.value).toEqual(unhex("41"));
    expect(findTlv(list, 0x50)).toBeUndefined();
    expect(findTlv(list)).toBeUndefined();
  });
  test("builds from bytes and objects", () => {
    expect(tlv(0x62, unhex("8001AA"), tlv(0x81, unhex("BB"))).children?.length).toBe(2);
    expect(hex(encodeTlv(tlv(0x80, unhex("01"), unhex("02"))))).toBe("80020102");
    for (const tag of [0, -1, 0x1f, 0x8080, 0x9f80, 2 ** 32, 1.5])
      expect(codeOf(() => tlv(tag))).toBe("bad-tlv");
    expect(codeOf(() => tlv(0x62, unhex("80")))).toBe("bad-tlv");
  });
});

describe("COMPACT-TLV", () => {
  test("reads what it writes", () => {
    const any = fc.record({ tag: fc.nat(15), value: fc.uint8Array({ maxLength: 15 }) });
    fc.assert(
      fc.property(fc.array(any, { maxLength: 5 }), (list) => {
        const bytes = encodeCompactTlv(list);
        expect(parseCompactTlv(bytes).map(({ tag, value }) => [tag, hex(value)])).toEqual(
          list.map(({ tag, value }) => [tag, hex(value)]),
        );
        const cut = codeOf(() => parseCompactTlv(bytes.subarray(0, -1)));
        expect(cut).toBe((list.at(-1)?.value.length ?? 0) > 0 ? "bad-tlv" : "none");
      }),
    );
  });
  test("refuses what does not fit", () => {
    expect(codeOf(() => encodeCompactTlv([{ tag: 16, value: new Uint8Array(0) }]))).toBe("bad-tlv");
    expect(codeOf(() => encodeCompactTlv([{ tag: 1, value: new Uint8Array(16) }]))).toBe("bad-tlv");
  });
});

describe("DGI", () => {
  interface DgiVector {
    readonly dgi: string;
    readonly len: number;
    readonly encoded?: string;
    readonly prefix?: string;
  }
  const vectors = vectorsOf<DgiVector>("dgi-tlv");
  test("all vectors are here", () => expect(vectors.length).toBe(2));
  test.each(vectors)("$id", ({ dgi, len, encoded, prefix }) => {
    const value = encoded === undefined ? new Uint8Array(len) : unhex(encoded).subarray(3);
    const bytes = encodeDgi(Number.parseInt(dgi, 16), value);
    const whole = encoded ?? (prefix ?? "").padEnd(2 * (len + 3), "0");
    expect(hex(bytes)).toBe(whole);
    expect(parseDgis(bytes)).toEqual([{ id: Number.parseInt(dgi, 16), value }]);
    for (let cut = 1; cut < bytes.length; cut++)
      expect(codeOf(() => parseDgis(bytes.subarray(0, cut)))).toBe("bad-dgi");
    const damaged = bytes.slice();
    damaged[2] = (damaged[2] ?? 0) ^ 0x01;
    expect(codeOf(() => parseDgis(damaged))).toBe("bad-dgi");
  });
  test("several in a row, short and long", () => {
    const groupings = fc.array(
      fc.record({
        id: fc.nat(0xffff),
        value: fc
          .constantFrom(0, 1, 253, 254, 255, 256, 600)
          .chain((length) => fc.uint8Array({ minLength: length, maxLength: length })),
      }),
      { maxLength: 4 },
    );
    fc.assert(
      fc.property(groupings, (list) => {
        const bytes = list.map(({ id, value }) => encodeDgi(id, value));
        const all = unhex(bytes.map(hex).join(""));
        const read = parseDgis(all);
        expect(read.length).toBe(list.length);
        list.forEach(({ id, value }, at) => {
          expect(read[at]?.id).toBe(id);
          expect(equal(read[at]?.value ?? new Uint8Array(0), value)).toBe(true);
        });
      }),
    );
  });
  test("the long form starts at 255 and ends at 65534", () => {
    expect(hex(encodeDgi(0x0101, new Uint8Array(255))).slice(0, 10)).toBe("0101FF00FF");
    expect(codeOf(() => parseDgis(unhex(`0101FF0001AA`)))).toBe("bad-dgi");
    expect(codeOf(() => encodeDgi(0x0101, new Uint8Array(65535)))).toBe("bad-dgi");
    expect(codeOf(() => encodeDgi(0x10000, new Uint8Array(0)))).toBe("bad-dgi");
  });
});

test("templates by their number that hold bytes are left as they are where that is asked", () => {
  const key = unhex("7F4906B00204FFF000");
  expect(() => parseTlv(key)).toThrow("offset");
  const [template] = parseTlv(key, { opaque: [0xb0, 0xf0] });
  expect(template?.children).toEqual([
    { tag: 0xb0, value: unhex("04FF") },
    { tag: 0xf0, value: unhex("") },
  ]);
});
