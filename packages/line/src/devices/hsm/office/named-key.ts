/** A key of the keystore by its name. */
import type { StoredKey } from "../keystore.js";
import { OfficeRefusal } from "./refusal.js";

export function keyOf(keys: readonly StoredKey[], name: string): StoredKey {
  const found = keys.find((key) => key.name === name);
  if (found === undefined)
    throw new OfficeRefusal(
      `there is no key ${name} in this keystore; "persoline keys list" shows what there is`,
    );
  return found;
}
