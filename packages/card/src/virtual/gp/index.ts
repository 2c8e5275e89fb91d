import type { Chip, MakeOperatingSystem, OperatingSystem } from "../chip.js";
import { type Answer, type Apdu, decodeAnswer, decodeApdu, encodeAnswer, status, SW } from "../os/command.js";
import { GpCard } from "./card.js";
import { externalAuthenticate, initializeUpdate } from "./channel-commands.js";
import { install, load, remove } from "./content.js";
import { getData } from "./data.js";
import { putKey } from "./keys.js";
import { LIFE } from "./layout.js";
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
]);
/** What an application that is personalized by itself takes of these. */
const OWN_CHANNEL: ReadonlyMap<number, Run> = new Map<number, Run>([
  [INITIALIZE_UPDATE, initializeUpdate],
  [EXTERNAL_AUTHENTICATE, externalAuthenticate],
  [0xe2, storeData],
]);
/** What may come in plain while a channel is open. */
const PLAIN_INSIDE: readonly number[] = [INITIALIZE_UPDATE, GET_DATA];
/** What a locked card still does: tell, and let its issuer in. */
const LOCKED_DOES: readonly number[] = [GET_DATA, INITIALIZE_UPDATE, EXTERNAL_AUTHENTICATE, 0xf0, 0xf2];

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
    if ((cla & 0x10) !== 0) return status(SW.noChaining);
    if ((cla & 0x08) !== 0) return status(SW.noSecureMessaging);
    const apdu = decodeApdu(bytes);
    if (apdu === undefined) return status(SW.wrongLength);
    if ((cla & 0x80) === 0 && ins === MANAGE_CHANNEL) return status(SW.noChannel);
    if (cla === 0x00 && ins === SELECT) return this.#perform(apdu, select);
    const applet = this.#card.applet();
    const { selected } = this.#card;
    const own = (cla & 0x80) !== 0 && applet?.personalizable !== undefined ? OWN_CHANNEL.get(ins) : undefined;
    if (own !== undefined && selected !== undefined) return this.#personalized(apdu, selected, own);
    if (applet !== undefined && selected !== undefined)
      return this.#perform(apdu, () => applet.command(this.#card, selected, apdu));
    const run = (cla & 0x80) !== 0 || ins === GET_DATA ? COMMANDS.get(ins) : undefined;
    if (run === undefined) return status(SW.wrongInstruction);
    return (cla & 0x04) !== 0 ? this.#secured(apdu, run) : this.#plain(apdu, run);
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
    if (
      ins === EXTERNAL_AUTHENTICATE ||
      (card.channel?.authenticated === true && !PLAIN_INSIDE.includes(ins))
    ) {
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
    const plain =
      apdu.ins === INITIALIZE_UPDATE
        ? status(SW.conditionsNotSatisfied)
        : this.#perform({ ...apdu, data }, run);
    return channel.wrap(plain, (mac) => this.#chip.responseMac(mac));
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
    const repeatable = apdu.ins === SELECT || apdu.ins === GET_DATA;
    // The answer is longer than asked for: 6CXX tells its length (these commands change nothing that matters twice).
    if (repeatable && apdu.le !== undefined && apdu.le < plain.data.length)
      return status(SW.wrongLe | (plain.data.length & 0xff));
    return plain;
  }
}
