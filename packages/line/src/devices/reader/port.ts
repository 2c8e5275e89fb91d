import type { CardChannel, Finding } from "@persoline/card/program";

/** A contact head. Throws DeviceFault when the reader itself fails; a silent card is a result, not a fault. */
export interface Reader {
  readonly name: string;
  readonly kind: "real" | "simulated";
  /** Cold reset of whatever lies at this head. `findings`: what this reader can measure of the reset, and what it cannot. */
  insert(): Promise<
    | { readonly atr: Uint8Array; readonly channel: CardChannel; readonly findings: readonly Finding[] }
    | "mute"
  >;
  /** Lifts and lowers the contacts again, after a bad seat. */
  reseat(): Promise<void>;
  /** Takes the power away. Never throws. */
  remove(): Promise<void>;
}
