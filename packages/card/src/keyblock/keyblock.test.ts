import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { nodeCrypto } from "../../node/index.js";
import { codeOf, vectorsOf } from "../../node/testing.js";
import { hex, unhex } from "../bytes/index.js";
import { kcvDes } from "../crypto/index.js";
import {
  combineComponents,
  desWeakness,
  type KeyBlockHeader,
  oddParity,
  openKeyBlock,
  paddingLength,
  parseHeader,
  wrapKeyBlock,
} from "./index.js";

interface Vector {
  readonly id: string;
  readonly kbpk: string;
  readonly key: string;
  readonly block: string;
  readonly version: string;
  readonly random_pad?: string;
}
const vectors = vectorsOf<Vector>("tr31");
const open = (kbpk: string, block: string, anyUse = false) =>
  openKeyBlock({ crypto: nodeCrypto, kbpk: unhex(kbpk), block, anyUse });
const codeWhen = codeOf;
/** ISO 20038's sample gives a derivation key the mode "verify". */
const oddUse = "tr31-iso20038-B2-E";

describe("key blocks", () => {
  test("all vectors are here", () => {
    expect(vectors.length).toBe(12);
    expect(new Set(vectors.map(({ version }) => version))).toEqual(new Set(["A", "B", "C", "D", "E"]));
  });

  test.each(vectors)(
    "$id opens, and is made again from the same padding",
    ({ id, kbpk, key, block, version }) => {
      const anyUse = id === oddUse;
      expect(codeWhen(() => open(kbpk, block))).toBe(anyUse ? "bad-key-block" : "none");
      const opened = open(kbpk, block, anyUse);
      expect(opened.header.version).toBe(version);
      expect(hex(opened.key)).toBe(key);
      const optional = opened.header.optional.filter(({ id }) => id !== "PB");
      const again = wrapKeyBlock({
        crypto: nodeCrypto,
        kbpk: unhex(kbpk),
        header: { ...opened.header, optional },
        key: opened.key,
        random: opened.padding,
        maskTo: opened.key.length + opened.padding.length,
        anyUse,
      });
      expect(again).toBe(block);
    },
  );

  test.each(vectors)("$id: every damaged character is refused", ({ kbpk, block }) => {
    for (let at = 0; at < block.length; at++) {
      for (const other of ["0", "1", "A", "F", "N", "\u0000"]) {
        if (block.charAt(at) === other) continue;
        const damaged = block.slice(0, at) + other + block.slice(at + 1);
        expect([at, other, codeWhen(() => open(kbpk, damaged, true))]).toEqual([at, other, "bad-key-block"]);
      }
    }
  });

  test.each(vectors)("$id: cut, lengthened and under another key, it is refused", ({ kbpk, block }) => {
    for (let length = 0; length < block.length; length++)
      expect(codeWhen(() => open(kbpk, block.slice(0, length), true))).toBe("bad-key-block");
    expect(codeWhen(() => open(kbpk, `${block}00000000`, true))).toBe("bad-key-block");
    const other = unhex(kbpk);
    other[3] = (other[3] ?? 0) ^ 0x10;
    expect(codeWhen(() => open(hex(other), block, true))).toBe("bad-key-block");
  });

  const header: KeyBlockHeader = {
    version: "D",
    usage: "D0",
    algorithm: "A",
    mode: "B",
    keyVersion: "00",
    exportability: "N",
    optional: [],
  };
  const wrap = (
    more: Partial<KeyBlockHeader>,
    key: Uint8Array = new Uint8Array(16).fill(7),
    kbpk = new Uint8Array(32).fill(9),
  ) =>
    wrapKeyBlock({
      crypto: nodeCrypto,
      kbpk,
      header: { ...header, ...more },
      key,
      random: new Uint8Array(64),
    });

  test("a header that the standard does not have is never made", () => {
    expect(codeWhen(() => wrap({ usage: "Q9" }))).toBe("bad-key-block");
    expect(codeWhen(() => wrap({ usage: "E0", mode: "E" }))).toBe("bad-key-block");
    expect(codeWhen(() => wrap({ usage: "P0", algorithm: "H" }))).toBe("bad-key-block");
    expect(codeWhen(() => wrap({ usage: "M3", algorithm: "A" }))).toBe("bad-key-block");
    expect(codeWhen(() => wrap({ exportability: "X" }))).toBe("bad-key-block");
    expect(codeWhen(() => wrap({ keyVersion: "d1" }))).toBe("bad-key-block");
    expect(codeWhen(() => wrap({ optional: [{ id: "PB", data: "0000" }] }))).toBe("bad-key-block");
    expect(parseHeader(wrap({})).header).toEqual(header);
  });

  test("a key is never carried by a weaker one", () => {
    expect(codeWhen(() => wrap({}, new Uint8Array(32), new Uint8Array(16)))).toBe("bad-key-block");
    expect(codeWhen(() => wrap({ version: "B" }, new Uint8Array(16), new Uint8Array(24)))).toBe(
      "bad-key-block",
    );
    expect(
      codeWhen(() => wrap({ version: "B", algorithm: "T" }, new Uint8Array(24), new Uint8Array(16))),
    ).toBe("bad-key-block");
    expect(codeWhen(() => wrap({}, new Uint8Array(20)))).toBe("bad-key-block");
  });

  test("masked blocks do not tell the key's length", () => {
    const sizes = [16, 24, 32].map((length) => {
      const key = new Uint8Array(length).fill(length);
      const block = wrapKeyBlock({
        crypto: nodeCrypto,
        kbpk: new Uint8Array(32).fill(1),
        header,
        key,
        random: new Uint8Array(64),
        maskTo: 32,
      });
      expect(hex(open(hex(new Uint8Array(32).fill(1)), block).key)).toBe(hex(key));
      return block.length;
    });
    expect(sizes).toEqual([144, 144, 144]);
    expect(paddingLength("D", 16)).toBe(14);
  });

  test("any optional blocks come back, padded to whole blocks", () => {
    const blocks = fc.array(
      fc.record({
        id: fc.constantFrom("KS", "LB", "TS", "KP"),
        data: fc.string({ maxLength: 40, unit: fc.constantFrom("A", "Z", "0", "9", " ", "~") }),
      }),
      { maxLength: 5 },
    );
    fc.assert(
      fc.property(blocks, fc.constantFrom("B" as const, "D" as const, "E" as const), (optional, version) => {
        const algorithm = version === "B" ? "T" : "A";
        const kbpk = new Uint8Array(version === "B" ? 24 : 32).fill(5);
        const block = wrap({ version, algorithm, optional }, new Uint8Array(16).fill(3), kbpk);
        const opened = open(hex(kbpk), block);
        expect(opened.header.optional.filter(({ id }) => id !== "PB")).toEqual(optional);
        expect(hex(opened.key)).toBe("03".repeat(16));
      }),
    );
  });

  test("any text is refused or opened, never anything else", () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 200 }), (text) => {
        expect(codeWhen(() => open("00".repeat(16), text))).toBe("bad-key-block");
      }),
    );
  });
});

describe("components", () => {
  interface Components {
    readonly components: readonly string[];
    readonly component_kcv_3des: readonly string[];
    readonly combined_raw: string;
    readonly combined_odd_parity: string;
    readonly kcv_3des: string;
  }
  const [vector] = vectorsOf<Components>("key-components");
  if (vector === undefined) throw new Error("no vector of components");

  test("the vector, in any order", () => {
    const parts = vector.components.map(unhex);
    for (const [at, part] of parts.entries())
      expect(hex(kcvDes(nodeCrypto, part))).toBe(vector.component_kcv_3des[at]);
    const key = combineComponents(parts);
    expect(hex(key)).toBe(vector.combined_raw);
    expect(hex(combineComponents(parts.toReversed()))).toBe(vector.combined_raw);
    expect(hex(oddParity(key))).toBe(vector.combined_odd_parity);
    expect(hex(kcvDes(nodeCrypto, key))).toBe(vector.kcv_3des);
  });

  test("what must not be is refused", () => {
    const some = new Uint8Array(16).fill(1);
    for (const parts of [
      [],
      [some],
      [some, some],
      [some, new Uint8Array(16)],
      [some, new Uint8Array(8).fill(2)],
    ])
      expect(codeWhen(() => combineComponents(parts))).toBe("bad-key");
    const three = [new Uint8Array(16).fill(1), new Uint8Array(16).fill(2), new Uint8Array(16).fill(3)];
    expect(codeWhen(() => combineComponents(three))).toBe("bad-key");
  });

  test("a triple DES key that is single DES, or weak, is told", () => {
    expect(desWeakness(unhex("0123456789ABCDEF0123456789ABCDEF"))).toMatch(/single DES/);
    expect(desWeakness(unhex("0123456789ABCDEE0022446688AACCEE"))).toMatch(/single DES/);
    expect(desWeakness(unhex("01010101010101010123456789ABCDEF"))).toMatch(/weak/);
    expect(desWeakness(unhex("0123456789ABCDEFFEDCBA9876543210"))).toBeUndefined();
  });
});
