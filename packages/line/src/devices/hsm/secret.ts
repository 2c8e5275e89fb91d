/**
 * Where what opens the keys comes from, a passphrase or a token's PIN: a file descriptor or the terminal. The module's process reads it by
 * itself; whoever started that process never has it.
 */
import { closeSync } from "node:fs";
import { readAll } from "./office/counter.js";
import { mustBeLong } from "./office/passphrase.js";
import { OfficeRefusal } from "./office/refusal.js";
import { typedBeside } from "./office/terminal.js";

/**
 * `fd`: of this process; `question`: asked at the terminal, unseen, and `instead` says what else can be done where there is none. `again`: the
 * question a second time, for a passphrase that is chosen now and would be lost by a slip of the keyboard.
 */
export type SecretFrom =
  | { readonly fd: number }
  | { readonly question: string; readonly instead: string; readonly again?: string };

/** A secret, where a caller has it himself, or where it comes from. */
export type Secret = string | SecretFrom;

/** The one descriptor that a module's process may be given for it, as it is numbered there. */
export const SECRET = 5;

/** Throws OfficeRefusal where there is no terminal, when two typings differ, when it is interrupted, and for what is too long. */
export async function secretOf(secret: Secret): Promise<string> {
  if (typeof secret === "string") return secret;
  if (!("fd" in secret)) return typedSecret(secret);
  const text = readAll(secret.fd);
  closeSync(secret.fd);
  return text;
}

async function typedSecret({
  question,
  instead,
  again,
}: Exclude<SecretFrom, { fd: number }>): Promise<string> {
  const text = await typedBeside(question, instead);
  if (again === undefined) return text;
  mustBeLong("a keystore's", text);
  if ((await typedBeside(again, instead)) !== text)
    throw new OfficeRefusal("the two passphrases differ; nothing was made");
  return text;
}

/** Those of two custodians, after it. */
const CUSTODIANS = [SECRET + 1, SECRET + 2] as const;

/** The same for two custodians: what the module's process is told, and the descriptors that it is to be given, in their places. */
export function bothHandedOver([one, other]: readonly [Secret, Secret]): {
  readonly secrets: readonly [Secret, Secret];
  readonly fds: readonly (number | undefined)[];
} {
  const place = (secret: Secret, at: 0 | 1): Secret =>
    typeof secret === "object" && "fd" in secret ? { fd: CUSTODIANS[at] } : secret;
  const fdOf = (secret: Secret) => (typeof secret === "object" && "fd" in secret ? secret.fd : undefined);
  return { secrets: [place(one, 0), place(other, 1)], fds: [fdOf(one), fdOf(other)] };
}

/** The same secret as the module's process is told of it, and the descriptor that it is to be given. */
export function handedOver(secret: Secret): { readonly secret: Secret; readonly fd?: number } {
  return typeof secret === "object" && "fd" in secret
    ? { secret: { fd: SECRET }, fd: secret.fd }
    : { secret };
}
