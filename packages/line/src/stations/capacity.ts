/** What a line can do at most, reckoned from the planner's own figures and never from a run: cards per hour, bottleneck, heads needed. */
import {
  atrTiming,
  blankTiming,
  type CardProgram,
  type CardTiming,
  completedTiming,
  estimate,
  type Estimate,
  stepCost,
  total,
} from "@persoline/card/program";
import type { CompiledProduct, PreparedRecord } from "../plan/types.js";
import { transactionTimes } from "../plan/gp/payment/transaction.js";
import { identityOf } from "./identity.js";
import type { LineFile } from "./line-file.js";
import { type Work, workOrder } from "./station.js";

export interface CapacityAsk {
  readonly product: CompiledProduct;
  /** One record as an example of all. */
  readonly example: PreparedRecord;
  readonly line: Pick<LineFile, "stations" | "transport" | "without" | "contacts">;
  /** Milliseconds all marks of one card take. */
  readonly marksMs: number;
  /** Milliseconds the pictures of both sides take. */
  readonly picturesMs: number;
}

export interface WorkFigure {
  readonly work: Work;
  readonly ms: number;
  /** The chip's part; absent where only machines work. */
  readonly chip?: Estimate;
}

export interface StationCapacity {
  readonly station: string;
  readonly heads: number;
  /** One card at one head, moves included. */
  readonly msPerCard: number;
  readonly cardsPerHour: number;
  readonly works: readonly WorkFigure[];
}

export interface Capacity {
  readonly stations: readonly StationCapacity[];
  readonly bottleneck: string;
  readonly cardsPerHour: number;
}

const hour = 3_600_000;

/** Pure. Marks and pictures come in as times, since only their machines know them. */
export function capacity(ask: CapacityAsk): Capacity {
  const { line } = ask;
  const moves = 2 * line.transport.moveMs;
  const stations = line.stations.map((station): StationCapacity => {
    const works = station.does.map((work) => figureOf(work, ask));
    const msPerCard = moves + works.reduce((sum, { ms }) => sum + ms, 0);
    return {
      station: station.name,
      heads: station.heads,
      msPerCard,
      cardsPerHour: (station.heads * hour) / msPerCard,
      works,
    };
  });
  const slowest = stations.toSorted((a, b) => a.cardsPerHour - b.cardsPerHour)[0];
  return { stations, bottleneck: slowest?.station ?? "", cardsPerHour: slowest?.cardsPerHour ?? 0 };
}

/** Heads each station needs for this rate. */
export const headsFor = (cardsPerHour: number, found: Capacity): Readonly<Record<string, number>> =>
  Object.fromEntries(
    found.stations.map(({ station, msPerCard }) => [station, Math.ceil((cardsPerHour * msPerCard) / hour)]),
  );

/** What the chip must at least do in one card's whole way, station by station: the lower bound that a bench is held against. */
export const chipWork = (ask: CapacityAsk): readonly WorkFigure[] =>
  workOrder
    .filter((work) => !ask.line.without.some((without) => without === work))
    .map((work) => figureOf(work, ask));

function figureOf(work: Work, { product, example, line, marksMs, picturesMs }: CapacityAsk): WorkFigure {
  const chip = (program: CardProgram, timing: CardTiming, extraMs = 0): WorkFigure => {
    const own = estimate(program, timing);
    const asked = identityOf(product).steps.map((step) => stepCost(step, "plain", timing).ms);
    return { work, ms: asked.reduce((sum, ms) => sum + ms, own.ms) + extraMs, chip: own };
  };
  const spoken = (timing: CardTiming): CardTiming =>
    line.contacts === "t0" ? { ...timing, protocol: "T=0" } : timing;
  const blank = atrTiming(spoken(blankTiming), product.atr.blank);
  const completed = atrTiming(spoken(completedTiming), product.atr.completed);
  switch (work) {
    case "electrical-test":
      return chip(product.test, blank);
    case "completion":
      return chip(product.completion, blank);
    case "initialisation":
      return chip(product.initialisation, completed);
    case "personalization":
      return chip(example.personalization, completed);
    case "chip-proof":
      return chip(example.proof, completed);
    case "visual":
      return chip({ name: "visual", segments: [] }, completed, marksMs);
    case "quality": {
      const proof = chip(example.proof, completed, picturesMs);
      if (example.payment === undefined) return proof;
      // A payment card is powered once more, for its transaction.
      const { ms, chip: own } = chip(transactionTimes(example.payment), completed);
      const both = proof.chip === undefined || own === undefined ? [] : [proof.chip, own];
      return { work, ms: proof.ms + ms, chip: total(both) };
    }
  }
}
