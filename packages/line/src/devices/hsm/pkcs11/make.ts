/** Makes the keys of an installation inside a token, where they stay, and writes the register of them. */
import { existsSync } from "node:fs";
import { unhex } from "@persoline/card/bytes";
import { algorithmOf, type Ceremony, type NewKey, printerKey } from "../ceremony.js";
import { KeystoreProblem } from "../keystore.js";
import type { KeyDescription } from "../port.js";
import { identityOf, Master, ownNumbers, signingKeyOf, spkiOf } from "./masters.js";
import type { Missing, TokenReport } from "./probes.js";
import { type RegisteredKey, writeRegister } from "./register.js";
import type { Token, TokenAccess } from "./token.js";

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
  const { file, environment, keys } = ceremony;
  if (existsSync(file))
    throw new KeystoreProblem(
      "exists",
      `${file}: there is a register of token keys already; it is never overwritten`,
    );
  if (environment === "live" && keys.some(({ published }) => published !== undefined))
    throw new KeystoreProblem("environment", "published test keys are refused in a live token");
  const all = [
    ...keys.map((key) => ({ ...key, algorithm: masterAlgorithm(key) })),
    { name: STORE_SEAL, use: "seal" as const, algorithm: "AES-256" as const, published: undefined },
  ];
  const taken = [...all.map(({ name }) => name), SIGNATURE].find(
    (name) => token.find(name, "secret").length + token.find(name, "private").length > 0,
  );
  if (taken !== undefined) {
    throw new KeystoreProblem(
      "exists",
      `token ${token.name}: a key ${taken} is there already, and is never overwritten: name another token, or put its register back`,
    );
  }
  const made = all.map(({ name, use, algorithm, published }) => {
    const value = published === undefined ? undefined : unhex(published);
    const handle = token.makeMaster({ label: name, algorithm }, value);
    value?.fill(0);
    const described: Omit<KeyDescription, "kcv"> = {
      name: name as KeyDescription["name"],
      use,
      algorithm,
      environment,
      published: published !== undefined,
    };
    const key: RegisteredKey = { ...described, ...identityOf(token, handle, algorithm) };
    return { handle, key };
  });
  const store = made.find(({ key }) => key.use === "seal");
  if (store === undefined) throw new KeystoreProblem("not-ours", "no key was made for seals");
  const master = new Master(token, store.key, store.handle);
  const other = { environment, published: false, kcv: "", fingerprint: "" } as const;
  const named = (name: string) => name as KeyDescription["name"];
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
        ...made.map(({ key }) => key),
        { ...other, name: named(SIGNATURE), use: "sign", algorithm: "Ed25519" },
        { ...other, name: named("letter-printer"), use: "letter", algorithm: "X25519" },
      ],
      signature,
      letterPrinter: printerKey(ceremony),
    },
    macKey,
  );
  macKey.fill(0);
}

/** Throws KeystoreProblem for keys that are no masters. */
function masterAlgorithm(key: NewKey): Exclude<NonNullable<NewKey["algorithm"]>, "P-256"> {
  const algorithm = algorithmOf(key);
  if (algorithm === "P-256")
    throw new KeystoreProblem(
      "not-ours",
      `key ${key.name}: keys for ${key.use} are kept in the vault only; use it, or leave the key out of the list`,
    );
  return algorithm;
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
