import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { nodeCrypto, nodeP256 } from "../../../node/index.js";
import { codeOf } from "../../../node/testing.js";
import { aes, GpBench, installAccess, keysOf } from "../../../tools/gp-bench.js";
import {
  authorities,
  cardKey,
  certify,
  elliptic,
  host,
  hostAuthority,
  kids,
  named,
  openScp11,
  pairKvn,
  planOf,
  whole,
} from "../../../tools/scp11-bench.js";
import { type Command, decodeResponse } from "../../apdu/index.js";
import { concat, hex, unhex } from "../../bytes/index.js";
import {
  certificatesFor,
  deleteKey,
  getCardData,
  getCertificates,
  identifierFor,
  initializeUpdate,
  parseCardData,
  parseKeyInformation,
  putAuthority,
  putKey,
  putKeyPair,
  sendCertificates,
  Scp11Handshake,
  storeData,
} from "../../globalplatform/index.js";
import { findTlv, parseTlv } from "../../tlv/index.js";

const variants = ["a", "b", "c"] as const;
const fresh = (): GpBench => new GpBench({ elliptic: elliptic() });
const getStatus: Command = { cla: 0x80, ins: 0xf2, p1: 0x80, p2: 2, data: unhex("4F00"), le: 256 };
const storeIin = storeData({
  structure: "ber-tlv",
  data: unhex("42021234"),
  block: 0,
  last: true,
});
const sendHost = (bench: GpBench, certificates: readonly Uint8Array[]): string =>
  sendCertificates(certificates, hostAuthority)
    .map((command) => bench.say(command))
    .join();
const hostCertificate = (): Uint8Array => certify(authorities.hosts, host);
/** The command that agrees upon keys, as the host makes it. */
function agreement(variant: (typeof variants)[number]): Command {
  const bench = fresh();
  const handshake = new Scp11Handshake(planOf(variant));
  for (let command = handshake.first; ; ) {
    if (command.ins === 0x82 || command.ins === 0x88) return command;
    const next = handshake.next(whole(bench, command));
    if ("session" in next) throw new Error("opened before keys were agreed upon");
    command = next.send;
  }
}

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

describe("the host's certificates", () => {
  const { hosts, nobody } = authorities;
  const mutual = agreement("a");
  /** What the certificates are answered by, and then the agreement. */
  const ends = (certificates: readonly Uint8Array[]) => {
    const bench = fresh();
    return [sendHost(bench, certificates), bench.say(mutual)];
  };
  test("without one there is no agreement, and one is good for one", () => {
    const bench = fresh();
    expect(bench.say(mutual)).toBe("6985");
    expect(sendHost(bench, [hostCertificate()])).toBe("9000");
    expect(bench.say(mutual)).toBe("9000");
    expect(bench.say(mutual)).toBe("6985");
    for (const between of [
      initializeUpdate({ kvn: 0, hostChallenge: new Uint8Array(8) }),
      { cla: 0, ins: 0xa4, p1: 4, p2: 0, le: 256 },
    ]) {
      expect(sendHost(bench, [hostCertificate()])).toBe("9000");
      expect(bench.say(between)).toBe("9000");
      expect(bench.say(mutual)).toBe("6985");
    }
    expect(sendHost(bench, [hostCertificate()])).toBe("9000");
    bench.power();
    expect(bench.say(mutual)).toBe("6985");
  });
  test("every bit of one", () => {
    const right = hostCertificate();
    const found = new Set<string>();
    for (let at = 0; at < right.length; at++) {
      const damaged = right.slice();
      damaged[at] = (damaged[at] ?? 0) ^ 0x01;
      const [certificate = "", agreed] = ends([damaged]);
      found.add(certificate);
      expect(agreed).toBe("6985");
    }
    expect([...found].sort()).toEqual(["6300", "6A80"]);
  });
  test("of others, for something else, out of order", () => {
    const below = named("below");
    const ca = certify(hosts, below, { use: "verification" });
    expect(ends([certify(nobody, host)])).toEqual(["6300", "6985"]);
    expect(ends([certify({ ...nobody, name: hosts.name }, host)])).toEqual(["6300", "6985"]);
    expect(ends([certify(hosts, host, { use: "verification" })])).toEqual(["6300", "6985"]);
    // The right signature under another name; where the card knows no name, any will do.
    const misnamed = certify({ ...hosts, name: nobody.name }, host);
    expect(ends([misnamed])).toEqual(["6300", "6985"]);
    const unnamed = elliptic().map((key) =>
      key.kid === 0x10 ? { ...key, identifier: new Uint8Array(0) } : key,
    );
    expect(sendHost(new GpBench({ elliptic: unnamed }), [misnamed])).toBe("9000");
    expect(ends([certify(hosts, below), certify(below, host)])[0]).toBe("6300,6300");
    expect(ends([certify(below, host), ca])).toEqual(["6300,6300", "6985"]);
    expect(ends([ca, certify(below, host)])).toEqual(["9000,9000", "9000"]);
    expect(ends([ca, certify(hosts, host)])).toEqual(["9000,6300", "6985"]);
    expect(ends([ca])[1]).toBe("6985");
  });
  test("an authority that the card does not have; a chain that something breaks", () => {
    const bench = fresh();
    const send = (kvn: number, id = 0x10) =>
      sendCertificates([hostCertificate()], { id, kvn }).map((command) => bench.say(command))[0];
    expect(send(0x02)).toBe("6A88");
    expect(send(0x03, 0x11)).toBe("6A88");
    const long = certify(hosts, named("below"), { use: "verification" });
    const [first, second] = [long.subarray(0, 100), long.subarray(100)];
    const part = (data: Uint8Array, cla: number, p2 = 0x90): Command => ({
      cla,
      ins: 0x2a,
      p1: 1,
      p2,
      data,
    });
    expect(bench.say(part(first, 0x90))).toBe("9000");
    expect(bench.say(part(second, 0x80))).toBe("9000");
    expect(bench.say(part(first, 0x90))).toBe("9000");
    expect(bench.say(part(second, 0x80, 0x10))).toBe("6A86");
    expect(bench.say(part(first, 0x90))).toBe("9000");
    expect(bench.say(getCardData(0x66))).toBe("9000");
    expect(bench.say(part(second, 0x80))).toBe("6A80");
    // RAM has an end.
    const sent = Array.from({ length: 6 }, () => bench.say(part(new Uint8Array(200), 0x90)));
    expect(sent).toEqual(["9000", "9000", "9000", "9000", "9000", "6A84"]);
    // Nothing else is chained, and nobody chains in a channel.
    expect(bench.say({ ...installAccess, cla: 0x90 })).toBe("6884");
    expect(bench.say({ ...part(first, 0x94) })).toBe("6884");
  });
  test("a chain of several, with certificates longer than one command", () => {
    const below = named("0123456789ABCDEF");
    const leaf = { ...named("FEDCBA9876543210") };
    const discretionary = new Uint8Array(100).fill(7);
    const certificates = [
      certify(hosts, below, { use: "verification", discretionary }),
      certify(below, leaf, { discretionary }),
    ];
    expect(certificates.every(({ length }) => length > 255)).toBe(true);
    const plan = planOf("a", {
      host: { privateKey: leaf.privateKey, certificates, authority: hostAuthority },
    });
    const bench = fresh();
    expect(bench.secured(openScp11(bench, plan), getStatus)).toBe("9000");
    // The certificate's owner must have its key.
    const stolen = planOf("a", {
      host: { privateKey: host.privateKey, certificates, authority: hostAuthority },
    });
    expect(codeOf(() => openScp11(fresh(), stolen))).toBe("scp11-receipt");
  });
});

describe("keys and certificates come into a card that had none", () => {
  const place = { oldKvn: 0, newKvn: pairKvn } as const;
  const begin = () => {
    const bench = new GpBench({ keySets: [aes()] });
    const session = bench.open({ keys: keysOf(16), level: 0x33 });
    const put = (privateKey: Uint8Array, change: { readonly oldKvn?: number; readonly kid?: number } = {}) =>
      putKeyPair({
        ...place,
        kid: kids.a,
        privateKey,
        dekEncrypt: (data) => session.encryptWithDek(data),
        ...change,
      });
    const say = (command: Command) => bench.secured(session, command);
    const store = (data: Uint8Array) => say(storeData({ structure: "ber-tlv", data, block: 0, last: true }));
    return { bench, session, put, say, store };
  };

  test("by PUT KEY and STORE DATA; then the card is spoken to by them", () => {
    const { bench, session, put, say, store } = begin();
    const pair = put(cardKey.privateKey);
    expect(hex(bench.secure(session, pair.command).data)).toBe(hex(pair.expected));
    const authority = putAuthority({
      oldKvn: 0,
      newKvn: hostAuthority.kvn,
      kid: hostAuthority.id,
      publicKey: authorities.hosts.publicKey,
    });
    expect(say(authority.command)).toBe("9000");
    expect(bench.send(getCertificates({ id: kids.a, kvn: pairKvn })).sw).toBe(0x6a88);
    const [first, second] = [named("0123456789ABCDEF"), cardKey];
    const chain = [certify(authorities.cards, first, { use: "verification" }), certify(first, second)];
    const content = certificatesFor({ id: kids.a, kvn: pairKvn }, chain);
    // Longer than one STORE DATA.
    const blocks = [content.subarray(0, 200), content.subarray(200, 400), content.subarray(400)];
    const sent = blocks.map((data, block) =>
      say(storeData({ structure: "ber-tlv", data, block, last: block === blocks.length - 1 })),
    );
    expect(sent).toEqual(["9000", "9000", "9000"]);
    expect(store(identifierFor(hostAuthority, authorities.hosts.name))).toBe("9000");

    expect(parseCardData(bench.send(getCardData(0x66)).data).scps).toEqual([
      { scp: 3, i: 0x70 },
      { scp: 0x11, i: 0x09 },
    ]);
    const information = parseKeyInformation(bench.send(getCardData(0xe0)).data);
    expect(information.filter(({ id }) => id > 3)).toEqual([
      {
        id: 0x11,
        kvn: 3,
        components: [expect.objectContaining({ type: 0xb1, length: 32 }), { type: 0xf0, length: 1 }],
      },
      {
        id: 0x10,
        kvn: 1,
        components: [
          { type: 0xb0, length: 65 },
          { type: 0xf0, length: 1 },
        ],
      },
    ]);
    bench.power();
    const again = openScp11(bench, planOf("a"));
    expect(bench.secured(again, getStatus)).toBe("9000");
    // Certificates longer than an answer come in parts, and in plain only.
    const asked = getCertificates({ id: kids.a, kvn: pairKvn });
    expect(bench.secured(again, asked)).toBe("6985");
    const { data, sw } = bench.send(asked);
    expect([data.length, sw >> 8]).toEqual([256, 0x61]);
    expect(bench.say({ cla: 0, ins: 0xc0, p1: 0, p2: 0, le: 10 })).toMatch(/^61/);
    expect(
      hex(findTlv(parseTlv(whole(bench, asked).data, { opaque: [0xbf21] }), 0xbf21)?.value ?? data),
    ).toBe(hex(concat(...chain)));
    expect(bench.say({ cla: 0, ins: 0xc0, p1: 0, p2: 0, le: 256 })).toBe("6985");
    // Its own pair is not taken away under the channel; the authority is, and then no host is known.
    const third = openScp11(bench, planOf("a"));
    expect(bench.secured(third, deleteKey({ id: kids.a, kvn: pairKvn }))).toBe("6985");
    expect(bench.secured(third, deleteKey({ id: kids.c, kvn: pairKvn }))).toBe("6A88");
    expect(bench.secured(third, deleteKey({ id: hostAuthority.id, kvn: hostAuthority.kvn }))).toBe("9000");
    expect(sendHost(bench, [hostCertificate()])).toBe("6A88");
  });

  test("replaced, the pair before and its certificates are gone", () => {
    const { bench, put, say, store } = begin();
    const other = named("other");
    expect(say(put(cardKey.privateKey).command)).toBe("9000");
    expect(store(certificatesFor({ id: kids.a, kvn: pairKvn }, [certify(authorities.cards, cardKey)]))).toBe(
      "9000",
    );
    expect(say(put(other.privateKey, { oldKvn: pairKvn }).command)).toBe("9000");
    expect(bench.send(getCertificates({ id: kids.a, kvn: pairKvn })).sw).toBe(0x6a88);
    expect(hex(bench.store.load())).not.toContain(hex(cardKey.privateKey));
    expect(hex(bench.store.load())).toContain(hex(other.privateKey));
  });

  test("what is no key, no place, no certificate", () => {
    const { bench, put } = begin();
    const { command } = put(cardKey.privateKey);
    const data = command.data ?? new Uint8Array(0);
    const changed = (at: number, value: number): Command => {
      const copy = data.slice();
      copy.set([value], at < 0 ? copy.length + at : at);
      return { ...command, data: copy };
    };
    expect(bench.say(command)).toBe("6982");
    const again = bench.open({ keys: keysOf(16), level: 0x33 });
    const under = (one: Command) => bench.secured(again, one);
    // New version, type, length, parameters, check value.
    expect([0, 1, 2, -4, -2, -1].map((at) => under(changed(at, 0x80)))).toEqual(Array(6).fill("6A80"));
    expect(under({ ...command, data: concat(data, unhex("00")) })).toBe("6A80");
    // Nothing of the curve: zero, and its order.
    const order = unhex("FFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551");
    for (const scalar of [new Uint8Array(32), order]) {
      const made = putKeyPair({
        ...place,
        kid: kids.a,
        privateKey: scalar,
        dekEncrypt: (bytes) => again.encryptWithDek(bytes),
      });
      expect(under(made.command)).toBe("6A80");
    }
    expect(under(put(cardKey.privateKey, { oldKvn: 0x05 }).command)).toBe("6A88");
    expect(hex(bench.send(getCardData(0xe0)).data)).toBe(
      hex(new GpBench({ keySets: [aes()] }).send(getCardData(0xe0)).data),
    );
    expect(
      under(
        putKeyPair({
          ...place,
          kid: kids.a,
          privateKey: cardKey.privateKey,
          dekEncrypt: (bytes) => again.encryptWithDek(bytes),
        }).command,
      ),
    ).toBe("9000");
    expect(under(command)).toBe("6A80");
    const stored = (content: Uint8Array) =>
      under(storeData({ structure: "ber-tlv", data: content, block: 0, last: true }));
    expect(stored(identifierFor({ id: kids.a, kvn: pairKvn }, authorities.hosts.name))).toBe("6A80");
    expect(stored(certificatesFor({ id: kids.c, kvn: pairKvn }, [hostCertificate()]))).toBe("6A88");
    expect(stored(certificatesFor({ id: kids.a, kvn: pairKvn }, []))).toBe("6A80");
    const all = Array.from({ length: 8 }, (_, at) =>
      under(
        putAuthority({ oldKvn: 0, newKvn: at + 1, kid: 0x10, publicKey: authorities.hosts.publicKey })
          .command,
      ),
    );
    expect(all).toEqual([...Array<string>(7).fill("9000"), "6A84"]);
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
