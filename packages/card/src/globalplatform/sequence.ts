/**
 * Sessions that a key set can still open, by the sequence counter of its answer to INITIALIZE UPDATE (2 bytes with SCP02, GPCS E.1.1; 3 with
 * SCP03, Amendment D 6.2.2.1) or of GET DATA C1. It counts sessions that came to be, and never runs round: session keys would come again.
 */
export const sessionsLeft = (counter: Uint8Array): number =>
  counter.reduce((left, byte) => left * 256 + (0xff - byte), 0);
