/** The list of keys that a keystore is made from. */
import { readFile } from "node:fs/promises";
import { CardProblem, unhex } from "@persoline/card/bytes";
import { nodeCrypto } from "@persoline/card/node";
import { z } from "zod";
import { algorithmOf, isElliptic, isPublished, keyBytes } from "../devices/hsm/ceremony.js";
import { checkValueOf } from "../devices/hsm/keyring.js";
import { whyNot } from "../devices/hsm/office/life.js";
import { openedBy } from "../devices/hsm/keystore.js";
import { drawIssuerKey, isRsa } from "../devices/hsm/payment/issuer-key.js";
import { type Making, type NewKey, openVault, type Survey, surveyVault } from "../devices/hsm/vault.js";
import type { VaultCeremony, VaultUnlock } from "../devices/hsm/vault-protocol.js";
import type { Witnessing } from "../devices/hsm/office/witness.js";
import type { SecretFrom } from "../devices/hsm/secret.js";
import type { Environment, Hsm, KeyDescription } from "../devices/hsm/port.js";
import { DataProblem, type Told } from "../orders/problem.js";
import { strictYaml } from "../orders/yaml.js";
import { existsSync } from "node:fs";
import { openToken, surveyToken } from "../devices/hsm/pkcs11/pkcs11.js";
import type { TokenAccess } from "../devices/hsm/pkcs11/token.js";
import { hsmDeadlineMs, swapAccepted, tokenEnvironment } from "./config.js";
import { Refusal } from "./problem.js";
import type { DataFolder } from "./data-folder.js";
import type { Levels } from "./protection.js";
import { mustHaveLostNoKeys } from "./lost-keys.js";

const keySchema = z.strictObject({
  environment: z.enum(["test", "live"]).describe("Test and live keys never meet"),
  keys: z
    .array(
      z.strictObject({
        name: z
          .string()
          .regex(/^[a-z][a-z0-9-]{0,31}$/, "a key's name has 1 to 32 small letters, digits and dashes"),
        use: z
          .enum([
            "loader",
            "scp02",
            "scp03",
            "scp11",
            "card-authority",
            "desfire",
            "application",
            "transport",
            "pin-transport",
            "file-mac",
            "emv-ac",
            "emv-smi",
            "emv-smc",
            "emv-cvk",
            "emv-pvk",
            "ibm-3624",
            "emv-issuer",
          ])
          .describe("A key has one purpose"),
        algorithm: z
          .enum(["AES-128", "AES-192", "AES-256", "3DES", "P-256", "RSA-1152", "RSA-1408"])
          .optional()
          .describe(
            "AES-128 without it; keys for scp02 and payment masters are 3DES (two keys), those for scp11 and card-authority P-256, an issuer's RSA key RSA-1408",
          ),
        published: z
          .string()
          .regex(
            /^(?:[0-9A-F]{32}|[0-9A-F]{48}|[0-9A-F]{64})$/,
            "a key has 32 hexadecimal digits (AES-192: 48, AES-256: 64), capitals, in quotes",
          )
          .optional()
          .describe(
            "A test key that everybody may know (P-256: its private half); without it the key is drawn inside the security module",
          ),
        public: z
          .string()
          .regex(/^04[0-9A-F]{128}$/, "a point has 130 hexadecimal digits, 04 first, capitals, in quotes")
          .optional()
          .describe("card-authority: the point of an authority whose private half is elsewhere"),
        seed: z
          .string()
          .min(1)
          .max(64)
          .optional()
          .describe(
            "Of an issuer's RSA key: a test key that everybody may draw from this text; without it the key is drawn inside the security module",
          ),
      }),
    )
    .min(1),
});

export interface KeyFile {
  readonly environment: Environment;
  readonly keys: readonly NewKey[];
}

/** Its JSON Schema (draft 2020-12), for editors. */
export const keyFileJsonSchema = (): unknown => ({
  title: "Persoline keys",
  ...z.toJSONSchema(keySchema, { io: "input" }),
});

/** Throws DataProblem. */
export async function readKeyFile(file: string): Promise<KeyFile> {
  let text: string;
  try {
    text = await readFile(file, "utf8");
  } catch {
    const refused = { file, code: "no-file", message: "the key file cannot be opened" };
    throw new DataProblem([{ ...refused, remedy: "check the path in the order file" }]);
  }
  const read = strictYaml(keySchema, text, file);
  if (!read.ok) throw new DataProblem(read.problems);
  const { value, problem } = read;
  const wrong = value.keys.flatMap(({ name, use, algorithm, published, public: open, seed }, at) => [
    ...pointProblems({ use, published, open }).map(([field, message, remedy]) =>
      problem(["keys", at, field], "key-point", `key ${name}: ${message}`, remedy),
    ),
    ...algorithmProblems({ use, algorithm, published, seed }).map(([field, message, remedy]) =>
      problem(["keys", at, field], "key-algorithm", `key ${name}: ${message}`, remedy),
    ),
    ...(value.keys.findIndex((other) => other.name === name) === at
      ? []
      : [problem(["keys", at, "name"], "twice", `the key ${name} is there twice`, "keep one of them")]),
    ...(value.environment === "live" && (published ?? seed) !== undefined
      ? [
          problem(
            ["keys", at, published === undefined ? "seed" : "published"],
            "published-key",
            "a published key must not make live cards",
            "remove its value: it is then drawn",
          ),
        ]
      : []),
  ]);
  if (wrong.length > 0) throw new DataProblem(wrong);
  return {
    environment: value.environment,
    keys: value.keys.map(({ name, use, algorithm, published, public: open, seed }) => ({
      name,
      use,
      ...(algorithm === undefined ? {} : { algorithm }),
      ...(published === undefined ? {} : { published }),
      ...(open === undefined ? {} : { open }),
      ...(seed === undefined ? {} : { seed }),
    })),
  };
}

/** Of an authority one half must be known; of all others the point follows from the key. */
function pointProblems({
  use,
  published,
  open,
}: {
  readonly use: NewKey["use"];
  readonly published: string | undefined;
  readonly open: string | undefined;
}): readonly (readonly [field: string, message: string, remedy: string])[] {
  if (open !== undefined && (use !== "card-authority" || published !== undefined))
    return [["public", "its public half follows from the key", "remove the line"]];
  if (use === "card-authority" && open === undefined && published === undefined)
    return [["use", "an authority's key is not drawn here", "give its public half (public:)"]];
  const isPoint = (point: string): boolean => {
    // An agreement with it is refused when it is beside the curve.
    const { privateKey } = nodeCrypto.p256.generate();
    return !refuses(() => nodeCrypto.p256.agree(privateKey, unhex(point)));
  };
  if (open !== undefined && !isPoint(open))
    return [["public", "it is no point of P-256", "copy the authority's key anew"]];
  if (published !== undefined && isElliptic(use) && published.length === 64) {
    if (refuses(() => nodeCrypto.p256.publicKeyOf(unhex(published))))
      return [["published", "it is no private key of P-256", "correct the value"]];
  }
  return [];
}

function refuses(work: () => unknown): boolean {
  try {
    work();
    return false;
  } catch (thrown) {
    if (thrown instanceof CardProblem) return true;
    throw thrown;
  }
}

/** Issuers wrap under AES, or under triple DES. */
const EITHER: readonly NewKey["use"][] = ["transport", "pin-transport"];

/** What use, algorithm and published value say against each other. */
function algorithmProblems({
  use,
  algorithm: given,
  published,
  seed,
}: {
  readonly use: NewKey["use"];
  readonly algorithm?: NewKey["algorithm"] | undefined;
  readonly published?: string | undefined;
  readonly seed?: string | undefined;
}): readonly (readonly [field: string, message: string, remedy: string])[] {
  const algorithm = algorithmOf({ name: "", use, ...(given === undefined ? {} : { algorithm: given }) });
  if ((algorithm === "P-256") !== isElliptic(use))
    return [
      [
        "algorithm",
        `a key for ${use} is not ${algorithm}`,
        "P-256 is for scp11 and card-authority, and for nothing else",
      ],
    ];
  const usual = algorithmOf({ name: "", use });
  if (
    isRsa(algorithm) !== isRsa(usual) ||
    (!EITHER.includes(use) && (algorithm === "3DES") !== (usual === "3DES"))
  )
    return [
      [
        "algorithm",
        `a key for ${use} is not ${algorithm}`,
        "3DES is for scp02, transport, pin-transport and payment masters, RSA for emv-issuer, AES for all others",
      ],
    ];
  if (isRsa(algorithm))
    return published === undefined
      ? []
      : [["published", "an RSA key has no value to write here", "give a seed instead, or nothing"]];
  if (seed !== undefined) return [["seed", `a key for ${use} has no seed`, "give its value with published"]];
  if ((use === "loader" || use === "application") && algorithm !== "3DES" && algorithm !== "AES-128")
    return [["algorithm", `a key for ${use} is AES-128`, "remove the algorithm"]];
  const digits = 2 * keyBytes[algorithm];
  return published === undefined || published.length === digits
    ? []
    : [["published", `${algorithm} has ${digits} digits, not ${published.length}`, "correct the value"]];
}

/** How a command opens the keys: the vault's passphrase, a token's PIN, or (nothing said) the vault's key file. The secrets pass this process by. */
export type Unlocking =
  | { readonly passphrase: SecretFrom }
  | { readonly token: Omit<TokenAccess, "pin"> & { readonly pin: SecretFrom } };

const isToken = (unlocking: Unlocking | undefined): boolean =>
  unlocking !== undefined && "token" in unlocking;

/** The keystore's file, or that of the token's register. */
export const whereKept = (data: DataFolder, unlocking: Unlocking | undefined): string =>
  isToken(unlocking) ? data.tokenKeys : data.keystore;

/**
 * Opens the data folder's keystore, or its token's keys; in the test environment they are made from the key list when there are none,
 * and nothing in the folder needs those that are missing. Throws KeystoreProblem, OfficeRefusal, DeviceFault, Refusal, DataProblem with everything in which the keys differ from the list: names, use, environment, check
 * values.
 */
export async function openSecurityModule(
  data: DataFolder,
  keyFile: string,
  unlocking: Unlocking | undefined,
  {
    deed,
    judge,
  }: {
    readonly deed?: Witnessing<SecretFrom> | undefined;
    /** Before keys are made for it: is this the module that the work needs? What it throws leaves nothing behind. */
    readonly judge?: (module: Levels) => Promise<void>;
  } = {},
): Promise<Hsm> {
  const list = await readKeyFile(keyFile);
  const kept = whereKept(data, unlocking);
  mustBeWhereTheKeysAre(data, isToken(unlocking));
  const isNew = !existsSync(kept);
  if (isNew) await mustHaveLostNoKeys(data, kept);
  if (isNew && list.environment === "live") {
    throw new DataProblem([
      {
        file: kept,
        code: "no-keystore",
        message: "there is no keystore here, and live keys are not made in passing",
        remedy:
          'hold a key ceremony first: "persoline keys init --environment live" begins it, and docs/keys.md (A live order) shows it whole',
      },
    ]);
  }
  const ceremony = {
    environment: list.environment,
    keys: list.keys,
    letterPrinter: { writePrivateKeyTo: data.letterPrinterKey },
    // Only payment cards have a stripe.
    ...(list.keys.some(({ use }) => use === "emv-cvk")
      ? { stripeEncoder: { writePrivateKeyTo: data.stripeEncoderKey } }
      : {}),
  };
  const judged = judge && ((survey: Survey) => judge(surveyedLevels(survey, list.keys)));
  const hsm = await opened(data, unlocking, isNew ? { ceremony, judge: judged } : undefined, deed);
  try {
    const [known, { environment }] = await Promise.all([hsm.keys(), hsm.capabilities()]);
    const wrong = keyDifferences({ list, keyFile, known, environment });
    if (wrong.length > 0) throw new DataProblem(wrong.map((one) => ({ file: kept, ...one })));
    return hsm;
  } catch (problem) {
    await hsm.close();
    throw problem;
  }
}

/** The keys as they are, for work that makes no cards; nothing when there are none yet. Throws KeystoreProblem, DeviceFault, Refusal. */
export async function openKeystore(
  data: DataFolder,
  unlocking: Unlocking | undefined,
): Promise<Hsm | undefined> {
  mustBeWhereTheKeysAre(data, isToken(unlocking));
  if (!existsSync(whereKept(data, unlocking))) return undefined;
  return opened(data, unlocking, undefined);
}

/** What the module can do where there are no keys yet. Throws KeystoreProblem, OfficeRefusal, DeviceFault. */
export const surveyModule = (unlocking: Unlocking | undefined): Promise<Survey> =>
  unlocking !== undefined && "token" in unlocking
    ? surveyToken(unlocking.token, tokenPatience())
    : surveyVault(patience());

/** As an open module tells it, with the keys that are to be made. */
const surveyedLevels = (survey: Survey, keys: readonly NewKey[]): Levels => ({
  capabilities: () => Promise.resolve(survey),
  keys: () =>
    Promise.resolve(keys.map((key) => ({ name: key.name, use: key.use, algorithm: algorithmOf(key) }))),
});

const opened = (
  data: DataFolder,
  unlocking: Unlocking | undefined,
  make: Making<VaultCeremony> | undefined,
  deed?: Witnessing<SecretFrom>,
): Promise<Hsm> =>
  unlocking !== undefined && "token" in unlocking
    ? openToken({ file: data.tokenKeys, unlock: unlocking.token, make, deed }, tokenPatience())
    : openVault({ file: data.keystore, unlock: unlockOf(data, unlocking), make, deed, ...patience() });

/** A keystore under a passphrase asks for it; where nothing is said it is the key file. */
function unlockOf(data: DataFolder, unlocking: { readonly passphrase: SecretFrom } | undefined): VaultUnlock {
  if (unlocking !== undefined) return unlocking;
  if (existsSync(data.keystore) && openedBy(data.keystore) === "passphrase")
    return { passphrase: askedFor("Passphrase of the keystore", "--passphrase-fd") };
  return { keyFile: data.keyFile };
}

/** Asked at the terminal by the module's own process; `option`: what takes a file descriptor instead. */
export const askedFor = (question: string, option: string): SecretFrom => ({
  question,
  instead: `give a file descriptor with ${option}`,
});

function patience() {
  const deadlineMs = hsmDeadlineMs();
  return { swapAccepted: swapAccepted(), ...(deadlineMs === undefined ? {} : { deadlineMs }) };
}
const tokenPatience = () => ({ ...patience(), environment: tokenEnvironment() });

/** A folder's keys are in one place; without them its PINs, seals and signatures are worth nothing. Throws Refusal. */
export function mustBeWhereTheKeysAre(data: DataFolder, isToken: boolean): void {
  if (!isToken && existsSync(data.tokenKeys) && !existsSync(data.keystore))
    throw new Refusal(
      `the keys of ${data.root} are in a token: name it with --security pkcs11 --token LABEL --token-library FILE`,
    );
  if (isToken && existsSync(data.keystore) && !existsSync(data.tokenKeys))
    throw new Refusal(
      `the keys of ${data.root} are in its keystore, not in a token: leave --security out, or use another data folder`,
    );
}

/** Check value of a key that everybody may know. */
function checkValue(key: NewKey): string {
  const algorithm = algorithmOf(key);
  const bytes = isRsa(algorithm)
    ? drawIssuerKey(algorithm, key.seed)
    : unhex(key.published ?? key.open ?? "");
  const kcv = checkValueOf(algorithm, bytes);
  bytes.fill(0);
  return kcv;
}

/** A key is known by its name, use, environment and check value; one that only has the right name would make cards nobody can open. */
function keyDifferences(ask: {
  readonly list: KeyFile;
  readonly keyFile: string;
  readonly known: readonly KeyDescription[];
  readonly environment: Environment;
}): Told[] {
  const { list, keyFile, known, environment } = ask;
  if (environment !== list.environment) {
    return [
      {
        code: "environment",
        message: `the keystore is for ${environment} cards, the keys in ${keyFile} are for ${list.environment} ones`,
        remedy: "use another data folder",
      },
    ];
  }
  const remedy = `put ${keyFile} back as it was when this keystore was made, or use the data folder these keys were made in, or a new one`;
  return list.keys.flatMap((listed) => {
    const { name, use, open } = listed;
    const kept = known.find((key) => key.name === name);
    const tell = (code: string, message: string) => [{ code, message, remedy }];
    if (kept === undefined)
      return [
        {
          code: "missing-key",
          message: `the keystore lacks key ${name}`,
          remedy: `bring it in by two custodians ("persoline keys import ${name} --use ${use}", or generate), or ${remedy}`,
        },
      ];
    if (kept.use !== use)
      return tell(
        "key-use",
        `key ${name} is for "${kept.use}" in the keystore, but for "${use}" in ${keyFile}`,
      );
    if (kept.algorithm !== algorithmOf(listed))
      return tell(
        "key-algorithm",
        `key ${name} is ${kept.algorithm} in the keystore, but ${algorithmOf(listed)} in ${keyFile}`,
      );
    if (kept.environment !== list.environment)
      return tell(
        "environment",
        `key ${name} is a ${kept.environment} key, ${keyFile} has a ${list.environment} one`,
      );
    const ended = kept.life === undefined ? undefined : whyNot(name, kept.life, "make", Date.now());
    if (ended !== undefined)
      return [
        {
          code: "key-state",
          message: ended,
          remedy: `correct ${keyFile}, or the product that names the key`,
        },
      ];
    if (!isPublished(listed) && open === undefined)
      return kept.published
        ? tell(
            "published-key",
            `key ${name} is a published one in the keystore (check value ${kept.kcv}), which everybody may know; ${keyFile} wants a drawn one`,
          )
        : [];
    const wanted = checkValue(listed);
    return kept.kcv === wanted
      ? []
      : tell(
          "check-value",
          `key ${name} has check value ${kept.kcv} in the keystore, but ${wanted} in ${keyFile}: it is another key of the same name`,
        );
  });
}
