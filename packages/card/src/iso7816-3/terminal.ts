import { decodeCommand, encodeCommand, isExtended } from "../apdu/index.js";
import { atrIsValid, parseAtr } from "../atr/index.js";
import { CardProblem } from "../bytes/index.js";
import type { ContactLine } from "./line.js";
import { type Selection, selectParameters } from "./pps.js";
import { coldReset, deactivate, type ResetAnswer, warmReset } from "./reset.js";
import { transmitT0 } from "./t0.js";
import { BlockProtocol, blockPort } from "./t1.js";
import { initialEtu, initialGuardEtu, type Transmission, transmissionOf } from "./timing.js";

export interface TerminalOptions {
  /** The protocol to use when the card offers it; default: the first offered. */
  readonly protocol?: 0 | 1;
  /** Longest duration of one APDU, whatever the card asks for. Default 60 s. */
  readonly apduSeconds?: number;
}

/** A card that has power and speaks a protocol. */
export interface Conversation {
  readonly atr: Uint8Array;
  readonly transmission: Transmission;
  /** What PPS agreed on; absent when there was none. */
  readonly pps?: Selection;
  /**
   * A command APDU to its answer, data ‖ SW1 SW2. Throws CardProblem `line-silent`, `line-noise`, `line-protocol`, `line-endless`,
   * `endless-response`: then the card has to be reset, and what became of the command is not known. `bad-apdu` for a malformed command.
   */
  readonly transmit: (apdu: Uint8Array) => Uint8Array;
}

/** Protocols and parameters are the ATR's; one that breaks its rules has none. */
export type Powered =
  | { readonly kind: "mute" }
  | { readonly kind: "malformed"; readonly atr: Uint8Array }
  | { readonly kind: "ready"; readonly conversation: Conversation };

/** A reader's head at character level: resets, PPS, and the protocol of the card's choice or ours (ISO/IEC 7816-3, 6.2, 6.3, 9). */
export class Terminal {
  readonly #line: ContactLine;
  readonly #options: TerminalOptions;

  constructor(line: ContactLine, options: TerminalOptions = {}) {
    this.#line = line;
    this.#options = options;
  }

  /** Deactivates before, when the card has power. Throws CardProblem `line-noise`, `pps`. */
  cold(): Powered {
    deactivate(this.#line);
    return this.#begin(coldReset(this.#line));
  }

  /** VCC and clock stay; the card may answer otherwise than at first. Throws as `cold`. */
  warm(): Powered {
    return this.#begin(warmReset(this.#line));
  }

  off(): void {
    deactivate(this.#line);
  }

  #begin(reset: ResetAnswer | "mute"): Powered {
    if (reset === "mute") return { kind: "mute" };
    const { atr, link } = reset;
    const parsed = parseAtr(atr);
    if (!atrIsValid(parsed)) return { kind: "malformed", atr };
    const { protocol, pps, ta1 } = this.#chosen(parsed);
    const agreed = pps === undefined ? undefined : selectParameters(link, pps, parsed.n);
    const transmission = transmissionOf(parsed, protocol, agreed === undefined ? ta1 : (agreed.ta1 ?? 0x11));
    // The last character of ATR or PPS is complete 12 etu after its leading edge; only then the new etu counts (9.3).
    this.#line.wait(link.lastEdge + initialGuardEtu * initialEtu);
    link.etu = transmission.etu;
    link.guard = transmission.guard;
    link.turn = transmission.turn;
    const most = Math.ceil((this.#options.apduSeconds ?? 60) * this.#line.clockHz);
    const whole = protocol === 1 ? this.#blocks(reset, transmission, most) : undefined;
    const conversation: Conversation = {
      atr,
      transmission,
      ...(agreed === undefined ? {} : { pps: agreed }),
      transmit: (apdu) => {
        const command = decodeCommand(apdu);
        link.begin(most);
        if (whole !== undefined) return whole.transmit(apdu);
        const { cla, ins, p1, p2, data = new Uint8Array(0), le } = command;
        return transmitT0(
          link,
          {
            header: [cla, ins, p1, p2],
            data,
            ...(le === undefined ? {} : { le }),
            bytes: isExtended(apdu) ? apdu : encodeCommand(command, { extended: data.length > 255 }),
          },
          transmission.wt,
        );
      },
    };
    return { kind: "ready", conversation };
  }

  #blocks({ link }: ResetAnswer, transmission: Transmission, most: number): BlockProtocol {
    const protocol = new BlockProtocol(blockPort(link, transmission), transmission.ifsc);
    link.begin(most);
    protocol.announce();
    return protocol;
  }

  /** Specific mode: what TA2 says, at once. Negotiable: PPS when something else than T = the first one at 372/1 is wanted (6.3.1). */
  #chosen(atr: ReturnType<typeof parseAtr>): {
    readonly protocol: 0 | 1;
    readonly ta1: number;
    readonly pps?: Selection;
  } {
    const offered = atr.protocols.filter((t): t is 0 | 1 => t === 0 || t === 1);
    if (atr.specific !== undefined) {
      const { protocol, implicitParameters } = atr.specific;
      if ((protocol !== 0 && protocol !== 1) || implicitParameters)
        throw new CardProblem("line-protocol", "ATR", "its specific mode is not one that is known here");
      return { protocol, ta1: atr.ta1 };
    }
    const first = offered[0];
    if (first === undefined) throw new CardProblem("line-protocol", "ATR", "it offers neither T=0 nor T=1");
    const wanted = this.#options.protocol;
    const protocol = wanted !== undefined && offered.includes(wanted) ? wanted : first;
    const faster = atr.fi !== undefined && atr.di !== undefined && atr.ta1 !== 0x11 && atr.ta1 !== 0x01;
    if (protocol === first && !faster) return { protocol, ta1: 0x11 };
    return { protocol, ta1: 0x11, pps: { protocol, ...(faster ? { ta1: atr.ta1 } : {}) } };
  }
}
