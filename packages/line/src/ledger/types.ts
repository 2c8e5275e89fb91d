/** What the line and the command line ask of the accounts. Implemented by `store`. Every call is one transaction and durable when it resolves. */
import type { Finding, RejectCode, Serial } from "@persoline/card/program";
import type { OrderRecord } from "../orders/types.js";

/** Where a blank is. Each state belongs to exactly one term of the invariant. */
export type BlankState =
  | "in-stock"
  | "in-process"
  | "held"
  | "good"
  | "rejected"
  | "sample"
  | "destroyed"
  | "returned";
/** How far a card's chip has come. A blank back in stock keeps it. */
export type Stage =
  | "blank"
  | "tested"
  | "completed"
  | "initialised"
  | "bound"
  | "personalised"
  | "chip-proved"
  | "marked"
  | "verified"
  | "delivered";
export type RecordState =
  | "received"
  | "prepared"
  | "in-production"
  | "produced"
  | "delivered"
  | "erased"
  | "held"
  | "given-up";
export type OrderState = "imported" | "in-production" | "produced" | "delivered" | "closed" | "erased";

/** received = inStock + inProcess + held + good + rejected + sample + destroyed + returned */
export interface Totals {
  readonly received: number;
  readonly inStock: number;
  readonly inProcess: number;
  readonly held: number;
  readonly good: number;
  readonly rejected: number;
  readonly sample: number;
  readonly destroyed: number;
  readonly returned: number;
}

export interface Blank {
  readonly serial: Serial;
  /** Number printed on the body. */
  readonly label: string;
  readonly lot: string;
  readonly state: BlankState;
  readonly stage: Stage;
  readonly order?: string;
  readonly record?: number;
  readonly reject?: { readonly code: RejectCode; readonly station: string; readonly detail: string };
}

/** How a card left the line. */
export type CardEnd =
  | { readonly kind: "good" }
  | {
      readonly kind: "rejected";
      readonly station: string;
      readonly code: RejectCode;
      readonly detail: string;
      readonly personalised: boolean;
      readonly terminated: boolean;
    }
  | { readonly kind: "held"; readonly station: string; readonly question: string }
  /** Unbound: back to the blanks, keeping its stage. */
  | { readonly kind: "restocked"; readonly stage: Stage };

export interface StationTime {
  readonly station: string;
  readonly head: number;
  readonly ms: number;
}

/** The card's history, kept with it: what each station found and how long it took. No personal data. */
export interface CardHistory {
  readonly times: readonly StationTime[];
  readonly findings: readonly (Finding & { readonly station: string })[];
  /** SHA-256 of the pictures of front and back, and the file they lie in (relative to the data folder), if any. */
  readonly pictures?: Readonly<Record<"front" | "back", { readonly file: string; readonly sha256: string }>>;
  /** What this card had not passed when it left the line: names of stations, or `judgementOfPictures`. Absent: nobody knows. */
  readonly left?: readonly string[];
}

/** All that is left of quality control when only the camera's judgement was doubtful: the chip was proved once more. People can do it. */
export const judgementOfPictures = "quality/pictures";

export interface BoundRecord {
  readonly record: OrderRecord;
  /** 1 for the first card of this record, 2 for its first remake, ... */
  readonly attempt: number;
  readonly pins: Readonly<Record<string, Uint8Array>>;
}

export interface LineAccounts {
  /** A blank was fed: in-stock → in-process. `unknown`: not in the stock list; other states are refused (a reject never becomes good). */
  start(ask: { readonly label: string; readonly order: string; readonly line: string }): Promise<
    | { readonly ok: true; readonly blank: Blank }
    | {
        readonly ok: false;
        readonly why: "unknown" | BlankState;
        /** Of a good card: whose order and record it was made for. */
        readonly made?: { readonly order: string; readonly record: number };
      }
  >;
  /** Late binding: the lowest waiting record of the order goes to this card. */
  bind(ask: { readonly serial: Serial; readonly order: string }): Promise<BoundRecord | "none-waiting">;
  /** The record bound to a card in work, read again (after a restart). */
  bound(serial: Serial): Promise<BoundRecord | undefined>;
  /** The card leaves the line. A rejected or held card's record waits again, for a remake; its PIN letter is void. */
  finish(ask: {
    readonly serial: Serial;
    readonly end: CardEnd;
    readonly history: CardHistory;
  }): Promise<void>;
  /** Cards in process of this line, for recovery. */
  inWork(line: string): Promise<readonly Blank[]>;
  progress(order: string): Promise<{
    readonly records: number;
    readonly waiting: number;
    readonly inProduction: number;
    readonly produced: number;
    readonly held: number;
    /** By two people: these get no card. */
    readonly givenUp: number;
    readonly blanksInStock: number;
  }>;
  /** Counters kept with the events. */
  totals(): Promise<Totals>;
  /** Counts everything anew from the blanks and throws if it differs from the counters, naming the term. */
  recount(): Promise<Totals>;
}

/** What the journal still knows of a card in work. */
export interface JournalState {
  readonly serial: Serial;
  /** Stations passed, in order. */
  readonly passed: readonly string[];
  /** The details of the passed stations' notes, where they have any. */
  readonly history: readonly string[];
  /** It was judged bad: where, and what the first such note says. Nothing takes that back. */
  readonly rejected?: { readonly station: string; readonly detail: string };
  /** Where its last program ended badly and with which code, when nothing was begun there since: the verdict itself did not become durable. */
  readonly failed?: { readonly station: string; readonly code: string };
  /** The oldest intent without an outcome of its station; what other stations did afterwards does not close it. */
  readonly open?: { readonly station: string; readonly program: string; readonly segment: number };
  readonly resumes: number;
}
