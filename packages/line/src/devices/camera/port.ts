import type { Side } from "../marker/port.js";

/** 8-bit grey picture of one side of the card at the camera's head, rows top to bottom. */
export interface Picture {
  readonly side: Side;
  readonly width: number;
  readonly height: number;
  readonly grey: Uint8Array;
  /** Counts up with every exposure of this camera: the same frame twice is a fault. */
  readonly frame: number;
  /** Milliseconds of the world's clock. */
  readonly takenAt: number;
  /** The card for which the camera was triggered, where its caller named one: picture, card and time stay together. */
  readonly card?: string;
}

export interface Camera {
  readonly name: string;
  readonly kind: "real" | "simulated";
  /**
   * The trigger: a card lies at the camera's head. Takes a new picture, exposed after this call and of the card that lies there all the time;
   * "no-picture" when there is none to be had (never an old one). Throws DeviceFault when the camera fails: dead, frozen, late or repeating itself.
   * `card` names the card and comes back with the picture.
   */
  capture(side: Side, card?: string): Promise<Picture | "no-picture">;
  /** Ends what it started. */
  close?(): void;
}
