import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { nodeCrypto } from "../../node/index.js";
import { codeOf, vectorsOf } from "../../node/testing.js";
import { encodeCommand, type StatusWord } from "../apdu/index.js";
import { concat, equal, hex, unhex } from "../bytes/index.js";
import { cmac } from "../crypto/index.js";
import {
  type An10922Kind,
  changeKey,
  crc32Native,
  deriveEv2SessionKeys,
  diversifyAn10922,
  Ev1Authentication,
  Ev2Authentication,
  Ev2Session,
  frames,
  getKeyVersion,
  keySettings,
  native,
  statusWords,
} from "./index.js";

interface Diversification {
  readonly algorithm?: string;
  readonly master: string;
  readonly m: string;
  readonly key: string;
}

interface Ev2 {
  readonly key: string;
  readonly rnd_a: string;
  readonly rnd_b: string;
  readonly cmd1: string;
  readonly resp1: string;
  readonly cmd2: string;
  readonly resp2: string;
  readonly ti: string;
  readonly ses_enc: string;
  readonly ses_mac: string;
  readonly header_and_data: string;
  readonly mact: string;
  readonly response_mact: string;
}

const vectors = vectorsOf<Partial<Ev2>>("desfire-ev2");

function vector(id: string): Ev2 {
  const found = vectors.find((candidate) => candidate.id === id);
  if (found === undefined) throw new Error(`no vector ${id}`);
  return found as unknown as Ev2;
}

/** A response as a vector gives it, status word last. */
function answered(text: string) {
  const all = unhex(text);
  return { data: all.slice(0, -2), sw: ((all.at(-2) ?? 0) * 256 + (all.at(-1) ?? 0)) as StatusWord };
}

describe("AN10922", () => {
  test.each(vectorsOf<Diversification>("an10922"))("$id", ({ algorithm, master, m, key }) => {
    const kind = (algorithm ?? `AES-${unhex(master).length * 8}`) as An10922Kind;
    expect(hex(diversifyAn10922(nodeCrypto, kind, unhex(master), unhex(m)))).toBe(key);
  });

  test("it is a plain CMAC only from 16 bytes of input on", () => {
    const master = unhex("00112233445566778899AABBCCDDEEFF");
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 31 }), (m) => {
        const plain = cmac(nodeCrypto.aes(master), concat(Uint8Array.of(1), m));
        expect(equal(diversifyAn10922(nodeCrypto, "AES-128", master, m), plain)).toBe(m.length >= 16);
      }),
    );
  });

  test("wrong lengths are refused, and every kind gives a key of its master's length", () => {
    const refused = (kind: An10922Kind, master: number, m: number) =>
      codeOf(() => diversifyAn10922(nodeCrypto, kind, new Uint8Array(master), new Uint8Array(m)));
    expect(refused("AES-128", 24, 7)).toBe("bad-key");
    expect(refused("AES-128", 16, 32)).toBe("bad-value");
    expect(refused("AES-128", 16, 0)).toBe("bad-value");
    expect(refused("3TDEA", 24, 16)).toBe("bad-value");
    const sizes = { "AES-128": 16, "AES-192": 24, "AES-256": 32, "2TDEA": 16, "3TDEA": 24 } as const;
    for (const [kind, size] of Object.entries(sizes) as [An10922Kind, number][])
      expect(
        diversifyAn10922(nodeCrypto, kind, new Uint8Array(size).fill(7), unhex("04A1B2C3D4E5F6")),
      ).toHaveLength(size);
  });
});

describe("EV2", () => {
  const first = vector("ev2first-key0");

  const opened = () => {
    const opening = new Ev2Authentication({
      crypto: nodeCrypto,
      key: unhex(first.key),
      keyNumber: 0,
      random: unhex(first.rnd_a),
    });
    return { opening, second: opening.answer(answered(first.resp1)) };
  };

  test("the authentication of AN12196: second message, TI", () => {
    const { opening, second } = opened();
    expect(hex(encodeCommand(second))).toBe(first.cmd2);
    expect(hex(opening.finish(answered(first.resp2)).transaction)).toBe(first.ti);
  });

  test("a damaged proof, a refusal and a foreign answer end it", () => {
    const damaged = answered(first.resp2);
    damaged.data[5] = (damaged.data[5] ?? 0) ^ 1;
    expect(codeOf(() => opened().opening.finish(damaged))).toBe("desfire-proof");
    expect(codeOf(() => opened().opening.finish(answered("91AE")))).toBe("desfire-refused");
    expect(codeOf(() => opened().opening.finish(answered("9000")))).toBe("bad-response");
  });

  test.each(["ev2first-key0", "ev2-session-keys-1"])("session keys of %s", (id) => {
    const { key, rnd_a, rnd_b, ses_enc, ses_mac } = vector(id);
    const { enc, mac } = deriveEv2SessionKeys(nodeCrypto.aes(unhex(key)), unhex(rnd_a), unhex(rnd_b));
    expect([hex(enc), hex(mac)]).toEqual([ses_enc, ses_mac]);
  });

  test("MACs of a write and of its answer; a damaged one is refused", () => {
    const { ses_mac, ti, header_and_data, mact, response_mact } = vector("ev2-mact-write");
    const session = () =>
      new Ev2Session(nodeCrypto.aes(new Uint8Array(16)), nodeCrypto.aes(unhex(ses_mac)), unhex(ti), 0, 0);
    const all = unhex(header_and_data);
    const write = {
      ins: 0x8d,
      header: all.subarray(0, 7),
      data: all.subarray(7),
      send: "mac",
      receive: "mac",
    } as const;
    const right = session();
    expect(hex(right.wrap(write).data ?? new Uint8Array(0))).toBe(header_and_data + mact);
    expect(right.unwrap(answered(`${response_mact}9100`))).toHaveLength(0);
    expect(right.counter).toBe(1);
    const wrong = session();
    wrong.wrap(write);
    expect(codeOf(() => wrong.unwrap(answered(`${response_mact.slice(0, -2)}009100`)))).toBe("desfire-mac");
    expect(codeOf(() => wrong.wrap(write))).toBe("session-closed");
  });
});

test("EV2 ends before its counter runs over: the last answer would have the number of the first one again", () => {
  const at = (counter: number): Ev2Session =>
    new Ev2Session(
      nodeCrypto.aes(new Uint8Array(16)),
      nodeCrypto.aes(new Uint8Array(16)),
      new Uint8Array(4),
      0,
      counter,
    );
  expect(() => at(0xfffe).wrap(getKeyVersion(0))).not.toThrow();
  expect(() => at(0xffff).wrap(getKeyVersion(0))).toThrow(/counter has run out/);
});

test("EV1's first message names the key, a wrong length of its answer is refused", () => {
  const opening = new Ev1Authentication({
    crypto: nodeCrypto,
    key: new Uint8Array(16),
    keyNumber: 2,
    random: new Uint8Array(16),
  });
  expect(hex(encodeCommand(opening.first))).toBe("90AA0000010200");
  expect(codeOf(() => opening.answer(answered("00112291AF")))).toBe("bad-response");
  expect(codeOf(() => opening.answer(answered("91AE")))).toBe("desfire-refused");
});

test("long commands are cut into frames, and status bytes have words", () => {
  const data = Uint8Array.from({ length: 130 }, (_, at) => at);
  const cut = frames(native(0x3d, data));
  expect(cut.map(({ ins }) => ins)).toEqual([0x3d, 0xaf, 0xaf]);
  expect(concat(...cut.map((frame) => frame.data ?? new Uint8Array(0)))).toEqual(data);
  expect(statusWords(0xae)).toBe("AE (authentication error)");
  expect(statusWords(0x01)).toBe("01");
});

test("JAMCRC of the check string, key settings, and a key that is changed without its old value", () => {
  // CRC-32/JAMCRC of "123456789" is 340BC6D9.
  expect(hex(crc32Native(new TextEncoder().encode("123456789")))).toBe("D9C60B34");
  const settings = { changeKeys: "frozen", masterKeyChangeable: true, freeDirectory: false } as const;
  expect(keySettings({ ...settings, freeCreateDelete: false, changeable: true })).toBe(0xf9);
  const change = { key: 1, authenticated: 0, value: new Uint8Array(16), version: 1 };
  expect(codeOf(() => changeKey(change))).toBe("bad-key");
});
