import { createECDH, createPrivateKey, createPublicKey, sign, verify } from "node:crypto";
import { CardProblem } from "../src/bytes/index.js";
import type { EllipticCurve } from "../src/crypto/index.js";

const CURVE = "prime256v1";
const refused = (): CardProblem =>
  new CardProblem("bad-key", "P-256", "a private key or a point is not one of the curve");
/** Uncompressed points alone: OpenSSL would take compressed and hybrid ones too. */
const isPoint = (bytes: Uint8Array): boolean => bytes.length === 65 && bytes[0] === 0x04;
const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString("base64url");
const open = (point: Uint8Array) => ({
  kty: "EC",
  crv: "P-256",
  x: text(point.subarray(1, 33)),
  y: text(point.subarray(33)),
});

/** P-256 on OpenSSL. */
export const nodeP256: EllipticCurve = {
  generate() {
    const pair = createECDH(CURVE);
    const publicKey = Uint8Array.from(pair.generateKeys());
    // OpenSSL leaves leading zeros out.
    const privateKey = new Uint8Array(32);
    const scalar = pair.getPrivateKey();
    privateKey.set(scalar, 32 - scalar.length);
    scalar.fill(0);
    return { privateKey, publicKey };
  },
  agree(privateKey, publicKey) {
    if (privateKey.length !== 32 || !isPoint(publicKey)) throw refused();
    try {
      const own = createECDH(CURVE);
      own.setPrivateKey(privateKey);
      return Uint8Array.from(own.computeSecret(publicKey));
    } catch {
      throw refused();
    }
  },
  publicKeyOf(privateKey) {
    if (privateKey.length !== 32) throw refused();
    try {
      const own = createECDH(CURVE);
      own.setPrivateKey(privateKey);
      return Uint8Array.from(own.getPublicKey());
    } catch {
      throw refused();
    }
  },
  sign(privateKey, message) {
    const key = { ...open(nodeP256.publicKeyOf(privateKey)), d: text(privateKey) };
    const opened = createPrivateKey({ key, format: "jwk" });
    return Uint8Array.from(sign("sha256", message, { key: opened, dsaEncoding: "ieee-p1363" }));
  },
  verify(publicKey, message, signature) {
    if (!isPoint(publicKey) || signature.length !== 64) return false;
    try {
      const key = createPublicKey({ key: open(publicKey), format: "jwk" });
      return verify("sha256", message, { key, dsaEncoding: "ieee-p1363" }, signature);
    } catch {
      return false;
    }
  },
};
