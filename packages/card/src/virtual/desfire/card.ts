/** A DESFire-style card in a reader: power, frames, faults and time around its commands (docs/desfire-card.md, 1 and 3). */
import type { Crypto } from "../../crypto/index.js";
import { MemoryFailure, PowerLost } from "../chip.js";
import { Clock } from "../clock.js";
import { receive } from "../command.js";
import { Contact } from "../contact.js";
import { FaultPlan } from "../faults.js";
import { pageSize } from "../layout.js";
import { Memory } from "../memory.js";
import type { VirtualCard, VirtualCardOptions } from "../types.js";
import { Refusal, status } from "./status.js";
import { freshPages, isIdentityPage, Store } from "./store.js";
import type { Answer } from "./session.js";
import { System } from "./system.js";

/** What a PC/SC reader reports of a DESFire card: no card of contacts, so a made-up ATR with an empty category byte. */
const atr = Uint8Array.of(0x3b, 0x81, 0x80, 0x01, 0x80, 0x80);
/** DF name of the native application (ISO/IEC 7816-4 SELECT). */
const dfName = [0xd2, 0x76, 0x00, 0x00, 0x85, 0x01, 0x00];
/** Data bytes that one frame takes or gives. */
const most = 54;
const answerMost = 59;

/** EEPROM of a card as its maker delivers it. `uid`: 7 bytes. `pages`: of 64 bytes, 8 KiB by default. */
export function fabricateDesfire(fresh: { readonly uid: Uint8Array; readonly pages?: number }): Uint8Array {
  const pages = fresh.pages ?? 128;
  if (pages < 16 || pages > 512)
    throw new RangeError(`this card has 16 to 512 pages of ${pageSize} bytes, not ${pages}`);
  return freshPages(fresh.uid, pages);
}

/** Whether an EEPROM is that of such a card. */
export const isDesfire = (eeprom: Uint8Array): boolean => isIdentityPage(eeprom.subarray(0, pageSize));

class Card implements VirtualCard {
  readonly #clock: Clock;
  readonly #plan: FaultPlan;
  readonly #memory: Memory;
  readonly #contact: Contact;
  readonly #system: System;
  readonly #store: Store;
  #power: "off" | "answering" | "mute" = "off";
  /** A command whose frames are still coming. */
  #coming: { readonly ins: number; readonly data: Uint8Array; readonly expected: number } | undefined;
  /** Frames of an answer that wait to be fetched. */
  #going: Uint8Array[] = [];

  constructor(options: VirtualCardOptions & { readonly crypto: Crypto }) {
    this.#plan = new FaultPlan(options.faults ?? []);
    this.#clock = new Clock(this.#plan.slowness);
    this.#memory = new Memory(options.eeprom, this.#clock, this.#plan);
    this.#contact = new Contact(this.#clock);
    this.#store = new Store(this.#memory);
    const chip = {
      crypto: options.crypto,
      random: options.random,
      spendAes: (blocks: number) => this.#clock.aes(blocks),
      hasOtherKey: this.#plan.has("wrong-loader-key"),
    };
    this.#system = new System(chip, this.#store);
  }

  powerOn(): Uint8Array | undefined {
    this.#plan.powerUp();
    this.#memory.powerUp();
    return this.#reset();
  }

  warmReset(): Uint8Array | undefined {
    if (this.#power === "off") throw new Error("the card has no power: power it before the reset");
    return this.#power === "mute" ? undefined : this.#reset();
  }

  powerOff(): void {
    this.#power = "off";
  }

  transmit(apdu: Uint8Array): Uint8Array | undefined {
    if (this.#power === "off") throw new Error("the card has no power: power it before the first command");
    this.#clock.apdus++;
    this.#contact.received(apdu);
    if (this.#power === "mute") return undefined;
    if (this.#plan.command(apdu[1] ?? 0) === "mute") {
      this.#power = "mute";
      return undefined;
    }
    const response = this.#powered(() => this.#answer(apdu));
    if (response !== undefined) this.#contact.sent(response);
    return response;
  }

  get elapsedMicros(): number {
    return this.#clock.elapsedMicros;
  }

  get counters(): VirtualCard["counters"] {
    const { apdus, pagesWritten, wireCharacters, aesBlocks } = this.#clock;
    return { apdus, pagesWritten, wireCharacters, aesBlocks };
  }

  #reset(): Uint8Array | undefined {
    this.#power = "mute";
    if (!this.#plan.answersReset) return undefined;
    this.#system.reset();
    this.#forgetFrames();
    if (this.#powered(() => this.#store.start()) !== true) return undefined;
    this.#power = "answering";
    const answer = this.#plan.wrongAtr?.slice() ?? atr.slice();
    this.#contact.reset(answer);
    return answer;
  }

  #forgetFrames(): void {
    this.#coming = undefined;
    this.#going = [];
  }

  #answer(apdu: Uint8Array): Uint8Array {
    const command = receive(apdu);
    if (command === undefined) return Uint8Array.of(0x67, 0x00);
    const { cla, ins, p1, p2, data } = command;
    if (cla === 0x00 && ins === 0xa4) return this.#selectByName(p1, data);
    if (cla !== 0x90) return Uint8Array.of(0x6e, 0x00);
    if (p1 !== 0 || p2 !== 0) return Uint8Array.of(0x6a, 0x86);
    try {
      if (this.#plan.lies(ins)) return Uint8Array.of(0x91, status.ok);
      if (data.length > most) throw new Refusal(status.length);
      return this.#framed(ins, data);
    } catch (problem) {
      if (problem instanceof PowerLost) throw problem;
      this.#forgetFrames();
      const ends = !(problem instanceof Refusal) || problem.status !== status.noChanges;
      if (ends) this.#system.forget();
      if (problem instanceof MemoryFailure) return Uint8Array.of(0x91, status.memory);
      if (!(problem instanceof Refusal)) throw problem;
      return Uint8Array.of(0x91, problem.status);
    }
  }

  #framed(ins: number, data: Uint8Array): Uint8Array {
    if (ins !== 0xaf) {
      // Whatever was half said or half heard is dropped, and tells.
      const unfinished = this.#coming !== undefined || this.#going.length > 0;
      this.#forgetFrames();
      if (unfinished) throw new Refusal(status.aborted);
      return this.#whole(ins, data);
    }
    if (this.#system.awaitsProof) return this.#said(this.#system.perform(0xaf, data));
    const coming = this.#coming;
    if (coming !== undefined) {
      this.#coming = undefined;
      return this.#whole(coming.ins, Uint8Array.of(...coming.data, ...data));
    }
    const next = this.#going.shift();
    if (next === undefined || data.length > 0) throw new Refusal(status.aborted);
    return this.#frame(next);
  }

  #whole(ins: number, data: Uint8Array): Uint8Array {
    const expected = this.#system.expected(ins, data);
    if (expected !== undefined && data.length < expected) {
      this.#coming = { ins, data: data.slice(), expected };
      return Uint8Array.of(0x91, status.more);
    }
    if (expected !== undefined && data.length > expected) throw new Refusal(status.length);
    return this.#said(this.#system.perform(ins, data));
  }

  #said({ data, status: code, cuts = [] }: Answer): Uint8Array {
    if (code !== undefined) return Uint8Array.of(...data, 0x91, code);
    let from = 0;
    for (const cut of cuts) {
      this.#going.push(data.slice(from, from + cut));
      from += cut;
    }
    for (; data.length - from > answerMost; from += answerMost)
      this.#going.push(data.slice(from, from + answerMost));
    this.#going.push(data.slice(from));
    return this.#frame(this.#going.shift() ?? new Uint8Array(0));
  }

  #frame(data: Uint8Array): Uint8Array {
    return Uint8Array.of(...data, 0x91, this.#going.length > 0 ? status.more : status.ok);
  }

  #selectByName(p1: number, data: Uint8Array): Uint8Array {
    if (p1 !== 0x04) return Uint8Array.of(0x6a, 0x86);
    if (data.length !== dfName.length || dfName.some((byte, at) => byte !== data[at]))
      return Uint8Array.of(0x6a, 0x82);
    this.#forgetFrames();
    this.#system.reset();
    return Uint8Array.of(0x90, 0x00);
  }

  /** Silence when the power fails on the way. */
  #powered<T>(work: () => T): T | undefined {
    try {
      return work();
    } catch (problem) {
      if (!(problem instanceof PowerLost)) throw problem;
      this.#power = "mute";
      return undefined;
    }
  }
}

/** A DESFire-style card; it has no power yet. Everything it keeps is in `eeprom`. */
export function makeDesfireCard(options: VirtualCardOptions & { readonly crypto: Crypto }): VirtualCard {
  return new Card(options);
}
