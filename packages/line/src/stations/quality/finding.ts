import type { PlacedField } from "../../plan/types.js";

/** What can be wrong with a picture of a card. */
export type FaultOfFace =
  | "no-picture"
  | "frozen-picture"
  | "wrong-side"
  | "card-not-found"
  | "upside-down"
  | "mirrored"
  | "wrong-stock"
  | "missing"
  | "wrong-glyph"
  | "extra-ink"
  | "displaced"
  | "faint"
  | "burnt"
  | "wrong-photo"
  | "code-unreadable"
  | "wrong-code"
  | "wrong-art"
  | "stray-ink"
  | "double-print"
  | "scratch"
  | "spot"
  | "detector-failed";

/** One measurement outside its limit, with the place to look at (mm on the card). Holds no personal datum. */
export interface FaceFinding {
  /** Name of the layout's field; "card" when it is the whole side. */
  readonly field: string;
  readonly what: FaultOfFace;
  readonly measured: number;
  readonly limit: number;
  readonly unit: "mm" | "share" | "grey" | "correlation" | "mm²" | "count";
  readonly box: PlacedField["box"];
  /** Doubtful: near the limit; two people decide. */
  readonly weight: "reject" | "doubtful";
  readonly detail?: string;
}

/** What a good field measured too: for drift charts and for learning limits. */
export interface FieldMeasure {
  readonly field: string;
  /** Of raised characters: their light says nothing about how deep they are struck. */
  readonly kind: PlacedField["kind"] | "raised";
  /** Found place against the expected one, mm. */
  readonly dx: number;
  readonly dy: number;
  /** Share of the ink a good mark leaves. */
  readonly ink: number;
  readonly correlation: number;
  /** Worst glyph, photo dots, or worst piece of art. */
  readonly worst?: number;
}

export interface FaceVerdict {
  readonly verdict: "pass" | "reject" | "doubtful";
  readonly findings: readonly FaceFinding[];
  readonly measures: readonly FieldMeasure[];
}
