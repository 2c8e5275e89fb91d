import { nodeCrypto } from "@persoline/card/node";
import { keyLength } from "./key-length.js";
import { drawKey } from "./pieces.js";
import type { KeyPlan } from "./types.js";

/** A key of chance: of P-256 a scalar of the curve, else random bytes. */
export const drawn = (plan: KeyPlan): Uint8Array =>
  plan.algorithm === "P-256"
    ? nodeCrypto.p256.generate().privateKey
    : drawKey(plan.algorithm, keyLength(plan));
