import { codeOf } from "../../../node/testing.js";
import { GpBench, installAccess } from "../../../tools/gp-bench.js";
import {
  agreement,
  authorities,
  certify,
  elliptic,
  fresh,
  getStatus,
  host,
  hostAuthority,
  hostCertificate,
  named,
  openScp11,
  planOf,
  sendHost,
} from "../../../tools/scp11-bench.js";
import { type Command } from "../../apdu/index.js";
import { getCardData, initializeUpdate, sendCertificates } from "../../globalplatform/index.js";
import { describe, expect, test } from "vitest";

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
