import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { vectorsOf } from "../../node/testing.js";
import { hex, unhex, utf8 } from "../bytes/index.js";
import {
  frameBody,
  type IssuerHead,
  isIssuerFile,
  IssuerDataProblem,
  parseHead,
  parsePreamble,
  parseRecord,
} from "./index.js";

interface Vector {
  readonly form: "binary" | "json";
  readonly mode: string;
  readonly algorithm: string;
  readonly kcvs: readonly string[];
  readonly names: readonly string[];
  readonly file: string;
}
const vectors = vectorsOf<Vector>("issuer-data");

/** All that a file holds. */
function whole(file: Uint8Array) {
  const preamble = parsePreamble(file);
  const { head, records } = frameBody(preamble.form, file.subarray(preamble.length));
  return {
    preamble,
    head: parseHead(preamble.form, head),
    records: records.map((record) => parseRecord(preamble.form, record)),
  };
}
/** What becomes of a file: read, or refused by its own problem; anything else thrown is thrown on. */
function fate(file: Uint8Array): ReturnType<typeof whole> | string {
  try {
    return whole(file);
  } catch (problem) {
    if (problem instanceof IssuerDataProblem) return problem.message;
    throw problem;
  }
}

describe("files that another program wrote", () => {
  test("all vectors are here", () => expect(vectors).toHaveLength(6));

  test.each(vectors)("$id is read whole", ({ file, form, mode, algorithm, kcvs, names }) => {
    const bytes = unhex(file);
    expect(isIssuerFile(bytes)).toBe(true);
    const { preamble, head, records } = whole(bytes);
    expect(preamble).toMatchObject({
      form,
      algorithm,
      key: algorithm === "Ed25519" ? "issuer-sign" : "issuer-mac",
    });
    expect(head).toMatchObject({
      order: "T-1",
      environment: "test",
      records: 3,
      transportKey: "issuer-tk",
    } satisfies Partial<IssuerHead>);
    expect(records.map(({ data }) => data["Full name"])).toEqual(names);
    for (const [at, { applications, number }] of records.entries()) {
      expect(number).toBe(at + 1);
      const [app] = applications;
      expect(app).toMatchObject({ mode, level: 3 });
      expect(hex(app?.aid ?? new Uint8Array(0))).toBe("A000000876020101");
      const by = new Map(app?.groupings.map((one) => [one.id, one]));
      expect([...by.keys()].sort((a, b) => a - b)).toEqual([0x0102, 0x8101, 0x9001]);
      expect(by.get(0x8101)).toMatchObject({ secret: true });
      expect(by.get(0x8101)?.value).toHaveLength(mode === "aes-wrap" ? 24 : 16);
      expect(by.get(0x9001)?.secret).toBe(false);
      expect(hex(by.get(0x9001)?.value ?? new Uint8Array(0))).toBe(kcvs[at]);
    }
  });

  test.each(vectors)(
    "$id: cut anywhere it is refused, and damage is refused or read, nothing else",
    ({ file }) => {
      const bytes = unhex(file);
      for (let length = 0; length < bytes.length; length++)
        expect(typeof fate(bytes.slice(0, length))).toBe("string");
      expect(typeof fate(Uint8Array.of(...bytes, 0x0a))).toBe("string");
      for (let at = 0; at < bytes.length; at++)
        for (const bit of [0x01, 0x10, 0x80]) {
          const damaged = bytes.slice();
          damaged[at] = (damaged[at] ?? 0) ^ bit;
          fate(damaged);
        }
    },
  );

  test("any bytes are refused", () => {
    const start = fc.constantFrom(
      new Uint8Array(0),
      unhex(vectors[0]?.file ?? "").slice(0, 150),
      unhex(vectors[3]?.file ?? "").slice(0, 300),
    );
    fc.assert(
      fc.property(start, fc.uint8Array({ maxLength: 400 }), (first, rest) => {
        expect(typeof fate(Uint8Array.of(...first, ...rest))).toBe("string");
      }),
    );
  });
});

describe("a record", () => {
  const record = (modules: readonly (readonly [string, Uint8Array])[]) => {
    const parts = modules.map(([name, data]) => [
      name.length,
      ...utf8(name),
      ...utf8(String(data.length).padStart(7, "0")),
      ...data,
    ]);
    return { number: 7, bytes: Uint8Array.of(...utf8("FFFFFFFA"), ...parts.flat()) };
  };
  const data = ["DATA", utf8('{"Name":"A"}')] as const;
  const none = [0, 0];
  const chip = (
    pdi: readonly number[],
    tk: readonly number[] = [1, 0x12, 1, 0x81, 0x01],
    more: readonly number[] = [],
  ) => {
    const app = [
      5,
      1,
      2,
      3,
      4,
      5,
      tk.length,
      ...tk,
      0,
      pdi.length,
      ...pdi,
      ...none,
      0xef,
      5,
      0x81,
      0x01,
      2,
      9,
      9,
      ...more,
    ];
    return ["CHIP", Uint8Array.of(4, ...utf8("02.1"), 1, ...app)] as const;
  };
  const enc = [0, 3, 0x81, 0x01, 0x11];
  const good = [...none, ...none, ...enc, ...none, ...none, 1, 0];
  const said = (modules: readonly (readonly [string, Uint8Array])[]) => {
    try {
      parseRecord("binary", record(modules));
    } catch (problem) {
      if (problem instanceof IssuerDataProblem) return problem.message;
      throw problem;
    }
    return "read";
  };

  test("unknown modules, sections and instructions are refused, and so is what is left over", () => {
    expect(said([data, chip(good)])).toBe("read");
    expect(said([data, ["MAGSTR", new Uint8Array(2)]])).toContain("module MAGSTR is none that this line has");
    expect(said([data, data])).toContain("DATA is there twice");
    expect(said([chip(good)])).toContain("module DATA is missing");
    expect(said([["DATA", utf8('{"Name":{"a":1}}')]])).toContain("texts and lists of texts");
    expect(said([data, chip(good, undefined, [0])])).toContain("1 bytes follow after the last application");
    expect(said([data, chip(good, [2, 0x12, 1, 0x81, 0x01])])).toContain("another version than 01");
    expect(said([data, chip(good, [1, 0x13, 1, 0x81, 0x01])])).toContain("transport mode is unknown");
    expect(said([data, chip(good, [1, 0x12, 1, 0x81, 0x02])])).toContain("not the same");
    const pdi = (order: number[], vercntl: number[], random: number[], group: number[]) =>
      [order, vercntl, [0x81, 0x01, 0x11], random, group].flatMap((list) => [0, list.length, ...list]);
    const told = (...lists: Parameters<typeof pdi>) => said([data, chip([...pdi(...lists), 1, 0])]);
    expect(told([], [], [], [])).toBe("read");
    expect(told([3, 0x81, 0x01], [], [], [])).toContain("ORDER's grouping should have 2 bytes");
    expect(told([1, 0x81, 0x01], [], [], [])).toContain("a list of ORDER has fewer than two groupings");
    expect(told([2, 0x81, 0x01, 0x81, 0x02], [], [], [])).toContain(
      "ORDER names grouping 8102, which is not among",
    );
    expect(told([2, 0x81, 0x01, 0x81, 0x01], [], [], [])).toContain("ORDER names grouping 8101 twice");
    expect(told([], [0x81], [], [])).toContain("VERCNTL's grouping should have 2 bytes");
    expect(told([], [0x81, 0x01], [], [])).toContain("VERCNTL names the secret grouping 8101");
    expect(told([], [], [0x81, 0x01], [])).toContain("RANDOM names the secret grouping 8101");
    expect(told([], [], [], [2, 0x81, 0x01, 0x90, 0x01])).toContain(
      "GROUP names grouping 9001, which is not",
    );
    expect(said([data, chip([...none, ...none, ...none, ...none, ...none, 1, 0])])).toContain("not the same");
    expect(said([data, chip([...good.slice(0, -2), 2, 0])])).toContain("SECLEV");
    expect(said([data, chip([...good.slice(0, -1), 1])])).toContain("UPDATECPLC");
    expect(said([data, chip([...good, 0])])).toContain("follow after the instructions");
  });
});
