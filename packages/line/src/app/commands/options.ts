/** Options that mean the same everywhere. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { type Command, InvalidArgumentError, Option } from "commander";
import type { Hsm } from "../../devices/hsm/port.js";
import { dataRoot, operator } from "../config.js";
import { refuseBrokenAudit, signAudit } from "../audit-heads.js";
import { warn } from "../answer.js";
import { endDue } from "../due-ends.js";
import { askedFor, openKeystore, type Unlocking, whereKept } from "../key-file.js";
import { nameBatches } from "../letter-drafts.js";
import { mustHaveLostNoKeys } from "../lost-keys.js";
import { exitCode, Refusal } from "../problem.js";
import { databaseName, type DataFolder, dataFolder } from "../data-folder.js";
import type { Store } from "../../store/store.js";
import { fromDescriptor, tokenOf, type TokenOptions } from "./usage.js";

export interface CommonOptions {
  readonly data?: string;
  readonly json?: boolean;
  readonly by?: string;
}

export { print, printJson } from "../answer.js";

export const withJson = (command: Command): Command =>
  command.option("--json", "print the result, or why there is none, as JSON");

export const withData = (command: Command): Command =>
  withJson(
    command.option(
      "--data <dir>",
      "folder of database, journal, keystore, shop floor and reports (default: $PERSOLINE_DATA or ./.persoline)",
    ),
  );

export const withOperator = (command: Command): Command =>
  command.option("--by <name>", "who does it, for the audit (default: the login name)");

export const withPassphrase = (command: Command): Command =>
  command
    .option(
      "--passphrase-fd <number>",
      "file descriptor the keystore's passphrase is read from (default: the key file beside it opens it, or it is asked at the terminal; for the first test keys a key file is made)",
      whole,
    )
    .addOption(
      new Option("--security <module>", "where the keys are: the embedded vault, or a PKCS#11 token")
        .choices(["vault", "pkcs11"])
        .default("vault"),
    )
    .option("--token <label>", "pkcs11: the token's label")
    .option("--token-library <file>", "pkcs11: the library that speaks to it (…/libsofthsm2.so)")
    .option("--token-serial <text>", "pkcs11: its serial number, where several tokens have this label")
    .option("--token-slot <number>", "pkcs11: the number of its slot, where that is not enough", whole)
    .option(
      "--token-pin-fd <number>",
      "pkcs11: file descriptor its PIN is read from (default: asked at the terminal)",
      whole,
    );

export type UnlockOptions = TokenOptions;

/**
 * What opens the keys, as the options say. Secrets come from file descriptors or the terminal, never from arguments, and are read in the
 * module's own process. Throws WrongUsage.
 */
export function passphrase(options: UnlockOptions): Unlocking | undefined {
  const { passphraseFd, tokenPinFd } = options;
  const token = tokenOf(options);
  if (token === undefined)
    return passphraseFd === undefined
      ? undefined
      : { passphrase: fromDescriptor(passphraseFd, "--passphrase-fd") };
  const pin =
    tokenPinFd === undefined
      ? askedFor(`PIN of token ${token.label}`, "--token-pin-fd")
      : fromDescriptor(tokenPinFd, "--token-pin-fd");
  return { token: { ...token, pin } };
}

export function whole(text: string): number {
  if (!/^\d{1,10}$/.test(text)) throw new InvalidArgumentError("a whole number is needed, 0 or more");
  return Number(text);
}

/** A TCP port. */
export function port(text: string): number {
  if (!/^\d{1,5}$/.test(text) || Number(text) < 1 || Number(text) > 65_535)
    throw new InvalidArgumentError("a port is needed, 1 to 65535");
  return Number(text);
}

export function counting(text: string): number {
  if (!/^[1-9]\d{0,9}$/.test(text)) throw new InvalidArgumentError("a whole number is needed, 1 or more");
  return Number(text);
}

/** Opens the data folder's database for one command. Only commands that bring something in make a new one. */
export async function withStore<T>(
  options: CommonOptions,
  work: (store: Store, data: DataFolder, by: string) => Promise<T>,
  { mayBeNew = false }: { readonly mayBeNew?: boolean } = {},
): Promise<T> {
  const root = dataRoot(options.data);
  if (!mayBeNew && !existsSync(join(root, databaseName))) {
    throw new Refusal(
      `there is no data folder of Persoline at ${root}: name it with --data or PERSOLINE_DATA (npm start prints the one it made)`,
    );
  }
  const data = dataFolder(root);
  const by = operator(options.by);
  // Only here: a third of what starting costs, and many commands need no database.
  const { openStore } = await import("../../store/store.js");
  const store = await openStore({ file: data.database, who: by, place: "command line" });
  try {
    await nameBatches(store, data);
    return await work(store, data, by);
  } finally {
    await store.close();
  }
}

export interface DecisionOptions extends CommonOptions, UnlockOptions {}

/** A command that decides something: refused on a broken audit; afterwards the audit's head is signed, once there are keys. */
export const withDecision = <T>(
  options: DecisionOptions,
  work: (store: Store, data: DataFolder, by: string, hsm: Hsm | undefined) => Promise<T>,
  more: { readonly mayBeNew?: boolean } = {},
): Promise<T> =>
  withStore(
    options,
    async (store, data, by) => {
      // Before the deed: a passphrase that is missing must not leave it unsigned.
      const unlocking = passphrase(options);
      const hsm = await openKeystore(data, unlocking);
      if (hsm === undefined) await mustHaveLostNoKeys(data, whereKept(data, unlocking), store);
      try {
        await refuseBrokenAudit({ store, data });
        if (hsm !== undefined) await endDue(store, hsm);
        const done = await work(store, data, by, hsm);
        if (hsm !== undefined) await signAudit({ store, data, hsm });
        return done;
      } finally {
        await hsm?.close();
      }
    },
    more,
  );

/** Told beside the result; the command's work is not whole. */
export const unfinished = (why: string): void => {
  warn(why);
  process.exitCode = exitCode.refused;
};

/** Columns padded to their widest cell. */
export function textTable(head: readonly string[], rows: readonly (readonly (string | number)[])[]): string {
  const cells = [head, ...rows.map((row) => row.map(String))];
  const widths = head.map((_, at) => Math.max(...cells.map((row) => Array.from(row[at] ?? "").length)));
  return cells
    .map((row) =>
      row
        .map((cell, at) => cell + " ".repeat((widths[at] ?? 0) - Array.from(cell).length))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}
