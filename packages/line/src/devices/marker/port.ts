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
      /** The same mark as a file, for engravers that take files. */
      readonly file?: MachineFile;
    }
  /** Lines of raised characters (ISO/IEC 7811-1, -3), or of characters pressed in, as an indent printer does. */
  | {
      readonly kind: "emboss" | "indent";
      readonly side: Side;
      readonly lines: readonly StruckLine[];
    }
  /** A card in colour, one or both sides in one pass of a card printer; `side` is the first of them. */
  | { readonly kind: "colour"; readonly side: Side; readonly sides: readonly PrintedSide[] };

/** One side for a printer. */
export interface PrintedSide {
  readonly side: Side;
  readonly dpi: number;
  /** Dots of the card and of its bleed on both sides. */
  readonly width: number;
  readonly height: number;
  /** Dots beyond each edge of the card. */
  readonly bleed: number;
  /** RGBA, premultiplied; transparent where nothing is printed. */
  readonly pixels: Uint8Array;
  /** What lies where, in millimetres. */
  readonly areas?: readonly MarkArea[];
}

/** Millimetres: centre of the first character from the left edge, vertical middle from the bottom edge, distance of centres. */
export interface StruckLine {
  readonly text: string;
  readonly font: "7B" | "4B" | "rear";
  readonly x: number;
  readonly yFromBottom: number;
  readonly pitch: number;
}

/** Whose card it is, for markers that stand elsewhere and read the chip again there. */
export interface MarkedCard {
  readonly serial: string;
  readonly record: number;
  readonly attempt: number;
}

/** A card of a tray: who it is, and all that the other room may know of the person, the lines it strikes. */
export interface TrayCard extends MarkedCard {
  readonly does: "emboss" | "indent";
  readonly side: Side;
  readonly lines: readonly StruckLine[];
}

/** How a tray stands in the other room. `untouched`: it was withdrawn before this card was begun. */
export interface TrayCount {
  readonly digest: string;
  /** All cards are struck, rejected or untouched. */
  readonly finished: boolean;
  /** Counted in: the room has erased its lines. */
  readonly closed: boolean;
  readonly cards: readonly {
    readonly serial: string;
    readonly state: "waiting" | "in-work" | "struck" | "rejected" | "untouched";
    readonly detail?: string | undefined;
  }[];
  /** Bodies that were fed there and are no card of any tray. */
  readonly strangers: number;
  /** Why the room begins no card now; undefined: it does, when one is there. */
  readonly stands?: string | undefined;
  /** The room's signature under what became of each card, once it is counted in. */
  readonly receipt?: string | undefined;
}

/**
 * A machine in another room, to which cards go by the tray: counted out, marked there by what each chip says, counted in. Asked again,
 * nothing happens twice. All throw DeviceFault: "unplugged" and "timeout" when asking again may help, "refused" when it does not.
 */
export interface TrayRoom {
  readonly name: string;
  readonly does: "emboss" | "indent";
  /** Cards in a full tray. */
  readonly cards: number;
  /** Trays of one line station, there or away. */
  readonly trays: number;
  /** So long no card of a tray may come to its end, or the room be out of reach. */
  readonly patienceMs: number;
  countOut(tray: string, cards: readonly TrayCard[]): Promise<TrayCount>;
  /** Undefined: it was never counted out to there. */
  state(tray: string): Promise<TrayCount | undefined>;
  /** No further card of it is begun. */
  withdraw(tray: string): Promise<TrayCount>;
  /** Tells the room its own numbers back; it erases the tray's lines. */
  countIn(tray: string, count: TrayCount): Promise<TrayCount>;
  /** Trays not counted in. */
  openTrays(): Promise<readonly string[]>;
  /** Milliseconds on the room's own clock, which may be another than the line's. */
  now(): number;
  /** A while on that clock, between two looks at a tray. */
  pause(): Promise<void>;
}

/** A mark as a machine's own program reads it, made for that machine's settings. */
export interface MachineFile {
  readonly format: "gcode" | "hpgl" | "dxf" | "bmp" | "tiff" | "pdf";
  /** With its dot. */
  readonly extension: string;
  readonly bytes: Uint8Array;
  /** Milliseconds it will take. */
  readonly ms: number;
}

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

interface Range {
  readonly from: number;
  readonly to: number;
}

/**
 * What a machine reaches, and how finely it marks, in millimetres as jobs have them: for whoever checks a layout before a card moves.
 * `across` bounds the centres of a line's first and last character, `up` the middle of its characters above the bottom edge.
 */
export type MarkerGeometry =
  | { readonly does: "raster" | "colour"; readonly reach: AreaBox; readonly dpi: number }
  | { readonly does: "emboss" | "indent"; readonly across: Range; readonly up: Range };

export interface Marker {
  readonly name: string;
  readonly kind: "real" | "simulated";
  readonly does: MarkJob["kind"];
  readonly geometry: MarkerGeometry;
  /**
   * Who says that a mark is on the card: the machine itself before `mark` resolves (usual), or only the camera, later, because the machine
   * tells no more than that its job has ended.
   */
  readonly confirmedBy?: "machine" | "camera";
  /** What it keeps of the cards it marked, and what is to be done with that; for the record. */
  readonly residue?: string;
  /** Milliseconds the job will take (for the planner and reports). */
  duration(job: MarkJob): number;
  /**
   * Asked before a mark's intent: a machine that cannot be reached throws DeviceFault here, while every card is still whole, and stops the
   * line instead of spoiling one card after the other.
   */
  readonly ready?: () => Promise<void>;
  /**
   * Of a machine that takes files: throws DeviceFault ("refused", which names the file and says what to do) while one of an earlier card or order
   * lies in its folder. It is asked before a run's first card is fed; what else may be wrong with the folder `ready` tells.
   */
  readonly emptied?: () => Promise<void>;
  /** Marks the body at this marker's head. Resolves when the machine confirms the card (see `confirmedBy`); throws DeviceFault otherwise: the outcome is then unknown. */
  mark(job: MarkJob, card?: MarkedCard): Promise<void>;
  /** Cards go there by the tray, and `mark` is not asked. */
  readonly room?: TrayRoom;
  /** What the machine's own record says is raised on the body at its head; embossers that keep one. */
  readonly embossed?: () => Promise<readonly StruckLine[]>;
}
