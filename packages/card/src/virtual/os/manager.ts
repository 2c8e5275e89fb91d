import { cardState as state, layout, phase } from "../layout.js";
import type { Chip } from "../chip.js";
import { type Answer, type Apdu, SW, answer, join, same, status } from "./command.js";
import { CARD_MANAGER, type Card } from "./card.js";
import { KEY_TRIES, isKid } from "./applet.js";
import { unwrapKey } from "./cipher.js";
import { eraseSecrets } from "./ending.js";
import { I_PARAMETER, type KeySet, SecureChannel, isLevel } from "./scp03.js";
import { readSecrets, replaceSecrets, withKey } from "./secrets.js";
import { object } from "./tlv.js";

// The card manager: what GlobalPlatform asks of the card itself.
const TRIES = 10;
const SCP03 = 0x03;
const KEY_LENGTH = 23;

interface Counters {
  readonly tries: number;
  /** Three bytes: the number of sessions opened so far. */
  readonly sequence: Uint8Array;
}

function readCounters(chip: Chip): Counters {
  const bytes = chip.readPair(layout.counterPair);
  return bytes === undefined
    ? { tries: TRIES, sequence: new Uint8Array(3) }
    : { tries: bytes[0] ?? 0, sequence: bytes.slice(1, 4) };
}

const writeCounters = (chip: Chip, { tries, sequence }: Counters): void =>
  chip.writePair(layout.counterPair, join([tries], sequence));

function next([high = 0, middle = 0, low = 0]: Uint8Array): Uint8Array {
  const n = (high << 16) + (middle << 8) + low + 1;
  return Uint8Array.of(n >> 16, n >> 8, n);
}

function readKeySet(chip: Chip): KeySet | undefined {
  const bytes = chip.readPair(layout.keySetPair);
  if (bytes?.length !== 49) return undefined;
  const key = (at: number): Uint8Array => bytes.slice(at, at + 16);
  return { kvn: bytes[0] ?? 0, enc: key(1), mac: key(17), dek: key(33) };
}

/** INITIALIZE UPDATE (Amendment D, 7.1.1); ends the session there was. */
export function initializeUpdate(card: Card, { p1, p2, data, le }: Apdu): Answer {
  card.channel = undefined;
  if (p2 !== 0) return status(SW.wrongP1P2);
  if (data.length !== 8 || (le !== undefined && le < 32)) return status(SW.wrongLength);
  const keys = readKeySet(card.chip);
  if (keys === undefined || (p1 !== 0 && p1 !== keys.kvn)) return status(SW.referenceNotFound);
  const { tries, sequence } = readCounters(card.chip);
  if (tries === 0) return status(SW.blocked);
  card.channel = new SecureChannel(card.chip, keys, sequence, CARD_MANAGER, data);
  return answer(join(card.chip.chipNumber, [keys.kvn, SCP03, I_PARAMETER], card.channel.proof));
}

/** EXTERNAL AUTHENTICATE (Amendment D, 7.1.2). The try is gone in EEPROM before the comparison. */
export function openChannel(card: Card, command: Apdu): Answer {
  const { channel, chip } = card;
  card.channel = undefined;
  if (channel === undefined || channel.level !== 0) return status(SW.conditionsNotSatisfied);
  if (!isLevel(command.p1) || command.p2 !== 0) return status(SW.wrongP1P2);
  if (command.data.length !== 16) return status(SW.wrongLength);
  const counters = readCounters(chip);
  writeCounters(chip, { ...counters, tries: counters.tries - 1 });
  if (!channel.authenticate(command)) return status(SW.authenticationFailed);
  writeCounters(chip, { tries: TRIES, sequence: next(counters.sequence) });
  card.channel = channel;
  return status(SW.ok);
}

/** GET DATA (GlobalPlatform Card Specification, 11.3; ISO/IEC 7816-4, 7.4.2). */
export function getData(card: Card, { p1, p2, data }: Apdu): Answer {
  if (data.length > 0) return status(SW.wrongLength);
  const { chip } = card;
  const tag = (p1 << 8) | p2;
  if (tag === 0x00cf) return answer(chip.chipNumberObject());
  if (tag === 0xdf01) return answer(chip.chipStatusObject(card.directory.root !== undefined));
  if (chip.phase() === phase.terminated) return status(SW.conditionsNotSatisfied);
  switch (tag) {
    case 0x00e0: {
      const kvn = readKeySet(chip)?.kvn ?? 0;
      return answer(object(0xe0, ...[1, 2, 3].map((kid) => object(0xc0, [kid, kvn, 0x88, 0x10]))));
    }
    case 0x0066:
      return answer(CARD_DATA);
    case 0x00c1:
      return answer(object(0xc1, readCounters(chip).sequence));
    default:
      return status(SW.referenceNotFound);
  }
}

/** Card recognition data (GPCS, H.2): GlobalPlatform 2.3.1, SCP03 with i = 70. */
const GP = [0x2a, 0x86, 0x48, 0x86, 0xfc, 0x6b];
const identifier = (...arcs: readonly number[]): Uint8Array => object(0x06, [...GP, ...arcs]);
const CARD_DATA = object(
  0x66,
  object(
    0x73,
    identifier(1),
    object(0x60, identifier(2, 2, 3, 1)),
    object(0x63, identifier(3)),
    object(0x64, identifier(4, SCP03, I_PARAMETER)),
  ),
);

/** PUT KEY (GPCS, 11.8): the SCP03 set (P2 81), or a key of the current DF (P2 its KID). */
export function putKey(card: Card, command: Apdu): Answer {
  const { p1, p2, data } = command;
  if (!card.secured || card.channel === undefined) return status(SW.securityNotSatisfied);
  if (p2 !== 0x81 && (!isKid(p2) || p1 !== 0)) return status(SW.wrongP1P2);
  const count = p2 === 0x81 ? 3 : 1;
  if (data.length !== 1 + count * KEY_LENGTH) return status(SW.wrongLength);
  if (p2 === 0x81 && readKeySet(card.chip)?.kvn !== p1) return status(SW.referenceNotFound);
  if (p2 !== 0x81 && card.df === undefined) return status(SW.conditionsNotSatisfied);
  const [kvn = 0] = data;
  if (kvn < 0x01 || kvn > 0x7f) return status(SW.wrongData);
  const keys: Uint8Array[] = [];
  const values: Uint8Array[] = [];
  for (let at = 1; at < data.length; at += KEY_LENGTH) {
    const unwrapped = unwrapKey(card.chip, card.channel.dek, data.subarray(at, at + KEY_LENGTH));
    if (unwrapped === undefined) return status(SW.wrongData);
    keys.push(unwrapped.key);
    values.push(unwrapped.kcv);
  }
  if (p2 === 0x81) card.chip.replacePair(layout.keySetPair, join([kvn], ...keys));
  else if (!putDfKey(card, p2, kvn, join(...keys))) return status(SW.noMemory);
  return answer(join([kvn], ...values));
}

function putDfKey(card: Card, kid: number, kvn: number, key: Uint8Array): boolean {
  const { chip, df } = card;
  if (df === undefined) return false;
  const secrets = withKey(readSecrets(chip, df), { kid, kvn, tries: KEY_TRIES, key });
  if (secrets === undefined) return false;
  card.keysAuthenticated &= ~(1 << kid);
  replaceSecrets(chip, df, secrets);
  return true;
}

/** SET STATUS of the card (GPCS, 11.10): forward only, and from CARD_LOCKED back to SECURED. */
export function setStatus(card: Card, { p1, p2, data }: Apdu): Answer {
  if (!card.secured) return status(SW.securityNotSatisfied);
  const states: readonly number[] = [
    state.opReady,
    state.initialized,
    state.secured,
    state.locked,
    state.terminated,
  ];
  if (p1 !== 0x80 || !states.includes(p2)) return status(SW.wrongP1P2);
  if (data.length > 0 && !same(data, CARD_MANAGER)) return status(SW.wrongData);
  const now = card.chip.cardState();
  const unlock = now === state.locked && p2 === state.secured;
  const forward = p2 > now && p2 < state.locked;
  const lock = now === state.secured && p2 === state.locked;
  if (!unlock && !forward && !lock) return status(SW.conditionsNotSatisfied);
  card.chip.setCardState(p2);
  return status(SW.ok);
}

/** TERMINATE CARD USAGE (ISO/IEC 7816-9): for ever. */
export function terminateCardUsage(card: Card, { p1, p2, data }: Apdu): Answer {
  if (!card.secured) return status(SW.securityNotSatisfied);
  if (p1 !== 0 || p2 !== 0) return status(SW.wrongP1P2);
  if (data.length > 0) return status(SW.wrongLength);
  // The phase first: a card that is torn from here on is terminated, and its next reset erases the rest.
  card.chip.setCardState(state.terminated);
  card.channel = undefined;
  eraseSecrets(card.chip, card.directory);
  return status(SW.ok);
}
