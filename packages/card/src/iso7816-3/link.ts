import { CardProblem } from "../bytes/index.js";
import { type Convention, conventionOf, decodeCharacter, encodeCharacter } from "./character.js";
import type { ContactLine } from "./line.js";
import { initialEtu, initialGuardEtu } from "./timing.js";

/** A character is sent or asked for so often in all before the line is given up (EMV Book 1: three repetitions). */
const mostAttempts = 4;
/** From the leading edge of a refused character to that of its repetition: signal at 10.5 etu, then 2 etu and more (7.3). */
const repeatEtu = 14;

/** `signals`: a wrong parity is answered by an error signal and repeated (ATR, PPS, T=0; never in T=1). */
export interface Handling {
  readonly signals: boolean;
}

export interface Received {
  readonly byte: number;
  readonly right: boolean;
}

/** Characters between reader and card, with their guard times. */
export class Link {
  readonly line: ContactLine;
  convention: Convention = "direct";
  /** In clock periods. */
  etu = initialEtu;
  guard = initialGuardEtu * initialEtu;
  turn = 16 * initialEtu;
  #lastEdge = 0;
  #speaker: "reader" | "card" = "card";
  #deadline = Number.POSITIVE_INFINITY;
  #budget = 0;

  constructor(line: ContactLine) {
    this.line = line;
  }

  /** Leading edge of the last character on the line. */
  get lastEdge(): number {
    return this.#lastEdge;
  }

  /** Nothing of what follows may last longer than so many clock periods, whatever the card asks for. */
  begin(most: number): void {
    this.#budget = most;
    this.#deadline = this.line.now + most;
  }

  /** Throws CardProblem `line-noise` when the card refuses it again and again, `line-endless` after the deadline. */
  send(byte: number, how: Handling): void {
    const levels = encodeCharacter(byte, this.convention);
    let notBefore = this.#lastEdge + (this.#speaker === "card" ? this.turn : this.guard);
    for (let attempt = 0; attempt < mostAttempts; attempt++) {
      this.#checkDeadline(this.line.now);
      const { at, refused } = this.line.send(levels, this.etu, notBefore);
      this.#lastEdge = at;
      this.#speaker = "reader";
      if (!refused || !how.signals) return;
      notBefore = at + repeatEtu * this.etu;
    }
    throw new CardProblem(
      "line-noise",
      "sending a character",
      `the card refused it ${String(mostAttempts)} times`,
    );
  }

  /**
   * The card's next character, its leading edge at most `most` clock periods after the last one on the line; undefined for silence.
   * Throws as `send`.
   */
  receive(most: number, how: Handling): Received | undefined {
    let until = this.#lastEdge + most;
    for (let attempt = 0; ; attempt++) {
      const came = this.line.receive(this.etu, Math.min(until, this.#deadline));
      if (came === undefined) {
        this.#checkDeadline(this.line.now);
        return undefined;
      }
      this.#lastEdge = came.at;
      this.#speaker = "card";
      const character = decodeCharacter(came.levels, this.convention);
      if (character.right || !how.signals) return character;
      if (attempt + 1 >= mostAttempts) {
        throw new CardProblem(
          "line-noise",
          "receiving a character",
          `its parity was wrong ${String(mostAttempts)} times`,
        );
      }
      this.line.complain();
      until = came.at + most;
    }
  }

  /** TS, the first character of an ATR: nobody knows the convention before. Undefined: silence, or nothing that is TS, also repeated. */
  receiveConvention(until: number): Convention | undefined {
    for (let attempt = 0; attempt < mostAttempts; attempt++) {
      const came = this.line.receive(this.etu, until);
      if (came === undefined) return undefined;
      this.#lastEdge = came.at;
      this.#speaker = "card";
      const convention = conventionOf(came.levels);
      if (convention !== undefined) return convention;
      this.line.complain();
    }
    return undefined;
  }

  #checkDeadline(now: number): void {
    if (now < this.#deadline) return;
    const seconds = this.#budget / this.line.clockHz;
    throw new CardProblem(
      "line-endless",
      "waiting for the card",
      `${String(Math.round(seconds * 1000))} ms have passed since the command began`,
    );
  }
}
