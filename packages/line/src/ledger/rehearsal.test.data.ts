/**
 * A small warehouse and three orders in memory, driven by chance through the life cycles: what is kept (counters) must equal what is
 * counted, after every single step, whatever was tried.
 */
import { agree, noBlanks, termOf } from "./balance.js";
import { type BlankEvent, endOf, moveBlank, moveRecord } from "./life.js";
import { AccountsProblem } from "./problem.js";
import type { BlankState, CardEnd, RecordState, Stage, Totals } from "./types.js";

interface Card {
  state: BlankState;
  stage: Stage;
  record: number | undefined;
  wasRejected: boolean;
}

/** Small, fast and the same everywhere (mulberry32). */
export function chance(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) % below;
  };
}

const ends = (personalised: boolean): readonly CardEnd[] => [
  { kind: "good" },
  { kind: "rejected", station: "s", code: "mute", detail: "", personalised, terminated: false },
  { kind: "held", station: "s", question: "?" },
  { kind: "restocked", stage: "initialised" },
];

export interface Rehearsal {
  readonly steps: number;
  readonly done: number;
  readonly refused: number;
  /** How often each event went through. */
  readonly events: Readonly<Record<string, number>>;
}

/** Runs so many random steps and checks all rules after each. Throws when one is broken. */
export function rehearse(seed: number, steps: number, blanks = 24, people = 12): Rehearsal {
  const pick = chance(seed);
  let cards: Card[] = [];
  let records: RecordState[] = [];
  let goodOf: number[] = [];
  let kept: Record<keyof Totals, number> = { ...noBlanks };
  const events: Record<string, number> = {};
  let refused = 0;

  const begin = (): void => {
    cards = Array.from({ length: blanks }, () => ({
      state: "in-stock",
      stage: "blank",
      record: undefined,
      wasRejected: false,
    }));
    records = Array.from({ length: people }, () => "received");
    goodOf = Array.from({ length: people }, () => 0);
    kept = { ...noBlanks, received: blanks, inStock: blanks };
  };

  const count = (event: string): void => {
    events[event] = (events[event] ?? 0) + 1;
  };

  function step(card: Card, event: BlankEvent, stage = card.stage): void {
    const facts = { state: card.state, stage: card.stage, bound: card.record !== undefined };
    const to = moveBlank(event, facts, "card");
    kept[termOf[card.state]]--;
    kept[termOf[to]]++;
    card.state = to;
    card.stage = stage;
    if (to === "rejected") card.wasRejected = true;
    count(event);
  }

  function finish(card: Card, end: CardEnd): void {
    const { event, stage } = endOf(end, { ...card, bound: card.record !== undefined });
    const { record } = card;
    if (record !== undefined && card.state === "in-process") {
      const from = records[record] ?? "received";
      if (end.kind === "good") {
        const to = moveRecord("produce", from, "record");
        step(card, event, stage);
        records[record] = to;
        goodOf[record] = (goodOf[record] ?? 0) + 1;
        return;
      }
      if (end.kind !== "restocked") {
        const to = moveRecord("wait-again", from, "record");
        step(card, event, stage);
        records[record] = to;
        return;
      }
    }
    step(card, event, stage);
  }

  function bind(card: Card): void {
    const next = records.findIndex((state) => state === "received" || state === "prepared");
    if (next < 0 || card.state !== "in-process" || card.record !== undefined)
      throw new AccountsProblem("wrong-state", "nothing to bind");
    records[next] = moveRecord("bind", records[next] ?? "received", "record");
    card.record = next;
    card.stage = "bound";
    count("bind");
  }

  function settle(card: Card, good: boolean): void {
    const { record } = card;
    if (card.state !== "held") throw new AccountsProblem("wrong-state", "not held");
    if (!good) return step(card, "reject");
    if (record === undefined || records[record] !== "prepared")
      throw new AccountsProblem("wrong-state", "another card is made");
    step(card, "release", "verified");
    records[record] = moveRecord("produce", "prepared", "record");
    goodOf[record] = (goodOf[record] ?? 0) + 1;
  }

  function withdraw(card: Card): void {
    const { record } = card;
    if (card.state !== "good" || record === undefined) throw new AccountsProblem("wrong-state", "not good");
    records[record] = moveRecord("wait-again", records[record] ?? "received", "record");
    step(card, "reject");
    goodOf[record] = (goodOf[record] ?? 0) - 1;
  }

  function attempt(card: Card): void {
    const kind = pick(16);
    if (kind < 4) step(card, "start");
    else if (kind < 7) bind(card);
    else if (kind < 11) {
      const all = ends(card.record !== undefined);
      const end = all[pick(all.length)];
      if (end !== undefined) finish(card, end);
    } else if (kind === 11) settle(card, pick(2) === 0);
    else if (kind === 12) withdraw(card);
    else if (kind === 13) step(card, "destroy");
    else if (kind === 14 && pick(8) === 0) step(card, pick(2) === 0 ? "sample" : "return");
    else step(card, pick(2) === 0 ? "restock" : "start");
  }

  const rules = (): void => {
    const counted: Record<keyof Totals, number> = { ...noBlanks, received: cards.length };
    for (const card of cards) {
      counted[termOf[card.state]]++;
      if (card.wasRejected && card.state !== "rejected" && card.state !== "destroyed")
        throw new Error(`a rejected card became ${card.state}`);
    }
    agree(kept, counted);
    goodOf.forEach((good, record) => {
      if (good > 1) throw new Error(`record ${record} has ${good} good cards`);
      if ((good === 1) !== (records[record] === "produced"))
        throw new Error(`record ${record} is ${records[record]} with ${good} good cards`);
    });
  };

  begin();
  // Refusals are wanted here by the thousand; their stack traces would be most of the work.
  const traces = Error.stackTraceLimit;
  Error.stackTraceLimit = 0;
  try {
    run();
  } finally {
    Error.stackTraceLimit = traces;
  }
  const done = Object.values(events).reduce((sum, times) => sum + times, 0);
  return { steps, done, refused, events };

  function run(): void {
    for (let at = 0; at < steps; at++) {
      // A fresh lot and fresh orders now and then: a world at rest tells nothing.
      if (at % 400 === 399) begin();
      const card = cards[pick(cards.length)];
      if (card === undefined) continue;
      try {
        attempt(card);
      } catch (error) {
        if (!(error instanceof AccountsProblem)) throw error;
        refused++;
      }
      rules();
    }
  }
}
