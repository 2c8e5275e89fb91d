import { type Answer, type Apdu, SW, answer, join, same, status, triesLeft } from "../command.js";
import {
  KEY_TRIES,
  externalAuthenticate as ownAuthenticate,
  internalAuthenticate as ownProof,
  saveTries,
} from "../applet.js";
import type { Card } from "../card.js";
import { readSecrets } from "../secrets.js";
import { readBer } from "./ber.js";
import { Shield, type ShieldAlgorithm, ShieldKeys } from "./shield.js";

const OWN = 0x00;
const SHIELDS: Readonly<Record<number, ShieldAlgorithm>> = { 0x01: "3DES", 0x02: "AES" };
const FIRST_SEED = 0x08;
const FIRST_PROVING = 0x10;
const LAST_KID = 0x1f;
const CRYPTOGRAM = 32;
const MAC = 8;

/** GET CHALLENGE (ISO/IEC 7816-4, 7.5.3): any length; 8 and 16 bytes serve for authentication. */
export function getChallenge(card: Card, { p1, p2, data, le }: Apdu): Answer {
  if (p1 !== 0 || p2 !== 0) return status(SW.wrongP1P2);
  if (data.length > 0 || le === undefined || le > 256) return status(SW.wrongLength);
  const challenge = card.chip.random(le);
  card.challenge = le === 8 || le === 16 ? challenge.slice() : undefined;
  return answer(challenge);
}

/** MANAGE SECURITY ENVIRONMENT (7.5.11): SET of the authentication template, RESTORE of the first environment. */
export function manageEnvironment(card: Card, { p1, p2, data }: Apdu): Answer {
  if (p1 === 0xf3) {
    if (p2 !== 0x01) return status(SW.referenceNotFound);
    if (data.length > 0) return status(SW.wrongLength);
    card.environment = undefined;
    return status(SW.ok);
  }
  if (![0x41, 0x81, 0xc1].includes(p1) || p2 !== 0xa4) return status(SW.notSupported);
  const objects = readBer(data);
  if (objects === undefined || objects.length === 0) return status(SW.wrongData);
  let { algorithm, kid } = card.environment ?? { algorithm: undefined, kid: undefined };
  for (const { tag, value } of objects) {
    if (value.length !== 1 || (tag !== 0x80 && tag !== 0x83)) return status(SW.wrongData);
    if (tag === 0x80) algorithm = value[0];
    else kid = value[0];
  }
  card.environment = { algorithm, kid };
  return status(SW.ok);
}

/** INTERNAL AUTHENTICATE (7.5.2), own algorithm: a seed of secure messaging must not serve as a key of another kind. */
export function internalAuthenticate(card: Card, command: Apdu): Answer {
  const kid = command.p2 === 0 ? (card.environment?.kid ?? 0) : command.p2;
  const algorithm = command.p1 === 0 ? (card.environment?.algorithm ?? OWN) : command.p1;
  if (algorithm !== OWN) return status(SW.wrongP1P2);
  if (kid >= FIRST_SEED && kid < FIRST_PROVING) return status(SW.conditionsNotSatisfied);
  return ownProof(card, { ...command, p1: 0, p2: kid });
}

/** EXTERNAL and MUTUAL AUTHENTICATE (7.5.4) by the algorithm of P1 or of the environment; without data: the state of the key. */
export function externalAuthenticate(card: Card, command: Apdu): Answer {
  const algorithm = command.p1 === 0 ? (card.environment?.algorithm ?? OWN) : command.p1;
  const kid = command.p2 === 0 ? (card.environment?.kid ?? 0) : command.p2;
  if (algorithm !== OWN && SHIELDS[algorithm] === undefined) return status(SW.wrongP1P2);
  if (kid === 0 || kid > LAST_KID) return status(SW.referenceNotFound);
  const seeds = kid >= FIRST_SEED;
  if (kid >= FIRST_PROVING || seeds === (algorithm === OWN)) return status(SW.conditionsNotSatisfied);
  if (command.data.length === 0) return keyState(card, kid);
  const shield = SHIELDS[algorithm];
  if (shield !== undefined) return establish(card, command, shield, kid);
  // The own algorithm takes 16 bytes only.
  if (card.challenge !== undefined && card.challenge.length !== 16) return status(SW.conditionsNotSatisfied);
  return ownAuthenticate(card, { ...command, p1: 0, p2: kid });
}

function keyState(card: Card, kid: number): Answer {
  const { df } = card;
  const key = df && readSecrets(card.chip, df).keys.find((one) => one.kid === kid);
  if (key === undefined) return status(SW.referenceNotFound);
  if ((card.keysAuthenticated & (1 << kid)) !== 0) return status(SW.ok);
  return key.tries === 0 ? status(SW.blocked) : triesLeft(key.tries);
}

/** Mutual authentication with key establishment (ICAO Doc 9303-11, 4.3.1; docs/card-os.md 10.8). */
function establish(card: Card, { data, le }: Apdu, algorithm: ShieldAlgorithm, kid: number): Answer {
  const { chip, df, directory } = card;
  if (data.length !== CRYPTOGRAM + MAC || le === undefined || le < CRYPTOGRAM + MAC) {
    return status(SW.wrongLength);
  }
  if (df === undefined) return status(SW.referenceNotFound);
  if (directory.isDeactivated(df)) return status(SW.conditionsNotSatisfied);
  const key = readSecrets(chip, df).keys.find((one) => one.kid === kid);
  if (key === undefined) return status(SW.referenceNotFound);
  if (key.tries === 0) return status(SW.blocked);
  const { challenge } = card;
  if (challenge?.length !== 8) return status(SW.conditionsNotSatisfied);
  card.challenge = undefined;
  card.shield = undefined;
  card.keysAuthenticated &= ~(1 << kid);
  saveTries(card, df, key, key.tries - 1);
  const keys = new ShieldKeys(chip, algorithm, key.key);
  const cryptogram = data.subarray(0, CRYPTOGRAM);
  const plain = keys.decrypt(cryptogram);
  const right = same(keys.mac(filled(cryptogram, keys.block)), data.subarray(CRYPTOGRAM));
  if (!right || !same(plain.subarray(8, 16), challenge)) return triesLeft(key.tries - 1);
  saveTries(card, df, key, KEY_TRIES);
  card.keysAuthenticated |= 1 << kid;
  const theirs = plain.subarray(16, 32);
  const ours = chip.random(16);
  const asked = plain.subarray(0, 8);
  const answered = keys.encrypt(join(challenge, asked, ours));
  const session = new ShieldKeys(
    chip,
    algorithm,
    theirs.map((byte, at) => byte ^ (ours[at] ?? 0)),
  );
  const counter = algorithm === "AES" ? new Uint8Array(16) : join(challenge.subarray(4), asked.subarray(4));
  card.shield = { session: new Shield(session, counter), df: df.entry };
  return answer(join(answered, keys.mac(filled(answered, keys.block))));
}

/** Padding of a whole number of blocks: one more. */
function filled(blocks: Uint8Array, size: number): Uint8Array {
  const padded = new Uint8Array(blocks.length + size);
  padded.set(blocks);
  padded[blocks.length] = 0x80;
  return padded;
}
