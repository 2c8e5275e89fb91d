import { nodeCrypto, nodeP256 } from "../../../node/index.js";
import { codeOf } from "../../../node/testing.js";
import { GpBench, installAccess, keysOf } from "../../../tools/gp-bench.js";
import {
  agreement,
  authorities,
  cardKey,
  certify,
  elliptic,
  fresh,
  getStatus,
  hostCertificate,
  kids,
  named,
  openScp11,
  pairKvn,
  planOf,
  sendHost,
  variants,
} from "../../../tools/scp11-bench.js";
import { type Command, decodeResponse } from "../../apdu/index.js";
import { concat, hex, unhex } from "../../bytes/index.js";
import {
  getCardData,
  getCertificates,
  parseKeyInformation,
  putKey,
  Scp11Handshake,
  storeData,
} from "../../globalplatform/index.js";
import fc from "fast-check";
import { describe, expect, test } from "vitest";

const storeIin = storeData({
  structure: "ber-tlv",
  data: unhex("42021234"),
  block: 0,
  last: true,
});

describe.each(variants)("SCP11%s", (variant) => {
  test.each([16, 24, 32] as const)("opens with keys of %i bytes, MACs only and encrypted", (keyLength) => {
    for (const usage of [0x34, 0x3c] as const) {
      const bench = fresh();
      const session = openScp11(bench, planOf(variant, { keyLength, usage }));
      const { data, sw } = bench.secure(session, getCardData(0xe0));
      expect(sw).toBe(0x9000);
      expect(parseKeyInformation(data).map(({ id }) => id)).toEqual([1, 2, 3, 0x11, 0x13, 0x15, 0x10]);
      // Several commands: MACs chain, the counter goes on.
      for (let n = 0; n < 3; n++) expect(bench.secured(session, getCardData(0x66))).toBe("9000");
    }
  });

  test("content is managed by a host that the card knows, and by nobody else", () => {
    const made = keysOf(16, 0x21);
    const session = (bench: GpBench) => openScp11(bench, planOf(variant));
    const bench = fresh();
    const opened = session(bench);
    const keys = putKey({
      oldKvn: 0x30,
      newKvn: 0x31,
      firstKeyId: 1,
      keys: [made.enc, made.mac, made.dek].map((key) => ({ type: "aes", key })),
      crypto: nodeCrypto,
      dekEncrypt: (data) => opened.encryptWithDek(data),
    });
    const ends = [getStatus, installAccess, storeIin, keys.command].map((command) =>
      bench.secured(opened, command),
    );
    const knows = variant !== "b";
    expect(new Set(ends)).toEqual(new Set([knows ? "9000" : "6982"]));
    // The keys came under the session's own DEK: a channel opens with them, or with those before.
    bench.power();
    const now = knows ? { kvn: 0x31, keys: made } : { keys: keysOf(16) };
    expect(bench.open({ ...now, level: 0x33 }).level).toBe(0x33);
  });

  test("a wrong command MAC, a plain command, a reset end it", () => {
    const bench = fresh();
    const session = openScp11(bench, planOf(variant));
    const wrapped = session.wrap(getCardData(0x66));
    const data = wrapped.data?.slice() ?? new Uint8Array(0);
    data[0] = (data[0] ?? 0) ^ 1;
    expect(bench.say({ ...wrapped, data })).toBe("6982");
    expect(bench.say(session.wrap(getCardData(0x66)))).toBe("6982");
    const again = openScp11(bench, planOf(variant));
    expect(bench.say(getStatus)).toBe("6982");
    expect(bench.say(again.wrap(getCardData(0x66)))).toBe("6982");
    const third = openScp11(bench, planOf(variant));
    bench.power();
    expect(bench.say(third.wrap(getCardData(0x66)))).toBe("6982");
  });

  test("every bit of the agreement's data: the card refuses it, or the host its receipt", () => {
    const length = agreement(variant).data?.length ?? 0;
    expect(length).toBe(83);
    const ends = new Map<string, number>();
    for (let at = 0; at < length; at++) {
      const bench = fresh();
      const end = codeOf(() =>
        openScp11(bench, planOf(variant), {
          command: (command) => {
            if (command.ins !== 0x82 && command.ins !== 0x88) return command;
            const data = command.data?.slice() ?? new Uint8Array(0);
            data[at] = (data[at] ?? 0) ^ 0x04;
            return { ...command, data };
          },
        }),
      );
      ends.set(end, (ends.get(end) ?? 0) + 1);
    }
    // One bit of a point leads beside the curve; one of the key length to another length that the card has.
    expect([...ends.keys()]).not.toContain("none");
    expect(ends.get("scp11-refused")).toBeGreaterThan(80);
  });

  test("every bit of the card's certificate, and certificates of others", () => {
    const length = fresh().send(getCertificates({ id: kids[variant], kvn: pairKvn })).data.length;
    for (let at = 0; at < length; at++) {
      const end = codeOf(() =>
        openScp11(fresh(), planOf(variant), {
          answer: (answer, pass) => {
            if (pass > 0) throw new Error("the host went on after a damaged certificate");
            const data = answer.data.slice();
            data[at] = (data[at] ?? 0) ^ 0x01;
            return { ...answer, data };
          },
        }),
      );
      expect(["scp11-certificate", "bad-tlv"]).toContain(end);
    }
    const refuses = (certificates: readonly Uint8Array[], today = "20260704") =>
      codeOf(() => openScp11(new GpBench({ elliptic: elliptic(certificates) }), planOf(variant, { today })));
    const { cards, nobody } = authorities;
    const below = named("below");
    expect(refuses([certify(nobody, cardKey)])).toBe("scp11-certificate");
    expect(refuses([certify({ ...nobody, name: cards.name }, cardKey)])).toBe("scp11-certificate");
    expect(refuses([certify(cards, cardKey, { use: "verification" })])).toBe("scp11-certificate");
    expect(refuses([certify(cards, cardKey)], "20270101")).toBe("scp11-certificate");
    expect(refuses([certify(cards, cardKey)], "20251231")).toBe("scp11-certificate");
    expect(refuses([certify(cards, below), certify(below, cardKey)])).toBe("scp11-certificate");
    // A right certificate of another key: the receipt tells, c says its static key at once.
    expect(refuses([certify(cards, below)])).toBe(variant === "c" ? "scp11-answer" : "scp11-receipt");
    expect(refuses([certify(cards, below, { use: "verification" }), certify(below, cardKey)])).toBe("none");
  });

  test("another version, another instruction, another variant's parameters, other lengths", () => {
    const command = agreement(variant);
    const refuses = (change: Partial<Command>) => {
      const bench = fresh();
      sendHost(bench, [hostCertificate()]);
      const end = bench.say({ ...command, ...change });
      // Nothing is kept: the right command is refused too, unless the card asks for no host.
      expect(bench.say(command)).toBe(variant === "b" ? "9000" : "6985");
      return end;
    };
    const data = command.data ?? new Uint8Array(0);
    const changed = (at: number, value: number) => {
      const copy = data.slice();
      copy[at] = value;
      return { data: copy };
    };
    expect(refuses({ p1: 0x04 })).toBe("6A88");
    expect(refuses({ ins: command.ins === 0x82 ? 0x88 : 0x82 })).toBe("6A86");
    // A6 0D 90 02 11 pp 95 01 uu 80 01 88 81 01 ll
    for (const value of [0x00, 0x01, 0x02, 0x03, 0x05, 0x07].filter((one) => one !== data[5]))
      expect(refuses(changed(5, value))).toBe("6A80");
    expect(refuses(changed(4, 0x03))).toBe("6A80");
    for (const usage of [0x00, 0x14, 0x30, 0x3d]) expect(refuses(changed(8, usage))).toBe("6A80");
    expect(refuses(changed(11, 0x80))).toBe("6A80");
    for (const length of [0x00, 0x08, 0x11, 0x40]) expect(refuses(changed(14, length))).toBe("6A80");
    expect(refuses({ data: data.subarray(0, -1) })).toBe("6A80");
    expect(refuses({ data: concat(data, unhex("8000")) })).toBe("6A80");
  });

  test("what is no point of the curve", () => {
    const command = agreement(variant);
    const head = command.data?.slice(0, 18) ?? new Uint8Array(0);
    const { publicKey } = nodeP256.generate();
    const beside = publicKey.slice();
    beside[64] = (beside[64] ?? 0) ^ 1;
    const compressed = concat(Uint8Array.of(0x02 | ((publicKey[64] ?? 0) & 1)), publicKey.subarray(1, 33));
    const hybrid = concat(Uint8Array.of(0x06 | ((publicKey[64] ?? 0) & 1)), publicKey.subarray(1));
    const zeros = concat(Uint8Array.of(0x04), new Uint8Array(64));
    const say = (point: Uint8Array) => {
      const bench = fresh();
      sendHost(bench, [hostCertificate()]);
      const data = concat(head.subarray(0, 17), Uint8Array.of(point.length), point);
      return bench.say({ ...command, data });
    };
    for (const point of [beside, compressed, hybrid, zeros, new Uint8Array(1), new Uint8Array(0)])
      expect(say(point)).toBe("6A80");
    expect(say(publicKey)).toBe("9000");
  });
});

test("whatever comes instead of certificates and agreements is refused, and the card goes on", () => {
  const bench = fresh();
  const right = [hostCertificate(), agreement("a").data ?? new Uint8Array(0)];
  /** Bytes of its own, or something right with a piece cut out, doubled or overwritten. */
  const content = fc.oneof(
    fc.uint8Array({ maxLength: 255 }),
    fc
      .tuple(fc.constantFrom(...right), fc.nat(254), fc.nat(254), fc.uint8Array({ maxLength: 8 }))
      .map(([bytes, from, to, piece]) =>
        concat(bytes.subarray(0, from), piece, bytes.subarray(to)).subarray(0, 255),
      ),
  );
  const command = fc.record({
    cla: fc.constantFrom(0x80, 0x90),
    ins: fc.constantFrom(0x2a, 0x82, 0x88),
    p1: fc.constantFrom(0x01, pairKvn, 0x7f),
    p2: fc.constantFrom(0x10, 0x90, 0x11, 0x13, 0x15, 0x00),
    data: content,
  });
  fc.assert(
    fc.property(fc.array(command, { minLength: 1, maxLength: 4 }), (commands) => {
      const ends = commands.map((one) => [one, bench.say(one)] as const);
      // Right are the two that were not altered after all, a link of a chain, and the agreement that knows no host.
      const taken = ends.filter(
        ([{ cla, ins, data }, end]) =>
          end === "9000" && cla === 0x80 && ins !== 0x88 && !right.some((one) => hex(one) === hex(data)),
      );
      expect(taken).toEqual([]);
      expect(ends.map(([, end]) => end)).not.toContain("mute");
    }),
    { numRuns: 300 },
  );
  expect(bench.secured(openScp11(bench, planOf("a")), getStatus)).toBe("9000");
});

test("whatever a card says instead of its certificates, the host ends with a reason", () => {
  const right = certify(authorities.cards, cardKey);
  const content = fc.oneof(
    fc.uint8Array({ maxLength: 300 }),
    fc
      .tuple(fc.nat(254), fc.nat(254), fc.uint8Array({ minLength: 1, maxLength: 8 }))
      .map(([from, to, piece]) => concat(right.subarray(0, from), piece, right.subarray(to))),
  );
  fc.assert(
    fc.property(content, (data) => {
      fc.pre(hex(data) !== hex(right));
      const handshake = new Scp11Handshake(planOf("a"));
      const end = codeOf(() => handshake.next(decodeResponse(concat(data, unhex("9000")))));
      expect(["scp11-certificate", "bad-tlv"]).toContain(end);
    }),
    { numRuns: 500 },
  );
});
