// What the card package needs from Node: the only folder of it that may import `node:` modules.
import { randomBytes } from "node:crypto";

/** `length` bytes from the operating system's generator, in memory the caller owns. */
export function random(length: number): Uint8Array {
  return new Uint8Array(randomBytes(length));
}

export { nodeCrypto } from "./crypto.js";
export { nodeP256 } from "./p256.js";
export { drawRsaKey, type RsaKeyPair, rsaPrivateKey, rsaPrivateWith, rsaPublicOf } from "./rsa.js";
