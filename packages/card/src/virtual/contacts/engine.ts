import type { Profile } from "./profile.js";

/** A character the card is about to send: its leading edge, in clock periods. */
export interface Outgoing {
  readonly byte: number;
  readonly at: number;
}

/** The card's end of one phase: the answer to reset, PPS, T=0 or T=1. */
export interface Engine {
  /** A whole character has come, its leading edge at `at`; `byte` is undefined when its parity is wrong. True: an error signal is due. */
  received(byte: number | undefined, at: number): boolean;
  /** What it will send next if nothing comes before; undefined: it waits. `lastEdge`: of the last character of either side. */
  next(lastEdge: number): Outgoing | undefined;
  /** The character of `next` is on its way. */
  sent(at: number): void;
}

/** What the card itself does with a command, and how long it takes beside the line. */
export interface Performance {
  /** Undefined: the card has fallen silent. */
  readonly answer: Uint8Array | undefined;
  /** In clock periods. */
  readonly work: number;
}

export interface EngineParts {
  readonly profile: Profile;
  /** Clock periods of an etu of this phase. */
  readonly etu: number;
  readonly perform: (apdu: Uint8Array) => Performance;
  readonly habits: CardHabits;
}

/** Which commands take data and which answer some: what the T=0 side of a card knows of its own instructions. */
export interface InstructionCases {
  (
    header: Uint8Array,
  ): {
    readonly data: boolean;
    readonly answers: boolean;
    /** Data come before an Le that the command cannot do without: it is carried out when GET RESPONSE brings that. */
    readonly awaitsLe?: boolean;
  };
}

/** How this card likes to speak; all of it within the standard but for the last two. */
export interface CardHabits {
  readonly cases?: InstructionCases;
  /** T=0: asks for data byte by byte. */
  readonly byteByByte?: boolean;
  /** T=1: announces this IFSC by itself when the first command has come. */
  readonly announcesIfsc?: number;
  /** Asks for more time for ever (NULL, S(WTX)) at the commands with this INS. */
  readonly waitsForEver?: number;
  /** Lets nearly the whole waiting time pass before every character of its answers. */
  readonly dawdles?: boolean;
}
