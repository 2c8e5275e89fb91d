/**
 * The encoder writes the magnetic stripe and reads it. A stripe can be written over, so a wrong one may be written once more; what a
 * machine did not confirm is unknown, as with every mark, and the caller's reject.
 */

export type TrackNumber = 1 | 2 | 3;

export interface TrackText {
  readonly track: TrackNumber;
  /** Without sentinels and LRC, which the encoder adds (ISO/IEC 7811-2, -6). */
  readonly text: string;
}

/** What goes onto the stripe: in clear, or sealed by the security module for the encoder alone, so that the line never sees it. */
export type StripeContent =
  | { readonly kind: "clear"; readonly tracks: readonly TrackText[] }
  | {
      readonly kind: "sealed";
      readonly order: string;
      readonly record: number;
      /** As the module made it; opened by the encoder's own key, and only for this order and record. */
      readonly content: string;
    };

export interface StripeJob {
  /** `low`: about 300 Oe; `high`: 2750 Oe and more. The encoder must be told; the stripe does not say it. */
  readonly coercivity: "low" | "high";
  readonly content: StripeContent;
}

/** What is wrong with a track as it was read back. */
export type TrackFault =
  /** Nothing is written where something should be. */
  | "blank"
  /** Something is written where nothing should be. */
  | "not-blank"
  /** The signal is under what readers need, or over-driven: the field did not fit the stripe's coercivity. */
  | "weak"
  | "over-driven"
  | "no-start"
  | "parity"
  | "no-end"
  | "lrc"
  /** Well written, and not what was asked. */
  | "different";

export interface StripeProblem {
  readonly track: TrackNumber;
  readonly fault: TrackFault;
}

export interface NumberDigest {
  /** Drawn for this question. */
  readonly salt: Uint8Array;
  readonly digest: Uint8Array;
}

export interface Encoder {
  readonly name: string;
  readonly kind: "real" | "simulated";
  /** Milliseconds of writing and reading back (for the planner and reports). */
  duration(job: StripeJob): number;
  /**
   * Asked before a stripe's intent: whether the machine is there and has nothing in work. Throws DeviceFault, which says what to do; the line
   * then stops, and the card is whole.
   */
  ready(): Promise<void>;
  /** Of a machine that takes files, as `emptied` of a marker: nothing of an earlier card or order may lie in its folder. */
  readonly emptied?: () => Promise<void>;
  /** Writes the body at its head. Throws DeviceFault when the machine did not confirm it: the outcome is then unknown. */
  encode(job: StripeJob): Promise<void>;
  /**
   * Reads all three tracks and compares them inside the machine with the job; empty when all is as asked. No content leaves it.
   * Throws DeviceFault when the machine fails.
   */
  verify(job: StripeJob): Promise<readonly StripeProblem[]>;
  /**
   * Whether the card's number on the stripe (track 2 up to its separator, else track 1 of format B) is one that only its keyed digest
   * tells: HMAC-SHA-256 of its digits under `salt`. For cross-checks of stripes that the line does not see. Throws DeviceFault.
   */
  confirms(job: StripeJob, number: NumberDigest): Promise<boolean>;
  /** What the tracks say, for cross-checks; undefined when the content is sealed and must not leave the machine. */
  read(job: StripeJob): Promise<readonly TrackText[] | undefined>;
}
