import { generateKeyPairSync, sign, verify } from "node:crypto";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  type AuditEntry,
  canonical,
  digest,
  genesis,
  headBytes,
  nextEntry,
  type SignedHead,
  verifyChain,
} from "./audit.js";

const keys = generateKeyPairSync("ed25519");
const check = (bytes: Uint8Array, signature: Uint8Array): Promise<boolean> =>
  Promise.resolve(verify(null, bytes, keys.publicKey, signature));

function chain(length: number, from = 0): AuditEntry[] {
  const entries: AuditEntry[] = [];
  for (let number = 1; number <= length; number++) {
    const last = entries.at(-1);
    entries.push(
      nextEntry(last ?? genesis("line"), new Date(1_700_000_000_000 + number * 1000).toISOString(), {
        who: "Ada",
        what: "card.bind",
        where: "carousel",
        object: `card ${number + from}`,
        result: "ok",
        detail: { record: number },
      }),
    );
  }
  return entries;
}

function signed({ node, sequence, hash, at }: AuditEntry): SignedHead {
  const head = { node, sequence, hash, at };
  return { ...head, signature: sign(null, headBytes(head), keys.privateKey) };
}

const entries = chain(20);
const at = (number: number): AuditEntry => {
  const entry = entries[number - 1];
  if (entry === undefined) throw new Error(`no entry ${number}`);
  return entry;
};
const heads = [signed(at(12)), signed(at(20))];

test("a whole chain verifies, with and without its heads", async () => {
  expect(await verifyChain("line", entries)).toMatchObject({ ok: true, head: { sequence: 20 } });
  expect(await verifyChain("line", entries, heads, check)).toMatchObject({ ok: true });
  expect(await verifyChain("line", [])).toMatchObject({ ok: true, head: { sequence: 0 } });
});

describe("the first bad entry is named", () => {
  const { hash: _hash, ...rest } = at(7);
  const resealed = { ...nextEntry(at(6), rest.at, { ...rest, who: "Eve" }) };
  const rewritten = (): AuditEntry[] => {
    const anew = entries.slice(0, 6);
    for (const entry of entries.slice(6)) {
      const { node: _n, sequence: _s, previous: _p, hash: _h, at: when, ...facts } = entry;
      anew.push(nextEntry(anew.at(-1) ?? genesis("line"), when, { ...facts, who: "Eve" }));
    }
    return anew;
  };
  const cases: [what: string, entries: AuditEntry[], sequence: number, why: string][] = [
    ["edited", entries.map((e) => (e.sequence === 7 ? { ...e, who: "Eve" } : e)), 7, "edited"],
    [
      "edited in its detail",
      entries.map((e) => (e.sequence === 7 ? { ...e, detail: { record: 8 } } : e)),
      7,
      "edited",
    ],
    [
      "a result dropped",
      entries.map((e) => (e.sequence === 7 ? { ...e, result: "refused" } : e)),
      7,
      "edited",
    ],
    [
      "edited and its hash made anew",
      entries.map((e) => (e.sequence === 7 ? resealed : e)),
      8,
      "does-not-follow",
    ],
    ["deleted", entries.filter((e) => e.sequence !== 7), 7, "missing"],
    ["two swapped", [...entries.slice(0, 6), at(8), at(7), ...entries.slice(8)], 7, "missing"],
    ["one told twice", [...entries.slice(0, 7), at(7), ...entries.slice(7)], 8, "out-of-order"],
    [
      "one inserted under a number of its own",
      [...entries.slice(0, 7), { ...at(8), who: "Eve" }, ...entries.slice(7)],
      8,
      "edited",
    ],
    ["the beginning cut off", entries.slice(3), 1, "missing"],
    ["the end cut off", entries.slice(0, 15), 16, "cut-off"],
    ["an older copy", entries.slice(0, 12), 13, "cut-off"],
    ["all gone", [], 1, "cut-off"],
    ["the chain written anew from 7 on", rewritten(), 12, "rewritten"],
    ["another node's chain", chain(20, 5), 12, "rewritten"],
    [
      "an entry of another node",
      entries.map((e) => (e.sequence === 7 ? { ...e, node: "desk" } : e)),
      7,
      "out-of-order",
    ],
  ];
  test.each(cases)("%s", async (_what, told, sequence, why) => {
    const verdict = await verifyChain("line", told, heads, check);
    expect(verdict).toMatchObject({ ok: false, sequence, why });
    expect(verdict.ok ? "" : verdict.text).toContain(`audit entry ${sequence}`);
  });

  test("a head that was forged", async () => {
    const forged = { ...signed(at(12)), hash: at(11).hash };
    expect(await verifyChain("line", entries, [forged], check)).toMatchObject({ why: "head-signature" });
  });

  test("any single change of any entry, anywhere", async () => {
    const field = fc.constantFrom("who", "what", "where", "object", "at", "previous", "hash");
    await fc.assert(
      fc.asyncProperty(fc.nat(19), field, async (index, name) => {
        const told = entries.map((entry, i) =>
          i === index ? { ...entry, [name]: `${entry[name as "who"]}x` } : entry,
        );
        const verdict = await verifyChain("line", told, heads, check);
        expect(verdict).toMatchObject({ ok: false, sequence: index + 1 });
      }),
    );
  });
});

test("the canonical form does not depend on the order of members, and keeps types apart", () => {
  expect(canonical({ b: [1, null, "x"], a: { d: true, c: undefined } })).toBe(
    '{"a":{"d":true},"b":[1,null,"x"]}',
  );
  expect(digest({ a: 1, b: 2 })).toBe(digest({ b: 2, a: 1 }));
  expect(digest({ a: 1 })).not.toBe(digest({ a: "1" }));
});
