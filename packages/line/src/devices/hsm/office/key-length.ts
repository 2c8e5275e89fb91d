import { keyBytes } from "../ceremony.js";
import { isRsa } from "../payment/issuer-key.js";
import { OfficeRefusal } from "./refusal.js";
import type { KeyPlan } from "./types.js";

/** Bytes. Throws OfficeRefusal for a key that is not made from bytes. */
export const keyLength = ({ algorithm, name }: KeyPlan): number => {
  if (algorithm === "Ed25519" || algorithm === "X25519")
    throw new OfficeRefusal(`key ${name}: ${algorithm} keys are not made from bytes`);
  if (isRsa(algorithm))
    throw new OfficeRefusal(`key ${name}: RSA keys do not come in pieces, and leave in none`);
  return keyBytes[algorithm];
};
