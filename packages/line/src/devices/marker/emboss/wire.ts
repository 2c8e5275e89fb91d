/** How records reach an embosser and its answers come back. */

export interface Wire {
  /**
   * Sends a card's bytes once and hears what comes back until `heard` knows it. What lay on the wire before is dropped first: an old
   * answer confirms no new card. Throws DeviceFault (`unplugged`, `timeout`); nothing is ever sent again.
   */
  exchange<T>(bytes: Uint8Array, heard: (answer: Buffer) => T | undefined, timeoutMs: number): Promise<T>;
  /** Opens it. Throws DeviceFault (`unplugged`); nothing was sent then. */
  ready(): Promise<void>;
  close(): void;
}

/** More than any answer of an embosser: what talks on is no embosser. */
export const longestAnswer = 4096;
