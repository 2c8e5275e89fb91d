/** A card that is good in itself, and what comes of its answers on their way; and the watch over what is sent to it that can cost a try. */
import { hex } from "@persoline/card/bytes";
import type { VirtualCard } from "@persoline/card/virtual";
import type { Chance } from "../devices/shop-floor/random.js";
import { atrOf, spoiled } from "./fuzz-answers.test.data.js";

/** One card may be asked so often before it is given up. */
const mostCommands = 20_000;

/** The line's process ends here: before the card had the command, or after it had done it. */
export class Killed extends Error {
  override readonly name = "Killed";
}

export interface Hostility {
  /** Good for so many answers. */
  readonly after: number;
  /** Of the answers that come then. */
  readonly rate: number;
  /** So many strikes at most. */
  readonly most: number;
  /** Commands, counted over the card's whole life, at which the process is killed. */
  readonly kills?: ReadonlyMap<number, "command" | "answer">;
  /** So many visits may end well without their last note: the process was killed before it. */
  readonly unnoted?: number;
}

export class HostileCard implements VirtualCard {
  answers = 0;
  spoiledAnswers = 0;
  readonly tries = new TryWatch();
  readonly #card: VirtualCard;
  readonly #chance: Chance;
  readonly #how: Hostility;
  #left: number;
  #commands = 0;
  readonly #earlier: Uint8Array[] = [];

  constructor(card: VirtualCard, chance: Chance, how: Hostility) {
    this.#card = card;
    this.#chance = chance;
    this.#how = how;
    this.#left = how.most;
  }
  get elapsedMicros() {
    return this.#card.elapsedMicros;
  }
  get counters() {
    return this.#card.counters;
  }
  powerOn(): Uint8Array | undefined {
    const atr = this.#card.powerOn();
    this.answers++;
    return atr !== undefined && this.#strikes(0.05) ? atrOf(this.#chance, atr) : atr;
  }
  warmReset(): Uint8Array | undefined {
    return this.#card.warmReset();
  }
  powerOff(): void {
    this.#card.powerOff();
  }

  transmit(apdu: Uint8Array): Uint8Array | undefined {
    if (++this.answers > mostCommands) throw new Error(`${String(mostCommands)} commands and no end`);
    const kill = this.#how.kills?.get(this.#commands++);
    this.tries.sent(apdu);
    if (kill === "command") throw new Killed();
    // A hostile card may also do nothing of what it says it did.
    const lies = this.#strikes(0.2);
    const good = lies ? Uint8Array.of(0x90, 0x00) : this.#card.transmit(apdu);
    if (kill === "answer") throw new Killed();
    if (good === undefined) return undefined;
    const answer = !lies && this.#strikes(1) ? spoiled(this.#chance, good, this.#earlier) : good;
    if (this.#earlier.length < 32) this.#earlier.push(good);
    this.tries.answered(answer);
    return answer;
  }

  #strikes(weight: number): boolean {
    const { after, rate } = this.#how;
    if (this.#left <= 0 || this.answers <= after || this.#chance.next() >= rate * weight) return false;
    this.#left--;
    this.spoiledAnswers++;
    return true;
  }
}

/**
 * What can cost a try: a secret that is shown (VERIFY, CHANGE REFERENCE DATA, RESET RETRY COUNTER with data), or a proof that answers the
 * card's challenge (EXTERNAL and MUTUAL AUTHENTICATE, the second frame of a native authentication).
 */
type Costly = "secret" | "proof";
/** One that nobody knows the end of may be followed by a fresh one so often: the card's keys were proved before each. */
const mostUnanswered = 12;

/**
 * Throws when something is sent that may cost a second try: anything after a refusal; a secret after one whose answer never came, for it
 * would be the same; a proof that is not new, or too many of them without an end.
 */
export class TryWatch {
  /** Secrets and proofs whose end nobody knows. */
  unknown = 0;
  #refused: string | undefined;
  /** The one whose answer is still to come. */
  #open: Costly | undefined;
  #secretShown = false;
  readonly #proofs = new Set<string>();
  /** The native authentication that has begun. */
  #native = false;

  sent(apdu: Uint8Array): void {
    // GET RESPONSE brings the rest of an answer.
    if (this.#open !== undefined && apdu[1] === 0xc0) return;
    this.#lost();
    const costly = this.#kindOf(apdu);
    if (costly === undefined) return;
    const what = `${costly === "secret" ? "a PIN" : "an authentication"} (${hex(apdu.subarray(0, 5))}) was sent again`;
    if (this.#refused !== undefined) throw new Error(`${what} after the card had answered ${this.#refused}`);
    if (costly === "secret" && this.#secretShown)
      throw new Error(`${what} after one whose answer never came`);
    const text = hex(apdu);
    if (costly === "proof" && (this.#proofs.has(text) || this.unknown > mostUnanswered))
      throw new Error(`${what} after ${String(this.unknown)} whose answers never came`);
    this.#proofs.add(text);
    this.#open = costly;
  }

  answered(answer: Uint8Array | undefined): void {
    if (this.#open === undefined) return;
    // Bytes that are no answer are silence, after which the card is reset and asked where it stands.
    if (answer === undefined || answer.length < 2 || answer.length > 258) {
      this.#lost();
      return;
    }
    const [sw1, sw2] = answer.subarray(-2);
    if (sw1 === 0x61) return;
    if (!(sw1 === 0x90 || sw1 === 0x91) || sw2 !== 0x00) this.#refused = hex(answer);
    this.#open = undefined;
  }

  #lost(): void {
    if (this.#open === undefined) return;
    this.unknown++;
    if (this.#open === "secret") this.#secretShown = true;
    this.#open = undefined;
  }

  #kindOf(apdu: Uint8Array): Costly | undefined {
    const [cla = 0, ins = 0] = apdu;
    const hasData = apdu.length > 5;
    if (cla === 0x90) {
      const answers = ins === 0xaf && this.#native && hasData;
      if (ins !== 0xaf) this.#native = [0x0a, 0x1a, 0xaa, 0x71, 0x77].includes(ins);
      return answers ? "proof" : undefined;
    }
    if (!hasData) return undefined;
    if (ins === 0x82) return "proof";
    // In a session the MAC is data too: with nothing beside it, it is the question for the tries that are left.
    if ((cla & 0x04) !== 0 && apdu[4] === 8) return undefined;
    // CHANGE REFERENCE DATA with new data alone shows nothing that could be wrong (ISO/IEC 7816-4, 7.5.7).
    if (ins === 0x24 && apdu[2] === 0x01) return undefined;
    return [0x20, 0x24, 0x2c].includes(ins) ? "secret" : undefined;
  }
}
