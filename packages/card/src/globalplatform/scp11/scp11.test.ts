import { describe, expect, test } from "vitest";
import { nodeCrypto, nodeP256 } from "../../../node/index.js";
import { codeOf, vectorsOf } from "../../../node/testing.js";
import { authorities, cardKey, certify, host, hostAuthority, planOf } from "../../../tools/scp11-bench.js";
import { decodeCommand, decodeResponse, encodeCommand, type Response, SW } from "../../apdu/index.js";
import { concat, hex, unhex } from "../../bytes/index.js";
import type { KeyAgreement } from "../../crypto/index.js";
import {
  beginScp11,
  getCertificates,
  parseCertificate,
  parseCertificates,
  Scp11Handshake,
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

  test("what both sides agreed upon is wiped, and what keys were made from", () => {
    const secrets: Uint8Array[] = [];
    const opening = openingOf(v);
    const agreement: KeyAgreement = {
      ...opening.agreement,
      agree: (...pair) => {
        const secret = opening.agreement.agree(...pair);
        secrets.push(secret);
        return secret;
      },
    };
    const crypto = {
      ...nodeCrypto,
      sha256: (input: Uint8Array) => {
        secrets.push(input);
        return nodeCrypto.sha256(input);
      },
    };
    beginScp11({ ...opening, agreement, crypto }).finish(answerOf(v));
    expect(secrets).toHaveLength(2 + Math.ceil((5 * opening.keyLength) / 32));
    expect(secrets.map((secret) => secret.every((byte) => byte === 0))).toEqual(secrets.map(() => true));
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
    expect(codeOf(() => beginScp11(openingOf(v)).finish(refused))).toBe("scp11-refused");
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

test.each(vectors)("$id: the whole opening, from certificates to the first command", (v) => {
  const opening = openingOf(v);
  const { kvn, kid, usage, keyLength } = opening;
  const leaf = { name: unhex("01"), publicKey: unhex(v.pk_sd) };
  const plan = {
    ...planOf(v.variant),
    crypto: { ...nodeCrypto, p256: { ...nodeP256, ...withEphemeral(v) } },
    kvn,
    kid,
    usage,
    keyLength,
    ...(v.sk_oce === undefined
      ? {}
      : {
          host: {
            privateKey: unhex(v.sk_oce),
            certificates: [certify(authorities.hosts, host)],
            authority: hostAuthority,
          },
        }),
  };
  const handshake = new Scp11Handshake(plan);
  const sent = [handshake.first];
  const certificates = concat(unhex("BF2181"), Uint8Array.of(0), certify(authorities.cards, leaf));
  certificates[3] = certificates.length - 4;
  let next = handshake.next({ data: certificates, sw: SW.ok });
  while ("send" in next) {
    sent.push(next.send);
    const answer = next.send.ins === 0x2a ? { data: new Uint8Array(0), sw: SW.ok } : answerOf(v);
    next = handshake.next(answer);
  }
  expect(sent.map(({ ins }) => ins)).toEqual(v.variant === "b" ? [0xca, 0x88] : [0xca, 0x2a, 0x82]);
  expect(hex(encodeCommand(sent.at(-1) ?? handshake.first))).toBe(`${v.authenticate_capdu.slice(0, -2)}00`);
  const wrapped = next.session.wrap(decodeCommand(unhex(v.command_plain)));
  expect(hex(encodeCommand(wrapped))).toContain(v.command_wrapped);
  expect(codeOf(() => handshake.next(answerOf(v)))).toBe("session-closed");
});

test("one attempt: whatever the card refuses ends the opening", () => {
  const refused = decodeResponse(unhex("6300"));
  const right = { data: concat(certify(authorities.cards, cardKey)), sw: SW.ok };
  const ends = (...answers: readonly Response[]) => {
    const handshake = new Scp11Handshake(planOf("a"));
    const codes = answers.map((answer) => codeOf(() => handshake.next(answer)));
    expect(codeOf(() => handshake.next(answers[0] ?? refused))).toBe("session-closed");
    return codes;
  };
  expect(ends(refused)).toEqual(["scp11-refused"]);
  expect(ends(right, refused)).toEqual(["none", "scp11-refused"]);
  expect(ends(right, { data: refused.data, sw: SW.ok }, refused)).toEqual(["none", "none", "scp11-refused"]);
  const { host: _, ...nobody } = planOf("a");
  expect(codeOf(() => new Scp11Handshake(nobody))).toBe("bad-key");
});

test("certificates: what is none", () => {
  const right = certify(authorities.cards, cardKey);
  const { use, subject, expires, effective, publicKey } = parseCertificate(right);
  expect([use, hex(subject), effective, expires]).toEqual([
    "agreement",
    hex(cardKey.name),
    "20260101",
    "20261231",
  ]);
  expect(hex(publicKey)).toBe(hex(cardKey.publicKey));
  for (let cut = 0; cut < right.length; cut++)
    expect(["bad-tlv", "scp11-certificate"]).toContain(
      codeOf(() => parseCertificate(right.subarray(0, cut))),
    );
  const made = (change: Parameters<typeof certify>[2]) =>
    codeOf(() => certify(authorities.cards, cardKey, change));
  expect(made({ expires: "20261301" })).toBe("scp11-certificate");
  expect(made({ serialNumber: new Uint8Array(17) })).toBe("scp11-certificate");
  expect(made({ publicKey: cardKey.publicKey.subarray(1) })).toBe("scp11-certificate");
  // X.509, and none at all.
  expect(codeOf(() => parseCertificates(unhex("3003020101")))).toBe("scp11-certificate");
  expect(codeOf(() => parseCertificates(unhex("BF2100")))).toBe("scp11-certificate");
});

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
  const compressed = concat(
    Uint8Array.of(0x02 | ((one.publicKey[64] ?? 0) & 1)),
    one.publicKey.subarray(1, 33),
  );
  expect(codeOf(() => nodeP256.agree(other.privateKey, compressed))).toBe("bad-key");
  expect(hex(nodeP256.publicKeyOf(one.privateKey))).toBe(hex(one.publicKey));
  expect(codeOf(() => nodeP256.publicKeyOf(new Uint8Array(31)))).toBe("bad-key");
});

/** RFC 6979, A.2.5: P-256 with SHA-256, message "sample". */
test("signatures: a published one, its own, and damaged", () => {
  const publicKey = unhex(
    "0460FED4BA255A9D31C961EB74C6356D68C049B8923B61FA6CE669622E60F29FB67903FE1008B8BC99A41AE9E95628BC64F2F1B20C2D7E9F5177A3C294D4462299",
  );
  const message = new TextEncoder().encode("sample");
  const signature = unhex(
    "EFD48B2AACB6A8FD1140DD9CD45E81D69D2C877B56AAF991C34D0EA84EAF3716F7CB1C942D657C41D436C7A1B6E29F65F3E900DBB9AFF4064DC4AB2F843ACDA8",
  );
  expect(nodeP256.verify(publicKey, message, signature)).toBe(true);
  const secret = unhex("C9AFA9D845BA75166B5C215767B1D6934E50C3DB36E89B127B8A622B120F6721");
  expect(hex(nodeP256.publicKeyOf(secret))).toBe(hex(publicKey));
  expect(nodeP256.verify(publicKey, message, nodeP256.sign(secret, message))).toBe(true);
  for (let at = 0; at < 64; at++) {
    const damaged = signature.slice();
    damaged[at] = (damaged[at] ?? 0) ^ 0x01;
    expect(nodeP256.verify(publicKey, message, damaged)).toBe(false);
  }
  expect(nodeP256.verify(publicKey.subarray(1), message, signature)).toBe(false);
  expect(nodeP256.verify(new Uint8Array(65).fill(4), message, signature)).toBe(false);
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
