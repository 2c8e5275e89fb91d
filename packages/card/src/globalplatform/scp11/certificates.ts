// Certificates on their way between host and card (GlobalPlatform Amendment F, 6 and 7). What they say is judged elsewhere.
import { chain, type Command } from "../../apdu/index.js";
import { CardProblem } from "../../bytes/index.js";
import { encodeTlv, tlv } from "../../tlv/index.js";

/** GET DATA BF21: the card's certificates for this key, leaf last. */
export const getCertificates = (key: { readonly id: number; readonly kvn: number }): Command => ({
  cla: 0x00,
  ins: 0xca,
  p1: 0xbf,
  p2: 0x21,
  data: encodeTlv(tlv(0xa6, tlv(0x83, Uint8Array.of(key.id, key.kvn)))),
  le: 256,
});

/**
 * PERFORM SECURITY OPERATION for the host's certificates, from the one the card's trust anchor (`id`, `kvn`) signed to the leaf; long ones
 * are chained. Throws CardProblem `bad-value` when there is none.
 */
export function sendCertificates(
  certificates: readonly Uint8Array[],
  anchor: { readonly id: number; readonly kvn: number },
): Command[] {
  if (certificates.length === 0)
    throw new CardProblem("bad-value", "PERFORM SECURITY OPERATION", "there is no certificate");
  return certificates.flatMap((data, at) => {
    const more = at < certificates.length - 1 ? 0x80 : 0x00;
    return chain({ cla: 0x80, ins: 0x2a, p1: anchor.kvn, p2: anchor.id | more, data });
  });
}
