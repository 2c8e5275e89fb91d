/**
 * One card's contacts as a reader drives and sees them (ISO/IEC 7816-3, 5 and 6). All times are periods of the clock at C3, counted from
 * an arbitrary zero. A line answers in the same moment: it is simulated, or buffered by whoever owns the wires.
 *
 * `levels`: the nine moments after the start bit (eight of data, one of parity) as they are on I/O; bit 0 is the first, 1 is H.
 */
export interface ContactLine {
  readonly clockHz: number;
  readonly now: number;
  /** VCC in one of the operating classes, or off. */
  setVcc(level: "off" | "A" | "B" | "C"): void;
  setReset(level: "L" | "H"): void;
  setClock(level: "stopped" | "running"): void;
  /** "reception": pulled up and listened to. */
  setInputOutput(level: "L" | "reception"): void;
  /** Lets time pass. */
  wait(until: number): void;
  /** Sends one character, its leading edge no earlier than `notBefore`. `refused`: the card pulled I/O to L for an error signal. */
  send(levels: number, etu: number, notBefore: number): { readonly at: number; readonly refused: boolean };
  /** The next character of the card whose leading edge lies no later than `until`; undefined: silence, and `until` has come. */
  receive(etu: number, until: number): { readonly at: number; readonly levels: number } | undefined;
  /** The error signal on the character received last: the card will repeat it. */
  complain(): void;
}
