import { MemoryFailure, PowerLost } from "./chip.js";
import type { Clock, Pulse } from "./clock.js";
import { crc32 } from "./crc32.js";
import type { FaultPlan } from "./faults.js";
import { pageSize, pairCapacity } from "./layout.js";
import type { EepromStore } from "./types.js";

const crcAt = pageSize - 4;

const word = (bytes: Uint8Array, at: number): number =>
  (((bytes[at] ?? 0) << 24) |
    ((bytes[at + 1] ?? 0) << 16) |
    ((bytes[at + 2] ?? 0) << 8) |
    (bytes[at + 3] ?? 0)) >>>
  0;

export const erasedPage: Uint8Array = new Uint8Array(pageSize).fill(0xff);

/** The page beside this one in its pair. */
const other = (pair: number, page: number): number => (page === pair ? pair + pageSize : pair);

/** One page of a pair: sequence number (4) ‖ length (2) ‖ content, rest FF ‖ CRC-32 (4). */
export function pairPage(sequence: number, content: Uint8Array): Uint8Array {
  if (content.length > pairCapacity)
    throw new RangeError(`a page pair holds ${pairCapacity} bytes, not ${content.length}`);
  const page = new Uint8Array(pageSize).fill(0xff);
  const view = new DataView(page.buffer);
  view.setUint32(0, sequence);
  view.setUint16(4, content.length);
  page.set(content, 6);
  view.setUint32(crcAt, crc32(page, 0, crcAt));
  return page;
}

/**
 * The EEPROM of a running card: a copy in memory, read from; every page write goes to the silicon too. Knows wear, weak
 * pages, tearing and time.
 */
export class Memory {
  readonly pages: number;
  readonly #store: EepromStore;
  readonly #clock: Clock;
  readonly #plan: FaultPlan;
  readonly #wear: Uint32Array;
  /** Pages that will flip back at the next power-up, because they were written since the last. */
  readonly #flipping = new Set<number>();
  #bytes: Uint8Array;
  /** The same memory four bytes at a time: looking whether pages are erased is most of what reading there is. */
  #words: Uint32Array;

  constructor(store: EepromStore, clock: Clock, plan: FaultPlan) {
    if (store.pageSize !== pageSize)
      throw new RangeError(`this chip has pages of ${pageSize} bytes, not ${store.pageSize}`);
    this.pages = store.pages;
    this.#store = store;
    this.#clock = clock;
    this.#plan = plan;
    this.#wear = new Uint32Array(store.pages);
    this.#bytes = new Uint8Array(0);
    this.#words = new Uint32Array(0);
  }

  powerUp(): void {
    const content = this.#store.load();
    if (content.length !== this.pages * pageSize)
      throw new RangeError(`the EEPROM has ${this.pages} pages, its content ${content.length} bytes`);
    // A card is powered at every station: a new copy each time would be most of a fast line's garbage.
    if (this.#bytes.length === content.length) this.#bytes.set(content);
    else {
      this.#bytes = new Uint8Array(content);
      this.#words = new Uint32Array(this.#bytes.buffer);
    }
    for (const page of this.#flipping) {
      this.#flip(this.#bytes, page);
      this.#store.write(page, this.#page(page));
    }
    this.#flipping.clear();
  }

  /** How often this page was written since the card object was made. */
  wear(page: number): number {
    return this.#wear[page] ?? 0;
  }

  read(address: number, length: number): Uint8Array {
    this.#mustExist(address, length);
    return this.#bytes.slice(address, address + length);
  }

  byte(address: number): number {
    this.#mustExist(address, 1);
    return this.#bytes[address] ?? 0;
  }

  checksum(address: number, length: number): number {
    this.#mustExist(address, length);
    return crc32(this.#bytes, address, address + length);
  }

  /** Writes and reads back page by page. Throws `MemoryFailure` or `PowerLost`. */
  write(address: number, bytes: Uint8Array): void {
    this.#mustExist(address, bytes.length);
    const end = address + bytes.length;
    for (let at = address; at < end; ) {
      const page = Math.floor(at / pageSize);
      const stop = Math.min(end, (page + 1) * pageSize);
      const content = this.#page(page);
      content.set(bytes.subarray(at - address, stop - address), at - page * pageSize);
      this.program(page, content, "normal");
      this.#verify(page, content);
      at = stop;
    }
  }

  /** Whole pages of one value. */
  fill(address: number, count: number, value: number): void {
    this.#mustExist(address, count * pageSize);
    if (address % pageSize !== 0) throw new RangeError(`address ${address.toString(16)} is inside a page`);
    const content = new Uint8Array(pageSize).fill(value);
    for (let page = address / pageSize, last = page + count; page < last; page++) {
      this.program(page, content, "normal");
      this.#verify(page, content);
    }
  }

  isErased(address: number, count: number): boolean {
    this.#mustExist(address, count * pageSize);
    const words = this.#words;
    const end = (address + count * pageSize) / 4;
    for (let at = address / 4; at < end; at++) if (words[at] !== 0xffffffff) return false;
    return true;
  }

  /** Erases and writes one page without looking at the result. Throws `PowerLost` when torn. */
  program(page: number, content: Uint8Array, pulse: Pulse): void {
    this.#clock.page(pulse);
    this.#wear[page] = this.wear(page) + 1;
    if (this.#plan.tearsNow()) {
      // Power failed while the page was being erased.
      this.#bytes.fill(0xff, page * pageSize, page * pageSize + pageSize / 2);
      this.#store.write(page, this.#page(page));
      throw new PowerLost(`power lost while page ${page} was written`);
    }
    this.#bytes.set(content, page * pageSize);
    if (this.#plan.isWeak(page)) this.#flip(this.#bytes, page);
    if (this.#plan.flipsBack.has(page)) this.#flipping.add(page);
    this.#store.write(page, this.#bytes.subarray(page * pageSize, (page + 1) * pageSize));
  }

  holds(page: number, content: Uint8Array): boolean {
    const bytes = this.#bytes;
    const from = page * pageSize;
    for (let i = 0; i < pageSize; i++) if (bytes[from + i] !== content[i]) return false;
    return true;
  }

  readPair(address: number): Uint8Array | undefined {
    const at = this.#newer(address);
    if (at === undefined) return undefined;
    const length = ((this.#bytes[at + 4] ?? 0) << 8) | (this.#bytes[at + 5] ?? 0);
    return this.#bytes.slice(at + 6, at + 6 + length);
  }

  /** Writes the older page of the pair: after a tear the newer one still counts. */
  writePair(address: number, content: Uint8Array): void {
    this.#writeOlder(address, content, 1);
  }

  /**
   * As `writePair`, and erases the page that counted until now: two page writes. The sequence number goes on by two, which tells
   * `tidyPair` after a tear that the older page must not stay.
   */
  replacePair(address: number, content: Uint8Array): void {
    const written = this.#writeOlder(address, content, 2);
    this.fill(other(address, written), 1, 0xff);
  }

  /** Finishes what a tear broke off: erases the page not in force unless it is erased, or the one before the page in force. */
  tidyPair(address: number): void {
    const newer = this.#newer(address);
    if (newer === undefined) return;
    const older = other(address, newer);
    const before = this.#isValid(older) && word(this.#bytes, older) + 1 === word(this.#bytes, newer);
    if (!before && !this.holds(older / pageSize, erasedPage)) this.fill(older, 1, 0xff);
  }

  #writeOlder(address: number, content: Uint8Array, step: number): number {
    this.#mustExist(address, 2 * pageSize);
    const newer = this.#newer(address);
    const target = newer === undefined ? address : other(address, newer);
    this.write(target, pairPage(newer === undefined ? 1 : word(this.#bytes, newer) + step, content));
    return target;
  }

  /** Erases the newer page of a pair: what it said must not be found again. */
  eraseNewer(address: number): void {
    const at = this.#newer(address);
    if (at !== undefined) this.fill(at, 1, 0xff);
  }

  #newer(address: number): number | undefined {
    const valid = [address, address + pageSize].filter((at) => this.#isValid(at));
    return valid.sort((a, b) => word(this.#bytes, b) - word(this.#bytes, a))[0];
  }

  #isValid(at: number): boolean {
    return word(this.#bytes, at + crcAt) === crc32(this.#bytes, at, at + crcAt);
  }

  #page(page: number): Uint8Array {
    return this.#bytes.slice(page * pageSize, (page + 1) * pageSize);
  }

  /** The bit that a bad cell of this page cannot hold. */
  #flip(bytes: Uint8Array, page: number): void {
    const at = page * pageSize + ((page * 7) % pageSize);
    bytes[at] = (bytes[at] ?? 0) ^ (1 << (page % 8));
  }

  #verify(page: number, content: Uint8Array): void {
    if (!this.holds(page, content)) throw new MemoryFailure(page);
  }

  #mustExist(address: number, length: number): void {
    if (address < 0 || address + length > this.pages * pageSize)
      throw new RangeError(`no EEPROM at ${address.toString(16)} for ${length} bytes`);
  }
}
