import { nodeCrypto } from "@persoline/card/node";
import { drawIssuerKey, isRsa } from "../payment/issuer-key.js";
import { keyLength } from "./key-length.js";
import { drawKey } from "./pieces.js";
import type { KeyPlan } from "./types.js";

/** A key of chance: of P-256 a scalar of the curve, of RSA a pair (PKCS#8), else random bytes. */
export function drawn(plan: KeyPlan): Uint8Array {
  const { algorithm } = plan;
  if (algorithm === "P-256") return nodeCrypto.p256.generate().privateKey;
  return isRsa(algorithm) ? drawIssuerKey(algorithm) : drawKey(algorithm, keyLength(plan));
}
