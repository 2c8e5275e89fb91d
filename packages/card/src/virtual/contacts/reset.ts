import type { Engine, Outgoing } from "./engine.js";
import type { Profile } from "./profile.js";

/** Clock periods from RST at H to the first character; 400 to 40,000 are allowed (ISO/IEC 7816-3, 6.2.2). */
const answerDelay = 1000;
const slowEtu = 372;

/**
 * From RST at H until the protocol is known: the answer to reset, then PPS or the first character of a protocol (9). `chosen` is called
 * once, when the last character of this phase has come or gone; a character that belongs to the protocol already goes to `first`.
 */
export class ResetEngine implements Engine {
  readonly #atr: Uint8Array;
  readonly #profile: Profile;
  readonly #begin: number;
  readonly #chosen: (
    protocol: number,
    ta1: number,
    first?: { byte: number | undefined; at: number },
  ) => boolean;
  #told = 0;
  #request: number[] = [];
  #response: number[] = [];
  #agreed: { readonly protocol: number; readonly ta1: number } | undefined;
  #deaf = false;

  constructor(reset: {
    readonly atr: Uint8Array;
    readonly profile: Profile;
    readonly at: number;
    readonly chosen: (
      protocol: number,
      ta1: number,
      first?: { byte: number | undefined; at: number },
    ) => boolean;
  }) {
    this.#atr = reset.atr;
    this.#profile = reset.profile;
    this.#begin = reset.at + answerDelay;
    this.#chosen = reset.chosen;
  }

  received(byte: number | undefined, at: number): boolean {
    if (this.#deaf || this.#told < this.#atr.length) return false;
    const { specific, protocols, ta1 } = this.#profile;
    if (this.#request.length === 0) {
      const first = { byte, at };
      if (specific !== undefined) return this.#chosen(specific, ta1, first);
      if (byte === undefined) return true;
      // FF is no class byte and no NAD: only a PPS begins with it.
      if (byte !== 0xff) return this.#chosen(protocols[0] ?? 0, 0x11, first);
    }
    if (byte === undefined) return true;
    this.#request.push(byte);
    this.#judge();
    return false;
  }

  next(lastEdge: number): Outgoing | undefined {
    const byte = this.#atr[this.#told];
    if (byte !== undefined) {
      return { byte, at: this.#told === 0 ? this.#begin : lastEdge + 12 * slowEtu };
    }
    const [answer] = this.#response;
    return answer === undefined ? undefined : { byte: answer, at: lastEdge + 12 * slowEtu };
  }

  sent(): void {
    if (this.#told < this.#atr.length) {
      this.#told++;
      return;
    }
    this.#response.shift();
    if (this.#response.length === 0 && this.#agreed !== undefined)
      this.#chosen(this.#agreed.protocol, this.#agreed.ta1);
  }

  /** A whole request is echoed when it asks for what the ATR offers; any other meets silence (9.3). */
  #judge(): void {
    const [, format, asked] = this.#request;
    if (format === undefined) return;
    const optional = [0x10, 0x20, 0x40].filter((bit) => (format & bit) !== 0).length;
    if (this.#request.length < 3 + optional) return;
    const sum = this.#request.reduce((all, byte) => all ^ byte);
    const protocol = format & 0x0f;
    const ta1 = (format & 0x10) === 0 ? 0x11 : (asked ?? 0x11);
    const offered = this.#profile.protocols.includes(protocol);
    if (sum !== 0 || !offered || (format & 0xe0) !== 0 || (ta1 !== 0x11 && ta1 !== this.#profile.ta1)) {
      this.#deaf = true;
      return;
    }
    this.#response = [...this.#request];
    this.#agreed = { protocol, ta1 };
  }
}
