import type { LayoutPlace } from "./problem.js";

export type LintRule =
  /** A record cannot be drawn at all: the problem's own code follows in the message. */
  | "record"
  | "overlap"
  | "off-card"
  | "corner"
  | "border"
  | "chip"
  | "stripe"
  | "hole"
  | "panel"
  | "outside-box"
  | "quiet-zone"
  | "module"
  | "emboss-area"
  | "emboss-overlap"
  | "emboss-behind"
  | "shrunk"
  | "small"
  | "capacity"
  | "alphabet"
  | "contrast"
  | "art-under"
  | "hairline"
  | "artwork-shape"
  | "near"
  | "mrz"
  | "portrait"
  /** A machine of the line cannot mark it. */
  | "machine";

export interface LayoutFinding {
  readonly rule: LintRule;
  /** An error makes bad cards; a warning may be meant. */
  readonly severity: "error" | "warning";
  readonly side: "front" | "back";
  readonly at: LayoutPlace;
  /** Names of the layout's fields. */
  readonly fields: readonly string[];
  readonly message: string;
  readonly remedy: string;
  /** Numbers of the records it was seen with, the first few; absent when every card has it. */
  readonly records?: readonly number[];
}

/** What a rule says about fields of one side. */
export type Say = (
  rule: LintRule,
  severity: LayoutFinding["severity"],
  fields: readonly string[],
  message: string,
  remedy: string,
) => void;
