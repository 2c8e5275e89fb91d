import fc from "fast-check";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { hex, unhex } from "@persoline/card/bytes";
import { openKeyBlock, wrapKeyBlock } from "@persoline/card/keyblock";
import { nodeCrypto } from "@persoline/card/node";
import type { KeyRef, Serial } from "@persoline/card/program";
import { Keyring } from "../keyring.js";
import { isKnownKey } from "./known-keys.js";
import { entered, type KeyLife, type KeyState, stateAt, whyNot } from "./life.js";
import { ann, at, bob, Desk, eve, opened, plan } from "./office.test.data.js";
import { fromShares, readShare, splitKey, writeShare } from "./pieces.js";
import { brokenRecord } from "./record.js";
import { keystoreRoom } from "./room.js";
import type { CeremonyRecord, KeyAction, KeyPlan } from "./types.js";
import { createPublicKey, generateKeyPairSync } from "node:crypto";

describe("two custodians", () => {
  it("one cannot do it alone, in whatever name", async () => {
    const desk = await opened();
    await desk.begin({ do: "generate", key: plan("issuer") });
    expect(desk.keep.keys.map(({ name }) => name)).not.toContain("issuer");
    await expect(desk.confirm(ann)).rejects.toThrow("it takes another custodian");
    await expect(desk.confirm({ ...ann, name: " ann " })).rejects.toThrow("it takes another custodian");
    await expect(desk.confirm({ ...bob, passphrase: ann.passphrase })).rejects.toThrow(
      "not the passphrase of Bob",
    );
    await expect(desk.confirm(eve)).rejects.toThrow("is no custodian");
    await desk.confirm(bob);
    expect(desk.key("issuer").life).toMatchObject({ state: "active", source: "drawn", ceremony: "C-0003" });
    await expect(desk.confirm(bob)).rejects.toThrow("no ceremony C-0003 waits");
  });

  it("a name written otherwise is the same person", async () => {
    const desk = await opened();
    await desk.enrol({ ...eve, name: "Eve Novak" });
    await desk.confirm(ann);
    await desk.confirm(bob);
    await desk.begin({ do: "generate", key: plan("issuer") }, { ...eve, name: "Eve Novak" });
    await expect(desk.confirm({ ...eve, name: "eve   NOVAK" })).rejects.toThrow("it takes another custodian");
  });

  it("two names with one passphrase are one person; later custodians are let in by two", async () => {
    const desk = await opened();
    await expect(desk.enrol({ name: "Zoe", passphrase: ann.passphrase })).rejects.toThrow(
      "a person is one custodian only",
    );
    await expect(desk.enrol({ name: "ANN", passphrase: eve.passphrase })).rejects.toThrow("already");
    await expect(desk.enrol({ name: "Zoe", passphrase: "short" })).rejects.toThrow("at least 12");
    await desk.enrol(eve);
    expect(desk.keep.book.custodians.map(({ name }) => name)).toEqual(["Ann", "Bob"]);
    const { last } = desk;
    await expect(desk.begin({ do: "generate", key: plan("a") }, eve)).rejects.toThrow("is no custodian");
    desk.last = last;
    await desk.confirm(ann);
    await desk.confirm(bob);
    expect(desk.keep.book.custodians.map(({ name }) => name)).toEqual(["Ann", "Bob", "Eve"]);
  });

  it("nothing begins before there are two, and five wrong passphrases lock one out", async () => {
    const desk = new Desk();
    await desk.enrol(ann);
    await expect(desk.begin({ do: "generate", key: plan("a") })).rejects.toThrow("two custodians");
    await desk.enrol(bob);
    for (const left of ["4 tries are left", "3 tries", "2 tries", "1 try is left", "Bob is locked out now"])
      await expect(
        desk.begin({ do: "generate", key: plan("a") }, { ...bob, passphrase: "a wrong passphrase" }),
      ).rejects.toThrow(new RegExp(`not the passphrase of Bob.*${left}`));
    expect(desk.keep.book.pending).toEqual([]);
    await expect(desk.begin({ do: "generate", key: plan("a") }, bob)).rejects.toThrow("locked out");
  });
});

describe("whoever confirms", () => {
  it("is told what, to which key, and who began it, before the passphrase", async () => {
    const desk = await opened();
    await desk.both({ do: "generate", key: plan("gate") });
    await desk.begin({ do: "state", name: "gate", state: "suspended", reason: "audit" });
    await desk.confirm();
    expect(desk.prompts.at(-1)).toBe(
      `Ceremony ${desk.last}, begun by Ann: key gate: set suspended (audit)\nPassphrase of custodian Bob`,
    );
  });

  it("brings a piece only where one is wanted: nobody confirms another ceremony than was meant", async () => {
    const desk = await opened();
    await desk.both({ do: "generate", key: plan("gate") });
    await desk.begin({ do: "state", name: "gate", state: "suspended", reason: "audit" });
    const asked = desk.prompts.length;
    await expect(desk.confirm(bob, "00", "50C5AD")).rejects.toThrow(
      /takes no piece of a key, it is "key gate: set suspended \(audit\)": leave --piece-kcv/,
    );
    expect(desk.prompts).toHaveLength(asked);
    await desk.confirm();
    expect(desk.keep.book.pending).toEqual([]);
  });
});

describe("pieces", () => {
  const [one, two] = ["67C9F0E2A1B3C4D5E6F7089A1B2C3D4E", "0123456789ABCDEFFEDCBA9876543210"];
  const components: KeyAction = {
    do: "import",
    key: plan("zmk", { use: "scp02", algorithm: "3DES" }),
    form: "components",
    count: 3,
    kcv: "C7FDF7",
    method: "gp",
  };
  const three = "A1B2C3D4E5F60718293A4B5C6D7E8F90";

  it("three components, each with its check value, give the key of the outside vector", async () => {
    const desk = await opened();
    await desk.enrol(eve);
    await desk.confirm(ann);
    await desk.confirm(bob);
    await expect(desk.begin(components, ann, one, "475316")).rejects.toThrow(
      "does not have the check value 475316",
    );
    await expect(desk.begin(components, ann, `${one}00`, "475315")).rejects.toThrow(
      "32 digits, 34 were entered",
    );
    await desk.begin(components, ann, "67C9 F0E2-A1B3C4D5 e6f7089a1b2c3d4e", "475315");
    await expect(desk.confirm(bob, one, "475315")).rejects.toThrow("entered already");
    await desk.confirm(bob, two, "08d7b4");
    await desk.confirm(eve, three, "76CDB5");
    expect(desk.value("zmk")).toBe("C7587651CDEF0E233110F85E010780CE");
    expect(desk.key("zmk").life).toMatchObject({ source: "components", kcv: "C7FDF7" });
    const record = JSON.parse(desk.keep.book.records.at(-1)?.text ?? "") as CeremonyRecord;
    expect(record.sittings.map(({ by, kcv }) => [by, kcv])).toEqual([
      ["Ann", "475315"],
      ["Bob", "08D7B4"],
      ["Eve", "76CDB5"],
    ]);
    for (const { text } of desk.keep.book.records)
      for (const secret of [one, two, three, desk.value("zmk"), ann.passphrase])
        expect(text).not.toContain(secret);
  });

  it("components that give another key make none, and are forgotten", async () => {
    const desk = await opened();
    await desk.begin({ ...components, count: 2 }, ann, one, "475315");
    await expect(desk.confirm(bob, two, "08D7B4")).rejects.toThrow("the ceremony was to give C7FDF7");
    expect(desk.keep.book.pending).toEqual([]);
    expect(JSON.stringify(desk.keep)).not.toContain(one);
    expect(desk.keep.keys).toHaveLength(1);
  });

  it("a key born in components is what the custodians were handed", async () => {
    const desk = await opened();
    await desk.both({ do: "generate", key: plan("split"), leaves: { as: "components", count: 2 } });
    const parts = desk.handed.map((text) => unhex((text.split("\n")[1] ?? "").replaceAll(" ", "")));
    expect(parts).toHaveLength(2);
    expect(hex(parts[0]?.map((byte, i) => byte ^ (parts[1]?.[i] ?? 0)) ?? new Uint8Array(0))).toBe(
      desk.value("split"),
    );
    expect(desk.key("split").life).toMatchObject({ source: "split" });
  });

  it("2 of 3: any two custodians bring the key back, one alone does not", async () => {
    const desk = await opened();
    await desk.enrol(eve);
    await desk.confirm(ann);
    await desk.confirm(bob);
    await desk.begin({
      do: "generate",
      key: plan("root", { algorithm: "AES-256" }),
      leaves: { as: "shares", count: 3, needed: 2 },
    });
    await desk.confirm(bob);
    expect(desk.keep.keys).toHaveLength(1);
    await desk.confirm(eve);
    const kcv = desk.key("root").life?.kcv ?? "";
    const value = desk.value("root");
    const shares = desk.handed.map((text) => text.split("\n")[1] ?? "");
    for (const pair of [
      [0, 1],
      [0, 2],
      [1, 2],
    ]) {
      const other = await opened();
      const back: KeyAction = {
        do: "import",
        key: plan("root", { algorithm: "AES-256" }),
        form: "shares",
        count: 2,
        kcv,
        method: "gp",
      };
      const [first = "", second = ""] = pair.map((i) => shares[i] ?? "");
      await other.begin(back, ann, first);
      await expect(other.confirm(bob, first)).rejects.toThrow("entered already");
      await expect(
        other.confirm(bob, `${second.slice(0, 30)}${second[30] === "0" ? "1" : "0"}${second.slice(31)}`),
      ).rejects.toThrow("wrong");
      await other.confirm(bob, second);
      expect(other.value("root")).toBe(value);
    }
  });

  /** Lagrange at 0 over GF(2^8), polynomial 11B: written here from the definition, apart from the library. */
  const times = (a: number, b: number): number => {
    let product = 0;
    for (let x = a, y = b; y > 0; y >>= 1) {
      if ((y & 1) === 1) product ^= x;
      x = x & 0x80 ? ((x << 1) ^ 0x11b) & 0xff : x << 1;
    }
    return product;
  };
  const inverse = (a: number): number => {
    let power = 1;
    for (let i = 0; i < 254; i++) power = times(power, a);
    return power;
  };
  const lagrange = (shares: readonly { number: number; value: Uint8Array }[], place: number): number =>
    shares.reduce((sum, { number, value }) => {
      const weight = shares
        .filter((other) => other.number !== number)
        .reduce((product, other) => times(product, times(other.number, inverse(other.number ^ number))), 1);
      return sum ^ times(weight, value[place] ?? 0);
    }, 0);

  it("every m of n shares give the key, as the definition says; m - 1 do not; shares survive being written down", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(16, 24, 32).chain((n) => fc.uint8Array({ minLength: n, maxLength: n })),
        fc.integer({ min: 2, max: 5 }).chain((n) => fc.tuple(fc.constant(n), fc.integer({ min: 2, max: n }))),
        async (key, [count, needed]) => {
          fc.pre(new Set(key).size > 4);
          const shares = (await splitKey(key, count, needed)).map((share) =>
            readShare(writeShare(share), key.length),
          );
          for (let mask = 1; mask < 1 << count; mask++) {
            const some = shares.filter((_, i) => (mask >> i) & 1);
            const got = Uint8Array.from(key, (_, place) => lagrange(some, place));
            expect(hex(got) === hex(key)).toBe(some.length >= needed);
            const combined = await fromShares("AES-128", some).then(hex, (problem: Error) => problem.message);
            expect(combined).toContain(some.length >= needed ? hex(key) : "shares are needed");
          }
        },
      ),
      { numRuns: 15 },
    );
  });
});

const kbpk = plan("kbpk", { use: "key-block", algorithm: "AES-256" });
const blockOf = (desk: Desk, usage: string, mode: string, key: Uint8Array, more: object = {}) =>
  wrapKeyBlock({
    crypto: nodeCrypto,
    kbpk: unhex(desk.value("kbpk")),
    header: {
      version: "D",
      usage,
      algorithm: "A",
      mode,
      keyVersion: "00",
      exportability: "N",
      optional: [],
      ...more,
    },
    key,
    random: new Uint8Array(64),
  });

describe("key blocks", () => {
  const key = unhex("3F419E1CB7079442AA37474C2EFBF8B8");

  it("a key is wrapped at its birth and handed out again; no other key leaves, ever", async () => {
    const desk = await opened();
    await desk.both({ do: "generate", key: kbpk });
    await desk.both({
      do: "generate",
      key: plan("tk", { use: "transport", algorithm: "AES-128" }),
      leaves: { as: "block", under: "kbpk" },
    });
    const { block = "" } = desk;
    const opened2 = openKeyBlock({ crypto: nodeCrypto, kbpk: unhex(desk.value("kbpk")), block });
    expect(hex(opened2.key)).toBe(desk.value("tk"));
    expect(opened2.header).toMatchObject({ version: "D", usage: "K0", mode: "B", exportability: "N" });
    await desk.both({ do: "export-block", name: "tk" });
    expect(desk.block).toBe(block);
    await desk.both({ do: "generate", key: plan("stays") });
    await expect(desk.begin({ do: "export-block", name: "stays" })).rejects.toThrow("cannot leave");
    await desk.both({ do: "state", name: "tk", state: "compromised", reason: "a block was lost" });
    await expect(desk.begin({ do: "export-block", name: "tk" })).rejects.toThrow("is compromised");
  });

  it("a block comes in for the use its header says, and for no other", async () => {
    const desk = await opened();
    await desk.both({ do: "generate", key: kbpk });
    const bring = (use: KeyPlan["use"], block: string, under = "kbpk"): KeyAction => ({
      do: "import-block",
      key: plan("new", { use }),
      under,
      block,
    });
    const refused = async (action: KeyAction, why: string) => {
      await expect(desk.both(action)).rejects.toThrow(why);
      expect(desk.keep.keys.some(({ name }) => name === "new")).toBe(false);
      expect(desk.keep.book.pending).toEqual([]);
    };
    await refused(bring("scp03", blockOf(desk, "K0", "B", key)), "A key has one purpose");
    await refused(bring("transport", blockOf(desk, "E5", "X", key)), "A key has one purpose");
    await refused(bring("transport", blockOf(desk, "K0", "X", key)), "mode of use");
    await refused(bring("transport", blockOf(desk, "K0", "B", key, { keyVersion: "c1" })), "a component");
    await refused(
      bring("transport", blockOf(desk, "K0", "B", key, { optional: [{ id: "LB", data: "persoline live" }] })),
      "never meet",
    );
    await refused(bring("transport", blockOf(desk, "K0", "B", new Uint8Array(24).fill(9))), "192 bits");
    const good = blockOf(desk, "K0", "B", key);
    await refused(
      bring("transport", `${good.slice(0, 60)}${good[60] === "0" ? "1" : "0"}${good.slice(61)}`),
      "MAC is wrong",
    );
    await refused(bring("transport", good, "line-signature"), "not for key-block");
    await desk.both(bring("transport", good));
    expect(desk.value("new")).toBe(hex(key));
    expect(desk.key("new").life).toMatchObject({ source: "key-block" });
    await expect(desk.begin({ do: "export-block", name: "new" })).rejects.toThrow("cannot leave");
  });
});

describe("triple DES keys in blocks", () => {
  const desBlock = (desk: Desk, value: Uint8Array): KeyAction => ({
    do: "import-block",
    key: plan("new", { use: "emv-ac", algorithm: "3DES" }),
    under: "kbpk",
    block: blockOf(desk, "E0", "X", value, { algorithm: "T" }),
  });
  const value = unhex("0123456789ABCDEF1032547698BADCFE");

  it("one that is single DES in truth, or weak in a part, is refused", async () => {
    const desk = await opened();
    await desk.both({ do: "generate", key: kbpk });
    // The second half differs in a parity bit only.
    await expect(desk.both(desBlock(desk, unhex("0123456789ABCDEF0023456789ABCDEF")))).rejects.toThrow(
      "single DES in truth",
    );
    await expect(desk.both(desBlock(desk, unhex("01010101010101011032547698BADCFE")))).rejects.toThrow(
      "weak DES key",
    );
    await desk.both(desBlock(desk, value));
    expect(desk.value("new")).toBe(hex(value));
  });

  it("the same key under other parity bits has a name already", async () => {
    const desk = await opened();
    await desk.both({ do: "generate", key: kbpk });
    await desk.both(desBlock(desk, value));
    const again = desBlock(
      desk,
      value.map((byte) => byte ^ 0x01),
    );
    if (again.do !== "import-block") throw new Error("another action");
    await expect(desk.both({ ...again, key: { ...again.key, name: "other" } })).rejects.toThrow(
      "the value of key new",
    );
  });
});

describe("live", () => {
  it("takes no published key, by whatever way; test marks it", async () => {
    const bring = (kcv: string): KeyAction => ({
      do: "import",
      key: plan("k"),
      form: "components",
      count: 2,
      kcv,
      method: "gp",
    });
    for (const environment of ["live", "test"] as const) {
      const desk = await opened(environment);
      // A component and the same XOR 404142..4F.
      const mask = unhex("00112233445566778899AABBCCDDEE0F");
      const other = mask.map((byte, i) => byte ^ (0x40 + i));
      const { checkValue } = await import("./pieces.js");
      const kcv = (bytes: Uint8Array) => checkValue("AES-128", bytes, "gp");
      await desk.begin(bring(kcv(unhex("404142434445464748494A4B4C4D4E4F"))), ann, hex(mask), kcv(mask));
      const end = await desk.confirm(bob, hex(other), kcv(other)).then(
        () => "taken in",
        (problem: Error) => problem.message,
      );
      expect(end).toContain(environment === "live" ? "published test key" : "taken in");
      expect(desk.keep.keys.map(({ name, published }) => [name, published]).slice(1)).toEqual(
        environment === "live" ? [] : [["k", true]],
      );
    }
  });

  it("takes none as a DES key either, whose parity its ceremony adjusts", async () => {
    const desk = await opened("live");
    const { checkValue } = await import("./pieces.js");
    const kcv = (bytes: Uint8Array) => checkValue("3DES", bytes, "gp");
    const mask = unhex("10112233445566778899AABBCCDDEE0F");
    for (const known of ["404142434445464748494A4B4C4D4E4F", "2B7E151628AED2A6ABF7158809CF4F3C"]) {
      const other = mask.map((byte, i) => byte ^ (unhex(known)[i] ?? 0));
      const key = plan("k", { use: "scp02", algorithm: "3DES" });
      const bring = { do: "import", key, form: "components", count: 2, method: "gp" } as const;
      await desk.begin({ ...bring, kcv: kcv(unhex(known)) }, ann, hex(mask), kcv(mask));
      await expect(desk.confirm(bob, hex(other), kcv(other))).rejects.toThrow("published test key");
    }
  });

  it("knows every published key of the examples", () => {
    const folder = fileURLToPath(new URL("../../../../../../examples/keys/", import.meta.url));
    const values = readdirSync(folder).flatMap((name) =>
      [...readFileSync(join(folder, name), "utf8").matchAll(/published: "([0-9A-F]+)"/g)].map(
        ([, value = ""]) => value,
      ),
    );
    expect(values.length).toBeGreaterThan(1);
    for (const value of values) expect([value, isKnownKey(unhex(value))]).toEqual([value, true]);
    expect(isKnownKey(unhex("3F419E1CB7079442AA37474C2EFBF8B8"))).toBe(false);
  });
});

describe("the life of a key", () => {
  const states: readonly KeyState[] = [
    "pre-activation",
    "active",
    "suspended",
    "deactivated",
    "compromised",
    "destroyed",
  ];
  const fresh: KeyLife = { state: "active", since: at, source: "drawn", ceremony: "C-0001", kcv: "000000" };

  it("any walk keeps to the states' ways: nothing comes back from the dead, and only active keys make cards", () => {
    const rank = {
      "pre-activation": 0,
      active: 1,
      suspended: 1,
      deactivated: 2,
      compromised: 3,
      destroyed: 4,
    };
    /** Written down apart: from each state, where it can go. */
    const ways: Readonly<Record<KeyState, string>> = {
      "pre-activation": "active compromised destroyed",
      active: "suspended deactivated compromised",
      suspended: "active deactivated compromised",
      deactivated: "compromised destroyed",
      compromised: "destroyed",
      destroyed: "",
    };
    const stepped = (life: KeyLife, state: KeyState): KeyLife | undefined => {
      try {
        return entered("k", life, state, { at, reason: "test" });
      } catch (problem) {
        if (problem instanceof RangeError) return undefined;
        throw problem;
      }
    };
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...states), { maxLength: 30 }), (walk) => {
        let life = fresh;
        for (const state of walk) {
          const before = life.state;
          const after = stepped(life, state);
          const moved = after !== undefined;
          life = after ?? life;
          expect(moved).toBe(ways[before].split(" ").includes(state));
          expect(rank[life.state]).toBeGreaterThanOrEqual(rank[before]);
          expect(whyNot("k", life, "make", Date.parse(at)) === undefined).toBe(life.state === "active");
          expect(whyNot("k", life, "check", Date.parse(at)) === undefined).toBe(
            ["active", "deactivated"].includes(life.state),
          );
        }
      }),
    );
  });

  it("the cryptoperiod begins and ends by itself", () => {
    const life: KeyLife = { ...fresh, from: "2027-01-01T00:00:00.000Z", until: "2028-01-01T00:00:00.000Z" };
    const on = (day: string) => stateAt(life, Date.parse(day));
    expect([on("2026-12-31"), on("2027-01-01"), on("2027-12-31T23:59:59.999Z"), on("2028-01-01")]).toEqual([
      "pre-activation",
      "active",
      "active",
      "deactivated",
    ]);
  });

  it("rotate, retire, destroy; the module refuses what the state does not allow, and the value is gone at the end", async () => {
    const desk = await opened();
    const serial = "50530000000000000042" as Serial;
    const use = (name: string, purpose?: "check", now = at) => {
      const ring = new Keyring("test", desk.keep.keys, () => Date.parse(now));
      return () => ring.applicationKey(name as KeyRef, 1, serial, purpose);
    };
    await desk.both({
      do: "generate",
      key: plan("gate-1", { use: "application", until: "2027-06-01T00:00:00.000Z" }),
    });
    expect(use("gate-1")()).toHaveLength(16);
    expect(use("gate-1", undefined, "2027-06-01")).toThrow("is deactivated");
    await desk.both({ do: "rotate", old: "gate-1", key: plan("gate-2", { use: "application" }) });
    expect(use("gate-1")).toThrow("is deactivated: it makes no new cards");
    expect(use("gate-1", "check")()).toHaveLength(16);
    expect(use("gate-2")()).toHaveLength(16);
    expect(desk.key("gate-1").life).toMatchObject({ replacedBy: "gate-2" });
    await expect(
      desk.both({ do: "state", name: "gate-2", state: "destroyed", reason: "in use" }),
    ).rejects.toThrow("cannot become destroyed");
    await desk.both({ do: "state", name: "gate-2", state: "suspended", reason: "audit" });
    expect(use("gate-2", "check")).toThrow("is suspended");
    await desk.both({ do: "state", name: "gate-2", state: "active", reason: "audit is over" });
    expect(use("gate-2")()).toHaveLength(16);
    const value = desk.key("gate-1").value;
    const { kcv } = desk.key("gate-1").life ?? {};
    await desk.both({ do: "state", name: "gate-1", state: "destroyed", reason: "end of life" });
    expect(JSON.stringify(desk.keep)).not.toContain(value);
    expect(use("gate-1", "check")).toThrow("is destroyed");
    expect(new Keyring("test", desk.keep.keys).describe().find(({ name }) => name === "gate-1")?.kcv).toBe(
      kcv,
    );
    await expect(
      desk.both({ do: "state", name: "gate-1", state: "active", reason: "again" }),
    ).rejects.toThrow("nothing else");
    await expect(desk.begin({ do: "generate", key: plan("gate-1") })).rejects.toThrow("a name is used once");
    await expect(
      desk.begin({ do: "state", name: "line-signature", state: "deactivated", reason: "x" }),
    ).rejects.toThrow("keystore's own");
  });

  it("the records are signed and chained: an altered, missing or exchanged one is told", async () => {
    const desk = await opened();
    await desk.both({ do: "generate", key: plan("a") });
    await desk.both({ do: "generate", key: plan("b") });
    const { records } = desk.keep.book;
    const by = keystoreRoom(desk.keep.keys).signedBy;
    expect(records).toHaveLength(4);
    expect(brokenRecord(records, by)).toBeUndefined();
    for (let i = 0; i < records.length; i++) {
      const altered = records.map((one, j) =>
        i === j ? { ...one, text: one.text.replace("test", "live") } : one,
      );
      expect(brokenRecord(altered, by)).toContain("was altered");
      const without = brokenRecord(
        records.filter((_, j) => j !== i),
        by,
      );
      // The last one is missed by its file beside the keystore.
      expect(without ?? "whole").toContain(i < records.length - 1 ? "is missing" : "whole");
    }
    const other = generateKeyPairSync("ed25519").publicKey.export({ format: "pem", type: "spki" }).toString();
    expect(brokenRecord(records, other)).toContain("another key");
  });
});

describe("keys of P-256", () => {
  const host = plan("host", { use: "scp11", algorithm: "P-256" });
  const maker = plan("maker", { use: "card-authority", algorithm: "P-256" });
  const pemOf = (curve: string) =>
    generateKeyPairSync("ec", { namedCurve: curve })
      .publicKey.export({ format: "pem", type: "spki" })
      .toString();
  /** The point of the examples' authority, whose private half is published. */
  const examplesAuthority = createPublicKey({
    key: {
      kty: "EC",
      crv: "P-256",
      x: Buffer.from("FDEBC99E2597EA8E3828778F04F74170EC2691C4AF1CDA2F060BE8C4CDCF4D1B", "hex").toString(
        "base64url",
      ),
      y: Buffer.from("3C6698D098749AF874100AFC761EEF4CC8A93FCAC9CFE9C02991A5E5C37CCCDA", "hex").toString(
        "base64url",
      ),
    },
    format: "jwk",
  })
    .export({ format: "pem", type: "spki" })
    .toString();
  const told = (desk: Desk, name: string) =>
    new Keyring("test", desk.keep.keys).describe().find((key) => key.name === name);

  it("a host's is drawn, shows its public half and does not leave; its successor is another one", async () => {
    const desk = await opened();
    await desk.both({ do: "generate", key: host });
    expect(desk.value("host")).toMatch(/^[0-9A-F]{64}$/);
    const before = told(desk, "host");
    expect(before?.publicKey).toMatch(/^04[0-9A-F]{128}$/);
    expect(before?.kcv).toMatch(/^[0-9A-F]{6}$/);
    expect(JSON.stringify(told(desk, "host"))).not.toContain(desk.value("host"));
    const leaves = { as: "shares", count: 3, needed: 2 } as const;
    await expect(desk.begin({ do: "generate", key: { ...host, name: "h2" }, leaves })).rejects.toThrow(
      "stays there",
    );
    const pieces = { form: "components", count: 2, kcv: "000000", method: "gp" } as const;
    await expect(desk.begin({ do: "import", key: { ...host, name: "h2" }, ...pieces })).rejects.toThrow(
      "stays there",
    );
    await desk.both({ do: "rotate", old: "host", key: { ...host, name: "host-2" } });
    expect(told(desk, "host-2")?.publicKey).not.toBe(before?.publicKey);
    await desk.both({ do: "state", name: "host", state: "destroyed", reason: "end" });
    expect(told(desk, "host")).toMatchObject({ kcv: before?.kcv });
    expect(told(desk, "host")?.publicKey).toBeUndefined();
  });

  it("of an authority the point comes in, and nothing is drawn", async () => {
    const desk = await opened();
    const pem = pemOf("prime256v1");
    await desk.both({ do: "import-public", key: maker, pem });
    const der = createPublicKey(pem).export({ format: "der", type: "spki" }).toString("hex").toUpperCase();
    expect(desk.value("maker")).toBe(der.slice(-130));
    expect(told(desk, "maker")?.publicKey).toBe(der.slice(-130));
    await expect(desk.begin({ do: "generate", key: { ...maker, name: "m2" } })).rejects.toThrow("elsewhere");
    const live = await opened("live");
    await expect(live.begin({ do: "import-public", key: maker, pem: examplesAuthority })).rejects.toThrow(
      "private half is published",
    );
    await expect(desk.begin({ do: "rotate", old: "maker", key: { ...maker, name: "m2" } })).rejects.toThrow(
      "elsewhere",
    );
    for (const wrong of [pemOf("secp384r1"), "no key"]) {
      const action: KeyAction = { do: "import-public", key: { ...maker, name: "m2" }, pem: wrong };
      await expect(desk.begin(action)).rejects.toThrow("P-256, as SPKI in PEM");
    }
    await expect(desk.begin({ do: "import-public", key: plan("set"), pem })).rejects.toThrow(
      "a public key is for issuer-signature or card-authority or stripe-encoder, not for scp03",
    );
  });
});

describe("what became of a ceremony", () => {
  it("is said to whoever confirms one that does not wait, in whatever spelling", async () => {
    const desk = await opened();
    await desk.both({ do: "generate", key: plan("k1") });
    const whole = desk.last;
    const of = async (number: string): Promise<string> => {
      desk.last = number;
      return desk.confirm().then(
        () => "confirmed",
        (problem: unknown) => String(problem),
      );
    };
    for (const number of [whole, "c-3", "C-003", " c3 "])
      expect(await of(number)).toContain(
        `no ceremony C-0003 waits for a custodian: it is whole since ${at} (key k1: generate; Ann, Bob), and "persoline keys record C-0003" prints its record`,
      );
    await desk.begin({ do: "generate", key: plan("k2") });
    const waits = desk.last;
    await desk.ask({ ask: "cancel", number: waits.toLowerCase(), by: ann.name }, ann.passphrase);
    expect(await of(waits)).toContain("it was cancelled, or refused at a later sitting");
    expect(await of("C-0099")).toContain("there never was one");
    expect(await of("third")).toContain("ceremonies are numbered C-0001");
    await desk.begin({ do: "generate", key: plan("k3") });
    desk.last = desk.last.toLowerCase().replace("-0", "-");
    await desk.confirm();
    expect(desk.key("k3").life?.state).toBe("active");
  });

  it("is not begun twice: the same deed waits once, another one of the same key may", async () => {
    const desk = await opened();
    await desk.both({ do: "generate", key: plan("k1") });
    const retire = { do: "state", name: "k1", state: "deactivated", reason: "gone" } as const;
    await desk.begin(retire);
    const waits = desk.last;
    const asked = desk.prompts.length;
    await expect(desk.begin({ ...retire, reason: "gone twice" })).rejects.toThrow(
      `ceremony ${waits} (key k1: set deactivated (gone)) waits for the same already`,
    );
    // Before the first custodian's passphrase.
    expect(desk.prompts).toHaveLength(asked);
    await desk.begin({ ...retire, state: "compromised" });
    expect(desk.keep.book.pending).toHaveLength(2);
  });

  it("hands out a key block or refuses to be asked for one", async () => {
    const desk = await opened();
    await desk.begin({ do: "generate", key: plan("k1") });
    const confirm = { ask: "confirm", number: desk.last, by: bob.name, wantsBlock: true } as const;
    const asked = desk.prompts.length;
    await expect(desk.ask(confirm, bob.passphrase)).rejects.toThrow(
      `ceremony ${desk.last} (key k1: generate) hands out no key block, so nothing can be written with --out: confirm it without, "persoline keys confirm ${desk.last} --by NAME"`,
    );
    expect(desk.prompts).toHaveLength(asked);
    await desk.confirm();
  });
});
