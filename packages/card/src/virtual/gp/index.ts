import type { Chip, MakeOperatingSystem, OperatingSystem } from "../chip.js";
import {
  type Answer,
  answer,
  type Apdu,
  decodeAnswer,
  decodeApdu,
  encodeAnswer,
  status,
  SW,
} from "../os/command.js";
import { GpCard } from "./card.js";
import { performSecurityOperation } from "./certificates.js";
import { externalAuthenticate, initializeUpdate } from "./channel-commands.js";
import { install, load, remove } from "./content.js";
import { getData } from "./data.js";
import { putKey } from "./keys.js";
import { LIFE } from "./layout.js";
import { agree, isPair } from "./scp11.js";
import { getStatus, setStatus } from "./registry.js";
import { select } from "./selection.js";
import type { Application } from "./state.js";
import { storeData } from "./store-data.js";

type Run = (card: GpCard, command: Apdu) => Answer;

const SELECT = 0xa4;
const GET_DATA = 0xca;
const INITIALIZE_UPDATE = 0x50;
const EXTERNAL_AUTHENTICATE = 0x82;
const MANAGE_CHANNEL = 0x70;
const GET_RESPONSE = 0xc0;
/** SCP11 (Amendment F); MUTUAL AUTHENTICATE has EXTERNAL AUTHENTICATE's instruction, and names a key pair in P2. */
const PERFORM_SECURITY_OPERATION = 0x2a;
const INTERNAL_AUTHENTICATE = 0x88;

/** Of the issuer security domain, class 80. */
const COMMANDS: ReadonlyMap<number, Run> = new Map<number, Run>([
  [INITIALIZE_UPDATE, initializeUpdate],
  [EXTERNAL_AUTHENTICATE, externalAuthenticate],
  [GET_DATA, getData],
  [0xf2, getStatus],
  [0xf0, setStatus],
  [0xd8, putKey],
  [0xe6, install],
  [0xe8, load],
  [0xe4, remove],
  [0xe2, storeData],
  [PERFORM_SECURITY_OPERATION, performSecurityOperation],
  [INTERNAL_AUTHENTICATE, agree],
]);
/** What an application that is personalized by itself takes of these. */
const OWN_CHANNEL: ReadonlyMap<number, Run> = new Map<number, Run>([
  [INITIALIZE_UPDATE, initializeUpdate],
  [EXTERNAL_AUTHENTICATE, externalAuthenticate],
  [0xe2, storeData],
]);
/** What begins a channel, and never stands in one. */
const OPENS: readonly number[] = [INITIALIZE_UPDATE, PERFORM_SECURITY_OPERATION, INTERNAL_AUTHENTICATE];
/** What may come in plain while a channel is open: what opens the next one, and what tells of the domain and moves nothing. */
const PLAIN_INSIDE: readonly number[] = [...OPENS, GET_DATA];
/** What a locked card still does: tell, and let its issuer in. */
const LOCKED_DOES: readonly number[] = [
  GET_DATA,
  INITIALIZE_UPDATE,
  EXTERNAL_AUTHENTICATE,
  PERFORM_SECURITY_OPERATION,
  INTERNAL_AUTHENTICATE,
  0xf0,
  0xf2,
];

/** Most bytes of one answer. */
const longest = 256;
/** 61XX; 00: as many as an answer has, or more. */
const moreBytes = ({ length }: Uint8Array): number => 0x6100 | (length < longest ? length : 0);

/** GET RESPONSE (ISO/IEC 7816-4, 7.6.1): the rest of the answer before, once. */
function getResponse(card: GpCard, { p1, p2, data, le = 0 }: Apdu): Answer {
  const { rest } = card;
  card.rest = undefined;
  if (p1 !== 0 || p2 !== 0) return status(SW.wrongP1P2);
  if (data.length > 0) return status(SW.wrongLength);
  if (rest === undefined) return status(SW.conditionsNotSatisfied);
  const part = rest.subarray(0, le);
  if (part.length === rest.length) return answer(part);
  card.rest = rest.slice(le);
  return answer(part, moreBytes(card.rest));
}

/** The GlobalPlatform operating system in the mask (docs/gp-card.md). */
export const makeGlobalPlatformSystem: MakeOperatingSystem = (chip) => new System(chip);

class System implements OperatingSystem {
  readonly #chip: Chip;
  readonly #card: GpCard;

  constructor(chip: Chip) {
    this.#chip = chip;
    this.#card = new GpCard(chip);
  }

  reset(): void {
    this.#card.reset();
  }

  dispatch(bytes: Uint8Array): Uint8Array {
    this.#card.secured = false;
    return encodeAnswer(this.#answer(bytes));
  }

  #answer(bytes: Uint8Array): Answer {
    const [cla = 0, ins = 0] = bytes;
    if ((cla & 0x40) !== 0 || (cla & 0x03) !== 0) return status(SW.noChannel);
    if ((cla & 0x20) !== 0) return status(SW.wrongClass);
    const isChained = (cla & 0x10) !== 0;
    if (isChained && !this.#chains(cla, ins)) return status(SW.noChaining);
    if ((cla & 0x08) !== 0) return status(SW.noSecureMessaging);
    const apdu = decodeApdu(bytes);
    if (apdu === undefined) return status(SW.wrongLength);
    if ((cla & 0x80) === 0 && ins === MANAGE_CHANNEL) return status(SW.noChannel);
    // A chain that something else breaks is forgotten.
    if (ins !== PERFORM_SECURITY_OPERATION) this.#card.chained = undefined;
    if (ins !== GET_RESPONSE) this.#card.rest = undefined;
    if (cla === 0x00 && ins === SELECT) return this.#perform(apdu, select);
    if (this.#comesFromOutside(cla, ins)) {
      this.#card.endChannel();
      return status(SW.securityNotSatisfied);
    }
    const applet = this.#card.applet();
    const { selected } = this.#card;
    const own = (cla & 0x80) !== 0 && applet?.personalizable !== undefined ? OWN_CHANNEL.get(ins) : undefined;
    if (own !== undefined && selected !== undefined) return this.#personalized(apdu, selected, own);
    if (applet !== undefined && selected !== undefined)
      return this.#perform(apdu, () => applet.command(this.#card, selected, apdu));
    if (cla === 0x00 && ins === GET_RESPONSE) return this.#perform(apdu, getResponse);
    const run = (cla & 0x80) !== 0 || ins === GET_DATA ? COMMANDS.get(ins) : undefined;
    if (run === undefined) return status(SW.wrongInstruction);
    return (cla & 0x04) !== 0 ? this.#secured(apdu, run) : this.#plain(apdu, run);
  }

  /**
   * While a channel is open that secures anything, a command whose security falls short of it is rejected and the channel ends (Amendment D,
   * protocol rules). Here: what nobody unwraps, since it is no command of the domain's, or goes past an application's own channel.
   */
  #comesFromOutside(cla: number, ins: number): boolean {
    const { channel, selected } = this.#card;
    if (channel === undefined || channel.level === 0) return false;
    if (selected !== undefined) return (cla & 0x80) === 0 || !OWN_CHANNEL.has(ins);
    if (ins === GET_DATA || (cla === 0x00 && ins === GET_RESPONSE)) return false;
    return !COMMANDS.has(ins) || (cla & 0x84) === 0;
  }

  /** Certificates alone are longer than a command, and they come in plain. */
  #chains(cla: number, ins: number): boolean {
    return cla === 0x90 && ins === PERFORM_SECURITY_OPERATION && this.#card.selected === undefined;
  }

  /** The application's own channel, by the domain's keys, until it is personalized. */
  #personalized(apdu: Apdu, app: Application, run: Run): Answer {
    if (this.#card.applet()?.personalizable?.(this.#card, app) !== true) {
      this.#card.endChannel();
      return status(SW.conditionsNotSatisfied);
    }
    return (apdu.cla & 0x04) !== 0 ? this.#secured(apdu, run) : this.#plain(apdu, run);
  }

  #plain(apdu: Apdu, run: Run): Answer {
    const card = this.#card;
    const { ins } = apdu;
    if (ins === EXTERNAL_AUTHENTICATE && isPair(apdu.p2) && card.selected === undefined)
      return this.#perform(apdu, agree);
    if (ins === EXTERNAL_AUTHENTICATE || (card.channel !== undefined && !PLAIN_INSIDE.includes(ins))) {
      card.endChannel();
      return status(SW.securityNotSatisfied);
    }
    return this.#perform(apdu, run);
  }

  #secured(apdu: Apdu, run: Run): Answer {
    const card = this.#card;
    const { channel } = card;
    if (apdu.ins === EXTERNAL_AUTHENTICATE) return this.#perform(apdu, run);
    if (channel === undefined || channel.level === 0) return status(SW.securityNotSatisfied);
    const data = channel.unwrap(apdu);
    if (data === undefined) {
      card.endChannel();
      return status(SW.securityNotSatisfied);
    }
    card.secured = true;
    const plain = OPENS.includes(apdu.ins)
      ? status(SW.conditionsNotSatisfied)
      : this.#perform({ ...apdu, data }, run);
    const wrapped = channel.wrap(plain, (mac) => this.#chip.responseMac(mac));
    // Its session keys end with the keys they came from.
    if (card.vault.state.life === LIFE.terminated) card.endChannel();
    return wrapped;
  }

  /** Certificates are longer than an answer; a channel's answers are never so long. */
  #inParts({ data, sw }: Answer): Answer {
    if (this.#card.secured) return status(SW.conditionsNotSatisfied);
    this.#card.rest = data.slice(longest);
    return answer(data.subarray(0, longest), sw === SW.ok ? moreBytes(this.#card.rest) : sw);
  }

  #perform(apdu: Apdu, run: Run): Answer {
    return decodeAnswer(this.#chip.perform(apdu.ins, () => encodeAnswer(this.#done(apdu, run))));
  }

  #done(apdu: Apdu, run: Run): Answer {
    const { life } = this.#card.vault.state;
    if (life === LIFE.terminated && apdu.ins !== GET_DATA) return status(SW.conditionsNotSatisfied);
    const free = apdu.ins === SELECT || LOCKED_DOES.includes(apdu.ins);
    if (life === LIFE.locked && !free) return status(SW.conditionsNotSatisfied);
    const plain = run(this.#card, apdu);
    if (plain.data.length > longest) return this.#inParts(plain);
    const repeatable = apdu.ins === SELECT || apdu.ins === GET_DATA;
    // The answer is longer than asked for: 6CXX tells its length (these commands change nothing that matters twice).
    if (repeatable && apdu.le !== undefined && apdu.le < plain.data.length)
      return status(SW.wrongLe | (plain.data.length & 0xff));
    return plain;
  }
}
