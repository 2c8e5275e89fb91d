/** Makes the keys of an installation inside a token, where they stay, and writes the register of them. */
import { existsSync } from "node:fs";
import { concat, hex, unhex } from "@persoline/card/bytes";
import type { RsaPublicKey } from "@persoline/card/crypto";
import { algorithmOf, type Ceremony, isPublished, keyBytes, machineKey, type NewKey } from "../ceremony.js";
import { checkValueOf } from "../keyring.js";
import { KeystoreProblem } from "../keystore.js";
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
import { identityOf, kindOf, Master, ownNumbers, signingKeyOf, singleName, spkiOf } from "./masters.js";
import type { Missing, TokenReport } from "./probes.js";
import { type RegisteredKey, writeRegister } from "./register.js";
import type { Handle, Token, TokenAccess } from "./token.js";

/** `file`: the register, written at the end. */
export interface TokenCeremony extends Omit<Ceremony, "unlock"> {
  readonly unlock: TokenUnlock;
}

export interface TokenUnlock extends TokenAccess {
  readonly missing?: readonly Missing[];
}

const STORE_SEAL = "store-seal";
const SIGNATURE = "line-signature";

/** Never overwrites: neither a register nor a key of the token. Throws KeystoreProblem, VaultRefusal. */
export function makeTokenKeys(
  token: Token,
  ceremony: Omit<TokenCeremony, "unlock">,
  report: TokenReport,
): void {
  const { file, environment, keys, stripeEncoder } = ceremony;
  if (existsSync(file))
    throw new KeystoreProblem(
      "exists",
      `${file}: there is a register of token keys already; it is never overwritten`,
    );
  if (environment === "live" && keys.some(isPublished))
    throw new KeystoreProblem("environment", "published test keys are refused in a live token");
  for (const key of keys) judgeKept(key);
  const names = [...keys.map(({ name }) => name), STORE_SEAL];
  const taken = [...names.flatMap((name) => [name, singleName(name)]), SIGNATURE].find(
    (name) => token.find(name, "secret").length + token.find(name, "private").length > 0,
  );
  if (taken !== undefined) {
    throw new KeystoreProblem(
      "exists",
      `token ${token.name}: a key ${taken} is there already, and is never overwritten: name another token, or put its register back`,
    );
  }
  const named = (name: string) => name as KeyDescription["name"];
  const made = keys.map((key) => {
    const { name, use, published, seed } = key;
    const value = published === undefined ? undefined : unhex(published);
    const described = { use, algorithm: algorithmOf(key), environment, published: isPublished(key) };
    try {
      return madeKey(token, { ...described, name: named(name) }, { value, seed });
    } finally {
      value?.fill(0);
    }
  });
  const store = madeKey(token, {
    name: named(STORE_SEAL),
    use: "seal",
    algorithm: "AES-256",
    environment,
    published: false,
  });
  const master = new Master(token, store.key, store.handle);
  const other = { environment, published: false, kcv: "", fingerprint: "" } as const;
  const signature = signatureOf(token, master, report);
  const macKey = master.own(ownNumbers.register);
  writeRegister(
    file,
    {
      format: "persoline-token",
      version: 1,
      environment,
      token: token.name,
      keys: [
        ...[...made, store].map(({ key }) => key),
        { ...other, name: named(SIGNATURE), use: "sign", algorithm: "Ed25519" },
        { ...other, name: named("letter-printer"), use: "letter", algorithm: "X25519" },
        ...(stripeEncoder === undefined
          ? []
          : [
              {
                ...other,
                name: named("stripe-encoder"),
                use: "stripe-encoder",
                algorithm: "X25519",
              } as const,
            ]),
      ],
      signature,
      letterPrinter: machineKey(ceremony.letterPrinter),
      ...(stripeEncoder === undefined ? {} : { stripeEncoder: machineKey(stripeEncoder) }),
    },
    macKey,
  );
  macKey.fill(0);
}

/** Before any key is made. Throws KeystoreProblem. */
function judgeKept(key: NewKey): void {
  if (algorithmOf(key) === "P-256")
    throw new KeystoreProblem(
      "not-ours",
      `key ${key.name}: keys for ${key.use} are kept in the vault only; use it, or leave the key out of the list`,
    );
}

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
  const drawn = from.value === undefined && !ownValue ? token.random(keyBytes[algorithm]) : undefined;
  const value = from.value ?? drawn;
  try {
    const handle = token.makeMaster({ label: name, algorithm, kind }, value);
    const told = { ...described, ...toldOf(token, described, value) };
    const { kcv, fingerprint } = identityOf(token, handle, told);
    const single = use === "emv-cvk" && value !== undefined ? madeSingle(token, name, value) : undefined;
    const known = kcv ?? (value === undefined ? "" : checkValueOf(algorithm, value));
    return { handle, key: { ...told, kcv: known, fingerprint, ...(single === undefined ? {} : { single }) } };
  } finally {
    drawn?.fill(0);
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
    const { kcv = "", fingerprint } = identityOf(token, handle, { use: "emv-cvk", algorithm: "3DES" });
    return { kcv, fingerprint };
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
    key: { ...described, kcv: rsaCheckValue(publicKey), fingerprint: "", issuer: toldKey(publicKey) },
  });
  if (seed === undefined) {
    const { secret, modulus } = token.makeRsaPair(name, rsaBits(algorithm));
    return told(secret, { modulus, exponent: Uint8Array.of(3) });
  }
  const der = drawIssuerKey(algorithm, seed);
  const handle = token.importRsa(name, rsaNumbers(der));
  return told(handle, publicOf(der));
}

function signatureOf(token: Token, store: Master, { signs }: TokenReport) {
  if (signs) {
    const { open } = token.makeSigningPair(SIGNATURE);
    return { by: "token" as const, open: Buffer.from(spkiOf(open)).toString("base64") };
  }
  const seed = store.own(ownNumbers.signature);
  const open = signingKeyOf(seed).open.export({ format: "der", type: "spki" });
  seed.fill(0);
  return { by: "module-process" as const, open: open.toString("base64") };
}
