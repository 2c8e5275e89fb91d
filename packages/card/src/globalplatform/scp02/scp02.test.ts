import { describe, expect, test } from "vitest";
import { nodeCrypto } from "../../../node/index.js";
import { codeOf, vectorsOf } from "../../../node/testing.js";
import { type Command, decodeCommand, encodeCommand, SW, statusWord } from "../../apdu/index.js";
import { concat, hex, unhex } from "../../bytes/index.js";
import { kcvDes } from "../../crypto/index.js";
import {
  deriveScp02SessionKeys,
  initializeUpdate,
  openScp02,
  parseInitializeUpdateScp02,
  pseudoRandomChallengeScp02,
  RetailMac,
  type Scp02Answer,
  type Scp02Level,
  type Scp02Opening,
  scp02Cryptogram,
  scpOf,
} from "../index.js";

type Names = "enc" | "mac" | "dek";
type SessionNames = "s_enc" | "s_mac" | "s_dek" | "s_rmac";
interface Scp02Vector extends Partial<Readonly<Record<SessionNames, string>>> {
  readonly keys: Readonly<Record<Names, string>>;
  readonly selected_aid?: string;
  readonly host_challenge?: string;
  readonly init_update?: string;
  readonly init_update_resp?: string;
  readonly sequence_counter?: string;
  readonly card_challenge?: string;
  readonly host_cryptogram?: string;
  readonly security_level?: string;
  readonly ext_auth?: string;
  readonly aid_mac?: string;
  readonly kcv?: Readonly<Record<SessionNames, string>>;
  readonly put_key_of_404142_under_s_dek?: string;
  readonly commands?: readonly { readonly plain: string; readonly wrapped: string }[];
  readonly responses?: readonly {
    readonly plain_command: string;
    readonly response: string;
    readonly response_plain: string;
  }[];
}
const vectors = vectorsOf<Scp02Vector>("scp02");
const traces = vectors.filter(({ init_update_resp }) => init_update_resp !== undefined);
const keysOf = ({ keys }: Scp02Vector) => ({
  enc: unhex(keys.enc),
  mac: unhex(keys.mac),
  dek: unhex(keys.dek),
});
const answerOf = (v: Scp02Vector) => parseInitializeUpdateScp02(unhex(v.init_update_resp ?? ""));
const openingOf = (v: Scp02Vector, change: Partial<Scp02Answer> = {}): Scp02Opening => ({
  crypto: nodeCrypto,
  keys: keysOf(v),
  hostChallenge: unhex(v.host_challenge ?? ""),
  answer: { ...answerOf(v), ...change },
  i: v.selected_aid === undefined ? 0x15 : 0x75,
  level: Number.parseInt(v.security_level ?? "", 16) as Scp02Level,
  ...(v.selected_aid === undefined ? {} : { selectedAid: unhex(v.selected_aid) }),
});
const bytesOf = (command: Command) => hex(encodeCommand(command));
const flipped = (bytes: Uint8Array, bit: number) => {
  const other = bytes.slice();
  other[bit >> 3] = (other[bit >> 3] ?? 0) ^ (1 << (bit & 7));
  return other;
};
const named = (id: string) => {
  const found = vectors.find((v) => v.id === id);
  if (found === undefined) throw new Error(`vector ${id} is missing`);
  return found;
};

test("all vectors are here", () => {
  expect(vectors.length).toBe(4);
  expect(traces.length).toBe(3);
  expect(vectors.flatMap(({ commands = [] }) => commands).length).toBe(4);
  expect(vectors.flatMap(({ responses = [] }) => responses).length).toBe(1);
});

describe.each(traces)("$id", (v) => {
  test("INITIALIZE UPDATE and its answer", () => {
    const bytes = unhex(v.init_update_resp ?? "");
    const answer = answerOf(v);
    expect(scpOf(bytes)).toBe(2);
    const { kdd, kvn, sequenceCounter, cardChallenge, cardCryptogram } = answer;
    const parts = [kdd, Uint8Array.of(kvn, 2), sequenceCounter, cardChallenge, cardCryptogram];
    expect(hex(concat(...parts))).toBe(v.init_update_resp);
    expect(hex(sequenceCounter)).toBe(v.sequence_counter ?? hex(sequenceCounter));
    expect(hex(cardChallenge)).toBe(v.card_challenge ?? hex(cardChallenge));
    const asked = bytesOf(initializeUpdate({ kvn: 0, hostChallenge: unhex(v.host_challenge ?? "") }));
    expect(asked.slice(6)).toBe((v.init_update ?? asked).slice(6));
    for (let cut = 0; cut < bytes.length; cut++)
      expect(codeOf(() => parseInitializeUpdateScp02(bytes.subarray(0, cut)))).toBe("scp02-answer");
    expect(codeOf(() => parseInitializeUpdateScp02(concat(bytes, Uint8Array.of(0))))).toBe("scp02-answer");
    const scp03 = bytes.slice();
    scp03[11] = 3;
    expect(codeOf(() => parseInitializeUpdateScp02(scp03))).toBe("scp02-answer");
  });

  test("session keys, cryptograms and EXTERNAL AUTHENTICATE", () => {
    const answer = answerOf(v);
    const { sEnc, sMac, sDek, sRmac } = deriveScp02SessionKeys(nodeCrypto, keysOf(v), answer.sequenceCounter);
    const known = { s_enc: sEnc, s_mac: sMac, s_dek: sDek, s_rmac: sRmac };
    for (const [name, key] of Object.entries(known))
      expect(hex(key)).toBe(v[name as SessionNames] ?? hex(key));
    const cipher = nodeCrypto.des3(sEnc);
    const host = unhex(v.host_challenge ?? "");
    expect(hex(scp02Cryptogram(cipher, "card", host, answer))).toBe(hex(answer.cardCryptogram));
    expect(v.ext_auth?.slice(10, 26)).toBe(hex(scp02Cryptogram(cipher, "host", host, answer)));
    const session = openScp02(openingOf(v));
    expect(bytesOf(session.externalAuthenticate)).toBe(v.ext_auth);
    expect(session.challengeChecked).toBe(v.selected_aid !== undefined);
  });

  test("commands, all wrapped before any answer", () => {
    const commands = v.commands ?? [];
    const session = openScp02(openingOf(v));
    const wrapped = session.wrapAll(commands.map(({ plain }) => decodeCommand(unhex(plain))));
    expect(wrapped.map(bytesOf)).toEqual(commands.map((c) => c.wrapped));
    expect(session.wrappedCount).toBe(commands.length);
  });

  test("a card without the keys is found out before anything is sent", () => {
    const answer = answerOf(v);
    for (let bit = 0; bit < 64; bit++) {
      const cardCryptogram = flipped(answer.cardCryptogram, bit);
      expect(codeOf(() => openScp02(openingOf(v, { cardCryptogram })))).toBe("scp02-card-cryptogram");
    }
    const keys = { ...keysOf(v), enc: new Uint8Array(16).fill(9) };
    expect(codeOf(() => openScp02({ ...openingOf(v), keys }))).toBe("scp02-card-cryptogram");
  });
});

test("session keys of counter 0: published check values, and a key under the data encryption key", () => {
  const v = named("sessionkeys-ctr0-kcv");
  const keys = deriveScp02SessionKeys(nodeCrypto, keysOf(v), unhex(v.sequence_counter ?? ""));
  const check = (key: Uint8Array) => hex(kcvDes(nodeCrypto, key));
  expect({
    s_enc: check(keys.sEnc),
    s_mac: check(keys.sMac),
    s_dek: check(keys.sDek),
    s_rmac: check(keys.sRmac),
  }).toEqual(v.kcv);
  expect(hex(nodeCrypto.des3(keys.sDek).encrypt(unhex(v.keys.enc)))).toBe(v.put_key_of_404142_under_s_dek);
});

describe("a real card's trace with R-MACs", () => {
  const v = named("gppro-218-rmac");
  const [recorded] = v.responses ?? [];
  const whole = unhex(recorded?.response ?? "");
  const response = { data: whole.subarray(0, -2), sw: SW.ok };
  const sent = (level: Scp02Level = 0x13) => {
    const session = openScp02({ ...openingOf(v), level });
    session.wrap(decodeCommand(unhex(recorded?.plain_command ?? "")));
    return session;
  };
  test("the answer, and in any byte damaged", () => {
    expect(`${hex(sent().unwrap(response).data)}9000`).toBe(recorded?.response_plain);
    for (let bit = 0; bit < response.data.length * 8; bit++) {
      const session = sent();
      expect(codeOf(() => session.unwrap({ ...response, data: flipped(response.data, bit) }))).toBe(
        "scp02-mac",
      );
      expect(codeOf(() => session.wrap({ cla: 0x80, ins: 0xca, p1: 0, p2: 0x66 }))).toBe("session-closed");
    }
    expect(codeOf(() => sent().unwrap({ ...response, sw: SW.wrongData }))).toBe("scp02-mac");
    expect(codeOf(() => sent().unwrap({ data: new Uint8Array(7), sw: SW.ok }))).toBe("scp02-mac");
    // Another command than the one the card answered to.
    const other = openScp02(openingOf(v));
    other.wrap({ cla: 0x80, ins: 0xca, p1: 0, p2: 0x66, le: 256 });
    expect(codeOf(() => other.unwrap(response))).toBe("scp02-mac");
  });
  test("level 11 has another first chaining value", () => {
    expect(codeOf(() => sent(0x11).unwrap(response))).toBe("scp02-mac");
  });
  test("the pseudo-random challenge is that of the selected domain", () => {
    const keys = deriveScp02SessionKeys(nodeCrypto, keysOf(v), unhex(v.sequence_counter ?? ""));
    const mac = new RetailMac(nodeCrypto, keys.sMac);
    expect(hex(mac.mac(new Uint8Array(8), unhex(v.selected_aid ?? "")))).toBe(v.aid_mac);
    expect(hex(pseudoRandomChallengeScp02(mac, unhex(v.selected_aid ?? "")))).toBe(v.aid_mac?.slice(0, 12));
    const selectedAid = unhex("A000000003000000");
    expect(codeOf(() => openScp02({ ...openingOf(v), selectedAid }))).toBe("scp02-challenge");
    expect(openScp02({ ...openingOf(v), selectedAid, i: 0x35 }).challengeChecked).toBe(false);
  });
});

describe("levels, limits and order", () => {
  const v = named("pysim-i55-70");
  const session = (level: Scp02Level, i: Scp02Opening["i"] = 0x35) =>
    openScp02({ ...openingOf(v), level, i });
  const store = (length: number): Command => ({
    cla: 0x80,
    ins: 0xe2,
    p1: 0x80,
    p2: 0,
    data: new Uint8Array(length).fill(0x5a),
  });
  test("00 leaves commands and answers as they are", () => {
    const plain = session(0x00);
    expect(plain.wrap(store(5))).toEqual(store(5));
    expect(plain.unwrap({ data: unhex("AABB"), sw: SW.ok }).data.length).toBe(2);
  });
  test("C-DECRYPTION: the MAC is that of the plain command, the data can be read with S-ENC", () => {
    const keys = deriveScp02SessionKeys(nodeCrypto, keysOf(v), unhex("0001"));
    const command = store(21);
    const secured = session(0x03).wrap(command).data ?? new Uint8Array(0);
    expect(secured.length).toBe(24 + 8);
    const clear = nodeCrypto.des3(keys.sEnc).cbcDecrypt(new Uint8Array(8), secured.slice(0, 24));
    expect(hex(clear)).toBe(`${"5A".repeat(21)}800000`);
    // EXTERNAL AUTHENTICATE's own MAC depends on the level: put together by hand.
    const mac = new RetailMac(nodeCrypto, keys.sMac);
    const opening = session(0x03).externalAuthenticate.data?.slice(-8) ?? new Uint8Array(0);
    const expected = mac.mac(mac.encryptIcv(opening), concat(unhex("84E280001D"), command.data ?? clear));
    expect(hex(secured.subarray(24))).toBe(hex(expected));
    expect(session(0x03).wrap({ cla: 0x80, ins: 0xca, p1: 0, p2: 0x66, le: 256 }).data?.length).toBe(8);
  });
  test.each([
    [0x01, 247],
    [0x03, 239],
  ] as const)("level %i takes %i bytes", (level, most) => {
    expect(session(level).wrap(store(most)).data?.length).toBeLessThanOrEqual(255);
    expect(codeOf(() => session(level).wrap(store(most + 1)))).toBe("too-long");
    const batch = session(level);
    expect(codeOf(() => batch.wrapAll([store(1), store(most + 1)]))).toBe("too-long");
    expect(batch.wrappedCount).toBe(0);
  });
  test("what cannot be", () => {
    expect(codeOf(() => session(0x11, 0x15))).toBe("scp02-level");
    expect(codeOf(() => session(0x33 as Scp02Level))).toBe("scp02-level");
    expect(codeOf(() => session(0x01, 0x0a as Scp02Opening["i"]))).toBe("scp02-level");
    const short = { ...keysOf(v), dek: new Uint8Array(24) };
    expect(codeOf(() => openScp02({ ...openingOf(v), keys: short }))).toBe("bad-key");
    expect(codeOf(() => openScp02({ ...openingOf(v), hostChallenge: new Uint8Array(16) }))).toBe(
      "scp02-answer",
    );
    for (const cla of [0x84, 0x0c, 0xc0, 0x90])
      expect(codeOf(() => session(0x01).wrap({ ...store(1), cla }))).toBe("bad-apdu");
    expect(codeOf(() => session(0x01).unwrap({ data: new Uint8Array(0), sw: SW.ok }))).toBe("out-of-step");
  });
  test("channels stand in the class byte, not in the MAC", () => {
    const macs = [0x80, 0x81, 0x83].map((cla) => session(0x01).wrap({ ...store(1), cla }));
    expect(macs.map(({ cla }) => cla)).toEqual([0x84, 0x85, 0x87]);
    expect(new Set(macs.map(({ data }) => hex(data ?? new Uint8Array(0)))).size).toBe(1);
  });
  test("error answers carry an R-MAC as well, chained over what came before", () => {
    const keys = deriveScp02SessionKeys(nodeCrypto, keysOf(v), unhex("0001"));
    const rMac = new RetailMac(nodeCrypto, keys.sRmac);
    const one = session(0x11);
    one.wrapAll([store(2), store(3)]);
    const opening = one.externalAuthenticate.data?.slice(-8) ?? new Uint8Array(0);
    const first = rMac.mac(opening, unhex("80E28000025A5A006A80"));
    const second = rMac.mac(first, unhex("80E28000035A5A5A02CAFE9000"));
    expect(one.unwrap({ data: first, sw: statusWord(0x6a80) }).sw).toBe(0x6a80);
    expect(hex(one.unwrap({ data: concat(unhex("CAFE"), second), sw: SW.ok }).data)).toBe("CAFE");
  });
  test("close wipes, and nothing prints the keys", () => {
    const one = session(0x01);
    expect(JSON.stringify(one)).toBe('"[SCP02 session, level 01]"');
    one.close();
    one.close();
    expect(codeOf(() => one.wrap(store(1)))).toBe("session-closed");
    expect(codeOf(() => one.unwrap({ data: new Uint8Array(0), sw: SW.ok }))).toBe("session-closed");
    expect(codeOf(() => one.encryptWithDek(new Uint8Array(8)))).toBe("session-closed");
  });
});
