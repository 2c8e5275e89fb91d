/** How well keys and secrets must be kept: declared by product, order and line; the strictest word counts. */
import { z } from "zod";

/** Best first. */
export const securityLevels = ["token", "module-process", "session-keys-in-host", "trusted-host"] as const;
export type SecurityLevel = (typeof securityLevels)[number];

/** What a security module does for cards; `default` is for all that is not named. */
export const securedOperations = [
  "default",
  "loader",
  "scp02",
  "scp03",
  "scp03-long",
  "scp11",
  "desfire",
  "desfire-first-keys",
  "issuer-data",
  "issuer-data-clear",
  "keys-to-card",
  "keys-to-card-clear",
  "shared-keys",
  "proof",
  "gate",
  "emv-keys",
  "emv-rsa",
  "emv-issuer",
  "emv-cryptogram",
  "pin",
  "letter",
  "seal",
  "data-key",
  "sign",
  "random",
] as const;
export type SecuredOperation = (typeof securedOperations)[number];

export type SecurityLevels = Readonly<Partial<Record<SecuredOperation, SecurityLevel | undefined>>>;

const level = z.enum(securityLevels).optional();

export const securitySchema = z
  .strictObject(
    Object.fromEntries(securedOperations.map((operation) => [operation, level])) as Record<
      SecuredOperation,
      typeof level
    >,
  )
  .describe(
    "The least protection level of each operation: token (keys never leave the token), module-process (clear only in the security module's own process), session-keys-in-host, trusted-host. Without a word: module-process, and data-key (an order's key for personal data) trusted-host",
  );

/** Nothing said: keys are clear nowhere but in the security module's process. */
const usual: SecurityLevel = "module-process";
/** The line encrypts personal data itself: no module keeps that key better while an order is open, and whoever wants it better says so. */
const usualOf: SecurityLevels = { "data-key": "trusted-host" };

/** The level an operation must have when all of these speak. */
export function wantedLevel(
  operation: Exclude<SecuredOperation, "default">,
  all: readonly (SecurityLevels | undefined)[],
): SecurityLevel {
  const wanted = all.flatMap((levels) => levels?.[operation] ?? levels?.default ?? []);
  const first = Math.min(...wanted.map((one) => securityLevels.indexOf(one)));
  return securityLevels[first] ?? usualOf[operation] ?? usual;
}
