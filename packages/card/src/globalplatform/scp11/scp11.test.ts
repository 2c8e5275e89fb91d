import { describe, expect, test } from "vitest";
import { nodeCrypto, nodeP256 } from "../../../node/index.js";
import { codeOf, vectorsOf } from "../../../node/testing.js";
import { decodeCommand, decodeResponse, encodeCommand, SW } from "../../apdu/index.js";
import { concat, hex, unhex } from "../../bytes/index.js";
import type { KeyAgreement } from "../../crypto/index.js";
import {
  beginScp11,
  getCertificates,
  type Scp11Opening,
  type Scp11Variant,
  sendCertificates,
} from "../index.js";

interface Scp11Vector {
  readonly variant: Scp11Variant;
  readonly sk_oce?: string;
  readonly esk_oce: string;
  readonly pk_sd: string;
  readonly authenticate_capdu: string;
  readonly authenticate_rapdu: string;
  readonly shared_info: string;
  readonly s_dek: string;
  readonly command_plain: string;
  readonly command_wrapped: string;
  readonly response_wrapped?: string;
  readonly response_plain?: string;
}
const vectors = vectorsOf<Scp11Vector>("scp11");

/** The ephemeral pair of the transcript in place of a new one: its public half stands in the command. */
const withEphemeral = (v: Scp11Vector): KeyAgreement => ({
  ...nodeP256,
  generate: () => ({ privateKey: unhex(v.esk_oce), publicKey: unhex(v.authenticate_capdu.slice(46, 176)) }),
});
const openingOf = (v: Scp11Vector): Scp11Opening => {
  const { p1, p2 } = decodeCommand(unhex(v.authenticate_capdu));
  return {
    crypto: nodeCrypto,
    agreement: withEphemeral(v),
    variant: v.variant,
    kvn: p1,
    kid: p2,
    cardKey: unhex(v.pk_sd),
    ...(v.sk_oce === undefined ? {} : { hostKey: unhex(v.sk_oce) }),
    keyLength: Number.parseInt(v.shared_info.slice(4), 16) as 16,
    usage: 0x3c,
  };
};
const answerOf = (v: Scp11Vector) => decodeResponse(unhex(v.authenticate_rapdu));

test("all vectors are here, of all three variants", () => {
  expect(vectors.length).toBe(4);
  expect(new Set(vectors.map(({ variant }) => variant))).toEqual(new Set(["a", "b", "c"]));
});

describe.each(vectors)("$id", (v) => {
  test("the command, the session's first exchange, and the data encryption key", () => {
    const begun = beginScp11(openingOf(v));
    expect(hex(encodeCommand(begun.command))).toBe(`${v.authenticate_capdu.slice(0, -2)}00`);
    const session = begun.finish(answerOf(v));
    expect(session.authenticatesHost).toBe(v.variant !== "b");
    expect(session.level).toBe(0x33);
    const wrapped = session.wrap(decodeCommand(unhex(v.command_plain)));
    expect(hex(encodeCommand(wrapped))).toContain(v.command_wrapped);
    const dek = nodeCrypto.aes(unhex(v.s_dek)).cbcEncrypt(new Uint8Array(16), new Uint8Array(32).fill(7));
    expect(hex(session.encryptWithDek(new Uint8Array(32).fill(7)))).toBe(hex(dek));
  });

  test("a receipt or a point with any bit wrong is refused", () => {
    const { data } = answerOf(v);
    const ended: string[] = [];
    for (let at = 3; at < data.length; at++) {
      // Between point and receipt stand tag and length.
      if (at === 68 || at === 69) continue;
      const damaged = data.slice();
      damaged[at] = (damaged[at] ?? 0) ^ 0x01;
      ended.push(codeOf(() => beginScp11(openingOf(v)).finish({ data: damaged, sw: SW.ok })));
    }
    expect(ended).not.toContain("none");
    expect(new Set(ended.slice(65))).toEqual(new Set(["scp11-receipt"]));
    for (let cut = 0; cut < data.length; cut++) {
      const end = codeOf(() => beginScp11(openingOf(v)).finish({ data: data.subarray(0, cut), sw: SW.ok }));
      expect(["scp11-answer", "bad-tlv"]).toContain(end);
    }
  });

  test("another trusted key, another host key, an error of the card", () => {
    const other = nodeP256.generate();
    const end = (change: Partial<Scp11Opening>) =>
      codeOf(() => beginScp11({ ...openingOf(v), ...change }).finish(answerOf(v)));
    expect(end({ cardKey: other.publicKey })).toBe(v.variant === "c" ? "scp11-answer" : "scp11-receipt");
    expect(end({ hostKey: other.privateKey })).toBe(v.variant === "b" ? "none" : "scp11-receipt");
    expect(end({ usage: 0x34 })).toBe("scp11-receipt");
    const refused = { data: new Uint8Array(0), sw: SW.securityNotSatisfied };
    expect(codeOf(() => beginScp11(openingOf(v)).finish(refused))).toBe("scp11-answer");
  });
});

test.each(vectors.filter(({ response_wrapped }) => response_wrapped !== undefined))(
  "$id: the recorded answer, and damaged",
  (v) => {
    const opened = () => {
      const session = beginScp11(openingOf(v)).finish(answerOf(v));
      session.wrap(decodeCommand(unhex(v.command_plain)));
      return session;
    };
    const response = decodeResponse(unhex(v.response_wrapped ?? ""));
    expect(`${hex(opened().unwrap(response).data)}9000`).toBe(v.response_plain);
    for (let at = 0; at < response.data.length; at++) {
      const data = response.data.slice();
      data[at] = (data[at] ?? 0) ^ 0x80;
      expect(codeOf(() => opened().unwrap({ data, sw: SW.ok }))).toBe("scp03-mac");
    }
  },
);

test("a and c need a host key; sessions print no key", () => {
  const [v] = vectors;
  if (v === undefined) throw new Error("the vector is missing");
  const { hostKey: _, ...opening } = openingOf(v);
  expect(codeOf(() => beginScp11(opening))).toBe("bad-key");
  expect(JSON.stringify(beginScp11(openingOf(v)).finish(answerOf(v)))).toBe('"[SCP11 session, level 33]"');
});

test("two sides with new keys agree; what is no point is refused", () => {
  const [one, other] = [nodeP256.generate(), nodeP256.generate()];
  expect([one.privateKey.length, one.publicKey.length]).toEqual([32, 65]);
  expect(hex(nodeP256.agree(one.privateKey, other.publicKey))).toBe(
    hex(nodeP256.agree(other.privateKey, one.publicKey)),
  );
  expect(codeOf(() => nodeP256.agree(one.privateKey, new Uint8Array(65)))).toBe("bad-key");
  expect(codeOf(() => nodeP256.agree(new Uint8Array(32), one.publicKey))).toBe("bad-key");
});

test("certificates: asked for by key, sent link by link", () => {
  expect(hex(encodeCommand(getCertificates({ id: 0x11, kvn: 0x03 })))).toBe("00CABF2106A60483021103" + "00");
  const [first, ...rest] = sendCertificates([new Uint8Array(300), unhex("7F2100")], { id: 0x10, kvn: 0x01 });
  expect([first, ...rest].map((one) => [one?.cla, one?.ins, one?.p1, one?.p2])).toEqual([
    [0x90, 0x2a, 0x01, 0x90],
    [0x80, 0x2a, 0x01, 0x90],
    [0x80, 0x2a, 0x01, 0x10],
  ]);
  const sent = concat(...[first, ...rest].map((one) => one?.data ?? new Uint8Array(0)));
  expect(sent.length).toBe(303);
  expect(codeOf(() => sendCertificates([], { id: 0x10, kvn: 1 }))).toBe("bad-value");
});
