/** What a line tells of itself, while it runs and at its end. */
import type { Journal, RejectCode, Serial } from "@persoline/card/program";
import type { TrayBook } from "../ledger/trays.js";
import type { JournalState, LineAccounts, Stage } from "../ledger/types.js";
import type { BoundRecord } from "../ledger/types.js";
import type { Transport } from "../devices/transport/port.js";
import type { PreparedRecord } from "../plan/types.js";
import type { Head, Station, Surroundings, Work } from "./station.js";

/** The journal as the line needs it: it must also be able to tell what it knows. */
export interface LineJournal extends Journal {
  /** What is known of cards with notes. */
  states(): Promise<readonly JournalState[]>;
  /** Drops what is known of cards that have left the line. */
  forget(serials: readonly Serial[]): Promise<void>;
}

export interface StationParts {
  readonly name: string;
  readonly works: readonly Station[];
  readonly heads: readonly Head[];
  /** Places before the heads; of the first station there are none, the hopper is its queue. */
  readonly queue: number;
}

export interface LineParts {
  readonly name: string;
  readonly order: string;
  readonly stations: readonly StationParts[];
  readonly transport: Transport;
  readonly accounts: LineAccounts;
  readonly journal: LineJournal;
  /** Where embossers stand in another room and take trays. */
  readonly trays?: TrayBook;
  readonly prepareRecord: (bound: BoundRecord) => Promise<PreparedRecord>;
  readonly surroundings: Surroundings;
  readonly onEvent?: (event: LineEvent) => void;
}

/** Everything worth showing or writing down. `at`: the world's milliseconds. */
export type LineEvent = { readonly at: number } & (
  | { readonly kind: "recovered"; readonly cards: number; readonly detail: string }
  | { readonly kind: "fed"; readonly label: string; readonly serial: Serial; readonly stage: Stage }
  | {
      readonly kind: "visit";
      readonly station: string;
      readonly head: number;
      readonly work: Work;
      readonly serial: Serial;
    }
  | {
      readonly kind: "visited";
      readonly station: string;
      readonly head: number;
      readonly work: Work;
      readonly serial: Serial;
      readonly outcome: "passed" | "rejected" | "held" | "returned" | "halted";
      readonly ms: number;
    }
  | { readonly kind: "bound"; readonly serial: Serial; readonly record: number; readonly attempt: number }
  | { readonly kind: "good"; readonly serial: Serial; readonly label: string; readonly record: number }
  | {
      readonly kind: "rejected";
      readonly serial: Serial;
      readonly label: string;
      readonly station: string;
      readonly code: RejectCode;
      readonly detail: string;
      readonly record?: number;
      readonly terminated: boolean;
    }
  | {
      readonly kind: "held";
      readonly serial: Serial;
      readonly label: string;
      readonly station: string;
      readonly question: string;
    }
  | { readonly kind: "restocked"; readonly serial: Serial; readonly label: string; readonly stage: Stage }
  | {
      readonly kind: "halted";
      readonly station: string;
      readonly head: number;
      readonly device: string;
      readonly code: string;
      readonly detail: string;
    }
  | { readonly kind: "alarm"; readonly detail: string }
  | {
      readonly kind: "tray";
      readonly tray: string;
      readonly station: string;
      readonly how: "out" | "in" | "differs";
      readonly detail: string;
    }
  | { readonly kind: "stopping"; readonly detail: string }
);

export interface HeadView {
  readonly state: "idle" | "busy" | "done" | "halted";
  readonly label?: string;
  readonly work?: Work;
}

export interface StationView {
  readonly name: string;
  readonly heads: readonly HeadView[];
  readonly queued: number;
  readonly queue: number;
  readonly passed: number;
  readonly rejected: number;
  /** Share of the heads' time spent on visits since the start, 0 to 1. */
  readonly load: number;
}

/** The line at one moment: what a live table shows. */
export interface LineView {
  readonly at: number;
  readonly seconds: number;
  readonly stations: readonly StationView[];
  readonly counts: LineCounts;
  readonly waiting: number;
  /** From the last cards made. */
  readonly cardsPerHour: number;
  readonly stopping: boolean;
}

export interface LineCounts {
  readonly fed: number;
  readonly good: number;
  readonly rejected: number;
  readonly held: number;
  readonly restocked: number;
  /** Records bound to another card than their first. */
  readonly remade: number;
  readonly recovered: number;
  /** Good cards that completed an online transaction whose ARQC the security module judged right. */
  readonly online: number;
}

/** A head that was stopped alone, because it threw out cards in a row while others passed theirs. `head`: from 0. */
export interface ParkedHead {
  readonly station: string;
  readonly head: number;
  readonly why: string;
}

/**
 * `complete`: every record that can be is produced. `stopped`: as asked, or after a row of rejects, and the machine is empty; run it again.
 * `stock-too-small`: `missing` blanks are wanting. `halted`: a device, a whole station or a wrong key set stopped the line, or a row of
 * rejects closed a station that bound cards still need. After a halt no head takes another card: visits under way end, cards that have
 * passed everything go out, unbound ones back to stock; the others stay where they are and are taken up by the next run.
 */
export interface LineResult {
  readonly ended: "complete" | "stopped" | "stock-too-small" | "halted";
  readonly detail: string;
  readonly missing: number;
  readonly counts: LineCounts;
  readonly parked: readonly ParkedHead[];
  /** By the world's clock. */
  readonly ms: number;
  readonly cardsPerHour: number;
}
