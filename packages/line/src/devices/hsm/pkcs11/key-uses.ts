/** What each kind of a token's keys may do; everything else is refused by the token itself. */
import type { KeyPurpose } from "@persoline/card/crypto";

/**
 * What lies in a token for good: masters that derive (AES) or encrypt diversification data (triple DES), keys of MACs, transport keys that
 * unwrap (AES) or decrypt (triple DES), keys that decipher PIN blocks (AES), an issuer's RSA key.
 */
export type KeyKind =
  | "master"
  | "des-master"
  | "mac-master"
  | "transport"
  | "des-transport"
  | "pin-transport"
  | "signer";

export const USES = {
  derive: ["DERIVE", "ENCRYPT"],
  mac: ["SIGN"],
  cipher: ["ENCRYPT", "DECRYPT"],
  "key-encryption": ["ENCRYPT", "WRAP"],
  "to-card": ["ENCRYPT"],
  master: ["DERIVE"],
  "des-master": ["ENCRYPT"],
  "mac-master": ["SIGN"],
  transport: ["UNWRAP"],
  "des-transport": ["DECRYPT"],
  "pin-transport": ["DECRYPT"],
  signer: ["SIGN"],
} as const satisfies Readonly<Record<KeyPurpose | KeyKind, readonly string[]>>;
/** Of private keys tokens know a few of the uses only. */
export const PRIVATE_USES = ["DECRYPT", "SIGN", "UNWRAP", "DERIVE"] as const;
export const ALL_USES = ["ENCRYPT", "DECRYPT", "SIGN", "VERIFY", "WRAP", "UNWRAP", "DERIVE"] as const;
