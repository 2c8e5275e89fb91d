/** What opens a data folder's keys, as people are told: whoever answers for them sees where that lies. */
import { existsSync } from "node:fs";
import { environmentOf, openedBy } from "../devices/hsm/keystore.js";
import { warn } from "./answer.js";
import type { KeyPlaces } from "./data-folder.js";

export interface Opening {
  readonly by: "passphrase" | "key-file" | "pin";
  /** Half a sentence. */
  readonly text: string;
  /** Live keys are no safer than the folder they lie in. */
  readonly warning?: string;
}

/** Beside a result, in words or JSON. */
export const warnOf = ({ text, warning }: Opening): void => {
  if (warning !== undefined) warn(`Live keys ${text}: ${warning}.`);
};

export const openingWords = ({ text, warning }: Opening): string =>
  warning === undefined ? text : `${text}: ${warning}`;

/** The keystore is there, or it is a token. Throws KeystoreProblem where the file is none of ours. */
export function openingOf({ keystore, keyFile }: KeyPlaces, isToken: boolean): Opening {
  if (isToken) return { by: "pin", text: "opened by the token's PIN" };
  if (openedBy(keystore) === "passphrase") return { by: "passphrase", text: "opened by its passphrase" };
  return {
    by: "key-file",
    text: `opened by the key file ${keyFile}, which lies beside it in clear`,
    ...(environmentOf(keystore) === "live"
      ? {
          warning:
            "whoever reads this folder, or a backup of it, has its live keys: let nobody else, or make a keystore under a passphrase",
        }
      : {}),
  };
}

/** Nothing where there are no keys yet. Throws as `openingOf`. */
export const openingHere = (data: KeyPlaces): Opening | undefined =>
  existsSync(data.keystore)
    ? openingOf(data, false)
    : existsSync(data.tokenKeys)
      ? openingOf(data, true)
      : undefined;
