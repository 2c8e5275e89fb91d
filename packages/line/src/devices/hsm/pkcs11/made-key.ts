/** One key of a token: made or taken in, and what is known of it. What fails leaves nothing in the token. */
import { concat, hex } from "@persoline/card/bytes";
import type { RsaPublicKey } from "@persoline/card/crypto";
import { keyBytes } from "../ceremony.js";
import { checkValueOf } from "../keyring.js";
import { KeystoreProblem } from "../keystore.js";
import { drawKey } from "../office/pieces.js";
import {
  drawIssuerKey,
  isRsa,
  publicOf,
  type RsaAlgorithm,
  rsaBits,
  rsaCheckValue,
  rsaNumbers,
  toldKey,
} from "../payment/issuer-key.js";
import type { KeyDescription } from "../port.js";
import { wrapPadded } from "../transport.js";
import { generatedDes } from "./des-keys.js";
import { identityOf, kindOf, singleName } from "./masters.js";
import type { RegisteredKey } from "./register.js";
import type { Handle, Token } from "./token.js";

interface MadeKey {
  readonly handle: Handle;
  readonly key: RegisteredKey;
}
type Described = Pick<RegisteredKey, "name" | "use" | "algorithm" | "environment" | "published">;
type SymmetricAlgorithm = Exclude<keyof typeof keyBytes, "P-256">;
const isSymmetric = (algorithm: KeyDescription["algorithm"]): algorithm is SymmetricAlgorithm =>
  algorithm in keyBytes && algorithm !== "P-256";

/**
 * Makes one key in the token, and what is known of it. `value`: bytes that come in, which the caller wipes; `seed`: of an RSA key that
 * everybody may draw; without either the token draws it. Throws KeystoreProblem, VaultRefusal.
 */
export function madeKey(
  token: Token,
  described: Described,
  from: { readonly value?: Uint8Array | undefined; readonly seed?: string | undefined } = {},
): MadeKey {
  const { name, use, algorithm } = described;
  if (isRsa(algorithm)) return madeSigner(token, { ...described, algorithm }, from.seed);
  if (!isSymmetric(algorithm))
    throw new KeystoreProblem("not-ours", `key ${name}: ${algorithm} keys are not made here`);
  const kind = kindOf(described);
  if (kind === "signer") throw new KeystoreProblem("not-ours", `key ${name}: ${algorithm} signs nothing`);
  // A master that encrypts tells its own check value; every other key's is taken from its value, which is drawn by the token and goes back into it.
  const ownValue = (kind === "master" || kind === "des-master") && use !== "emv-cvk";
  const drawn =
    from.value === undefined && !ownValue
      ? drawKey(algorithm, keyBytes[algorithm], (length) => token.random(length))
      : undefined;
  const value = from.value ?? drawn;
  try {
    const isGenerated = value === undefined && algorithm === "3DES";
    const handle = isGenerated
      ? generatedDes(token, name)
      : token.makeMaster({ label: name, algorithm, kind }, value);
    return orDestroyed(token, handle, () => {
      const told = { ...described, ...toldOf(token, described, value) };
      const { kcv, fingerprint } = identityOf(token, handle, told);
      const single = use === "emv-cvk" && value !== undefined ? madeSingle(token, name, value) : undefined;
      const known = kcv ?? (value === undefined ? "" : checkValueOf(algorithm, value));
      return {
        handle,
        key: {
          ...told,
          kcv: known,
          fingerprint,
          standing: token.standing(handle),
          ...(single === undefined ? {} : { single }),
        },
      };
    });
  } finally {
    drawn?.fill(0);
  }
}

/** What of a new key cannot be told makes it worth nothing: it does not stay. */
function orDestroyed<T>(token: Token, handle: Handle, work: () => T): T {
  try {
    return work();
  } catch (problem) {
    token.destroy(handle);
    throw problem;
  }
}

/** What only the value tells, once. */
function toldOf(
  token: Token,
  described: Pick<KeyDescription, "use" | "algorithm">,
  value: Uint8Array | undefined,
): { readonly witness?: string } {
  if (kindOf(described) !== "transport" || value === undefined) return {};
  const chance = token.random(16);
  return { witness: hex(wrapPadded(value, chance)) };
}

/** The left half of a key for card verification values works alone too: as a key of two equal halves it is single DES. */
function madeSingle(token: Token, name: string, value: Uint8Array): NonNullable<RegisteredKey["single"]> {
  const left = concat(value.subarray(0, 8), value.subarray(0, 8));
  try {
    const handle = token.makeMaster({ label: singleName(name), algorithm: "3DES" }, left);
    return orDestroyed(token, handle, () => {
      const { kcv = "", fingerprint } = identityOf(token, handle, { use: "emv-cvk", algorithm: "3DES" });
      return { kcv, fingerprint };
    });
  } finally {
    left.fill(0);
  }
}

function madeSigner(
  token: Token,
  described: Omit<KeyDescription, "kcv" | "algorithm"> & { readonly algorithm: RsaAlgorithm },
  seed: string | undefined,
): MadeKey {
  const { name, algorithm } = described;
  const told = (handle: Handle, publicKey: RsaPublicKey): MadeKey => ({
    handle,
    key: {
      ...described,
      kcv: rsaCheckValue(publicKey),
      fingerprint: "",
      issuer: toldKey(publicKey),
      standing: token.standing(handle),
    },
  });
  if (seed === undefined) {
    const { secret, modulus } = token.makeRsaPair(name, rsaBits(algorithm));
    return told(secret, { modulus, exponent: Uint8Array.of(3) });
  }
  const der = drawIssuerKey(algorithm, seed);
  const handle = token.importRsa(name, rsaNumbers(der));
  return told(handle, publicOf(der));
}
