import { type Answer, answer, type Apdu, SW, join, same, status, triesLeft } from "../command.js";
import { type Card, PIN_REFERENCE } from "../card.js";
import type { File } from "../directory.js";
import { isPinBlock, resetRetryCounter as resetPlainly } from "../pin.js";
import {
  type DfKey,
  type Pin,
  type Secrets,
  readSecrets,
  replaceSecrets,
  withKey,
  writeTries,
} from "../secrets.js";

/** A resetting code lies in the place of a key: KID 20, its limit as KVN, its block at the beginning of the key. */
const CODE_KID = 0x20;
const BLOCK = 8;
const FILLED = new Uint8Array(8).fill(0xff);

interface Referenced {
  readonly df: File;
  readonly global: boolean;
  readonly what: "pin" | "code";
}

/** P2 of these commands (docs/card-os.md 10.7): 81 or 00, 82 of the current DF; 01, 02 of the MF. */
function referenced(card: Card, p2: number): Referenced | number {
  const number = p2 === 0 ? PIN_REFERENCE : p2;
  const global = (number & 0x80) === 0;
  const df = global ? card.directory.root : card.df;
  if (df === undefined || ((number & 0x7f) !== 1 && (number & 0x7f) !== 2)) return SW.referenceNotFound;
  if (card.directory.isDeactivated(df)) return SW.conditionsNotSatisfied;
  return { df, global, what: (number & 0x7f) === 1 ? "pin" : "code" };
}

const isVerified = (card: Card, { global }: Referenced): boolean =>
  global ? card.globalPinVerified : card.pinVerified;

function setVerified(card: Card, { global }: Referenced, verified: boolean): void {
  if (global) card.globalPinVerified = verified;
  else card.pinVerified = verified;
}

const codeOf = ({ keys }: Secrets): DfKey | undefined => keys.find(({ kid }) => kid === CODE_KID);

/** VERIFY (ISO/IEC 7816-4, 7.5.6). The counter is down in EEPROM before the comparison. */
export function verify(card: Card, { p1, p2, data }: Apdu): Answer {
  if (p1 !== 0) return status(SW.wrongP1P2);
  const found = referenced(card, p2);
  if (typeof found === "number") return status(found);
  if (found.what === "code") return status(SW.conditionsNotSatisfied);
  const secrets = readSecrets(card.chip, found.df);
  const { pin } = secrets;
  if (pin === undefined) return status(SW.referenceNotFound);
  if (data.length === 0) {
    if (isVerified(card, found)) return status(SW.ok);
    return pin.tries === 0 ? status(SW.blocked) : triesLeft(pin.tries);
  }
  if (data.length !== BLOCK) return status(SW.wrongLength);
  if (!isPinBlock(data)) return status(SW.wrongData);
  return tried(card, found, secrets, pin, data, pin.block);
}

/** A PIN that changes leaves nothing of the one before (one page write more); counters alone do not need that. */
const keep = (pin: Pin, next: Uint8Array): typeof writeTries =>
  same(next, pin.block) ? writeTries : replaceSecrets;

/** Lowers the PIN's counter, compares, and on success keeps `next` with all tries; the PIN then counts as verified. */
function tried(
  card: Card,
  found: Referenced,
  secrets: Secrets,
  pin: Pin,
  given: Uint8Array,
  next: Uint8Array,
): Answer {
  if (pin.tries === 0) return status(SW.blocked);
  setVerified(card, found, false);
  writeTries(card.chip, found.df, { ...secrets, pin: { ...pin, tries: pin.tries - 1 } });
  if (!same(given, pin.block)) return triesLeft(pin.tries - 1);
  keep(pin, next)(card.chip, found.df, { ...secrets, pin: { ...pin, block: next, tries: pin.limit } });
  setVerified(card, found, true);
  return status(SW.ok);
}

/** CHANGE REFERENCE DATA (7.5.7): P1 00 old and new; 01 new, under the session's DEK. */
export function changeReferenceData(card: Card, { p1, p2, data }: Apdu): Answer {
  if (p1 === 0x00) {
    const found = referenced(card, p2);
    if (typeof found === "number") return status(found);
    if (found.what === "code") return status(SW.conditionsNotSatisfied);
    const secrets = readSecrets(card.chip, found.df);
    if (secrets.pin === undefined) return status(SW.referenceNotFound);
    if (data.length !== 2 * BLOCK) return status(SW.wrongLength);
    const [old, next] = [data.subarray(0, BLOCK), data.slice(BLOCK)];
    if (!isPinBlock(old) || !isPinBlock(next)) return status(SW.wrongData);
    return tried(card, found, secrets, secrets.pin, old, next);
  }
  if (!card.secured) return status(SW.securityNotSatisfied);
  if (p1 !== 0x01) return status(SW.wrongP1P2);
  const found = referenced(card, p2);
  if (typeof found === "number") return status(found);
  const plain = underDek(card, data);
  if (typeof plain === "number") return status(plain);
  const { limit, block } = plain;
  if (limit < 1 || limit > 15) return status(SW.wrongData);
  const secrets = readSecrets(card.chip, found.df);
  if (found.what === "code") {
    const made = withKey(secrets, { kid: CODE_KID, kvn: limit, tries: limit, key: join(block, FILLED) });
    if (made === undefined) return status(SW.noMemory);
    replaceSecrets(card.chip, found.df, made);
    return status(SW.ok);
  }
  setVerified(card, found, false);
  replaceSecrets(card.chip, found.df, { ...secrets, pin: { limit, tries: limit, block } });
  return status(SW.ok);
}

/** AES-CBC(K-DEK, IV 0, limit ‖ format 2 block ‖ 80 00..). */
function underDek(card: Card, data: Uint8Array): { limit: number; block: Uint8Array } | number {
  if (data.length !== 16) return SW.wrongLength;
  const plain = card.channel?.dek.decrypt(data) ?? new Uint8Array(16);
  const [limit = 0] = plain;
  const block = plain.slice(1, 1 + BLOCK);
  const padded = plain[9] === 0x80 && plain.subarray(10).every((byte) => byte === 0);
  return padded && isPinBlock(block) ? { limit, block } : SW.wrongData;
}

/** The only level under which nobody between card and host reads an answer, and nobody alters it. */
const ALL_SECURED = 0x33;
/** Draws of 16 bytes; a generator that gives no digit in so many is out of order. */
const DRAWS = 8;

/** DRAW REFERENCE DATA (docs/card-os.md 10.7): a new PIN by the card's own generator, told once, in this answer. */
export function drawReferenceData(card: Card, { p1, p2, data }: Apdu): Answer {
  if (!card.secured || card.channel?.level !== ALL_SECURED) return status(SW.securityNotSatisfied);
  if (p1 !== 0x00) return status(SW.wrongP1P2);
  const found = referenced(card, p2);
  if (typeof found === "number") return status(found);
  if (found.what === "code") return status(SW.conditionsNotSatisfied);
  if (data.length !== 2) return status(SW.wrongLength);
  const [limit = 0, length = 0] = data;
  if (limit < 1 || limit > 15 || length < 4 || length > 12) return status(SW.wrongData);
  const block = drawnBlock(card, length);
  if (block === undefined) return status(SW.executionError);
  setVerified(card, found, false);
  const secrets = readSecrets(card.chip, found.df);
  replaceSecrets(card.chip, found.df, { ...secrets, pin: { limit, tries: limit, block } });
  return answer(block);
}

/** Every digit as likely as any other: bytes from 250 up are passed over. */
function drawnBlock(card: Card, length: number): Uint8Array | undefined {
  const digits: number[] = [];
  for (let draw = 0; draw < DRAWS && digits.length < length; draw++)
    for (const byte of card.chip.random(16)) if (byte < 250) digits.push(byte % 10);
  if (digits.length < length) return undefined;
  const nibbles = [0x2, length, ...digits.slice(0, length)];
  return Uint8Array.from({ length: BLOCK }, (_, at) => {
    const [high = 0x0f, low = 0x0f] = nibbles.slice(2 * at, 2 * at + 2);
    return (high << 4) | low;
  });
}

/** RESET RETRY COUNTER (7.5.10): P1 00 code and new PIN, 01 code, 02 new PIN in a session, 03 nothing in a session. */
export function resetRetryCounter(card: Card, command: Apdu): Answer {
  const { p1, p2, data } = command;
  if (p1 > 0x03) return status(SW.wrongP1P2);
  if (p1 === 0x03 && p2 === PIN_REFERENCE) return resetPlainly(card, command);
  if (p1 >= 0x02 && !card.secured) return status(SW.securityNotSatisfied);
  const found = referenced(card, p2);
  if (typeof found === "number") return status(found);
  const secrets = readSecrets(card.chip, found.df);
  const { pin } = secrets;
  if (found.what === "code" || pin === undefined) return status(SW.referenceNotFound);
  const length = [2 * BLOCK, BLOCK, 2 * BLOCK, 0][p1];
  if (data.length !== length) return status(SW.wrongLength);
  if (p1 >= 0x02) {
    const plain = p1 === 0x02 ? underDek(card, data) : { limit: 0, block: pin.block };
    if (typeof plain === "number") return status(plain);
    if (plain.limit !== 0) return status(SW.wrongData);
    setVerified(card, found, false);
    keep(pin, plain.block)(card.chip, found.df, {
      ...secrets,
      pin: { ...pin, block: plain.block, tries: pin.limit },
    });
    return status(SW.ok);
  }
  return unblock(card, found, secrets, pin, data);
}

/** The code's try is gone in EEPROM before the comparison; then PIN and both counters change in one page. */
function unblock(card: Card, found: Referenced, secrets: Secrets, pin: Pin, data: Uint8Array): Answer {
  const code = codeOf(secrets);
  if (code === undefined) return status(SW.referenceNotFound);
  const [given, next] = [data.subarray(0, BLOCK), data.length > BLOCK ? data.slice(BLOCK) : pin.block];
  if (!isPinBlock(given) || !isPinBlock(next)) return status(SW.wrongData);
  if (code.tries === 0) return status(SW.blocked);
  const lowered = withKey(secrets, { ...code, tries: code.tries - 1 });
  if (lowered === undefined) return status(SW.noMemory);
  writeTries(card.chip, found.df, lowered);
  if (!same(given, code.key.subarray(0, BLOCK))) return triesLeft(code.tries - 1);
  setVerified(card, found, false);
  const restored = withKey(secrets, { ...code, tries: code.kvn }) ?? secrets;
  keep(pin, next)(card.chip, found.df, { ...restored, pin: { ...pin, block: next, tries: pin.limit } });
  return status(SW.ok);
}
