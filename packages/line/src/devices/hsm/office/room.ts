/** Where the keys of a ceremony are kept: in the sealed keystore, or in a token. */
import { createPrivateKey, createPublicKey, sign } from "node:crypto";
import { equalConstantTime, unmovedCopy } from "@persoline/card/bytes";
import type { Crypto } from "@persoline/card/crypto";
import { oddParity } from "@persoline/card/keyblock";
import { nodeCrypto } from "@persoline/card/node";
import { checkValueOf, type Keyring, viewOf } from "../keyring.js";
import type { StoredKey } from "../keystore.js";
import { isRsa, issuerKeyObject, publicOf, toldKey } from "../payment/issuer-key.js";
import type { IssuerPublicKey, KeyDescription, KeyStanding } from "../port.js";
import { drawn } from "./drawn.js";
import { OfficeRefusal } from "./refusal.js";
import type { Keep, KeyPlan } from "./types.js";

/** What is written down of a key that was taken in. */
export interface Kept {
  /** Empty where it stays elsewhere. */
  readonly value: Uint8Array;
  readonly kcv: string;
  /** Of a key in a token. */
  readonly fingerprint?: string;
  readonly witness?: string;
  readonly single?: { readonly kcv: string; readonly fingerprint: string };
  /** Public half of an RSA key. */
  readonly issuer?: IssuerPublicKey;
  /** Of a key in a token, as it was made. */
  readonly standing?: KeyStanding;
}

export interface KeyRoom {
  /** Ed25519 under the installation's signing key. */
  readonly sign: (bytes: Uint8Array) => Uint8Array;
  /** Its public half, SPKI, PEM. */
  readonly signedBy: string;
  /** Why such a key cannot be kept here. */
  whyNot(plan: KeyPlan): string | undefined;
  /** Takes a value in, for good; without one the room draws it. The caller wipes it. */
  take(plan: KeyPlan, value: Uint8Array | undefined): Kept;
  /** The key that has this value already. */
  same(keys: readonly StoredKey[], plan: KeyPlan, value: Uint8Array): StoredKey | undefined;
  /** PKCS#1 v1.5 with SHA-256 under an issuer's RSA key. */
  signRsa(key: StoredKey, bytes: Uint8Array): Uint8Array;
  /** A key-block key at work: `kbpk` is given to `crypto`, and nothing else is done with it. The caller wipes it. */
  protection(key: StoredKey): { readonly crypto: Crypto; readonly kbpk: Uint8Array };
}

/** What a call of the office works on, and how it is written back. */
export interface OpenOffice {
  readonly keep: Keep;
  readonly room: KeyRoom;
  write(keep: Keep): void;
  describe(keep: Keep): KeyDescription[];
  /** The keys as they were when it was opened, for what is proved before a ceremony; wiped when the office closes. */
  ring(): Keyring;
  close(): void;
}

/** Key lists may hold DES keys of any parity: they are the same keys. */
function sameKey(algorithm: KeyDescription["algorithm"], one: Uint8Array, other: Uint8Array): boolean {
  const [own, given] = algorithm === "3DES" ? [oddParity(one), oddParity(other)] : [one, other];
  return equalConstantTime(own, given);
}

/** The keystore: values are bytes of this process. */
export function keystoreRoom(keys: readonly StoredKey[]): KeyRoom {
  const own = keys.find(({ use }) => use === "sign");
  if (own === undefined) throw new OfficeRefusal("this keystore has no key for signatures");
  const secret = createPrivateKey({ key: viewOf(own.value), format: "der", type: "pkcs8" });
  return {
    sign: (bytes) => new Uint8Array(sign(null, bytes, secret)),
    signedBy: createPublicKey(secret).export({ format: "pem", type: "spki" }).toString(),
    whyNot: () => undefined,
    take: (plan, given) => {
      const value = given ?? drawn(plan);
      const kept = {
        value: unmovedCopy(value),
        kcv: checkValueOf(plan.algorithm, value),
        ...(isRsa(plan.algorithm) ? { issuer: toldKey(publicOf(value)) } : {}),
      };
      if (given === undefined) value.fill(0);
      return kept;
    },
    same: (known, _plan, value) =>
      known.find((key) => key.life?.state !== "destroyed" && sameKey(key.algorithm, key.value, value)),
    signRsa: (key, bytes) => new Uint8Array(sign("sha256", bytes, issuerKeyObject(key.value))),
    protection: (key) => ({ crypto: nodeCrypto, kbpk: unmovedCopy(key.value) }),
  };
}
