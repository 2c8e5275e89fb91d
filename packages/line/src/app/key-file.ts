/** The list of keys that a keystore is made from. */
import { readFile } from "node:fs/promises";
import { z } from "zod";
import { createKeystore, type NewKey, openVault } from "../devices/hsm/vault.js";
import type { Environment, Hsm } from "../devices/hsm/port.js";
import { DataProblem } from "../orders/problem.js";
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
 * DeviceFault, DataProblem when the keystore lacks a key of the list or is of the other environment.
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
  const [known, { environment }] = await Promise.all([hsm.keys(), hsm.capabilities()]);
  const refuse = async (code: string, message: string, remedy: string): Promise<never> => {
    await hsm.close();
    throw new DataProblem([{ file: data.keystore, code, message, remedy }]);
  };
  if (environment !== list.environment) {
    return refuse(
      "environment",
      `the keystore is for ${environment} cards, the order's keys are for ${list.environment} ones`,
      "use another data folder",
    );
  }
  const missing = list.keys
    .filter(({ name }) => !known.some((key) => key.name === name))
    .map(({ name }) => name);
  if (missing.length > 0) {
    return refuse(
      "missing-keys",
      `the keystore lacks ${missing.join(", ")}`,
      "use the data folder these keys were made in, or a new one",
    );
  }
  return hsm;
}
