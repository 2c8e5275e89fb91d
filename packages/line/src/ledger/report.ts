/** What a production report tells, as plain data; `report-html`, `report-csv` and `report-json` write it. */
import type { CardProof, ProofSums } from "./proof.js";
import type { Totals } from "./types.js";

/** One way of a card through the line. No personal data. */
export interface CardLine {
  readonly serial: string;
  readonly label: string;
  readonly record?: number;
  /** 1 = first card of the record, 2 = its first remake, … */
  readonly attempt?: number;
  readonly end: "good" | "rejected" | "held" | "restocked";
  readonly station?: string;
  readonly code?: string;
  readonly detail?: string;
  /**
   * Of a reject that had been personalised: whether its chip was ended (by its own TERMINATE), or still opens and answers as a card in force
   * until somebody destroys it.
   */
  readonly chip?: "terminated" | "readable";
  /** What its chip showed of itself on this way; absent: nothing is told of it. */
  readonly proof?: CardProof;
  /** When it left the line: ISO 8601, UTC. */
  readonly at: string;
  /** Time at stations, all together. */
  readonly ms: number;
}

/** Times of one station, in milliseconds. */
export interface StationFigures {
  readonly station: string;
  readonly heads: number;
  readonly visits: number;
  readonly min: number;
  readonly median: number;
  readonly p95: number;
  readonly max: number;
  /** Sum over all visits. */
  readonly busy: number;
  /** Busy time against heads × elapsed time, 0 to 1. */
  readonly utilisation: number;
  /** Cards thrown out at each head, heads from 0; of stations with several heads that threw any out. One high number is a bad head. */
  readonly rejectsByHead?: readonly number[];
}

export interface Throughput {
  /** Begin of the span: ISO 8601, UTC. */
  readonly from: string;
  readonly seconds: number;
  readonly good: number;
  readonly rejected: number;
}

export interface CardPicture {
  readonly record: number;
  readonly serial: string;
  readonly side: "front" | "back";
  /** A data URI, or a path relative to the report. */
  readonly source: string;
}

/** A field of one side that one camera saw move towards its limit. No personal data. */
export interface DriftLine {
  readonly camera: string;
  readonly field: string;
  readonly cards: number;
  readonly what: string;
  /** Farthest way to the limit, 0 to 1, and the way at the order's end. */
  readonly farthest: number;
  readonly now: number;
}

export interface ProductionReport {
  readonly order: string;
  readonly customer: string;
  readonly product: string;
  readonly line: string;
  readonly environment: "test" | "live";
  /** ISO 8601, UTC. */
  readonly written: string;
  readonly started?: string;
  readonly ended?: string;
  /** IANA name of the zone in which a person reads the times: "Europe/Berlin". */
  readonly timeZone: string;
  /** Devices that were simulated, by name: nothing is simulated silently. */
  readonly simulated: readonly string[];
  /** What quality control does not show of these cards, a sentence each: nothing is left out silently. */
  readonly unshown?: readonly string[];
  readonly records: {
    readonly total: number;
    readonly produced: number;
    readonly waiting: number;
    readonly inProduction: number;
    readonly held: number;
    /** By two people: these get no card. */
    readonly givenUp: number;
  };
  readonly cards: {
    readonly used: number;
    readonly good: number;
    readonly rejected: number;
    readonly held: number;
    /** Records whose good card is not their first. */
    readonly remade: number;
  };
  /** What the good cards' chips showed of themselves. */
  readonly proof: ProofSums;
  readonly stock: Totals;
  readonly balanced: boolean;
  /** By the clock on the wall, and by the line's own clock where it ran on virtual time. */
  readonly seconds: number;
  readonly simulatedSeconds?: number;
  readonly cardsPerHour: number;
  readonly planned?: { readonly cardsPerHour: number; readonly bottleneck: string };
  readonly stations: readonly StationFigures[];
  readonly throughput: readonly Throughput[];
  readonly reasons: readonly { readonly station: string; readonly code: string; readonly count: number }[];
  /** All visits in the order in which cards left the line; may be asked for again. */
  readonly visits: () => AsyncIterable<CardLine> | Iterable<CardLine>;
  /** The cards show account numbers, so no picture of them stands on the page; absent: they show none. */
  readonly accountNumbers?: true;
  readonly pictures: readonly CardPicture[];
  /** Rejected sides as they were judged: what was expected beside what the camera saw. */
  readonly judged?: readonly CardPicture[];
  /** Fields that drifted at least half of the way to their limit. */
  readonly drifts?: readonly DriftLine[];
}
