import { describe, expect, test } from "vitest";
import { nodeCrypto, nodeP256 } from "../../../node/index.js";
import { vectorsOf } from "../../../node/testing.js";
import { GpBench } from "../../../tools/gp-bench.js";
import { authorities, certify, elliptic, host, hostAuthority } from "../../../tools/scp11-bench.js";
import { hex, unhex } from "../../bytes/index.js";
import type { Crypto } from "../../crypto/index.js";
import { sendCertificates } from "../../globalplatform/index.js";

/** Conversations of other people's hosts and cards: this card, given the same keys, says the same bytes. */
interface Transcript {
  readonly variant: "a" | "b" | "c";
  readonly sk_oce?: string;
  readonly esk_oce: string;
  readonly pk_sd: string;
  readonly authenticate_capdu: string;
  readonly authenticate_rapdu: string;
  readonly command_wrapped: string;
}
const transcripts = vectorsOf<Transcript>("scp11");

/**
 * The traces name the host's private keys and the card's points, not the card's private keys. Both sides come to the same x coordinate: the
 * card's private keys are stood in for by numbers, and their agreement is computed from the host's end. All else is the card's own.
 */
function cardOf(v: Transcript): GpBench {
  const standIn = (n: number): Uint8Array => new Uint8Array(32).fill(n);
  const ephemeralPoint = unhex(v.authenticate_rapdu.slice(6, 136));
  const points = new Map([
    [hex(standIn(1)), unhex(v.pk_sd)],
    [hex(standIn(2)), ephemeralPoint],
  ]);
  const hosts = [v.esk_oce, ...(v.sk_oce === undefined ? [] : [v.sk_oce])].map((scalar) => unhex(scalar));
  const crypto: Crypto = {
    ...nodeCrypto,
    p256: {
      ...nodeP256,
      generate: () => ({ privateKey: standIn(2), publicKey: ephemeralPoint.slice() }),
      agree: (privateKey, publicKey) => {
        const point = points.get(hex(privateKey));
        const scalar = hosts.find((one) => hex(nodeP256.publicKeyOf(one)) === hex(publicKey));
        if (point === undefined || scalar === undefined) throw new Error("keys that the trace does not name");
        return nodeP256.agree(scalar, point);
      },
    },
  };
  const [kvn, kid] = [unhex(v.authenticate_capdu)[2] ?? 0, unhex(v.authenticate_capdu)[3] ?? 0];
  const pair = {
    kid: kid as 0x11,
    kvn,
    privateKey: standIn(1),
    publicKey: unhex(v.pk_sd),
    certificates: certify(authorities.cards, host),
  };
  const authority = elliptic().filter((key) => key.kid === 0x10);
  const bench = new GpBench({ elliptic: [pair, ...authority] }, [], crypto);
  if (v.sk_oce !== undefined) {
    const publicKey = nodeP256.publicKeyOf(unhex(v.sk_oce));
    const certificate = certify(authorities.hosts, { name: host.name, publicKey });
    for (const command of sendCertificates([certificate], hostAuthority)) bench.say(command);
  }
  return bench;
}
const say = ({ card }: GpBench, apdu: string): string => hex(card.transmit(unhex(apdu)) ?? new Uint8Array(0));

test("all of them, of all three variants", () => {
  expect(transcripts.map(({ variant }) => variant).sort()).toEqual(["a", "a", "b", "c"]);
});

describe.each(transcripts)("$id", (v) => {
  test("the agreement is answered byte for byte, and the first command understood", () => {
    const bench = cardOf(v);
    expect(say(bench, v.authenticate_capdu)).toBe(
      v.authenticate_rapdu.endsWith("9000") ? v.authenticate_rapdu : `${v.authenticate_rapdu}9000`,
    );
    // What it asks for is another card's; that it is taken for what it is shows in the answer's being a secured one.
    const answer = say(bench, v.command_wrapped);
    expect(answer.slice(-4)).toBe(v.variant === "b" ? "6982" : "9000");
  });
  test("the channel stays open behind it, and one bit wrong ends it", () => {
    const bench = cardOf(v);
    say(bench, v.authenticate_capdu);
    const bytes = unhex(v.command_wrapped);
    for (const at of [2, 3, 6, bytes.length - 1]) {
      const again = cardOf(v);
      say(again, v.authenticate_capdu);
      const damaged = bytes.slice();
      damaged[at] = (damaged[at] ?? 0) ^ 0x04;
      expect(say(again, hex(damaged))).toBe("6982");
      expect(say(again, v.command_wrapped)).toBe("6982");
    }
  });
});
