/** What a machine outside has: its own private key, and beside it the public halves of its lines. */
import { generateKeyPairSync, type KeyObject, sign } from "node:crypto";
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import type { StoredKey } from "./keystore.js";
import { lineKeyFile, lineKeyOf, lineKeysIn } from "./line-key.js";
import type { KeyDescription } from "./port.js";
import type { LineSign, MachineKeys } from "./sealed-box.js";

export const machineIn = (privateKey: string): MachineKeys => ({
  own: readFileSync(privateKey, "utf8"),
  lines: lineKeysIn(readFileSync(join(dirname(privateKey), lineKeyFile), "utf8")),
});

/** A machine that the module with these keys sends to. */
export const machineOf = (own: string, keys: readonly KeyDescription[]): MachineKeys => ({
  own,
  lines: keys.flatMap(({ use, publicKey }) =>
    use === "sign" && publicKey !== undefined ? [lineKeyOf(publicKey)] : [],
  ),
});

/** Somebody's signature, as the line's module signs, and the half that it is known by. */
export function someLine(): {
  readonly sign: LineSign;
  readonly open: KeyObject;
  readonly stored: StoredKey;
} {
  const { privateKey, publicKey } = generateKeyPairSync("ed25519");
  return {
    sign: (bytes) => new Uint8Array(sign(null, bytes, privateKey)),
    open: publicKey,
    stored: {
      name: "line-signature" as StoredKey["name"],
      use: "sign",
      algorithm: "Ed25519",
      environment: "test",
      published: false,
      value: privateKey.export({ format: "der", type: "pkcs8" }),
    },
  };
}
