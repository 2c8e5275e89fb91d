import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { nodeCrypto } from "../../../../node/index.js";
import { vectorsOf } from "../../../../node/testing.js";
import { image20, say } from "../../../../tools/bench.js";
import { Bench, command, completedStore, create, createMf, tlv } from "../../../../tools/os-bench.js";
import { decodeCommand, decodeResponse, encodeCommand } from "../../../apdu/index.js";
import { hex, unhex } from "../../../bytes/index.js";
import { authenticateForSm, type SecureMessaging, type SmCipher } from "../../../iso7816/index.js";
import { type Fault, makeVirtualCard, type PersolineCard } from "../../index.js";

interface IcaoVector {
  readonly kseed?: string;
  readonly k_icc?: string;
  readonly rnd_icc?: string;
  readonly eifd?: string;
  readonly mifd?: string;
  readonly answer?: string;
  readonly protected?: string;
  readonly response?: string;
}
interface AesVector {
  readonly seed: string;
  readonly rnd_icc: string;
  readonly k_icc: string;
  readonly proof: string;
  readonly answer: string;
  /** READ BINARY B1 as the first command, its offset object followed by 80 and 28 zeros, MAC right. */
  readonly long_padding: string;
  readonly exchanges: readonly {
    readonly protected: string;
    readonly response: string;
  }[];
}
const [aes] = vectorsOf<AesVector>("sm-aes");
const vectors = vectorsOf<IcaoVector>("icao-sm");
const known = (id: string): IcaoVector => vectors.find((one) => one.id === id) ?? {};
const seed = known("bac-keys").kseed ?? "";
/** READ, SEARCH, UPDATE and WRITE under secure messaging only. */
const shielded = tlv("AB", "8001079E0140");
const efCom = "60145F0104303130365F36063034303030305C026175";

/** A travel document's DF with EF.COM, its seed as key 08, all active; and a DF beside it with the same seed. */
function document(key = seed, ...faults: Fault[]): Bench {
  const bench = new Bench(completedStore(image20), ...faults);
  bench.open(0x01);
  const wrapped = hex(bench.host?.wrapKey(unhex(key)) ?? unhex(""));
  const steps = [
    createMf,
    create("820138", "83020200", "8405A000000099"),
    command("80D80008", `01${wrapped}`),
    "00A4000C023F00",
    create("820138", "83020100", "8407A0000002471001"),
    command("80D80008", `01${wrapped}`),
    create("820101", "8302011E", "80020018", "8801F0", shielded),
    command("00D60000", efCom),
    "00440000",
    create("820101", "83020120", "80020300", "880110", shielded),
    "00440000",
  ];
  for (const sent of steps) expect(`${sent}: ${bench.safe(sent).slice(-4)}`).toBe(`${sent}: 9000`);
  bench.reset();
  expect(bench.say("00A4040C07A0000002471001")).toBe("9000");
  return bench;
}

/** The same card with the random numbers of the worked example. */
function withRandom(bench: Bench, ...numbers: readonly string[]): PersolineCard {
  const left = [...numbers];
  const card = makeVirtualCard({
    eeprom: bench.store,
    crypto: nodeCrypto,
    random: (length) => {
      const next = unhex(left.shift() ?? "");
      if (next.length !== length) throw new Error(`${length} random bytes were not expected`);
      return next;
    },
  });
  card.powerOn();
  return card;
}

function open(
  bench: Bench,
  cipher: SmCipher,
  change: { seed?: string; reference?: number } = {},
): SecureMessaging {
  const cardChallenge = decodeResponse(unhex(bench.say("0084000008"))).data;
  const { command: sent, open: judged } = authenticateForSm({
    crypto: nodeCrypto,
    cipher,
    algorithm: cipher === "3DES" ? 0x01 : 0x02,
    reference: change.reference ?? 0x08,
    seed: unhex(change.seed ?? seed),
    cardChallenge,
    hostChallenge: unhex("0102030405060708"),
    hostKey: unhex("A5".repeat(16)),
  });
  return judged(decodeResponse(unhex(bench.say(hex(encodeCommand(sent))))));
}

/** A plain command through the session: data and status word in hex. */
function safe(bench: Bench, sm: SecureMessaging, plain: string): string {
  const answered = bench.say(hex(encodeCommand(sm.wrap(decodeCommand(unhex(plain.replaceAll(" ", "")))))));
  const { data, sw } = sm.unwrap(decodeResponse(unhex(answered)));
  return hex(data) + sw.toString(16).toUpperCase().padStart(4, "0");
}

test("the card answers the worked example of ICAO Doc 9303-11 byte for byte", () => {
  const { k_icc = "", rnd_icc = "", answer } = known("bac-answer");
  const card = withRandom(document(), rnd_icc, k_icc);
  const { eifd, mifd } = known("bac-eifd");
  expect(say(card, "00A4040C07A0000002471001")).toBe("9000");
  expect(say(card, "0084000008")).toBe(`${rnd_icc}9000`);
  // Key and algorithm by MANAGE SECURITY ENVIRONMENT: P1 P2 are 00 in the example.
  expect(say(card, "0022C1A406800101830108")).toBe("9000");
  expect(say(card, `0082000028${eifd}${mifd}28`)).toBe(`${answer}9000`);
  for (const id of ["sm-select", "sm-read4", "sm-read18"]) {
    const { protected: sent = "", response } = known(id);
    expect(say(card, sent)).toBe(response);
  }
});

test("the card answers an AES session computed by a third hand byte for byte", () => {
  if (aes === undefined) throw new Error("there is no vector");
  const card = withRandom(document(aes.seed), aes.rnd_icc, aes.k_icc);
  say(card, "00A4040C07A0000002471001");
  expect(say(card, "0084000008")).toBe(`${aes.rnd_icc}9000`);
  expect(say(card, `0082020828${aes.proof}28`)).toBe(`${aes.answer}9000`);
  for (const { protected: sent, response } of aes.exchanges) expect(say(card, sent)).toBe(response);
});

describe.each(["3DES", "AES"] as const)("%s", (cipher) => {
  test("whatever the host writes is what it reads, in any pieces, short and extended", () => {
    const bench = document();
    const sm = open(bench, cipher);
    expect(safe(bench, sm, "00A4020C020120")).toBe("9000");
    const model = new Uint8Array(0x300).fill(0);
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 0x2ff }),
        fc.uint8Array({ minLength: 1, maxLength: 600 }),
        (at, bytes) => {
          const fits = bytes.subarray(0, 0x300 - at);
          const place = at.toString(16).padStart(4, "0");
          const plain = hex(encodeCommand({ cla: 0, ins: 0xd6, p1: at >> 8, p2: at & 0xff, data: fits }));
          expect(safe(bench, sm, plain)).toBe("9000");
          model.set(fits, at);
          expect(safe(bench, sm, `00B0${place}000000`)).toBe(`${hex(model.subarray(at))}9000`);
          expect(safe(bench, sm, `00B0${place}01`)).toBe(`${hex(model.subarray(at, at + 1))}9000`);
        },
      ),
      { numRuns: 40 },
    );
    expect(safe(bench, sm, "00B1000003540100 00")).toMatch(/^53.*9000$/);
    expect(safe(bench, sm, "00B0000000").length / 2 - 2).toBe(cipher === "3DES" ? 231 : 223);
    expect(safe(bench, sm, "00B0700001")).toBe("6B00");
  });

  test("a command damaged in any byte is refused bare, ends the session and changes nothing", () => {
    const bench = document();
    const update = { cla: 0, ins: 0xd6, p1: 0x82, p2: 0, data: unhex("C0FFEE"), le: 256 };
    // The last byte is Le, which no MAC covers.
    const length = encodeCommand(open(bench, cipher).wrap(update)).length - 1;
    bench.say("00A4040C07A0000002471001");
    for (let at = 0; at < length; at++) {
      const sm = open(bench, cipher);
      const sent = encodeCommand(sm.wrap(update));
      sent[at] = (sent[at] ?? 0) ^ 0x01;
      const writes = bench.writes(() => expect(bench.say(hex(sent))).toMatch(/^6[0-9A-F]{3}$/));
      expect(`${at}: ${writes}`).toBe(`${at}: 0`);
    }
    const sm = open(bench, cipher);
    expect(safe(bench, sm, "00B0820003")).toBe("0000009000");
  });

  test("an answer that is damaged is noticed", () => {
    const bench = document();
    const sm = open(bench, cipher);
    expect(safe(bench, sm, "00B0820003")).toBe("0000009000");
    const spoiled = new Bench(bench.store, { kind: "bad-mac", nth: 1 });
    spoiled.say("00A4040C07A0000002471001");
    const other = open(spoiled, cipher);
    expect(() => safe(spoiled, other, "00B0820003")).toThrow("MAC");
  });
});

describe("sessions", () => {
  test("a plain command, a reset, a wrong object end them; without one 0C is refused", () => {
    const bench = document();
    expect(bench.say("0CB08200049701008E080000000000000000 00".replaceAll(" ", ""))).toBe("6700");
    expect(bench.say(`0CB082000D9701048E08${"00".repeat(8)}00`)).toBe("6985");
    expect(bench.say("00B0820003")).toBe("6982");
    for (const [end, answered] of [
      ["00B0820003", "6982"],
      ["00A4040C07A0000002471001", "9000"],
      ["8050000008010203040506070800", "32 bytes"],
      ["0CB08200039705 0000", "6988"],
      ["0CB0820003970100 00", "6987"],
      [`0CB082000A8E08${"00".repeat(8)}00`, "6988"],
    ] as const) {
      const sm = open(bench, "AES");
      expect(safe(bench, sm, "00B0820001")).toBe("009000");
      const heard = bench.say(end);
      expect(`${end}: ${heard.length === 68 ? "32 bytes" : heard}`).toBe(`${end}: ${answered}`);
      const after = sm.wrap(decodeCommand(unhex("00B0820001")));
      expect(bench.say(hex(encodeCommand(after)))).toBe("6985");
    }
  });

  test("the key of one DF opens nothing in another", () => {
    const bench = document();
    expect(bench.say("00A4040C05A000000099")).toBe("9000");
    const sm = open(bench, "3DES");
    expect(safe(bench, sm, "00A4040C07A0000002471001")).toBe("9000");
    expect(safe(bench, sm, "00B0820001")).toBe("6982");
  });

  test("it is no session of the card's maker: nothing is created and no PIN made under it", () => {
    const bench = document();
    const sm = open(bench, "AES");
    expect(safe(bench, sm, create("820101", "83020130", "80020010"))).toBe("6982");
    expect(safe(bench, sm, `0024018110${"00".repeat(16)}`)).toBe("6982");
    expect(safe(bench, sm, "002C0381")).toBe("6982");
  });

  test("a wrong seed costs a try, before the comparison; the right one gives them back", () => {
    const bench = document();
    expect(bench.say("00820108")).toBe("63CF");
    expect(
      bench.writes(() => expect(() => open(bench, "3DES", { seed: "00".repeat(16) })).toThrow("refuses")),
    ).toBe(1);
    expect(bench.say("00820108")).toBe("63CE");
    expect(bench.writes(() => open(bench, "3DES"))).toBe(2);
    expect(bench.say("00820108")).toBe("9000");
    // Without a fresh challenge of 8 bytes nothing is tried.
    const proof = `0082010828${"00".repeat(40)}28`;
    for (const before of [[], ["0084000010"]]) {
      for (const sent of before) bench.say(sent);
      expect(bench.writes(() => expect(bench.say(proof)).toBe("6985"))).toBe(0);
    }
    const torn = new Bench(bench.store, { kind: "torn-at", write: 2 });
    torn.say("00A4040C07A0000002471001");
    torn.say("0084000008");
    expect(torn.say(proof)).toBe("63CE");
  });

  test.each(["3DES", "AES"] as const)(
    "%s: a proof with a damaged MAC, or over another challenge, is refused",
    (cipher) => {
      const bench = document();
      const proof = (cardChallenge: Uint8Array): Uint8Array =>
        encodeCommand(
          authenticateForSm({
            crypto: nodeCrypto,
            cipher,
            algorithm: cipher === "3DES" ? 1 : 2,
            reference: 8,
            seed: unhex(seed),
            cardChallenge,
            hostChallenge: new Uint8Array(8),
            hostKey: new Uint8Array(16),
          }).command,
        );
      const challenge = (): Uint8Array => decodeResponse(unhex(bench.say("0084000008"))).data;
      const damaged = proof(challenge());
      // The last byte of the MAC, before Le.
      damaged[damaged.length - 2] = (damaged.at(-2) ?? 0) ^ 0x01;
      expect(bench.say(hex(damaged))).toBe("63CE");
      const stale = challenge();
      challenge();
      expect(bench.say(hex(proof(stale)))).toBe("63CD");
      expect(bench.say(hex(proof(challenge())))).toMatch(/^[0-9A-F]{80}9000$/);
      expect(bench.say("00820108")).toBe("9000");
    },
  );

  test("padding of more than one block is no padding", () => {
    if (aes === undefined) throw new Error("there is no vector");
    const card = withRandom(document(aes.seed), aes.rnd_icc, aes.k_icc);
    say(card, "00A4040C07A0000002471001");
    say(card, "0084000008");
    expect(say(card, `0082020828${aes.proof}28`)).toMatch(/9000$/);
    expect(say(card, aes.long_padding)).toBe("6988");
  });

  test("keys keep to their kind", () => {
    const bench = document();
    for (const [sent, answered] of [
      [`0082000828${"00".repeat(40)}28`, "6985"],
      [`0082010128${"00".repeat(40)}28`, "6985"],
      [`0082010928${"00".repeat(40)}28`, "6A88"],
      [`0082030828${"00".repeat(40)}28`, "6A86"],
      [`0082011028${"00".repeat(40)}28`, "6985"],
      [`0082010827${"00".repeat(39)}28`, "6700"],
      [`0082010828${"00".repeat(40)}27`, "6700"],
      ["00880008100102030405060708090A0B0C0D0E0F1000", "6985"],
    ] as const) {
      expect(`${sent}: ${bench.say(sent)}`).toBe(`${sent}: ${answered}`);
    }
  });

  test("costs are those of the card's clock", () => {
    const bench = document();
    const challenge = decodeResponse(unhex(bench.say("0084000008"))).data;
    const { command: sent } = authenticateForSm({
      crypto: nodeCrypto,
      cipher: "AES",
      algorithm: 2,
      reference: 8,
      seed: unhex(seed),
      cardChallenge: challenge,
      hostChallenge: new Uint8Array(8),
      hostKey: new Uint8Array(16),
    });
    // Twice: 2 blocks of cipher, and a CMAC over 3 blocks with its subkeys.
    expect(bench.blocks(() => bench.say(hex(encodeCommand(sent))))).toBe(2 * (2 + 4));
    const sm = open(bench, "AES");
    // Command: CMAC over counter, header, DO 97; answer: vector, 1 block, CMAC over counter and two blocks of objects.
    expect(bench.blocks(() => safe(bench, sm, "00B0820003"))).toBe(4 + (2 + 4));
  });
});
