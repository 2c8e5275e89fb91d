// Silicon that loses power on demand: what the tests of transactions begin with.
import { nodeCrypto } from "../node/index.js";
import { hex } from "../src/bytes/index.js";
import { PowerLost } from "../src/virtual/chip.js";
import { type EepromStore, makeVirtualCard, type PersolineCard } from "../src/virtual/index.js";

/** What a page may hold after power was lost while it was written: from the old content, the new, or neither. */
export const tears: Readonly<Record<string, (old: Uint8Array, written: Uint8Array) => Uint8Array>> = {
  "nothing written": (old) => old,
  erased: (old) => new Uint8Array(old.length).fill(0xff),
  "half erased": (old) => old.map((byte, at) => (at < 32 ? 0xff : byte)),
  "half written": (old, written) => old.map((byte, at) => (at < 32 ? (written[at] ?? 0) : byte)),
  "only the end written": (old, written) => old.map((byte, at) => (at < 32 ? byte : (written[at] ?? 0))),
  "bits lost": (_, written) => written.map((byte, at) => (at % 5 === 0 ? byte | 0x24 : byte)),
  "all written": (_, written) => written,
};

/** Silicon that loses power at the nth write after `arm`, and stays as that left it. */
export class TearingStore implements EepromStore {
  readonly pageSize = 64;
  readonly pages = 512;
  readonly #bytes: Uint8Array;
  readonly #tear: (old: Uint8Array, written: Uint8Array) => Uint8Array;
  #left = Number.POSITIVE_INFINITY;

  constructor(content: Uint8Array, tear: (old: Uint8Array, written: Uint8Array) => Uint8Array) {
    this.#bytes = content.slice();
    this.#tear = tear;
  }

  load(): Uint8Array {
    return this.#bytes.slice();
  }

  arm(write: number): void {
    this.#left = write;
  }

  write(page: number, bytes: Uint8Array): void {
    const at = page * this.pageSize;
    this.#left--;
    if (this.#left === 0) {
      this.#bytes.set(this.#tear(this.#bytes.slice(at, at + this.pageSize), bytes), at);
      throw new PowerLost("torn on the bench");
    }
    this.#bytes.set(bytes, at);
  }
}

export const cardOn = (eeprom: EepromStore): PersolineCard =>
  makeVirtualCard({ eeprom, random: (length) => new Uint8Array(length), crypto: nodeCrypto });

/** The answer in hex, or "mute". */
export function transmit(card: PersolineCard, sent: string): string {
  const answer = card.transmit(Uint8Array.from(Buffer.from(sent.replaceAll(" ", ""), "hex")));
  return answer === undefined ? "mute" : hex(answer);
}
