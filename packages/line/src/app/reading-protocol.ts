/** What is asked of the reader's thread. */
import type { EmbossLine, Face } from "../plan/types.js";
import type { Dots, FaceVerdict, Grey } from "../stations/quality/index.js";
import type { FieldReading } from "../stations/reading/index.js";

export interface ReadingTask {
  readonly face: Face;
  /** The straightened card at 300 dpi. */
  readonly straight: Grey;
  readonly verdict: FaceVerdict;
  /** Draw the judged side with these dots, and what it says below: nothing of what was read then leaves the thread but in that picture. */
  readonly draw?: Dots;
  /** Characters raised on the card: in the drawing. */
  readonly raised?: readonly EmbossLine[];
}

export type Read =
  | { readonly readings: readonly FieldReading[] }
  /** JPEG. */
  | { readonly overlay: Uint8Array };

export type ReadingAnswer = { readonly ok: true; readonly read: Read } | { readonly ok: false };
