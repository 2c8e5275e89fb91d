/** What the virtual card asks of the world outside, and what it shows of itself. Nothing here is shared with the host side. */

/** The silicon: page-wise memory that outlives the process. `write` replaces one whole page at once, or is torn by a kill. */
export interface EepromStore {
  readonly pageSize: number;
  readonly pages: number;
  /** All bytes as they are now (read once at power-on); the store's own, which the caller copies. */
  load(): Uint8Array;
  /** `bytes` stay the caller's. */
  write(page: number, bytes: Uint8Array): void;
}

/** One planted fault; `at` counts APDUs since the card was first powered, over all power-ups of this process unless said otherwise. */
export type Fault =
  | { readonly kind: "dead" } // no ATR, ever
  | { readonly kind: "bad-seat"; readonly times: number } // no ATR at the first power-ups; a re-seat mends it
  | { readonly kind: "wrong-atr"; readonly atr: Uint8Array }
  | { readonly kind: "rom-fault" } // ROM checksum differs
  | { readonly kind: "ram-fault" }
  | { readonly kind: "weak-page"; readonly page: number } // a bit of this page flips when written
  | { readonly kind: "mute-at"; readonly ins: number; readonly nth: number } // silent from the nth command with this INS on, until re-powered
  | { readonly kind: "dies-at"; readonly ins: number; readonly nth: number } // silent from then on for ever
  | { readonly kind: "torn-at"; readonly write: number } // power lost in the middle of the nth page write
  | { readonly kind: "bad-mac"; readonly nth: number } // nth response MAC is wrong
  | { readonly kind: "slow"; readonly factor: number }
  | { readonly kind: "lying"; readonly ins: number } // answers 9000 and does nothing
  | { readonly kind: "stores-wrong"; readonly grouping: number; readonly byte: number } // one bit of this grouping's value is kept wrong, once all checks are done
  | { readonly kind: "over-long"; readonly ins: number } // answers more than was asked
  | { readonly kind: "wrong-loader-key" }
  | { readonly kind: "flips-back"; readonly page: number } // written right, read back wrong after the next power cycle
  | { readonly kind: "says"; readonly ins: number; readonly answer: Uint8Array } // this, whatever was asked, and does nothing
  | { readonly kind: "floods"; readonly ins: number; readonly bytes: number } // so many bytes and 9000
  | { readonly kind: "endless-more"; readonly ins: number } // 61XX, and again 61XX to every GET RESPONSE
  | { readonly kind: "endless-length"; readonly ins: number } // 6CXX, another XX each time
  | { readonly kind: "waits-for-ever"; readonly ins: number } // asks for an hour more before it answers
  | { readonly kind: "weak-random"; readonly how: "constant" | "counts" | "repeats" }; // its generator gives no chance

export interface VirtualCard {
  /** Cold reset: the ATR, or undefined when the card stays mute. */
  powerOn(): Uint8Array | undefined;
  warmReset(): Uint8Array | undefined;
  powerOff(): void;
  /** One command APDU; undefined when the card goes mute. Throws only when called unpowered. */
  transmit(apdu: Uint8Array): Uint8Array | undefined;
  /** Microseconds by the card's own clock since this object was made. */
  readonly elapsedMicros: number;
  /** The part of it that is not characters on the line. Absent: all of it. */
  readonly workMicros?: number;
  /** Counts since this object was made, for benches and reports. */
  readonly counters: {
    readonly apdus: number;
    readonly pagesWritten: number;
    readonly wireCharacters: number;
    readonly aesBlocks: number;
  };
}

export interface VirtualCardOptions {
  readonly eeprom: EepromStore;
  readonly faults?: readonly Fault[];
  /** Random bytes of the card's own generator. */
  readonly random: (length: number) => Uint8Array;
}
