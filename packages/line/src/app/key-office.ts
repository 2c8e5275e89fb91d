/** The key office of a data folder. */
import { existsSync, readFileSync } from "node:fs";
import {
  callOffice,
  type OfficeCallOptions,
  type OfficeDesk,
  openDesk,
} from "../devices/hsm/office/office-client.js";
import type { OfficeAnswer, OfficeAsk } from "../devices/hsm/office/types.js";
import type { SecretFrom } from "../devices/hsm/secret.js";
import { createTokenKeys } from "../devices/hsm/pkcs11/pkcs11.js";
import { createKeystore, KeystoreProblem } from "../devices/hsm/vault.js";
import { passphrase, type UnlockOptions } from "./commands/options.js";
import { tokenOf } from "./commands/usage.js";
import { ceremonyPatienceMs, dataRoot, swapAccepted, tokenEnvironment, version } from "./config.js";
import { type DataFolder, dataFolder } from "./data-folder.js";
import { mustBeWhereTheKeysAre, whereKept } from "./key-file.js";
import { mustHaveLostNoKeys } from "./lost-keys.js";
import { linkOffice } from "./office-chain.js";
import { type Opening, openingOf } from "./opened-by.js";
import { Refusal, WrongUsage } from "./problem.js";
import { openStore } from "../store/store.js";

export interface OfficeOptions extends UnlockOptions {
  readonly data?: string;
  readonly custodianFd?: number;
  readonly pieceFd?: number;
  readonly pieceOutFd?: number;
}

/**
 * One call; where there is a database, its chain tells of it too, whether it was done or refused. Throws OfficeRefusal, KeystoreProblem,
 * DeviceFault.
 */
export async function office(ask: OfficeAsk, options: OfficeOptions): Promise<OfficeAnswer> {
  try {
    return await callOffice(await callOf(options), ask);
  } finally {
    if (ask.ask !== "list" && ask.ask !== "request") await linked(options);
  }
}

/** The ceremony is done, and durable: a database that cannot be written now is told by whoever opens it next. */
async function linked(options: OfficeOptions): Promise<void> {
  const data = dataFolder(dataRoot(options.data));
  if (!existsSync(data.database)) return;
  try {
    const store = await openStore({ file: data.database, who: "key office", place: "key office" });
    try {
      await linkOffice({ store, data });
    } finally {
      await store.close();
    }
  } catch (problem) {
    const why = problem instanceof Error ? problem.message : "it cannot be opened";
    process.stderr.write(`The audit in ${data.database} does not tell of this yet (${why}).\n`);
  }
}

/**
 * A ceremony over something that its keys prove first: they are opened once, and what opens them is heard once. Throws as `office`, and what
 * the work throws.
 */
export async function atDesk<T>(options: OfficeOptions, work: (desk: OfficeDesk) => Promise<T>): Promise<T> {
  const desk = openDesk(await callOf(options));
  try {
    return await work(desk);
  } finally {
    desk.close();
    await linked(options);
  }
}

/** Where the office is, what opens it, and where secrets come from. Throws Refusal, WrongUsage. */
async function callOf(options: OfficeOptions): Promise<OfficeCallOptions> {
  const root = dataRoot(options.data);
  if (!existsSync(root))
    throw new Refusal(
      `there is no data folder at ${root}: name it with --data, or make one with "persoline keys init"`,
    );
  const data = dataFolder(root);
  const { custodianFd, pieceFd, pieceOutFd } = options;
  const unlock = unlockOf(data, options);
  mustBeWhereTheKeysAre(data, "token" in unlock);
  const file = "token" in unlock ? data.tokenKeys : data.keystore;
  await mustHaveLostNoKeys(data, file);
  if (!existsSync(file))
    throw new KeystoreProblem(
      "missing",
      `${file}: there is no keystore here, nor keys of a token: name its data folder with --data, or make one with "persoline keys init"`,
    );
  return {
    file,
    records: data.ceremonies,
    acts: data.officeActs,
    patienceMs: ceremonyPatienceMs(),
    swapAccepted: swapAccepted(),
    unlock,
    at: new Date().toISOString(),
    program: `persoline ${version}`,
    ...(custodianFd === undefined ? {} : { custodianFd }),
    ...(pieceFd === undefined ? {} : { pieceFd }),
    ...(pieceOutFd === undefined ? {} : { pieceOutFd }),
  };
}

/** Secrets go past this process: what is named here is where they come from. */
function unlockOf(data: DataFolder, options: OfficeOptions): OfficeCallOptions["unlock"] {
  const { passphraseFd, tokenPinFd } = options;
  const token = tokenOf(options);
  if (token === undefined) return passphraseFd === undefined ? { keyFile: data.keyFile } : { passphraseFd };
  return {
    token,
    environment: tokenEnvironment(),
    ...(tokenPinFd === undefined ? {} : { pinFd: tokenPinFd }),
  };
}

export interface Made {
  /** As people are told of it. */
  readonly what: string;
  readonly opening: Opening;
}

/** A keystore, or a token, without cards' keys. Answers what was made, and what opens it. Throws WrongUsage, Refusal, KeystoreProblem ("exists"), OfficeRefusal, DeviceFault. */
export async function makeOffice(
  options: OfficeOptions & {
    readonly environment: "test" | "live";
    readonly letterPrinter?: string;
    readonly keyFile?: boolean;
  },
): Promise<Made> {
  const data = dataFolder(dataRoot(options.data));
  const { environment, letterPrinter, keyFile = environment === "test" } = options;
  if (environment === "live" && letterPrinter === undefined)
    throw new WrongUsage(
      "a live keystore needs --letter-printer, the public key of the printer that prints PIN letters",
    );
  const unlock = passphrase(options);
  if (options.keyFile === true && unlock !== undefined)
    throw new WrongUsage(
      "--key-file opens a keystore instead of a passphrase, and no token: leave it out, or the other option",
    );
  const token = unlock !== undefined && "token" in unlock ? unlock.token : undefined;
  mustBeWhereTheKeysAre(data, token !== undefined);
  await mustHaveLostNoKeys(data, whereKept(data, unlock));
  const ceremony = {
    environment,
    keys: [],
    letterPrinter:
      letterPrinter === undefined
        ? { writePrivateKeyTo: data.letterPrinterKey }
        : { publicKeyPem: readFileSync(letterPrinter, "utf8") },
  };
  if (token !== undefined) {
    const file = data.tokenKeys;
    await createTokenKeys(
      { ...ceremony, file, unlock: token },
      { environment: tokenEnvironment(), swapAccepted: swapAccepted() },
    );
    return { what: `Token ${token.label} (its register: ${file})`, opening: openingOf(data, true) };
  }
  const file = data.keystore;
  await createKeystore(
    {
      ...ceremony,
      file,
      unlock:
        unlock !== undefined && "passphrase" in unlock
          ? unlock
          : keyFile
            ? { keyFile: data.keyFile }
            : { passphrase: chosen },
    },
    { swapAccepted: swapAccepted() },
  );
  return { what: `Keystore ${file}`, opening: openingOf(data, false) };
}

/** Live keys lie under a file in clear only where somebody says so. */
const chosen: SecretFrom = {
  question: "New passphrase of the keystore",
  again: "The same passphrase again",
  instead:
    "give a file descriptor with --passphrase-fd, or say with --key-file that a file beside the keystore, in clear, may open it",
};
