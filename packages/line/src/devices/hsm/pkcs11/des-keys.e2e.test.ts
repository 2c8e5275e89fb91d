/** What a token draws for triple DES, with a generator that fails: the token is a real one, only its draws are chosen. */
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { unhex } from "@persoline/card/bytes";
import { desWeakness } from "@persoline/card/keyblock";
import { nodeCrypto } from "@persoline/card/node";
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import type { KeyDescription } from "../port.js";
import { generatedDes } from "./des-keys.js";
import { madeKey } from "./made-key.js";
import { makeTokenKeys } from "./make.js";
import { probeToken } from "./probes.js";
import { softToken, type SoftToken } from "./softhsm.test.data.js";
import { loaded } from "./token-session.js";
import { findable, type Handle, Token } from "./token.js";

const SOUND = ["1F2E3D4C5B6A79884F5E6D7C8B9AA9B8", "2A3B4C5D6E7F80911A2B3C4D5E6F7081"].map(unhex);
/** Weak and semi-weak halves, in both places and twice the same. */
const WEAK = [
  "01010101010101010101010101010101",
  "FEFEFEFEFEFEFEFE0101010101010101",
  "1FE01FE00EF10EF1E0FEE0FEF1FEF1FE",
].map(unhex);

class Chosen extends Token {
  draws: Uint8Array[] = [];
  randoms: Uint8Array[] = [];

  override makeMaster(...[ask, value, how]: Parameters<Token["makeMaster"]>): Handle {
    const isDrawn = value === undefined && ask.algorithm === "3DES";
    return super.makeMaster(ask, isDrawn ? this.draws.shift() : value, how);
  }

  override random(length: number): Uint8Array {
    return this.randoms.shift() ?? super.random(length);
  }
}

let folder: string;
let soft: SoftToken;
let token: Chosen;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "persoline-des-keys-"));
  soft = softToken(folder, "des keys");
  for (const [name, value] of Object.entries(soft.environment)) vi.stubEnv(name, value);
  token = new Chosen(await loaded(soft.access));
  token.connect();
});
afterEach(() => {
  token.draws = [];
  token.randoms = [];
  for (const kind of findable)
    for (const label of ["k", "k/single", "store-seal", "line-signature"])
      for (const object of token.find(label, kind)) token.destroy(object);
});
afterAll(() => {
  token.disconnect();
  vi.unstubAllEnvs();
  rmSync(folder, { recursive: true });
});

const there = (label = "k"): number => token.find(label, "secret").length;
const answer = (handle: Handle): Uint8Array => token.encryptEcb(handle, new Uint8Array(8), "des3");
const expected = (key: Uint8Array): Uint8Array => nodeCrypto.des3(key).encrypt(new Uint8Array(8));
const described = (use: KeyDescription["use"]) =>
  ({
    name: "k" as KeyDescription["name"],
    use,
    algorithm: "3DES",
    environment: "test",
    published: false,
  }) as const;

describe("keys that the token draws inside", () => {
  test("a weak one is drawn again, and only the sound one stays, for good", () => {
    const [sound = new Uint8Array(0), next = new Uint8Array(0)] = SOUND;
    token.draws = [...WEAK, sound, next];
    const handle = generatedDes(token, "k");
    expect(answer(handle)).toEqual(expected(sound));
    expect(there()).toBe(1);
    expect(token.wrongAttributes(handle, "des-master")).toBeUndefined();
    token.connect();
    expect(there()).toBe(1);
  });
  test("a generator that gives only weak ones, or the same again, makes no key and leaves nothing", () => {
    token.draws = [...WEAK, ...WEAK];
    expect(() => generatedDes(token, "k")).toThrow("weak triple DES keys in a row");
    expect(there()).toBe(0);
    const [sound = new Uint8Array(0)] = SOUND;
    token.draws = [sound, sound];
    expect(() => generatedDes(token, "k")).toThrow("gave the same triple DES key twice");
    expect(there()).toBe(0);
  });
  test("unchosen: the token's own are sound, and two are never the same", () => {
    const { key } = madeKey(token, described("emv-ac"));
    const other = madeKey(token, { ...described("emv-smi"), name: "k/single" as KeyDescription["name"] }).key;
    expect(key.kcv).toMatch(/^[0-9A-F]{6}$/);
    expect(key.fingerprint).not.toBe(other.fingerprint);
  });
});

describe("keys that are drawn from the token's generator, and go back into it", () => {
  test.each(["emv-cvk", "transport", "pin-transport"] as const)(
    "%s: weak ones, and single DES in truth, are drawn again; parity is odd",
    (use) => {
      const single = unhex("1F2E3D4C5B6A79881F2E3D4C5B6A7988");
      const even = unhex("1E2F3D4D5B6B79894F5E6D7C8A9BA8B9");
      expect([...WEAK, single].every((key) => desWeakness(key) !== undefined)).toBe(true);
      token.randoms = [...WEAK.slice(0, 2), single, even].map((key) => key.slice());
      const { key } = madeKey(token, described(use));
      expect(key.kcv).toBe(Buffer.from(expected(even).slice(0, 3)).toString("hex").toUpperCase());
      expect(there()).toBe(1);
      expect(there("k/single")).toBe(use === "emv-cvk" ? 1 : 0);
    },
  );
  test("a generator that gives only weak ones makes no key", () => {
    token.randoms = [...WEAK, ...WEAK].map((key) => key.slice());
    expect(() => madeKey(token, described("emv-cvk"))).toThrow("weak triple DES keys in a row");
    expect([there(), there("k/single")]).toEqual([0, 0]);
  });
});

test("two keys that the token drew alike are none: nothing stays", () => {
  const file = join(folder, "alike.json");
  const keys = [
    { name: "k", use: "emv-ac" },
    { name: "k/single", use: "emv-smi" },
  ] as const;
  const letterPrinter = { writePrivateKeyTo: join(folder, "alike.pem") };
  token.draws = [...SOUND, ...SOUND];
  const report = probeToken(token);
  expect(() => {
    makeTokenKeys(token, { file, environment: "test", keys, letterPrinter }, report);
  }).toThrow(/keys k and k\/single are one and the same.*generator repeats itself/);
  expect([there(), there("k/single"), existsSync(file), existsSync(`${file}.begun`)]).toEqual([
    0,
    0,
    false,
    false,
  ]);
});

test("an installation whose making fails leaves nothing in the token, and can be made again", () => {
  const file = join(folder, "register.json");
  const keys = [
    { name: "k", use: "emv-issuer", algorithm: "RSA-1152" },
    { name: "k/single", use: "emv-ac" },
  ] as const;
  const ceremony = { file, environment: "test", keys, letterPrinter: { publicKeyPem: "none" } } as const;
  const report = probeToken(token);
  expect(() => makeTokenKeys(token, ceremony, report)).toThrow("unsupported");
  for (const label of ["k", "k/single", "store-seal", "line-signature"])
    for (const kind of findable)
      expect([label, kind, token.find(label, kind).length]).toEqual([label, kind, 0]);
  makeTokenKeys(token, { ...ceremony, letterPrinter: { writePrivateKeyTo: join(folder, "p.pem") } }, report);
  expect(token.find("store-seal", "secret")).toHaveLength(1);
});
