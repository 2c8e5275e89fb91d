/** Engraver, embosser and printer are markers. One promise: a mark is never repeated; a mark of unknown outcome is the caller's reject. */
export type Side = "front" | "back";

/** What is to be put on one side of one card, in millimetres (ID-1, 85.60 × 53.98, origin top left, x right, y down). */
export type MarkJob =
  /** Raster, one bit a dot, rows padded to bytes, 1 = mark; `dpi` 300 or 600, full card size. */
  | {
      readonly kind: "raster";
      readonly side: Side;
      readonly dpi: number;
      readonly width: number;
      readonly height: number;
      readonly bits: Uint8Array;
      /** What lies where, in millimetres: an engraver may burn a photo with other settings than text. */
      readonly areas?: readonly MarkArea[];
    }
  /** Lines of raised characters (ISO/IEC 7811-1, -3): centre of the first character from the left edge, vertical middle from the bottom edge. */
  | {
      readonly kind: "emboss";
      readonly side: Side;
      readonly lines: readonly {
        readonly text: string;
        readonly font: "7B" | "4B";
        readonly x: number;
        readonly yFromBottom: number;
        readonly pitch: number;
      }[];
    };

export interface MarkArea {
  readonly name: string;
  readonly kind: "text" | "ocr" | "mrz" | "photo" | "signature" | "code" | "art";
  readonly box: AreaBox;
  /** One box a glyph, for text. */
  readonly glyphs?: readonly { readonly char: string; readonly box: AreaBox }[];
}

interface AreaBox {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

export interface Marker {
  readonly name: string;
  readonly kind: "real" | "simulated";
  readonly does: MarkJob["kind"];
  /** Milliseconds the job will take (for the planner and reports). */
  duration(job: MarkJob): number;
  /** Marks the body at this marker's head. Resolves when the machine confirms the card; throws DeviceFault otherwise: the outcome is then unknown. */
  mark(job: MarkJob): Promise<void>;
  /** What the machine's own record says is raised on the body at its head; embossers that keep one. */
  readonly embossed?: () => Promise<Extract<MarkJob, { kind: "emboss" }>["lines"]>;
}
