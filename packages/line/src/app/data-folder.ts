/** What lies where in a data folder. */
import { existsSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { Refusal } from "./problem.js";

export type KeyPlaces = Pick<DataFolder, "keystore" | "tokenKeys" | "keyFile">;

export interface DataFolder {
  readonly root: string;
  /** Production database: orders, stock, accounts, audit. */
  readonly database: string;
  readonly keystore: string;
  /** Which keys of a token are this folder's; there instead of a keystore. */
  readonly tokenKeys: string;
  /** Opens the keystore when no passphrase does. */
  readonly keyFile: string;
  /** Private key of the simulated letter printer (test environment only). */
  readonly letterPrinterKey: string;
  /** Private key of the simulated stripe encoder (test environment only). */
  readonly stripeEncoderKey: string;
  /** The physical world of simulated devices. */
  readonly shopFloor: string;
  /** Signed heads of the audit, outside the database that they vouch for. */
  readonly auditHeads: string;
  /** What was done and tried in the key office, signed and chained. */
  readonly officeActs: string;
  /** Signed records of key ceremonies. */
  readonly ceremonies: string;
  journal(line: string): string;
  /** Book of the trays that a line sends to other rooms. */
  trays(line: string): string;
  reports(order: string): string;
  letters(order: string): string;
  /** Printed carriers: they show names and addresses. */
  carriers(order: string): string;
  /** Camera pictures, encrypted under the order's data key. */
  pictures(order: string): string;
}

/** The production database's name in its folder. */
export const databaseName = "persoline.db";

/** For commands that only look: a folder is not made by a slip in its name. Throws Refusal. */
export function knownDataFolder(root: string): DataFolder {
  if (existsSync(root)) return dataFolder(root);
  throw new Refusal(
    `there is no data folder of Persoline at ${root}: name it with --data or PERSOLINE_DATA (npm start prints the one it made)`,
  );
}

/** Where its keys would be. Makes nothing. */
export const keyPlaces = (root: string): KeyPlaces => ({
  keystore: join(root, "keystore.json"),
  tokenKeys: join(root, "token-keys.json"),
  keyFile: join(root, "keystore.key"),
});

/** Makes what is missing. */
export function dataFolder(root: string): DataFolder {
  const folder = (...parts: string[]): string => {
    const path = join(root, ...parts);
    mkdirSync(path, { recursive: true, mode: 0o700 });
    return path;
  };
  folder();
  return {
    root,
    database: join(root, databaseName),
    ...keyPlaces(root),
    letterPrinterKey: join(root, "letter-printer.pem"),
    stripeEncoderKey: join(root, "stripe-encoder.pem"),
    shopFloor: join(root, "shop-floor"),
    auditHeads: join(folder("audit"), "heads.jsonl"),
    officeActs: join(folder("audit"), "ceremonies.jsonl"),
    ceremonies: join(root, "ceremonies"),
    journal: (line) => join(root, `journal-${line}.db`),
    trays: (line) => join(root, "trays", `${line}.jsonl`),
    reports: (order) => folder("reports", order),
    letters: (order) => folder("letters", order),
    carriers: (order) => folder("carriers", order),
    pictures: (order) => folder("pictures", order),
  };
}
