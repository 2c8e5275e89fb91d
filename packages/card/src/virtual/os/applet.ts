import { type Answer, type Apdu, SW, answer, join, same, status, triesLeft } from "./command.js";
import type { Card } from "./card.js";
import { Cipher } from "./cipher.js";
import { FDB, type File, isDf } from "./directory.js";
import { allRecords } from "./records.js";
import { type DfKey, readSecrets, withKey, writeTries } from "./secrets.js";

// The access applet (docs/card-os.md 6): authentication and proofs with the keys of a DF.
export const KEY_TRIES = 15;
const FIRST_PROVING = 0x10;
const LAST_KID = 0x1f;

/** GET CHALLENGE: 8 or 16 bytes; only 16 serve for authentication. */
export function getChallenge(card: Card, { p1, p2, data, le }: Apdu): Answer {
  if (p1 !== 0 || p2 !== 0) return status(SW.wrongP1P2);
  if (data.length > 0 || (le !== 8 && le !== 16)) return status(SW.wrongLength);
  const challenge = card.chip.random(le);
  card.challenge = le === 16 ? challenge.slice() : undefined;
  return answer(challenge);
}

export function internalAuthenticate(card: Card, { p1, p2, data, le }: Apdu): Answer {
  if (p1 !== 0) return status(SW.wrongP1P2);
  if (data.length !== 16 || (le !== undefined && le < 16)) return status(SW.wrongLength);
  const found = findKey(card, p2, "authenticates");
  if (typeof found === "number") return status(found);
  return answer(new Cipher(card.chip, found.key.key).cmac([0x01], card.chip.chipNumber, data));
}

/** EXTERNAL AUTHENTICATE with 16 bytes, MUTUAL AUTHENTICATE with 32. */
export function externalAuthenticate(card: Card, { p1, p2, data, le }: Apdu): Answer {
  const mutual = data.length === 32;
  if (p1 !== 0) return status(SW.wrongP1P2);
  if (data.length !== 16 && !mutual) return status(SW.wrongLength);
  if (mutual && le !== undefined && le < 16) return status(SW.wrongLength);
  const found = findKey(card, p2, "authenticates");
  if (typeof found === "number") return status(found);
  const { df, key } = found;
  if (key.tries === 0) return status(SW.blocked);
  const challenge = card.challenge;
  if (challenge === undefined) return status(SW.conditionsNotSatisfied);
  card.challenge = undefined;
  card.keysAuthenticated &= ~(1 << key.kid);
  saveTries(card, df, key, key.tries - 1);
  const cipher = new Cipher(card.chip, key.key);
  const number = card.chip.chipNumber;
  const host = data.subarray(0, data.length - 16);
  const expected = cipher.cmac([mutual ? 0x03 : 0x02], number, challenge, host);
  if (!same(expected, data.subarray(host.length))) return triesLeft(key.tries - 1);
  saveTries(card, df, key, KEY_TRIES);
  card.keysAuthenticated |= 1 << key.kid;
  return mutual ? answer(cipher.cmac([0x04], number, host, challenge)) : status(SW.ok);
}

/** PROVE FILE: what a file holds, proven without a right to read it. */
export function proveFile(card: Card, { p1, p2, data, le }: Apdu): Answer {
  if (!card.secured) return status(SW.securityNotSatisfied);
  if (data.length !== 17 || (le !== undefined && le < 16)) return status(SW.wrongLength);
  const file = card.df && card.directory.child(card.df, (p1 << 8) | p2);
  if (file === undefined || isDf(file)) return status(SW.fileNotFound);
  const found = findKey(card, data[0] ?? 0, "proves");
  if (typeof found === "number") return status(found);
  const content = contentOf(card, file);
  const { chip } = card;
  const cipher = new Cipher(chip, found.key.key);
  const length = [content.length >> 8, content.length & 0xff];
  return answer(cipher.cmac([0x05], chip.chipNumber, data.subarray(1), [p1, p2], length, content));
}

function contentOf(card: Card, file: File): Uint8Array {
  if (file.descriptor === FDB.transparent) return card.chip.read(file.body, file.size);
  return join(...allRecords(card, file).flatMap((record) => [[record.length], record]));
}

function findKey(
  card: Card,
  kid: number,
  use: "authenticates" | "proves",
): { readonly df: File; readonly key: DfKey } | number {
  const { df } = card;
  if (kid === 0 || kid > LAST_KID || df === undefined) return SW.referenceNotFound;
  if (kid >= FIRST_PROVING !== (use === "proves")) return SW.conditionsNotSatisfied;
  if (use === "authenticates" && card.directory.isDeactivated(df)) return SW.conditionsNotSatisfied;
  const key = readSecrets(card.chip, df).keys.find((one) => one.kid === kid);
  return key === undefined ? SW.referenceNotFound : { df, key };
}

function saveTries(card: Card, df: File, key: DfKey, tries: number): void {
  const secrets = withKey(readSecrets(card.chip, df), { ...key, tries });
  if (secrets !== undefined) writeTries(card.chip, df, secrets);
}

/** The key number a PUT KEY for the current DF may carry. */
export const isKid = (kid: number): boolean => kid >= 1 && kid <= LAST_KID;
