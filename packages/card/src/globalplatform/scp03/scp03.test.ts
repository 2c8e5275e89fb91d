import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { nodeCrypto } from "../../../node/index.js";
import { codeOf, vectorsOf } from "../../../node/testing.js";
import {
  type Command,
  decodeCommand,
  encodeCommand,
  type Response,
  SW,
  statusWord,
} from "../../apdu/index.js";
import { concat, hex, unhex } from "../../bytes/index.js";
import { cmac, pad80, unpad80 } from "../../crypto/index.js";
import {
  deriveScp03SessionKeys,
  initializeUpdate,
  openScp03,
  parseInitializeUpdate,
  pseudoRandomChallenge,
  type Scp03Answer,
  type Scp03Level,
  Scp03Session,
  scp03Cryptogram,
} from "./index.js";

interface Scp03Vector {
  readonly keys: Readonly<Record<"enc" | "mac" | "dek", string>>;
  readonly i?: string;
  readonly s_mode?: number;
  readonly selected_aid?: string;
  readonly init_update?: string;
  readonly init_update_resp?: string;
  readonly sequence_counter?: string;
  readonly host_challenge?: string;
  readonly card_challenge?: string;
  readonly card_cryptogram?: string;
  readonly card_challenge_is_pseudo_random?: boolean;
  readonly s_enc: string;
  readonly s_mac: string;
  readonly s_rmac: string;
  readonly host_cryptogram?: string;
  readonly security_level: string;
  readonly ext_auth: string;
  readonly commands: readonly {
    readonly plain: string;
    readonly wrapped: string;
    readonly response_data?: string;
    readonly response_sw?: string;
    readonly response_plain?: string;
  }[];
}
const vectors = vectorsOf<Scp03Vector>("scp03");

const keysOf = ({ keys }: Scp03Vector) => ({
  enc: unhex(keys.enc),
  mac: unhex(keys.mac),
  dek: unhex(keys.dek),
});
const hostChallengeOf = (v: Scp03Vector) =>
  v.init_update === undefined
    ? unhex(v.host_challenge ?? "")
    : (decodeCommand(unhex(v.init_update)).data ?? new Uint8Array(0));
/** The answer as recorded, or put together where only its parts are given (S16, random challenge). */
const answerBytes = (v: Scp03Vector) =>
  unhex(v.init_update_resp ?? `${"00".repeat(10)}300301${v.card_challenge ?? ""}${v.card_cryptogram ?? ""}`);
const levelOf = (v: Scp03Vector) => Number.parseInt(v.security_level, 16) as Scp03Level;
const sessionOf = (v: Scp03Vector, change: Partial<Scp03Answer> = {}) =>
  openScp03({
    crypto: nodeCrypto,
    keys: keysOf(v),
    hostChallenge: hostChallengeOf(v),
    answer: { ...parseInitializeUpdate(answerBytes(v)), ...change },
    level: levelOf(v),
    ...(v.selected_aid === undefined ? {} : { selectedAid: unhex(v.selected_aid) }),
  });
/** Without data of a command that has none: case 4 with an empty field is the same command. */
const bytesOf = (command: Command) => hex(encodeCommand(command));
const responseOf = (data: string, sw = "9000"): Response => ({
  data: unhex(data),
  sw: statusWord(Number.parseInt(sw, 16)),
});

test("all vectors are here", () => {
  expect(vectors.length).toBe(9);
  expect(vectors.flatMap(({ commands }) => commands).length).toBe(32);
  expect(
    vectors.flatMap(({ commands }) => commands).filter((c) => c.response_data !== undefined).length,
  ).toBe(13);
  expect(new Set(vectors.map(({ keys }) => keys.enc.length / 2))).toEqual(new Set([16, 24, 32]));
  expect(new Set(vectors.map(levelOf))).toEqual(new Set([0x11, 0x33, 0x03]));
});

describe.each(vectors)("$id", (v) => {
  test("INITIALIZE UPDATE and its answer", () => {
    const answer = parseInitializeUpdate(answerBytes(v));
    expect(answer.mode).toBe(v.s_mode === 16 ? "S16" : "S8");
    expect(answer.i).toBe(Number.parseInt(v.i ?? "01", 16));
    const counter = hex(answer.sequenceCounter ?? new Uint8Array(0));
    expect(counter).toBe(v.sequence_counter ?? (v.init_update_resp ?? "").slice(58));
    const asked = bytesOf(initializeUpdate({ kvn: answer.kvn, hostChallenge: hostChallengeOf(v) }));
    // Some traces name no key version, and two leave the command out.
    const sent = v.init_update ?? asked;
    expect(asked.slice(6)).toBe(sent.slice(6));
    expect([asked.slice(4, 6), "00"]).toContain(sent.slice(4, 6));
    const parts = [
      answer.kdd,
      Uint8Array.of(answer.kvn, 3, answer.i),
      answer.cardChallenge,
      answer.cardCryptogram,
    ];
    expect(hex(concat(...parts, answer.sequenceCounter ?? new Uint8Array(0)))).toBe(hex(answerBytes(v)));
    const bytes = answerBytes(v);
    for (let cut = 0; cut < bytes.length; cut++)
      expect(codeOf(() => parseInitializeUpdate(bytes.subarray(0, cut)))).toBe("scp03-answer");
    expect(codeOf(() => parseInitializeUpdate(concat(bytes, Uint8Array.of(0))))).toBe("scp03-answer");
    const scp02 = bytes.slice();
    scp02[11] = 0x02;
    expect(codeOf(() => parseInitializeUpdate(scp02))).toBe("scp03-answer");
  });

  test("session keys and cryptograms", () => {
    const { cardChallenge, cardCryptogram } = parseInitializeUpdate(answerBytes(v));
    const host = hostChallengeOf(v);
    const keys = deriveScp03SessionKeys(nodeCrypto, keysOf(v), host, cardChallenge);
    expect([keys.sEnc, keys.sMac, keys.sRmac].map(hex)).toEqual([v.s_enc, v.s_mac, v.s_rmac]);
    const sMac = nodeCrypto.aes(keys.sMac);
    expect(hex(scp03Cryptogram(sMac, "card", host, cardChallenge))).toBe(hex(cardCryptogram));
    const proof = hex(scp03Cryptogram(sMac, "host", host, cardChallenge));
    expect(v.ext_auth.slice(10).startsWith(proof)).toBe(true);
    expect(proof).toBe(v.host_cryptogram ?? proof);
  });

  test("commands, all wrapped before any answer", () => {
    const session = sessionOf(v);
    expect(bytesOf(session.externalAuthenticate)).toBe(v.ext_auth);
    expect(session.challengeChecked).toBe(v.selected_aid !== undefined);
    const wrapped = session.wrapAll(v.commands.map(({ plain }) => decodeCommand(unhex(plain))));
    expect(wrapped.map(bytesOf)).toEqual(v.commands.map((c) => c.wrapped));
    expect(session.wrappedCount).toBe(v.commands.length);
  });

  test("a card without the keys is found out before anything is sent", () => {
    const answer = parseInitializeUpdate(answerBytes(v));
    for (let bit = 0; bit < answer.cardCryptogram.length * 8; bit++) {
      const cardCryptogram = answer.cardCryptogram.slice();
      cardCryptogram[bit >> 3] = (cardCryptogram[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      expect(codeOf(() => sessionOf(v, { cardCryptogram }))).toBe("scp03-card-cryptogram");
    }
    expect(codeOf(() => sessionOf(v, { cardCryptogram: answer.cardCryptogram.subarray(1) }))).toBe(
      "scp03-card-cryptogram",
    );
    const wrong = { ...v, keys: { ...v.keys, mac: v.keys.enc } };
    expect(codeOf(() => sessionOf(wrong))).toBe("scp03-card-cryptogram");
  });
});

/** Every recorded answer with its vector and the number of its command. */
const answers = vectors.flatMap((v) =>
  v.commands.flatMap((c, at) =>
    c.response_data === undefined
      ? []
      : [{ v, at, id: v.id, plain: c.response_plain, whole: responseOf(c.response_data, c.response_sw) }],
  ),
);
const allWrapped = (v: Scp03Vector) => {
  const session = sessionOf(v);
  session.wrapAll(v.commands.map(({ plain }) => decodeCommand(unhex(plain))));
  return session;
};

describe("answers", () => {
  test.each(answers)("$id, command $at", ({ v, at, plain, whole }) => {
    const { data, sw } = allWrapped(v).unwrap(whole, at);
    expect(hex(data)).toBe(plain);
    expect(sw).toBe(whole.sw);
  });
  const secured = answers.filter(({ v }) => (levelOf(v) & 0x10) !== 0);
  test("most carry an R-MAC", () => expect(secured.length).toBe(11));
  test.each(secured)("$id, command $at, damaged in any byte", ({ v, at, whole }) => {
    for (let byte = 0; byte < whole.data.length; byte++) {
      const damaged = whole.data.slice();
      damaged[byte] = (damaged[byte] ?? 0) ^ 0x01;
      const session = allWrapped(v);
      expect(codeOf(() => session.unwrap({ data: damaged, sw: whole.sw }, at))).toBe("scp03-mac");
      expect(codeOf(() => session.wrap({ cla: 0x80, ins: 0xca, p1: 0, p2: 0 }))).toBe("session-closed");
    }
  });
  test.each(secured)("$id, command $at, cut or for another command", ({ v, at, whole: { data, sw } }) => {
    const end = (response: Response, number = at) => codeOf(() => allWrapped(v).unwrap(response, number));
    for (const cut of [1, 7, data.length]) expect(end({ data: data.subarray(cut), sw })).toBe("scp03-mac");
    expect(end({ data, sw: SW.endOfFile })).toBe("scp03-mac");
    expect(end({ data, sw: SW.wrongData })).toBe("scp03-mac");
    expect(end({ data, sw }, at === 0 ? 1 : 0)).toBe("scp03-mac");
  });
});

describe("pseudo-random challenges", () => {
  const pseudo = vectors.filter((v) => v.selected_aid !== undefined);
  test.each(pseudo)("$id", (v) => {
    const { sequenceCounter, cardChallenge } = parseInitializeUpdate(answerBytes(v));
    if (sequenceCounter === undefined) throw new Error("no sequence counter");
    const enc = unhex(v.keys.enc);
    const challenge = pseudoRandomChallenge(nodeCrypto, enc, sequenceCounter, unhex(v.selected_aid ?? ""), 8);
    expect(hex(challenge)).toBe(hex(cardChallenge));
    expect(codeOf(() => sessionOf({ ...v, selected_aid: "A000000003000000" }))).toBe("scp03-challenge");
    expect(codeOf(() => sessionOf(v, { sequenceCounter: unhex("0000FF") }))).toBe("scp03-challenge");
  });
});

/** A session over invented parameters, and what its card derives from the same keys. */
function invented(level: Scp03Level, size: 8 | 16 = 8, keyLength = 16, counts: "all" | "with-data" = "all") {
  const key = (fill: number) => new Uint8Array(keyLength).fill(fill);
  const keys = { enc: key(1), mac: key(2), dek: key(3) };
  const hostChallenge = new Uint8Array(size).fill(4);
  const cardChallenge = new Uint8Array(size).fill(5);
  const derived = deriveScp03SessionKeys(nodeCrypto, keys, hostChallenge, cardChallenge);
  const sMac = nodeCrypto.aes(derived.sMac);
  const cardCryptogram = scp03Cryptogram(sMac, "card", hostChallenge, cardChallenge);
  const i = size === 16 ? 0x61 : 0x60;
  const head = concat(new Uint8Array(10), Uint8Array.of(0x30, 0x03, i));
  const answer = parseInitializeUpdate(concat(head, cardChallenge, cardCryptogram));
  const session = new Scp03Session({ crypto: nodeCrypto, keys, hostChallenge, answer, level, counts });
  return { session, keys, sEnc: nodeCrypto.aes(derived.sEnc), sMac, sRmac: nodeCrypto.aes(derived.sRmac) };
}
const read: Command = { cla: 0x80, ins: 0xca, p1: 0, p2: 0x66, le: 256 };
const write: Command = { cla: 0x80, ins: 0xe2, p1: 0x80, p2: 0, data: unhex("0102030405") };
const ok: Response = { data: new Uint8Array(0), sw: SW.ok };

describe("levels", () => {
  test("00 leaves commands and answers as they are", () => {
    const { session } = invented(0x00);
    expect(session.externalAuthenticate.p1).toBe(0x00);
    expect(session.wrap(write)).toEqual(write);
    expect(session.unwrap(responseOf("AABB"))).toEqual(responseOf("AABB"));
  });
  test("01 and 13 differ from 33 in nothing but what they leave out", () => {
    const [mac, both] = [invented(0x01).session.wrap(write), invented(0x13).session.wrap(write)];
    expect(mac.data?.subarray(0, 5)).toEqual(write.data);
    expect(mac.data?.length).toBe(13);
    expect(both.data?.length).toBe(24);
  });
  test.each([
    [0x11, 0x10],
    [0x13, 0x00],
    [0x33, 0x30],
    [0x33, 0x20],
  ] as const)("level %i is refused with i = %i", (level, i) => {
    const v = vectors.find(({ id }) => id === "kaoh-delete");
    if (v === undefined) throw new Error("the vector is missing");
    expect(
      codeOf(() =>
        openScp03({ ...openingOf(v), level, answer: { ...parseInitializeUpdate(answerBytes(v)), i } }),
      ),
    ).toBe("scp03-level");
  });
  const openingOf = (v: Scp03Vector) => ({
    crypto: nodeCrypto,
    keys: keysOf(v),
    hostChallenge: hostChallengeOf(v),
    answer: parseInitializeUpdate(answerBytes(v)),
    level: levelOf(v),
  });
  test.each([0x02, 0x10, 0x31, 0x83])("%i is no level", (level) => {
    const v = vectors.find(({ id }) => id === "kaoh-delete");
    if (v === undefined) throw new Error("the vector is missing");
    expect(codeOf(() => openScp03({ ...openingOf(v), level: level as Scp03Level }))).toBe("scp03-level");
  });
  test.each(["00", "10", "20", "30", "60", "70", "01", "71"])("i = %s is read", (i) => {
    const value = Number.parseInt(i, 16);
    const size = (value & 1) === 1 ? 16 : 8;
    const counter = (value & 0x10) === 0 ? "" : "000007";
    const text = `${"00".repeat(10)}3003${i}${"AA".repeat(size)}${"BB".repeat(size)}${counter}`;
    expect(parseInitializeUpdate(unhex(text))).toMatchObject({ i: value, mode: size === 16 ? "S16" : "S8" });
  });
  test("R-ENCRYPTION without R-MAC is refused", () => {
    const text = `${"00".repeat(10)}300340${"AA".repeat(8)}${"BB".repeat(8)}`;
    expect(codeOf(() => parseInitializeUpdate(unhex(text)))).toBe("scp03-answer");
  });
  test("keys of different lengths, challenges of different sizes", () => {
    const v = vectors.find(({ id }) => id === "kaoh-delete");
    if (v === undefined) throw new Error("the vector is missing");
    const opening = openingOf(v);
    expect(codeOf(() => openScp03({ ...opening, keys: { ...opening.keys, dek: new Uint8Array(32) } }))).toBe(
      "bad-key",
    );
    expect(codeOf(() => openScp03({ ...opening, hostChallenge: new Uint8Array(16) }))).toBe("scp03-answer");
    expect(codeOf(() => initializeUpdate({ kvn: 0xff, hostChallenge: new Uint8Array(8) }))).toBe("bad-value");
    expect(codeOf(() => initializeUpdate({ kvn: 1, hostChallenge: new Uint8Array(10) }))).toBe("bad-value");
  });
});

describe("the counter", () => {
  const ivOf = (card: ReturnType<typeof invented>, n: number, first = 0) => {
    const block = new Uint8Array(16);
    block[0] = first;
    block[14] = n >> 8;
    block[15] = n & 0xff;
    return card.sEnc.encrypt(block);
  };
  const decrypted = (card: ReturnType<typeof invented>, command: Command, n: number) =>
    hex(unpad80(card.sEnc.cbcDecrypt(ivOf(card, n), (command.data ?? new Uint8Array(0)).slice(0, -8))));
  test("starts at 1 and counts commands without data too", () => {
    const card = invented(0x03);
    const commands = card.session.wrapAll([write, read, read, write]);
    expect(decrypted(card, commands[0] ?? read, 1)).toBe("0102030405");
    expect(commands[1]?.data?.length).toBe(8);
    expect(decrypted(card, commands[3] ?? read, 4)).toBe("0102030405");
  });
  test("a profile may leave those out", () => {
    const card = invented(0x03, 8, 16, "with-data");
    const commands = card.session.wrapAll([write, read, read, write]);
    expect(decrypted(card, commands[3] ?? read, 2)).toBe("0102030405");
  });
  test("goes past one byte, in responses as well", () => {
    const card = invented(0x33);
    const commands = card.session.wrapAll(Array.from({ length: 300 }, () => write));
    expect(decrypted(card, commands[299] ?? read, 300)).toBe("0102030405");
    // What a card would answer to command number 299, put together by hand.
    let chaining: Uint8Array = cmacOfOpening(card);
    for (const { ins, p1, p2, data = new Uint8Array(0) } of commands) {
      chaining = cmac(
        card.sMac,
        concat(chaining, Uint8Array.of(0x84, ins, p1, p2, data.length), data.subarray(0, -8)),
      );
    }
    const body = card.sEnc.cbcEncrypt(ivOf(card, 300, 0x80), pad80(unhex("CAFE"), 16));
    const mac = cmac(card.sRmac, concat(chaining, body, unhex("9000"))).subarray(0, 8);
    expect(hex(card.session.unwrap({ data: concat(body, mac), sw: SW.ok }, 299).data)).toBe("CAFE");
  });
});

function cmacOfOpening(card: ReturnType<typeof invented>): Uint8Array {
  const { ins, p1, p2, data = new Uint8Array(0) } = card.session.externalAuthenticate;
  return cmac(
    card.sMac,
    concat(new Uint8Array(16), Uint8Array.of(0x84, ins, p1, p2, data.length), data.subarray(0, -8)),
  );
}

describe("the order of things", () => {
  test("answers come in order, each once", () => {
    const { session } = invented(0x01);
    session.wrapAll([write, write, write]);
    session.unwrap(ok);
    session.unwrap(ok, 1);
    expect(codeOf(() => session.unwrap(ok, 1))).toBe("out-of-step");
    expect(codeOf(() => session.unwrap(ok, 0))).toBe("out-of-step");
    expect(codeOf(() => session.unwrap(ok, -1))).toBe("out-of-step");
    session.unwrap(ok);
    expect(codeOf(() => session.unwrap(ok))).toBe("out-of-step");
  });
  test("error answers come bare, and leave the session open", () => {
    const { session } = invented(0x33);
    session.wrapAll([write, write]);
    expect(session.unwrap({ data: new Uint8Array(0), sw: SW.wrongData }).sw).toBe(SW.wrongData);
    session.wrap(write);
    expect(codeOf(() => session.unwrap({ data: new Uint8Array(0), sw: SW.warning }))).toBe("scp03-mac");
  });
  test("a batch that stopped early is taken back", () => {
    const straight = invented(0x33).session;
    const cut = invented(0x33).session;
    const [first] = cut.wrapAll([write, read, read]);
    cut.unwrap({ data: new Uint8Array(0), sw: SW.wrongData });
    cut.rewind(1);
    expect(bytesOf(straight.wrap(write))).toBe(bytesOf(first ?? read));
    expect(bytesOf(cut.wrap(read))).toBe(bytesOf(straight.wrap(read)));
    expect(codeOf(() => cut.rewind(0))).toBe("out-of-step");
    expect(codeOf(() => cut.rewind(5))).toBe("out-of-step");
    const unsent = invented(0x33).session;
    unsent.wrapAll([read, write]);
    unsent.rewind(0);
    expect(bytesOf(unsent.wrap(write))).toBe(bytesOf(first ?? read));
  });
  test("close wipes", () => {
    const { session } = invented(0x33);
    session.wrap(write);
    session.close();
    session.close();
    expect(codeOf(() => session.wrap(write))).toBe("session-closed");
    expect(codeOf(() => session.unwrap(ok))).toBe("session-closed");
    expect(codeOf(() => session.encryptWithDek(new Uint8Array(16)))).toBe("session-closed");
  });
});

describe("limits", () => {
  const withData = (length: number): Command => ({ ...write, data: new Uint8Array(length) });
  test.each([
    [0x01, 8, 247],
    [0x03, 8, 239],
    [0x01, 16, 239],
    [0x03, 16, 223],
  ] as const)("level %i with MACs of %i bytes takes %i bytes", (level, size, most) => {
    const { session } = invented(level, size);
    expect(encodeCommand(session.wrap(withData(most)), { extended: false }).length).toBeLessThanOrEqual(260);
    expect(codeOf(() => session.wrap(withData(most + 1)))).toBe("too-long");
    expect(codeOf(() => session.wrap({ ...read, le: 257 }))).toBe("too-long");
  });
  test("a batch with one bad command is not wrapped at all", () => {
    const { session } = invented(0x01);
    expect(codeOf(() => session.wrapAll([write, withData(248)]))).toBe("too-long");
    expect(session.wrappedCount).toBe(0);
  });
  test("secured commands are not secured again", () => {
    const { session } = invented(0x01);
    for (const cla of [0x84, 0x0c, 0x08, 0xe0, 0x60])
      expect(codeOf(() => session.wrap({ ...write, cla }))).toBe("bad-apdu");
  });
  test("logical channels: in the class byte, not in the MAC", () => {
    const macs = [0x80, 0x81, 0x83, 0xc0, 0xc5].map((cla) => {
      const wrapped = invented(0x01).session.wrap({ ...write, cla });
      return [wrapped.cla, hex(wrapped.data ?? new Uint8Array(0))] as const;
    });
    expect(macs.map(([cla]) => cla)).toEqual([0x84, 0x85, 0x87, 0xe0, 0xe5]);
    expect(new Set(macs.map(([, data]) => data)).size).toBe(1);
  });
});

describe("secrets", () => {
  test("the data encryption key: AES-CBC with IV 0", () => {
    for (const keyLength of [16, 24, 32]) {
      const { session, keys } = invented(0x01, 8, keyLength);
      const data = new Uint8Array(32).fill(9);
      const expected = nodeCrypto.aes(keys.dek).cbcEncrypt(new Uint8Array(16), data);
      expect(hex(session.encryptWithDek(data))).toBe(hex(expected));
      expect(codeOf(() => session.encryptWithDek(data.subarray(1)))).toBe("bad-value");
    }
  });
  test("do not print, and the caller keeps its keys", () => {
    const { session, keys } = invented(0x33);
    expect(JSON.stringify(session)).toBe('"[SCP03 session, level 33]"');
    session.close();
    expect(keys.enc[0]).toBe(1);
  });
});

test("any commands at any level can be told from one another by their MACs", () => {
  const command = fc.record({
    cla: fc.constant(0x80),
    ins: fc.constant(0xe2),
    p1: fc.nat(255),
    p2: fc.nat(255),
    data: fc.uint8Array({ minLength: 1, maxLength: 200 }),
  });
  fc.assert(
    fc.property(
      fc.constantFrom(0x01, 0x03, 0x11, 0x13, 0x33),
      fc.array(command, { minLength: 1, maxLength: 5 }),
      (level, list) => {
        const wrapped = invented(level as Scp03Level).session.wrapAll(list);
        const macs = wrapped.map(({ data = new Uint8Array(0) }) => hex(data.subarray(-8)));
        expect(new Set(macs).size).toBe(list.length);
        wrapped.forEach((one, at) =>
          expect(one).toMatchObject({ cla: 0x84, p1: list[at]?.p1, p2: list[at]?.p2 }),
        );
      },
    ),
    { numRuns: 30 },
  );
});
