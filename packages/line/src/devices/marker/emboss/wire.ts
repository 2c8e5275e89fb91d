/** How records reach an embosser and its answers come back. */

/** How a machine is asked whether it holds no card and has said all that it had to say. */
export interface IdleQuestion {
  readonly query: Uint8Array;
  /** Its whole answer then; it says so at no other time. */
  readonly idle: Uint8Array;
}

export interface Readiness {
  /** Whether the answer of a card is among these bytes. */
  readonly ends: (answer: Buffer) => boolean;
  /** Undefined: the machine has no such question. */
  readonly question?: IdleQuestion;
}

export interface Wire {
  /**
   * Sends a card's bytes once and hears what comes back until `heard` knows it. What lay on the wire before is dropped first. Throws
   * DeviceFault (`unplugged`, `timeout`): its answer is then outstanding and may come at any time, also after this process has ended, and
   * nothing more is sent (`refused`) until `ready` knows that the machine has none left. Nothing is ever sent again.
   */
  exchange<T>(bytes: Uint8Array, heard: (answer: Buffer) => T | undefined, timeoutMs: number): Promise<T>;
  /**
   * Opens it, and makes sure that no answer is outstanding: an old answer confirms no new card. Throws DeviceFault (`unplugged`,
   * `timeout`, `refused`), which says what to do; no card was sent then.
   */
  ready(known: Readiness): Promise<void>;
  /** It hands cards over as files, so that `ready` is a look into their folder. */
  readonly isFolder?: true;
  close(): void;
}

/** More than any answer of an embosser: what talks on is no embosser. */
export const longestAnswer = 4096;
