import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { nodeCrypto } from "../../../node/index.js";
import { codeOf, vectorsOf } from "../../../node/testing.js";
import { decodeCommand, decodeResponse, encodeCommand } from "../../apdu/index.js";
import { hex, unhex } from "../../bytes/index.js";
import { authenticateForSm, deriveSmKeys, SecureMessaging, type SmCipher } from "./index.js";

interface IcaoVector {
  readonly kseed?: string;
  readonly kenc?: string;
  readonly kmac?: string;
  readonly eifd?: string;
  readonly mifd?: string;
  readonly answer?: string;
  readonly ksenc?: string;
  readonly ksmac?: string;
  readonly ssc?: string;
  readonly plain?: string;
  readonly protected?: string;
  readonly response?: string;
  readonly response_plain?: string;
}
const vectors = vectorsOf<IcaoVector>("icao-sm");
const known = (id: string, field: keyof IcaoVector): string => {
  const value = vectors.find((one) => one.id === id)?.[field];
  if (value === undefined) throw new Error(`vector ${id} has no ${field}`);
  return value;
};
const exchanges = vectors.filter(({ protected: bytes }) => bytes !== undefined);

interface AesVector {
  readonly seed: string;
  readonly rnd_icc: string;
  readonly rnd_ifd: string;
  readonly k_ifd: string;
  readonly k_icc: string;
  readonly proof: string;
  readonly answer: string;
  readonly exchanges: readonly {
    readonly plain: string;
    readonly protected: string;
    readonly response: string;
    readonly response_plain: string;
  }[];
}
const [aes] = vectorsOf<AesVector>("sm-aes");

test("an AES session computed by a third hand: proof, answer, every exchange", () => {
  if (aes === undefined) throw new Error("there is no vector");
  const { command, open } = authenticateForSm({
    crypto: nodeCrypto,
    cipher: "AES",
    algorithm: 2,
    reference: 8,
    seed: unhex(aes.seed),
    cardChallenge: unhex(aes.rnd_icc),
    hostChallenge: unhex(aes.rnd_ifd),
    hostKey: unhex(aes.k_ifd),
  });
  expect(hex(encodeCommand(command))).toBe(`0082020828${aes.proof}28`);
  const sm = open({ data: unhex(aes.answer), sw: decodeResponse(unhex("9000")).sw });
  for (const { plain, protected: sent, response, response_plain } of aes.exchanges) {
    expect(hex(encodeCommand(sm.wrap(decodeCommand(unhex(plain)))))).toBe(sent);
    const { data, sw } = sm.unwrap(decodeResponse(unhex(response)));
    expect(hex(data) + hex(Uint8Array.of(sw >> 8, sw & 0xff))).toBe(response_plain);
  }
});

const session = (v: IcaoVector): SecureMessaging =>
  new SecureMessaging({
    crypto: nodeCrypto,
    cipher: "3DES",
    keys: { enc: unhex(v.ksenc ?? ""), mac: unhex(v.ksmac ?? "") },
    counter: unhex(v.ssc ?? ""),
  });

const bac = (change: Partial<Record<"seed" | "card", string>> = {}) =>
  authenticateForSm({
    crypto: nodeCrypto,
    cipher: "3DES",
    reference: 0,
    seed: unhex(change.seed ?? known("bac-keys", "kseed")),
    cardChallenge: unhex(change.card ?? "4608F91988702212"),
    hostChallenge: unhex("781723860C06C226"),
    hostKey: unhex("0B795240CB7049B01C19B33E32804F0B"),
  });

describe("the worked example of ICAO Doc 9303-11", () => {
  test("keys from the seed", () => {
    const { enc, mac } = deriveSmKeys(nodeCrypto, "3DES", unhex(known("bac-keys", "kseed")));
    expect([hex(enc), hex(mac)]).toEqual([known("bac-keys", "kenc"), known("bac-keys", "kmac")]);
  });

  test("mutual authentication, and the session that it opens", () => {
    const { command, open } = bac();
    const proof = known("bac-eifd", "eifd") + known("bac-eifd", "mifd");
    expect(hex(encodeCommand(command))).toBe(`0082000028${proof}28`);
    const sm = open({ data: unhex(known("bac-answer", "answer")), sw: decodeResponse(unhex("9000")).sw });
    for (const v of exchanges) {
      expect(hex(encodeCommand(sm.wrap(decodeCommand(unhex(v.plain ?? "")))))).toBe(v.protected);
      const { data, sw } = sm.unwrap(decodeResponse(unhex(v.response ?? "")));
      expect(hex(data) + sw.toString(16)).toBe(v.response_plain);
    }
  });

  test("the card's proof is refused when a bit of it differs, and when it is that of another challenge or seed", () => {
    const answer = unhex(known("bac-answer", "answer"));
    const sw = decodeResponse(unhex("9000")).sw;
    for (let at = 0; at < answer.length; at++) {
      const data = answer.map((byte, i) => (i === at ? byte ^ 0x10 : byte));
      expect(codeOf(() => bac().open({ data, sw }))).toBe("sm-authentication");
    }
    expect(codeOf(() => bac().open({ data: answer, sw }))).toBe("none");
    expect(codeOf(() => bac({ card: "4608F91988702213" }).open({ data: answer, sw }))).toBe(
      "sm-authentication",
    );
    expect(codeOf(() => bac({ seed: "33".repeat(16) }).open({ data: answer, sw }))).toBe("sm-authentication");
    expect(codeOf(() => bac().open({ data: answer.subarray(1), sw }))).toBe("sm-authentication");
    expect(codeOf(() => bac().open(decodeResponse(unhex("63CE"))))).toBe("sm-authentication");
  });

  test.each(exchanges)(
    "$id: one exchange alone; damaged in any byte the answer is refused and the session over",
    (v) => {
      const command = decodeCommand(unhex(v.plain ?? ""));
      const right = session(v);
      expect(hex(encodeCommand(right.wrap(command)))).toBe(v.protected);
      const response = unhex(v.response ?? "");
      for (let at = 0; at < response.length; at++) {
        const sm = session(v);
        sm.wrap(command);
        const damaged = response.map((byte, i) => (i === at ? byte ^ 0x01 : byte));
        expect(codeOf(() => sm.unwrap(decodeResponse(damaged)))).toBe("sm-answer");
        expect(codeOf(() => sm.wrap(command))).toBe("session-closed");
      }
      const late = session(v);
      late.wrap(command);
      late.unwrap(decodeResponse(response));
      late.wrap(command);
      // The same answer again: the counter has moved on.
      expect(codeOf(() => late.unwrap(decodeResponse(response)))).toBe("sm-answer");
    },
  );
});

describe("use", () => {
  const fresh = (cipher: SmCipher = "AES"): SecureMessaging =>
    new SecureMessaging({
      crypto: nodeCrypto,
      cipher,
      keys: deriveSmKeys(nodeCrypto, cipher, new Uint8Array(16)),
      counter: new Uint8Array(cipher === "AES" ? 16 : 8),
    });
  const read = decodeCommand(unhex("00B0000004"));

  test("out of step, wrong class, bare answers", () => {
    const sm = fresh();
    expect(codeOf(() => sm.unwrap(decodeResponse(unhex("9000"))))).toBe("out-of-step");
    expect(codeOf(() => sm.wrap({ ...read, cla: 0x80 }))).toBe("bad-apdu");
    sm.wrap(read);
    expect(codeOf(() => sm.wrap(read))).toBe("out-of-step");
    expect(codeOf(() => sm.unwrap(decodeResponse(unhex("9000"))))).toBe("sm-answer");
    const refused = fresh();
    refused.wrap(read);
    expect(refused.unwrap(decodeResponse(unhex("6988"))).sw).toBe(0x6988);
    expect(codeOf(() => refused.wrap(read))).toBe("session-closed");
    expect(JSON.stringify(refused)).toBe('"[ISO secure messaging]"');
  });

  test("keys and counters of a wrong length are refused", () => {
    const keys = deriveSmKeys(nodeCrypto, "AES", new Uint8Array(16));
    const open = (counter: number, length: number) =>
      codeOf(
        () =>
          new SecureMessaging({
            crypto: nodeCrypto,
            cipher: "AES",
            keys: { ...keys, mac: new Uint8Array(length) },
            counter: new Uint8Array(counter),
          }),
      );
    expect([open(16, 16), open(8, 16), open(16, 15)]).toEqual(["none", "bad-value", "bad-key"]);
    expect(codeOf(() => deriveSmKeys(nodeCrypto, "AES", new Uint8Array(15)))).toBe("bad-key");
  });

  test("what is sent never shows the data, and grows to extended length only when it must", () => {
    fc.assert(
      fc.property(
        fc.constantFrom<SmCipher>("3DES", "AES"),
        fc.uint8Array({ minLength: 8, maxLength: 600 }),
        (cipher, data) => {
          const sent = encodeCommand(fresh(cipher).wrap({ cla: 0, ins: 0xd6, p1: 0, p2: 0, data }));
          expect(hex(sent)).not.toContain(hex(data));
          expect(sent[4] === 0).toBe(sent.length > 261);
        },
      ),
    );
  });
});
