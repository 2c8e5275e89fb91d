import { type Answer, answer, type Apdu, join, same, status, SW } from "../os/command.js";
import { isPinBlock } from "../os/pin.js";
import type { GpCard } from "./card.js";
import { Cipher } from "../os/cipher.js";
import { checkValue } from "./ciphers.js";
import { directoryApplet, paymentApplet } from "../payment/applet.js";
import { ACCESS_MODULE, DIRECTORY_MODULE, PAYMENT_MODULE } from "./layout.js";
import { type Objects, readObjects, writeObjects } from "./objects.js";
import type { Application } from "./state.js";

/** One kind of application. The security domain hands it its STORE DATA, the reader everything else. */
export interface Applet {
  /** What new data groupings make of those there are; undefined: 6A80; a number: this status word. */
  store(
    card: GpCard,
    before: Objects,
    groupings: readonly Grouping[],
  ): Map<number, Uint8Array> | number | undefined;
  /** Whether it has a place for such a grouping, judged as soon as one is whole (EMV CPS); absent: judged with all others. */
  knows?(id: number): boolean;
  /** It has just been selected: what stands beside its name in the answer (undefined: as for every application), and the status word. */
  selected?(
    card: GpCard,
    app: Application,
  ): { readonly template: Uint8Array | undefined; readonly sw: number };
  command(card: GpCard, app: Application, command: Apdu): Answer;
  /** Whether it opens a channel itself to be personalized (EMV CPS), and still is to be; absent: only the security domain does. */
  personalizable?(card: GpCard, app: Application): boolean;
}

export interface Grouping {
  readonly id: number;
  readonly value: Uint8Array;
  /** It came under the data encryption key, and is in clear now. */
  readonly secret: boolean;
}

export function appletOf({ module }: Application): Applet {
  if (same(module, ACCESS_MODULE)) return accessApplet;
  if (same(module, PAYMENT_MODULE)) return paymentApplet;
  return same(module, DIRECTORY_MODULE) ? directoryApplet : storingApplet;
}

const withAll = (before: Objects, groupings: readonly Grouping[]): Map<number, Uint8Array> => {
  const after = new Map(before);
  for (const { id, value } of groupings) after.set(id, value);
  return after;
};

const dataOf = (card: GpCard, app: Application): Objects => readObjects(card.vault.dataOf(app));

/** What a load file brings: it keeps data groupings and gives them back. Its code is not run. */
const storingApplet: Applet = {
  store: (_card, before, groupings) => withAll(before, groupings),
  command: (card, app, { cla, ins, p1, p2, data }) => {
    if ((cla & 0x7f) !== 0) return status(SW.wrongClass);
    if (ins !== 0xca) return status(SW.wrongInstruction);
    if (data.length > 0) return status(SW.wrongLength);
    const found = dataOf(card, app).get((p1 << 8) | p2);
    return found === undefined ? status(SW.referenceNotFound) : answer(found);
  },
};

/** Identifiers of the access applet's data (docs/gp-card.md 7), by their high byte. */
const KIND = {
  open: 0x01,
  gated: 0x02,
  hidden: 0x03,
  pinned: 0x04,
  key: 0x81,
  pin: 0x82,
  checkValue: 0x90,
} as const;
const KEY_TRIES = 15;
const TRIES = 0x7f00;
/** The applet's one PIN, by its reference. */
const PIN = (KIND.pin << 8) | 0x81;
const PIN_TRIES = 0x7e81;

const accessApplet: Applet = {
  store: (card, before, groupings) => {
    const kinds: readonly number[] = Object.values(KIND);
    if (groupings.some(({ id }) => !kinds.includes(id >> 8))) return undefined;
    const keys = groupings.filter(({ id }) => id >> 8 === KIND.key);
    for (const { id, value, secret } of keys) {
      const given = groupings.find((one) => one.id === ((KIND.checkValue << 8) | (id & 0xff)));
      if (!secret || (value.length !== 16 && value.length !== 32)) return undefined;
      if (given !== undefined && !same(given.value, checkValue(card.chip, 0x88, value))) return undefined;
    }
    const after = withAll(before, groupings);
    for (const { id } of keys) after.set(TRIES | (id & 0xff), Uint8Array.of(KEY_TRIES));
    for (const { id, value, secret } of groupings.filter((one) => one.id >> 8 === KIND.pin)) {
      const pin = secret && id === PIN ? pinIn(value) : undefined;
      if (pin === undefined) return undefined;
      // The pad is not kept: limit ‖ block.
      after.set(PIN, join([pin.limit], pin.block));
      after.set(PIN_TRIES, Uint8Array.of(pin.limit));
    }
    return after;
  },
  command: (card, app, command) => {
    if ((command.cla & 0x7f) !== 0) return status(SW.wrongClass);
    switch (command.ins) {
      case 0xca:
        return getObject(card, app, command);
      case 0x5c:
        return proveGrouping(card, app, command);
      case 0x84:
        return getChallenge(card, command);
      case 0x88:
        return internalAuthenticate(card, app, command);
      case 0x82:
        return externalAuthenticate(card, app, command);
      case 0x20:
        return verify(card, app, command);
      case 0x24:
        return changePin(card, app, command);
      default:
        return status(SW.wrongInstruction);
    }
  },
};

function getObject(card: GpCard, app: Application, { p1, p2, data }: Apdu): Answer {
  if (data.length > 0) return status(SW.wrongLength);
  if (p1 === 0x00 && p2 === 0xcf) return answer(card.chip.chipNumberObject());
  const found = dataOf(card, app).get((p1 << 8) | p2);
  const kept: readonly number[] = [KIND.key, KIND.pin, TRIES >> 8, PIN_TRIES >> 8];
  if (found === undefined || kept.includes(p1)) return status(SW.referenceNotFound);
  if (p1 === KIND.hidden) return status(SW.securityNotSatisfied);
  if (p1 === KIND.gated && card.keysAuthenticated === 0) return status(SW.securityNotSatisfied);
  if (p1 === KIND.pinned && !card.pinVerified) return status(SW.securityNotSatisfied);
  return answer(found);
}

function getChallenge(card: GpCard, { p1, p2, data, le }: Apdu): Answer {
  if (p1 !== 0 || p2 !== 0) return status(SW.wrongP1P2);
  if (data.length > 0 || le !== 16) return status(SW.wrongLength);
  card.challenge = card.chip.random(16);
  return answer(card.challenge);
}

function internalAuthenticate(card: GpCard, app: Application, { p1, p2, data }: Apdu): Answer {
  if (p1 !== 0) return status(SW.wrongP1P2);
  if (data.length !== 16) return status(SW.wrongLength);
  const key = dataOf(card, app).get((KIND.key << 8) | p2);
  if (key === undefined) return status(SW.referenceNotFound);
  return answer(new Cipher(card.chip, key).cmac([0x01], card.chip.chipNumber, data));
}

/** PROVE GROUPING: what a grouping of data holds, by a key of the applet's, shown to nobody who has not both. */
function proveGrouping(card: GpCard, app: Application, { p1, p2, data, le }: Apdu): Answer {
  if (data.length !== 17 || (le !== undefined && le < 16)) return status(SW.wrongLength);
  const objects = dataOf(card, app);
  const content = objects.get((p1 << 8) | p2);
  const key = objects.get((KIND.key << 8) | (data[0] ?? 0));
  const proved: readonly number[] = [KIND.open, KIND.gated, KIND.hidden, KIND.pinned];
  if (content === undefined || key === undefined || !proved.includes(p1)) return status(SW.referenceNotFound);
  const length = [content.length >> 8, content.length & 0xff];
  const { chipNumber } = card.chip;
  const aes = new Cipher(card.chip, key);
  return answer(aes.cmac([0x06], chipNumber, data.subarray(1), [p1, p2], length, content));
}

/** EXTERNAL AUTHENTICATE with 16 bytes, MUTUAL AUTHENTICATE with 32; the try is gone before the comparison. */
function externalAuthenticate(card: GpCard, app: Application, { p1, p2, data }: Apdu): Answer {
  if (p1 !== 0) return status(SW.wrongP1P2);
  const mutual = data.length === 32;
  if (data.length !== 16 && !mutual) return status(SW.wrongLength);
  const shadow = card.vault.dataOf(app);
  const objects = readObjects(shadow);
  const key = objects.get((KIND.key << 8) | p2);
  const tries = objects.get(TRIES | p2)?.[0] ?? 0;
  if (key === undefined) return status(SW.referenceNotFound);
  if (tries === 0) return status(SW.blocked);
  const { challenge } = card;
  if (challenge === undefined) return status(SW.conditionsNotSatisfied);
  card.challenge = undefined;
  card.keysAuthenticated &= ~(1 << (p2 & 0x1f));
  const setTries = (left: number): void => {
    objects.set(TRIES | p2, Uint8Array.of(left));
    writeObjects(shadow, objects);
  };
  setTries(tries - 1);
  const host = data.subarray(0, data.length - 16);
  const aes = new Cipher(card.chip, key);
  const number = card.chip.chipNumber;
  const expected = aes.cmac([mutual ? 0x03 : 0x02], number, challenge, host);
  if (!same(expected, data.subarray(host.length))) return status(0x63c0 | (tries - 1));
  setTries(KEY_TRIES);
  card.keysAuthenticated |= 1 << (p2 & 0x1f);
  return mutual ? answer(aes.cmac([0x04], number, host, challenge)) : status(SW.ok);
}

/** Limit ‖ ISO 9564-1 format 2 block ‖ 80 00×6. */
function pinIn(value: Uint8Array): { readonly limit: number; readonly block: Uint8Array } | undefined {
  const [limit = 0] = value;
  const block = value.slice(1, 9);
  const isWhole = value.length === 16 && same(value.subarray(9), Uint8Array.of(0x80, 0, 0, 0, 0, 0, 0));
  return isWhole && limit >= 1 && limit <= 15 && isPinBlock(block) ? { limit, block } : undefined;
}

/** VERIFY (ISO/IEC 7816-4, 7.5.6); without data: the state. */
function verify(card: GpCard, app: Application, { p1, p2, data }: Apdu): Answer {
  if (p1 !== 0) return status(SW.wrongP1P2);
  if (data.length !== 0 && data.length !== 8) return status(SW.wrongLength);
  if (data.length > 0) return status(presented(card, app, p2, data));
  const left = dataOf(card, app).get(PIN_TRIES)?.[0];
  if (left === undefined || p2 !== (PIN & 0xff)) return status(SW.referenceNotFound);
  if (card.pinVerified) return status(SW.ok);
  return status(left === 0 ? SW.blocked : 0x63c0 | left);
}

/** CHANGE REFERENCE DATA (7.5.7): the old block, then the new one. The old one costs a try like any other. */
function changePin(card: GpCard, app: Application, { p1, p2, data }: Apdu): Answer {
  if (p1 !== 0) return status(SW.wrongP1P2);
  if (data.length !== 16) return status(SW.wrongLength);
  const fresh = data.slice(8);
  if (!isPinBlock(fresh)) return status(SW.wrongData);
  const shown = presented(card, app, p2, data.subarray(0, 8));
  if (shown !== SW.ok) return status(shown);
  const shadow = card.vault.dataOf(app);
  const objects = readObjects(shadow);
  objects.set(PIN, join([objects.get(PIN)?.[0] ?? 0], fresh));
  writeObjects(shadow, objects);
  return status(SW.ok);
}

/** The try is gone before the comparison; a right PIN gives all of them back. */
function presented(card: GpCard, app: Application, reference: number, block: Uint8Array): number {
  const shadow = card.vault.dataOf(app);
  const objects = readObjects(shadow);
  const pin = objects.get(PIN);
  if (pin === undefined || reference !== (PIN & 0xff)) return SW.referenceNotFound;
  if (!isPinBlock(block)) return SW.wrongData;
  const left = objects.get(PIN_TRIES)?.[0] ?? 0;
  if (left === 0) return SW.blocked;
  card.pinVerified = false;
  const setTries = (tries: number): void => {
    objects.set(PIN_TRIES, Uint8Array.of(tries));
    writeObjects(shadow, objects);
  };
  setTries(left - 1);
  if (!same(block, pin.subarray(1))) return 0x63c0 | (left - 1);
  setTries(pin[0] ?? 0);
  card.pinVerified = true;
  return SW.ok;
}
