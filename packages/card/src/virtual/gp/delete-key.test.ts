/** DELETE [key] where a key set, key pairs and an authority have the same version: a version alone names all of them (GPCS 11.2.2.3.2). */
import { describe, expect, test } from "vitest";
import { aes, GpBench, keysOf } from "../../../tools/gp-bench.js";
import { elliptic, hostAuthority, kids, openScp11, pairKvn, planOf } from "../../../tools/scp11-bench.js";
import { deleteKey, getCardData, parseKeyInformation } from "../../globalplatform/index.js";

/** Sets 03 and 30; pairs 11/03, 13/03, 15/03; authority 10/01. */
const fresh = (): GpBench =>
  new GpBench({ keySets: [aes(16, pairKvn), aes(16, 0x30)], elliptic: elliptic() });
const told = (bench: GpBench): string[] =>
  parseKeyInformation(bench.send(getCardData(0xe0)).data).map(
    ({ id, kvn }) => `${id.toString(16)}/${kvn.toString(16)}`,
  );
const sets = (...kvns: readonly string[]): string[] =>
  kvns.flatMap((kvn) => [`1/${kvn}`, `2/${kvn}`, `3/${kvn}`]);
const bySet = (bench: GpBench, kvn: number) => bench.open({ kvn, keys: keysOf(16), level: 0x33 });

describe("under a key set of version 03", () => {
  test("a key pair of that version is another key, and goes", () => {
    const bench = fresh();
    const session = bySet(bench, pairKvn);
    expect(bench.secured(session, deleteKey({ id: kids.a, kvn: pairKvn }))).toBe("9000");
    expect(told(bench)).toEqual([...sets("3", "30"), "13/3", "15/3", "10/1"]);
    expect(bench.secured(session, deleteKey({ id: kids.a, kvn: pairKvn }))).toBe("6A88");
  });
  test("all that has that version is not taken away, for the session's own set is among it", () => {
    const bench = fresh();
    const before = told(bench);
    expect(bench.secured(bySet(bench, pairKvn), deleteKey({ kvn: pairKvn }))).toBe("6985");
    expect(told(bench)).toEqual(before);
  });
});

describe("under a key pair of version 03", () => {
  test("the set of that version is another key: it goes with all that has the version where the session's own pair is not among it", () => {
    const bench = fresh();
    const before = told(bench);
    const session = openScp11(bench, planOf("a"));
    expect(bench.secured(session, deleteKey({ id: kids.c, kvn: pairKvn }))).toBe("9000");
    expect(bench.secured(session, deleteKey({ id: kids.a, kvn: pairKvn }))).toBe("6985");
    expect(bench.secured(session, deleteKey({ kvn: pairKvn }))).toBe("6985");
    expect(told(bench)).toEqual(before.filter((key) => key !== "15/3"));
    expect(bench.secured(session, deleteKey({ kvn: 0x30 }))).toBe("9000");
    expect(told(bench)).toEqual([...sets("3"), "11/3", "13/3", "10/1"]);
    // The last set stays.
    expect(bench.secured(session, deleteKey({ kvn: pairKvn }))).toBe("6985");
  });
  test("of the authority that the host was certified by it may be told to forget", () => {
    const bench = fresh();
    const session = openScp11(bench, planOf("a"));
    expect(bench.secured(session, deleteKey({ id: hostAuthority.id }))).toBe("9000");
    expect(told(bench)).not.toContain("10/1");
  });
});

describe("under another set", () => {
  test("a version alone takes the set and the pairs that have it, all at once", () => {
    const bench = fresh();
    const session = bySet(bench, 0x30);
    expect(bench.secured(session, deleteKey({ kvn: pairKvn }))).toBe("9000");
    expect(told(bench)).toEqual([...sets("30"), "10/1"]);
    expect(bench.secured(session, deleteKey({ kvn: pairKvn }))).toBe("6A88");
  });
  test("an identifier alone takes all pairs that have it; of sets no single key goes", () => {
    const bench = fresh();
    const session = bySet(bench, 0x30);
    expect(bench.secured(session, deleteKey({ id: 0x01 }))).toBe("6985");
    expect(bench.secured(session, deleteKey({ id: 0x04 }))).toBe("6A88");
    expect(bench.secured(session, deleteKey({ id: kids.b }))).toBe("9000");
    expect(told(bench)).toEqual([...sets("3", "30"), "11/3", "15/3", "10/1"]);
  });
  test("neither is no name", () => {
    const bench = fresh();
    const none = { cla: 0x80, ins: 0xe4, p1: 0, p2: 0, data: Uint8Array.of(0xd3, 0x01, 0x01), le: 256 };
    expect(bench.secured(bySet(bench, 0x30), none)).toBe("6A80");
  });
});
