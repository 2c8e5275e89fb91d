import { aes, GpBench, keysOf } from "../../../tools/gp-bench.js";
import {
  authorities,
  cardKey,
  certify,
  getStatus,
  hostAuthority,
  hostCertificate,
  kids,
  named,
  openScp11,
  pairKvn,
  planOf,
  sendHost,
  whole,
} from "../../../tools/scp11-bench.js";
import { type Command } from "../../apdu/index.js";
import { concat, hex, unhex } from "../../bytes/index.js";
import {
  certificatesFor,
  deleteKey,
  getCardData,
  getCertificates,
  identifierFor,
  parseCardData,
  parseKeyInformation,
  putAuthority,
  putKeyPair,
  storeData,
} from "../../globalplatform/index.js";
import { findTlv, parseTlv } from "../../tlv/index.js";
import { describe, expect, test } from "vitest";

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
