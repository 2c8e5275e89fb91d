/** An Ed25519 pair from its seed. */
import { createPrivateKey, createPublicKey, type KeyObject } from "node:crypto";

/** PKCS#8 (RFC 8410) around the 32 bytes of a private key that is derived. The caller wipes the seed. */
export function ed25519Of(seed: Uint8Array): { readonly secret: KeyObject; readonly open: KeyObject } {
  const der = Buffer.concat([Buffer.from("302e020100300506032b657004220420", "hex"), seed]);
  const secret = createPrivateKey({ key: der, format: "der", type: "pkcs8" });
  der.fill(0);
  return { secret, open: createPublicKey(secret) };
}
