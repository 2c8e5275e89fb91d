// What passes the contacts: ATR, and the time of every character (ISO/IEC 7816-3; docs/card-os.md, sections 1 and 8).
import type { Clock } from "./clock.js";
import { phase } from "./layout.js";
import { romVersion } from "./rom.js";

/** Direct convention; TA1 96, TD1, TD2 31, T=1 with IFSC 254, BWI 4, CWI 5, LRC. TD1 names T=1, or T=0 that is offered first. */
const interfaceBytes = (offersT0: boolean): number[] => [0x96, offersT0 ? 0x80 : 0x81, 0x31, 0xfe, 0x45];
/** TA1 and TD1 follow T0. */
const announced = 0x90;
const ifs = 254;

/** Historical bytes in COMPACT-TLV (ISO/IEC 7816-4, 12.1.1): the loader names the ROM, the OS itself and what it can do. */
function historicalBytes(now: number, os: { readonly major: number; readonly minor: number }): number[] {
  if (now === phase.rom) return [0x80, 0x66, 0x50, 0x53, 0x4c, 0x52, romVersion.major, romVersion.minor];
  if (now === phase.globalPlatform)
    return [0x80, 0x73, 0xc0, 0x01, 0x00, 0x66, 0x50, 0x53, 0x4c, 0x47, os.major, os.minor];
  // Image 2.0: partial DF names, chains and extended lengths too.
  const capabilities = os.major < 2 ? [0xb6, 0x21, 0x00] : [0xf6, 0x21, 0xc0];
  return [0x80, 0x73, ...capabilities, 0x66, 0x50, 0x53, 0x4c, 0x4f, os.major, os.minor];
}

export function makeAtr(
  now: number,
  os: { readonly major: number; readonly minor: number },
  offersT0: boolean,
): Uint8Array {
  const historical = historicalBytes(now, os);
  const body = [announced | historical.length, ...interfaceBytes(offersT0), ...historical];
  return Uint8Array.of(
    0x3b,
    ...body,
    body.reduce((xor, byte) => xor ^ byte, 0),
  );
}

/** Etu from the last character of one side to the first of the other (ISO/IEC 7816-3, 11.4.3: BGT), and between two of one side. */
const blockGuard = 22;
const characterGuard = 12;
/** NAD, PCB, LEN and LRC around the information field. */
const frame = 4;

/** Counts the T=1 blocks of both sides as they pass, character by character. */
export class Contact {
  readonly #clock: Clock;
  #speaker: "reader" | "card" | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** After a reset: ATR, PPS to 512/32 and the announcement of IFSD 254, each with its answer. */
  reset(atr: Uint8Array): void {
    this.#clock.slowCharacters(atr.length);
    this.#clock.slowCharacters(4);
    this.#clock.slowCharacters(4);
    this.#speaker = undefined;
    this.#block("reader", 1);
    this.#block("card", 1);
  }

  received(command: Uint8Array): void {
    // The reader opens an exchange whenever it likes: no turn-around is owed.
    this.#speaker = undefined;
    this.#chain("reader", command.length);
  }

  sent(response: Uint8Array): void {
    this.#chain("card", response.length);
  }

  /** Blocks of at most 254 bytes; the other side acknowledges each but the last by an R-block. */
  #chain(speaker: "reader" | "card", length: number): void {
    let left = length;
    for (; left > ifs; left -= ifs) {
      this.#block(speaker, ifs);
      this.#block(speaker === "reader" ? "card" : "reader", 0);
    }
    this.#block(speaker, left);
  }

  #block(speaker: "reader" | "card", information: number): void {
    const turned = this.#speaker !== undefined && this.#speaker !== speaker;
    const characters = information + frame;
    const silence = turned ? blockGuard - characterGuard : 0;
    this.#clock.fast(characters, silence + characters * characterGuard);
    this.#speaker = speaker;
  }
}
