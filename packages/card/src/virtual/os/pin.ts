import { type Answer, type Apdu, SW, same, status, triesLeft } from "./command.js";
import { type Card, PIN_REFERENCE } from "./card.js";
import type { File } from "./directory.js";
import { type Pin, readSecrets, replaceSecrets, writeTries } from "./secrets.js";

/** VERIFY (ISO/IEC 7816-4, 7.5.6). The counter is down in EEPROM before the comparison. */
export function verify(card: Card, { p1, p2, data }: Apdu): Answer {
  if (p1 !== 0) return status(SW.wrongP1P2);
  const found = findPin(card, p2);
  if (typeof found === "number") return status(found);
  const { df, pin } = found;
  if (data.length === 0) {
    if (card.pinVerified) return status(SW.ok);
    return pin.tries === 0 ? status(SW.blocked) : triesLeft(pin.tries);
  }
  if (data.length !== 8) return status(SW.wrongLength);
  if (!isPinBlock(data)) return status(SW.wrongData);
  if (pin.tries === 0) return status(SW.blocked);
  const secrets = readSecrets(card.chip, df);
  card.pinVerified = false;
  writeTries(card.chip, df, { ...secrets, pin: { ...pin, tries: pin.tries - 1 } });
  if (!same(data, pin.block)) return triesLeft(pin.tries - 1);
  writeTries(card.chip, df, { ...secrets, pin: { ...pin, tries: pin.limit } });
  card.pinVerified = true;
  return status(SW.ok);
}

/** CHANGE REFERENCE DATA (7.5.7): AES-CBC(K-DEK, IV 0, limit ‖ format 2 block ‖ 80 00..) makes or replaces the PIN. */
export function changeReferenceData(card: Card, { p1, p2, data }: Apdu): Answer {
  if (!card.secured || card.channel === undefined) return status(SW.securityNotSatisfied);
  if (p1 !== 0x01 || p2 !== PIN_REFERENCE) return status(SW.wrongP1P2);
  if (data.length !== 16) return status(SW.wrongLength);
  const df = card.df;
  if (df === undefined || card.directory.isDeactivated(df)) return status(SW.conditionsNotSatisfied);
  const plain = card.channel.dek.decrypt(data);
  const [limit = 0] = plain;
  const block = plain.slice(1, 9);
  const padding = Uint8Array.of(0x80, 0, 0, 0, 0, 0, 0);
  if (limit < 1 || limit > 15 || !isPinBlock(block) || !same(plain.subarray(9), padding))
    return status(SW.wrongData);
  card.pinVerified = false;
  replaceSecrets(card.chip, df, { ...readSecrets(card.chip, df), pin: { limit, tries: limit, block } });
  return status(SW.ok);
}

/** RESET RETRY COUNTER without data (7.5.10). */
export function resetRetryCounter(card: Card, { p1, p2, data }: Apdu): Answer {
  if (!card.secured) return status(SW.securityNotSatisfied);
  if (p1 !== 0x03) return status(SW.wrongP1P2);
  if (data.length > 0) return status(SW.wrongLength);
  const found = findPin(card, p2);
  if (typeof found === "number") return status(found);
  const { df, pin } = found;
  writeTries(card.chip, df, { ...readSecrets(card.chip, df), pin: { ...pin, tries: pin.limit } });
  return status(SW.ok);
}

function findPin(card: Card, reference: number): { readonly df: File; readonly pin: Pin } | number {
  const { df } = card;
  if (df === undefined) return SW.referenceNotFound;
  if (card.directory.isDeactivated(df)) return SW.conditionsNotSatisfied;
  const pin = reference === PIN_REFERENCE ? readSecrets(card.chip, df).pin : undefined;
  return pin === undefined ? SW.referenceNotFound : { df, pin };
}

/** ISO 9564-1 format 2: 2L, L digits (4 to 12), filled with F. */
function isPinBlock(block: Uint8Array): boolean {
  const nibbles = Array.from(block).flatMap((byte) => [byte >> 4, byte & 0x0f]);
  const [control, length = 0, ...rest] = nibbles;
  return (
    control === 2 &&
    length >= 4 &&
    length <= 12 &&
    rest.every((nibble, at) => (at < length ? nibble <= 9 : nibble === 0x0f))
  );
}
