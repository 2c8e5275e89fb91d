import type { VirtualCard } from "../types.js";
import type { CardHabits, Engine, EngineParts, InstructionCases, Outgoing, Performance } from "./engine.js";
import { instructionsBy } from "./instructions.js";
import { etuOf, type Profile, profileOf } from "./profile.js";
import { ResetEngine } from "./reset.js";
import { CharacterEngine } from "./t0.js";
import { BlockEngine } from "./t1.js";
import { byteOf, disturbed, type LineErrors, levelsOf } from "./wire.js";

export interface ContactedOptions {
  /** Clock at C3 in hertz; 1 to 5 MHz until the card agrees to more. Default 5 MHz, which the chip's own times are counted at. */
  readonly clockHz?: number;
  readonly errors?: LineErrors;
  readonly habits?: CardHabits;
}

/** A character with the etu it was sent in: the last one of a PPS is still repeated in the old. */
interface Spoken {
  readonly byte: number;
  readonly etu: number;
}

/** Least clock periods that RST stays low (ISO/IEC 7816-3, 6.2.2). */
const resetLow = 400;
/** Clock periods from RST at H within which a card can still begin its ATR in time (40,000, ISO/IEC 7816-3, 6.2.2). */
const mostBeforeAnswer = 35_000;

/**
 * A virtual card behind its six contacts, character by character (ISO/IEC 7816-3): it starts only when it is activated in the right
 * order, answers RST, PPS and one of T=0 and T=1. Times are clock periods, counted from when the object was made; time passes only when
 * somebody waits for the card or speaks to it.
 */
export class ContactedCard {
  readonly clockHz: number;
  /** What the reader did against 6.2 to 6.4, in words. A card that was treated so does not answer. */
  readonly violations: string[] = [];
  readonly #card: VirtualCard;
  readonly #errors: LineErrors | undefined;
  readonly #habits: CardHabits;
  #now = 0;
  #lastEdge = 0;
  #vcc: "off" | "A" | "B" | "C" = "off";
  #reset: "L" | "H" = "L";
  #clock: "stopped" | "running" = "stopped";
  #io: "L" | "reception" = "L";
  #resetSince = 0;
  #powered = false;
  #engine: Engine | undefined;
  #profile: Profile = profileOf(new Uint8Array(0));
  #cases: InstructionCases | undefined;
  #etu = 372;
  /** Clock periods of work begun at the reset that the first command has to wait for. */
  #behind = 0;
  /** The last character of the card, for its repetition; and what noise still brings the reader. */
  #said: Spoken | undefined;
  readonly #ghosts: { readonly at: number; readonly levels: number }[] = [];
  #again: (Spoken & Outgoing) | undefined;

  constructor(card: VirtualCard, options: ContactedOptions = {}) {
    this.#card = card;
    this.clockHz = options.clockHz ?? 5_000_000;
    this.#errors = options.errors;
    this.#habits = options.habits ?? {};
  }

  get now(): number {
    return this.#now;
  }

  /** Leading edge of the last character on I/O, of either side. */
  get lastEdge(): number {
    return this.#lastEdge;
  }

  setVcc(level: "off" | "A" | "B" | "C"): void {
    if (level === "off") {
      if (this.#vcc !== "off" && this.#clock === "running")
        this.#wrong("VCC was taken away with CLK running");
      this.#engine = undefined;
      if (this.#powered) this.#card.powerOff();
      this.#powered = false;
    } else if (this.#reset === "H" || this.#clock === "running") {
      this.#wrong("VCC came with RST at H or CLK running");
    }
    this.#vcc = level;
  }

  setReset(level: "L" | "H"): void {
    if (level === this.#reset) return;
    this.#reset = level;
    if (level === "L") {
      this.#resetSince = this.#now;
      this.#engine = undefined;
      return;
    }
    const held = this.#vcc !== "off" && this.#clock === "running" && this.#io === "reception";
    if (!held) this.#wrong("RST went to H before VCC, I/O and CLK were there");
    else if (this.#now - this.#resetSince < resetLow)
      this.#wrong("RST was at L for less than 400 clock periods");
    else this.#start();
  }

  setClock(level: "stopped" | "running"): void {
    if (level === "stopped" && this.#clock === "running" && this.#reset === "H")
      this.#wrong("CLK was stopped with RST at H");
    if (level === "running") {
      if (this.#vcc === "off" || this.#io !== "reception") this.#wrong("CLK came before VCC and I/O");
      this.#resetSince = this.#now;
    }
    this.#clock = level;
  }

  setInputOutput(level: "L" | "reception"): void {
    this.#io = level;
  }

  wait(until: number): void {
    this.#now = Math.max(this.#now, until);
  }

  send(levels: number, etu: number, notBefore: number): { readonly at: number; readonly refused: boolean } {
    const at = Math.max(notBefore, this.#now);
    // What the card says while the reader speaks goes under.
    for (let next = this.#outgoing(); next !== undefined && next.at < at; next = this.#outgoing())
      this.#utter(next);
    this.#now = at;
    this.#lastEdge = at;
    let refused = false;
    for (const seen of disturbed(sampled(levels, this.#etu, etu), this.#errors)) {
      const signal = this.#engine?.received(byteOf(seen, this.#profile.convention), at) ?? false;
      refused ||= signal;
    }
    return { at, refused };
  }

  receive(etu: number, until: number): { readonly at: number; readonly levels: number } | undefined {
    const ghost = this.#ghosts.shift();
    if (ghost !== undefined) return ghost;
    for (;;) {
      const next = this.#outgoing();
      if (next === undefined || next.at > until) {
        this.#now = Math.max(this.#now, until);
        return undefined;
      }
      const own = this.#again?.etu ?? this.#etu;
      const levels = this.#utter(next);
      this.#said = { byte: next.byte, etu: own };
      const seen = disturbed(sampled(levels, own, etu), this.#errors);
      const [first, ...more] = seen.map((one) => ({ at: next.at, levels: one }));
      this.#ghosts.push(...more);
      if (first !== undefined) return first;
    }
  }

  complain(): void {
    if (this.#said === undefined || this.#ghosts.length > 0) return;
    // The signal is seen at 11 etu; two etu later and more the character comes again (7.3).
    this.#again = { ...this.#said, at: this.#lastEdge + 14 * this.#said.etu };
  }

  #outgoing(): Outgoing | undefined {
    return this.#again ?? this.#engine?.next(this.#lastEdge);
  }

  #utter(next: Outgoing): number {
    const levels = levelsOf(next.byte, this.#profile.convention);
    this.#now = Math.max(this.#now, next.at);
    this.#lastEdge = next.at;
    if (this.#again !== undefined) this.#again = undefined;
    else this.#engine?.sent(next.at);
    return levels;
  }

  #wrong(what: string): void {
    this.violations.push(what);
    this.#engine = undefined;
  }

  #start(): void {
    const before = this.#card.workMicros ?? this.#card.elapsedMicros;
    const atr = this.#powered ? this.#card.warmReset() : this.#card.powerOn();
    this.#powered = true;
    this.#again = undefined;
    this.#said = undefined;
    this.#ghosts.length = 0;
    if (atr === undefined) return;
    // What a torn transaction left to do goes on behind the ATR, which may not wait for it.
    const begun = this.#periodsSince(before);
    this.#behind = Math.max(0, begun - mostBeforeAnswer);
    this.#profile = profileOf(atr);
    this.#cases = this.#habits.cases ?? instructionsBy(atr);
    // Characters of ATR and PPS take 372 clock periods an etu, but for a specific mode after the ATR (6.3.1).
    this.#etu = 372;
    this.#engine = new ResetEngine({
      atr,
      profile: this.#profile,
      at: this.#now + Math.min(begun, mostBeforeAnswer),
      chosen: (protocol, ta1, first) => {
        this.#speak(protocol, ta1);
        return first === undefined ? false : (this.#engine?.received(first.byte, first.at) ?? false);
      },
    });
  }

  #speak(protocol: number, ta1: number): void {
    this.#etu = etuOf(ta1) ?? 372;
    const parts: EngineParts = {
      profile: this.#profile,
      etu: this.#etu,
      habits: this.#cases === undefined ? this.#habits : { ...this.#habits, cases: this.#cases },
      perform: (apdu) => this.#perform(apdu),
    };
    this.#engine = protocol === 1 ? new BlockEngine(parts) : new CharacterEngine(parts);
  }

  #perform(apdu: Uint8Array): Performance {
    const before = this.#card.workMicros ?? this.#card.elapsedMicros;
    const answer = this.#card.transmit(apdu);
    const work = this.#periodsSince(before) + this.#behind;
    this.#behind = 0;
    return { answer, work };
  }

  #periodsSince(micros: number): number {
    const now = this.#card.workMicros ?? this.#card.elapsedMicros;
    return Math.ceil(((now - micros) * this.clockHz) / 1e6);
  }
}

/** A receiver that counts another etu than the sender samples other levels. */
function sampled(levels: number, senders: number, receivers: number): number {
  return Math.abs(receivers / senders - 1) < 0.02 ? levels : levels ^ 0b0_1010_0110;
}
