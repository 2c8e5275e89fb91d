import type { Crypto } from "../crypto/index.js";

/** Power failed in the middle of a page write: the card is silent until it is powered again. Never caught by an OS. */
export class PowerLost extends Error {
  override readonly name = "PowerLost";
}

/** What was written reads back otherwise. Not caught by an OS: the chip answers 6581 in its place. */
export class MemoryFailure extends Error {
  override readonly name = "MemoryFailure";
  constructor(readonly page: number) {
    super(`page ${page} does not hold what was written`);
  }
}

/** For what a reset finishes: a card whose memory fails here still answers, and tries again at the next reset. */
export function unlessMemoryFails(work: () => void): void {
  try {
    work();
  } catch (problem) {
    if (!(problem instanceof MemoryFailure)) throw problem;
  }
}

/** The running chip as the operating system in its ROM sees it. Everything that takes time or wears is counted here. */
export interface Chip {
  readonly crypto: Crypto;
  readonly chipNumber: Uint8Array;
  /** Pages of EEPROM. */
  readonly pages: number;

  random(length: number): Uint8Array;

  /** A copy of physical EEPROM. */
  read(address: number, length: number): Uint8Array;
  /**
   * Writes physical EEPROM by whole pages (what lies beside `bytes` in them is kept) and reads back.
   * Throws `MemoryFailure` when a page reads back otherwise, `PowerLost` when torn.
   */
  write(address: number, bytes: Uint8Array): void;
  /** Fills `count` pages with one byte; each is one page write. `address` is the first byte of a page. */
  fill(address: number, count: number, value: number): void;
  /** Blank check: whether `count` pages hold FF only. `address` is the first byte of a page. */
  isErased(address: number, count: number): boolean;

  /** Content of the newer valid page of the pair at `address`; undefined when none was ever written. */
  readPair(address: number): Uint8Array | undefined;
  /** One page write, at most `pairCapacity` bytes; after a tear the pair has its old or its new content. */
  writePair(address: number, content: Uint8Array): void;
  /** For secrets: as `writePair`, then the page that counted before is erased. Two page writes. */
  replacePair(address: number, content: Uint8Array): void;
  /** After a reset: erases what a torn `replacePair` left behind; no page write when it left nothing. */
  tidyPair(address: number): void;

  /** Counts AES blocks on the card's clock (docs/card-os.md, section 8). */
  spendAes(blocks: number): void;
  spendMicros(micros: number): void;

  /**
   * The routine a link leads to, in ROM or in the completion image; undefined when the link table does not name it.
   * A command is only asked whether it is linked (its code is the operating system's own); `cyclicSlot` is called.
   */
  routine(number: number): ((address: number, ...args: number[]) => number) | undefined;

  /** Where the link of this routine leads: the ROM, the image's module, machine code of the image; undefined without link. */
  origin(number: number): "rom" | "image" | "code" | undefined;

  phase(): number;
  osVersion(): { readonly major: number; readonly minor: number };
  cardState(): number;
  /** One page write. `FF` (terminated) also ends the phase for ever. */
  setCardState(state: number): void;

  /** Answers of GET DATA that the chip knows in every phase: `CF` and `DF01`, without status word. */
  chipNumberObject(): Uint8Array;
  chipStatusObject(masterFilePresent: boolean): Uint8Array;

  /**
   * Every command of the OS is done in here, once unwrapped from secure messaging: `ins` as in the header, `work` gives
   * data ‖ SW in plain. Planted faults may lie (9000, nothing done) or answer more than was asked.
   */
  perform(ins: number, work: () => Uint8Array): Uint8Array;
  /** A planted fault: the keys that the chip came with are not those its maker was to give it. */
  has(fault: "wrong-loader-key"): boolean;
  /** Every data grouping that an application takes goes through here on its way into the memory: a planted fault may spoil it. */
  stored(grouping: number, value: Uint8Array): Uint8Array;
  /** Every response MAC goes through here on its way out: a planted fault may spoil it. */
  responseMac(mac: Uint8Array): Uint8Array;
}

export interface OperatingSystem {
  /** One command APDU (at least 4 bytes) to data ‖ SW. */
  dispatch(command: Uint8Array): Uint8Array;
  /** After every reset, before the first command: RAM is empty, torn transactions are completed or dropped. */
  reset(): void;
}

export type MakeOperatingSystem = (chip: Chip) => OperatingSystem;
