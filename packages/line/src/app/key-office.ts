/** The key office of a data folder. */
import { existsSync, readFileSync } from "node:fs";
import { callOffice } from "../devices/hsm/office/office-client.js";
import type { OfficeAnswer, OfficeAsk } from "../devices/hsm/office/types.js";
import { createKeystore } from "../devices/hsm/vault.js";
import { dataRoot, version } from "./config.js";
import { dataFolder } from "./data-folder.js";
import { Refusal } from "./problem.js";

export interface OfficeOptions {
  readonly data?: string;
  readonly passphraseFd?: number;
  readonly custodianFd?: number;
  readonly pieceFd?: number;
  readonly pieceOutFd?: number;
}

/** Throws OfficeRefusal, KeystoreProblem, DeviceFault. */
export function office(ask: OfficeAsk, options: OfficeOptions): Promise<OfficeAnswer> {
  const root = dataRoot(options.data);
  if (!existsSync(root))
    throw new Refusal(
      `there is no data folder at ${root}: name it with --data, or make one with "persoline keys init"`,
    );
  const data = dataFolder(root);
  const { passphraseFd, custodianFd, pieceFd, pieceOutFd } = options;
  return callOffice({
    file: data.keystore,
    records: data.ceremonies,
    unlock: passphraseFd === undefined ? { keyFile: data.keyFile } : { passphraseFd },
    ask,
    at: new Date().toISOString(),
    program: `persoline ${version}`,
    ...(custodianFd === undefined ? {} : { custodianFd }),
    ...(pieceFd === undefined ? {} : { pieceFd }),
    ...(pieceOutFd === undefined ? {} : { pieceOutFd }),
  });
}

/** A keystore without cards' keys. Answers its path. Throws KeystoreProblem ("exists"), DeviceFault. */
export async function makeOffice(
  options: OfficeOptions & { readonly environment: "test" | "live"; readonly letterPrinter?: string },
): Promise<string> {
  const data = dataFolder(dataRoot(options.data));
  const { environment, letterPrinter, passphraseFd } = options;
  if (environment === "live" && letterPrinter === undefined)
    throw new Refusal(
      "a live keystore needs --letter-printer, the public key of the printer that prints PIN letters",
    );
  await createKeystore({
    file: data.keystore,
    environment,
    unlock:
      passphraseFd === undefined
        ? { keyFile: data.keyFile }
        : { passphrase: readFileSync(passphraseFd, "utf8").replace(/\r?\n$/, "") },
    keys: [],
    letterPrinter:
      letterPrinter === undefined
        ? { writePrivateKeyTo: data.letterPrinterKey }
        : { publicKeyPem: readFileSync(letterPrinter, "utf8") },
  });
  return data.keystore;
}
