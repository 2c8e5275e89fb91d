import { MemoryFailure, type OperatingSystem, PowerLost, unlessMemoryFails } from "./chip.js";
import { Clock } from "./clock.js";
import { statusWord } from "./command.js";
import { Contact, makeAtr } from "./contact.js";
import { crc32 } from "./crc32.js";
import type { Crypto } from "../crypto/index.js";
import { FaultPlan } from "./faults.js";
import { HostileAnswers, randomOf } from "./hostile.js";
import { type ImageCode, imageCode } from "./image.js";
import { cardState, layout, pageSize, phase } from "./layout.js";
import { forgetLoaderKey, Loader, type LoaderChip, loaderSecret } from "./loader.js";
import { Memory } from "./memory.js";
import { makeGlobalPlatformSystem } from "./gp/index.js";
import { makeOperatingSystem } from "./os/index.js";
import { blankPhase, type PhaseRecord, phaseContent, readPhase } from "./phase.js";
import { romRoutine, romVersion } from "./rom.js";
import type { VirtualCard, VirtualCardOptions } from "./types.js";

const chipNumberLength = 10;

/** A virtual card that also tells how worn its pages are. */
export interface PersolineCard extends VirtualCard {
  /** Page writes of this page since the card object was made. */
  wear(page: number): number;
}

/** Where the chip page says which protocols the contacts speak: FF T=1 alone, 01 T=0 too. */
const protocolsAt = 17;

/** The chip page as the fab writes it: chip number (10) ‖ pages (2) ‖ page size (1) ‖ CRC-32 (4) ‖ protocols (1), rest FF. */
export function chipPage(chipNumber: Uint8Array, pages: number, offersT0 = false): Uint8Array {
  if (chipNumber.length !== chipNumberLength)
    throw new RangeError(`a chip number has ${chipNumberLength} bytes, not ${chipNumber.length}`);
  const page = new Uint8Array(pageSize).fill(0xff);
  const view = new DataView(page.buffer);
  page.set(chipNumber);
  view.setUint16(10, pages);
  view.setUint8(12, pageSize);
  view.setUint32(13, crc32(page, 0, 13));
  if (offersT0) page[protocolsAt] = 0x01;
  return page;
}

class RunningChip implements LoaderChip {
  readonly crypto: Crypto;
  readonly memory: Memory;
  readonly #random: (length: number) => Uint8Array;
  readonly #clock: Clock;
  readonly #plan: FaultPlan;
  #chipNumber: Uint8Array = new Uint8Array(chipNumberLength);
  #record: PhaseRecord = blankPhase;
  #image: ImageCode | undefined;

  constructor(options: VirtualCardOptions & { readonly crypto: Crypto }, clock: Clock, plan: FaultPlan) {
    this.crypto = options.crypto;
    this.memory = new Memory(options.eeprom, clock, plan);
    this.#random = randomOf(options.faults ?? [], options.random);
    this.#clock = clock;
    this.#plan = plan;
  }

  /** Reads what the fab left; false when this silicon was never initialised or lost its phase. */
  start(): boolean {
    this.#chipNumber = this.memory.read(layout.chipPage, chipNumberLength);
    const record = readPhase(this.memory.readPair(layout.phasePair));
    const asMade = chipPage(this.#chipNumber, this.pages, this.offersT0);
    if (record === undefined || !this.memory.holds(layout.chipPage, asMade)) return false;
    this.#record = record;
    this.#image = undefined;
    if (record.phase === phase.globalPlatform) return true;
    unlessMemoryFails(() => this.memory.tidyPair(layout.keySetPair));
    if (record.phase === phase.rom) return true;
    forgetLoaderKey(this.memory);
    this.#image = imageCode(this.memory.read(record.imageStart, record.imageLength));
    return true;
  }

  get chipNumber(): Uint8Array {
    return this.#chipNumber;
  }

  get offersT0(): boolean {
    return this.memory.read(layout.chipPage + protocolsAt, 1)[0] === 0x01;
  }

  get pages(): number {
    return this.memory.pages;
  }

  random(length: number): Uint8Array {
    return this.#random(length);
  }

  read(address: number, length: number): Uint8Array {
    return this.memory.read(address, length);
  }

  write(address: number, bytes: Uint8Array): void {
    this.memory.write(address, bytes);
  }

  fill(address: number, count: number, value: number): void {
    this.memory.fill(address, count, value);
  }

  isErased(address: number, count: number): boolean {
    return this.memory.isErased(address, count);
  }

  readPair(address: number): Uint8Array | undefined {
    return this.memory.readPair(address);
  }

  writePair(address: number, content: Uint8Array): void {
    this.memory.writePair(address, content);
  }

  replacePair(address: number, content: Uint8Array): void {
    this.memory.replacePair(address, content);
  }

  tidyPair(address: number): void {
    this.memory.tidyPair(address);
  }

  spendAes(blocks: number): void {
    this.#clock.aes(blocks);
  }

  spendMicros(micros: number): void {
    this.#clock.work(micros);
  }

  has(fault: "rom-fault" | "ram-fault" | "wrong-loader-key"): boolean {
    return this.#plan.has(fault);
  }

  routine(number: number): ((address: number, ...args: number[]) => number) | undefined {
    const image = this.#image;
    const where = image?.links.get(number);
    if (image === undefined || where === undefined) return undefined;
    // Machine code of an image is the operating system's own: it is asked for, never called.
    if (where === "code") return () => 0;
    if (where === "rom") return romRoutine(number, (address) => this.memory.byte(address));
    return (address, ...args) => this.#inImage((memory) => image.call(memory, number, address, ...args));
  }

  origin(number: number): "rom" | "image" | "code" | undefined {
    return this.#image?.links.get(number);
  }

  /** What the routine stores is written back page by page when it ends. */
  #inImage(work: (memory: { load8(at: number): number; store8(at: number, value: number): void }) => number) {
    const dirty = new Map<number, Uint8Array>();
    const pageAt = (address: number): number => Math.floor(address / pageSize);
    const result = work({
      load8: (address) => dirty.get(pageAt(address))?.[address % pageSize] ?? this.memory.byte(address),
      store8: (address, value) => {
        const page = pageAt(address);
        const content = dirty.get(page) ?? this.memory.read(page * pageSize, pageSize);
        content[address % pageSize] = value;
        dirty.set(page, content);
      },
    });
    for (const [page, content] of dirty) this.memory.write(page * pageSize, content);
    return result;
  }

  phase(): number {
    return this.#record.phase;
  }

  osVersion(): { readonly major: number; readonly minor: number } {
    return { major: this.#record.major, minor: this.#record.minor };
  }

  cardState(): number {
    return this.#record.state;
  }

  setCardState(state: number): void {
    const now = state === cardState.terminated ? phase.terminated : this.#record.phase;
    this.#setRecord({ ...this.#record, phase: now, state });
  }

  complete(os: { major: number; minor: number }, image: { start: number; length: number }): void {
    this.#setRecord({
      phase: phase.completed,
      ...os,
      state: cardState.opReady,
      imageStart: image.start,
      imageLength: image.length,
    });
  }

  #setRecord(record: PhaseRecord): void {
    this.memory.writePair(layout.phasePair, phaseContent(record));
    this.#record = record;
  }

  chipNumberObject(): Uint8Array {
    return Uint8Array.of(0xcf, chipNumberLength, ...this.#chipNumber);
  }

  chipStatusObject(masterFilePresent: boolean): Uint8Array {
    const { phase: now, major, minor, state } = this.#record;
    const tries = now === phase.rom ? (loaderSecret(this.memory)?.tries ?? 0) : 0;
    const value = [now, romVersion.major, romVersion.minor, major, minor, tries, this.pages >> 8];
    value.push(this.pages & 0xff, pageSize, state, masterFilePresent ? 1 : 0);
    return Uint8Array.of(0xdf, 0x01, value.length, ...value);
  }

  perform(ins: number, work: () => Uint8Array): Uint8Array {
    if (this.#plan.lies(ins)) return statusWord(0x9000);
    const response = work();
    if (!this.#plan.saysTooMuch(ins)) return response;
    return Uint8Array.of(...response.subarray(0, -2), 0xee, 0xee, 0xee, 0xee, ...response.subarray(-2));
  }

  stored(grouping: number, value: Uint8Array): Uint8Array {
    return this.#plan.stored(grouping, value);
  }

  responseMac(mac: Uint8Array): Uint8Array {
    if (!this.#plan.spoilsMac()) return mac;
    const wrong = mac.slice();
    wrong[0] = (wrong[0] ?? 0) ^ 0x80;
    return wrong;
  }
}

/** Off; powered and answering; or powered and silent until powered again. */
type Power = "off" | "answering" | "mute";

class Card implements PersolineCard {
  readonly #clock: Clock;
  readonly #plan: FaultPlan;
  readonly #hostile: HostileAnswers;
  readonly #chip: RunningChip;
  readonly #contact: Contact;
  readonly #loader: Loader;
  #system: OperatingSystem | undefined;
  #power: Power = "off";

  constructor(options: VirtualCardOptions & { readonly crypto: Crypto }) {
    this.#plan = new FaultPlan(options.faults ?? []);
    this.#hostile = new HostileAnswers(options.faults ?? []);
    this.#clock = new Clock(this.#plan.slowness);
    this.#chip = new RunningChip(options, this.#clock, this.#plan);
    this.#contact = new Contact(this.#clock);
    this.#loader = new Loader(this.#chip);
  }

  powerOn(): Uint8Array | undefined {
    this.#plan.powerUp();
    this.#chip.memory.powerUp();
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
    this.#clock.work(this.#hostile.delay(apdu[1] ?? 0));
    const response = this.#hostile.answer(apdu[1] ?? 0) ?? this.#powered(() => this.#answer(apdu));
    if (response !== undefined) this.#contact.sent(response);
    return response;
  }

  wear(page: number): number {
    return this.#chip.memory.wear(page);
  }

  get elapsedMicros(): number {
    return this.#clock.elapsedMicros;
  }

  get workMicros(): number {
    return this.#clock.workMicros;
  }

  get counters(): VirtualCard["counters"] {
    const { apdus, pagesWritten, wireCharacters, aesBlocks } = this.#clock;
    return { apdus, pagesWritten, wireCharacters, aesBlocks };
  }

  #reset(): Uint8Array | undefined {
    this.#power = "mute";
    this.#hostile.reset();
    if (!this.#plan.answersReset) return undefined;
    const atr = this.#powered(() => this.#start());
    if (atr === undefined) return undefined;
    this.#power = "answering";
    this.#contact.reset(atr);
    return atr;
  }

  #start(): Uint8Array | undefined {
    this.#loader.reset();
    if (!this.#chip.start()) return undefined;
    if (this.#chip.phase() === phase.rom) {
      this.#system = undefined;
    } else {
      this.#system ??= this.#makeSystem();
      this.#system.reset();
    }
    return (
      this.#plan.wrongAtr?.slice() ?? makeAtr(this.#chip.phase(), this.#chip.osVersion(), this.#chip.offersT0)
    );
  }

  #makeSystem(): OperatingSystem {
    const make = this.#chip.phase() === phase.globalPlatform ? makeGlobalPlatformSystem : makeOperatingSystem;
    return make(this.#chip);
  }

  #answer(apdu: Uint8Array): Uint8Array {
    if (apdu.length < 4) return statusWord(0x6700);
    try {
      return this.#system === undefined ? this.#loader.dispatch(apdu) : this.#system.dispatch(apdu);
    } catch (problem) {
      if (problem instanceof MemoryFailure) return statusWord(0x6581);
      throw problem;
    }
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

/** A card of this silicon; it has no power yet. Everything it keeps is in `eeprom`. */
export function makeVirtualCard(options: VirtualCardOptions & { readonly crypto: Crypto }): PersolineCard {
  return new Card(options);
}
