/**
 * What a line writes down of its trays that go to another room. A tray is open from before it is counted out until it is counted in; what
 * lies in an open tray is in nobody else's hands. Chip numbers and ends, no personal data.
 */
import type { Serial } from "@persoline/card/program";

/** Place of the journal's note that a card was marked in another room. */
export const trayMark = "visual/tray";

export interface TrayEntry {
  readonly serial: Serial;
  readonly label: string;
  readonly record: number;
  readonly attempt: number;
  /** Number of the mark that is made there. */
  readonly mark: number;
}

/** How a tray came back: what the room says of each card, and what lay in the tray. */
export interface TrayResult {
  readonly ends: readonly {
    readonly serial: Serial;
    readonly state: "struck" | "rejected" | "untouched";
    readonly detail?: string;
  }[];
  /** Bodies fed in the room that were no card of any tray; they were not struck. */
  readonly strangers: number;
  /** Cards that were counted out and do not lie in it. */
  readonly missing: readonly Serial[];
  /** Numbers on bodies that lie in it and were not counted out with it. */
  readonly more: readonly string[];
}

export interface TraySent {
  readonly tray: string;
  readonly station: string;
  /** Number of the tray itself, from 0. */
  readonly number: number;
  readonly order: string;
  readonly cards: readonly TrayEntry[];
}

/** Two people have decided that it is counted in as it came. */
export interface TrayDecision {
  readonly reason: string;
  readonly by: string;
  readonly witness: string;
}

export interface OpenTray extends TraySent {
  /** The room has told that it has its list. */
  readonly accepted: boolean;
  readonly result?: TrayResult;
  /** Of this result. */
  readonly decision?: TrayDecision;
}

/** Each call is durable when it resolves. */
export interface TrayBook {
  open(): readonly OpenTray[];
  /** A name that no tray had before. */
  nextName(order: string): string;
  out(tray: TraySent): Promise<void>;
  accepted(tray: string): Promise<void>;
  /** Takes the place of an earlier result, and of what was decided about that. */
  counted(tray: string, result: TrayResult): Promise<void>;
  /** Counted in; `receipt`: signed by the room, absent when it no longer knew the tray. */
  in(tray: string, receipt: string | undefined): Promise<void>;
}

export const differs = ({ missing, more }: TrayResult): boolean => missing.length + more.length > 0;

export const sameResult = (one: TrayResult, other: TrayResult): boolean =>
  JSON.stringify(one) === JSON.stringify(other);

/** In words; no personal data. */
export function differenceText({ missing, more }: TrayResult): string {
  return [
    ...(missing.length === 0 ? [] : [`missing: ${missing.join(", ")}`]),
    ...(more.length === 0 ? [] : [`more than were sent: ${more.join(", ")}`]),
  ].join("; ");
}
