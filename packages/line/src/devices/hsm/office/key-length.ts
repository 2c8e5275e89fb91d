import { keyBytes } from "../ceremony.js";
import { OfficeRefusal } from "./refusal.js";
import type { KeyPlan } from "./types.js";

/** Bytes. Throws OfficeRefusal for a key that is not made from bytes. */
export const keyLength = ({ algorithm, name }: KeyPlan): number => {
  if (algorithm === "Ed25519" || algorithm === "X25519")
    throw new OfficeRefusal(`key ${name}: ${algorithm} keys are not made from bytes`);
  return keyBytes[algorithm];
};
