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
}

export interface Camera {
  readonly name: string;
  readonly kind: "real" | "simulated";
  /** Takes a new picture; "no-picture" when there is none to be had (never an old one). Throws DeviceFault when the camera fails. */
  capture(side: Side): Promise<Picture | "no-picture">;
}
