/** The list of keys that a keystore is made from. */
import { readFile } from "node:fs/promises";
import { hex, unhex } from "@persoline/card/bytes";
import { kcvAes } from "@persoline/card/crypto";
import { nodeCrypto } from "@persoline/card/node";
import { z } from "zod";
import { createKeystore, type NewKey, openVault } from "../devices/hsm/vault.js";
import type { Environment, Hsm, KeyDescription } from "../devices/hsm/port.js";
import { DataProblem, type Told } from "../orders/problem.js";
import { strictYaml } from "../orders/yaml.js";
import { existsSync } from "node:fs";
import { hsmDeadlineMs } from "./config.js";
import type { DataFolder } from "./data-folder.js";

const keySchema = z.strictObject({
  environment: z.enum(["test", "live"]).describe("Test and live keys never meet"),
  keys: z
    .array(
      z.strictObject({
        name: z
          .string()
          .regex(/^[a-z][a-z0-9-]{0,31}$/, "a key's name has 1 to 32 small letters, digits and dashes"),
        use: z.enum(["loader", "scp03", "application"]).describe("A key has one purpose"),
        published: z
          .string()
          .regex(/^[0-9A-F]{32}$/, "an AES-128 key has 32 hexadecimal digits (capitals), in quotes")
          .optional()
          .describe(
            "A test key that everybody may know; without it the key is drawn inside the security module",
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
  const wrong = value.keys.flatMap(({ name, published }, at) => [
    ...(value.keys.findIndex((other) => other.name === name) === at
      ? []
      : [problem(["keys", at, "name"], "twice", `the key ${name} is there twice`, "keep one of them")]),
    ...(value.environment === "live" && published !== undefined
      ? [
          problem(
            ["keys", at, "published"],
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
    keys: value.keys.map(({ name, use, published }) => ({
      name,
      use,
      ...(published === undefined ? {} : { published }),
    })),
  };
}

/**
 * Opens the data folder's keystore; in the test environment one is made from the key list when there is none. Throws KeystoreProblem,
 * DeviceFault, DataProblem with everything in which the keystore differs from the list: names, use, environment, check values.
 */
export async function openSecurityModule(
  data: DataFolder,
  keyFile: string,
  passphrase: string | undefined,
): Promise<Hsm> {
  const list = await readKeyFile(keyFile);
  const unlock = passphrase === undefined ? { keyFile: data.keyFile } : { passphrase };
  const deadlineMs = hsmDeadlineMs();
  const patience = deadlineMs === undefined ? {} : { deadlineMs };
  if (!existsSync(data.keystore)) {
    if (list.environment === "live") {
      throw new DataProblem([
        {
          file: data.keystore,
          code: "no-keystore",
          message: "there is no keystore here, and live keys are not made in passing",
          remedy: "hold a key ceremony first",
        },
      ]);
    }
    await createKeystore(
      {
        file: data.keystore,
        environment: list.environment,
        unlock,
        keys: list.keys,
        letterPrinter: { writePrivateKeyTo: data.letterPrinterKey },
      },
      patience,
    );
  }
  const hsm = await openVault({ file: data.keystore, unlock, ...patience });
  try {
    const [known, { environment }] = await Promise.all([hsm.keys(), hsm.capabilities()]);
    const wrong = keyDifferences({ list, keyFile, known, environment });
    if (wrong.length > 0) throw new DataProblem(wrong.map((one) => ({ file: data.keystore, ...one })));
    return hsm;
  } catch (problem) {
    await hsm.close();
    throw problem;
  }
}

/** The keystore as it is, for work that makes no cards; nothing when there is none yet. Throws KeystoreProblem, DeviceFault. */
export async function openKeystore(
  data: DataFolder,
  passphrase: string | undefined,
): Promise<Hsm | undefined> {
  if (!existsSync(data.keystore)) return undefined;
  const deadlineMs = hsmDeadlineMs();
  return openVault({
    file: data.keystore,
    unlock: passphrase === undefined ? { keyFile: data.keyFile } : { passphrase },
    ...(deadlineMs === undefined ? {} : { deadlineMs }),
  });
}

/** GlobalPlatform KCV of an AES key given in hexadecimal. */
function checkValue(published: string): string {
  const key = unhex(published);
  const kcv = hex(kcvAes(nodeCrypto, key));
  key.fill(0);
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
  return list.keys.flatMap(({ name, use, published }) => {
    const kept = known.find((key) => key.name === name);
    const tell = (code: string, message: string) => [{ code, message, remedy }];
    if (kept === undefined) return tell("missing-key", `the keystore lacks key ${name}`);
    if (kept.use !== use)
      return tell(
        "key-use",
        `key ${name} is for "${kept.use}" in the keystore, but for "${use}" in ${keyFile}`,
      );
    if (kept.environment !== list.environment)
      return tell(
        "environment",
        `key ${name} is a ${kept.environment} key, ${keyFile} has a ${list.environment} one`,
      );
    if (published === undefined)
      return kept.published
        ? tell(
            "published-key",
            `key ${name} is a published one in the keystore (check value ${kept.kcv}), which everybody may know; ${keyFile} wants a drawn one`,
          )
        : [];
    const wanted = checkValue(published);
    return kept.kcv === wanted
      ? []
      : tell(
          "check-value",
          `key ${name} has check value ${kept.kcv} in the keystore, but ${wanted} in ${keyFile}: it is another key of the same name`,
        );
  });
}
