/** Opening what an issuer wrapped under a transport key, with the key's bytes in this process. */
import { createCipheriv, createDecipheriv } from "node:crypto";
import type { TransportMode } from "@persoline/card/issuer-data";
import { nodeCrypto } from "@persoline/card/node";

/** RFC 5649: the alternative initial value's constant. */
const KWP = Uint8Array.of(0xa6, 0x59, 0x59, 0xa6);

/** The caller wipes the result. Throws for a value that does not open. */
export function openWrapped(mode: TransportMode, key: Uint8Array, value: Uint8Array): Uint8Array {
  if (mode === "aes-wrap") {
    const decipher = createDecipheriv(`id-aes${key.length * 8}-wrap-pad`, key, KWP);
    const clear = Buffer.concat([decipher.update(value), decipher.final()]);
    const copy = Uint8Array.from(clear);
    clear.fill(0);
    return copy;
  }
  const cipher = nodeCrypto.des3(key);
  const clear = mode === "3des-cbc" ? cipher.cbcDecrypt(new Uint8Array(8), value) : cipher.decrypt(value);
  cipher.wipe();
  return clear;
}

/** AES key wrap with padding (RFC 5649). */
export function wrapPadded(key: Uint8Array, value: Uint8Array): Uint8Array {
  const cipher = createCipheriv(`id-aes${key.length * 8}-wrap-pad`, key, KWP);
  return new Uint8Array(Buffer.concat([cipher.update(value), cipher.final()]));
}
