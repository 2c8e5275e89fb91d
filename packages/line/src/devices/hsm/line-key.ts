/** The public half of a line's signature, as it goes to the machines that know the line by it: the letter printer, the stripe's encoder. */
import { createPublicKey, type KeyObject } from "node:crypto";
import { hex, unhex } from "@persoline/card/bytes";

/** The file that it goes in, once, to stand beside the machine's own private key. */
export const lineKeyFile = "line-signature.pub";

/** Its 32 bytes (RFC 8032), hexadecimal. */
export const publicHalfOf = (open: KeyObject): string =>
  hex(new Uint8Array(Buffer.from(open.export({ format: "jwk" }).x ?? "", "base64url")));

/** Throws for what is no such half. */
export const lineKeyOf = (publicHalf: string): KeyObject =>
  createPublicKey({
    key: { kty: "OKP", crv: "Ed25519", x: Buffer.from(unhex(publicHalf)).toString("base64url") },
    format: "jwk",
  });

/** SPKI, PEM. */
export const pemOf = (line: KeyObject): string => line.export({ format: "pem", type: "spki" }).toString();

/** All lines that a file names, one PEM block each; empty where it names none, or another kind of key. */
export function lineKeysIn(text: string): readonly KeyObject[] {
  const blocks = text.match(/-----BEGIN PUBLIC KEY-----[^-]*-----END PUBLIC KEY-----/g) ?? [];
  try {
    const keys = blocks.map((pem) => createPublicKey(pem));
    return keys.every(({ asymmetricKeyType: type }) => type === "ed25519") ? keys : [];
  } catch {
    return [];
  }
}
