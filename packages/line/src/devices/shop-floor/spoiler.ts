/**
 * A head whose simulated machines spoil a share of its cards, by the seed: one card in every so many, each kind of flaw once before any
 * comes again. What is spoilt is written down where it is done, so that a test can hold a run's findings against it.
 */
import { appendFileSync } from "node:fs";
import { chance } from "./random.js";

/** One line of the shop floor's `spoilt.jsonl`. */
export interface Spoiling {
  readonly label: string;
  /** The machine that did it. */
  readonly machine: string;
  readonly side: "front" | "back";
  readonly kind: string;
  /** Of the layout, or "line 2" of an embosser; absent when the whole side is hit. */
  readonly field?: string;
}

/** A job that a machine is about to do on a body. */
export interface Spoilable<K extends string> {
  readonly label: string;
  readonly machine: string;
  readonly side: "front" | "back";
  /** What can go wrong at this machine. */
  readonly kinds: readonly K[];
  /** Whether it can with this job; asked seldom, since it may be dear. */
  readonly can: (kind: K) => boolean;
}

export interface Spoiler {
  /** What is to go wrong with this job; undefined: nothing. A head's first card is always spared. */
  next<K extends string>(job: Spoilable<K>): K | undefined;
  /** It has gone wrong. */
  made(spoiling: Spoiling): void;
}

export interface SpoilerOptions {
  /** Of a head's cards. */
  readonly percent: number;
  /** Only these; all that its machines can when not said. */
  readonly kinds?: readonly string[] | undefined;
  readonly seed: string;
  /** File to which each spoilt card is added as a line of JSON. */
  readonly record: string;
}

interface Chance {
  readonly place: string;
  readonly kind: string;
}

export function spoiler({ percent, kinds: wished, seed, record }: SpoilerOptions): Spoiler {
  const luck = chance(`spoiler ${seed}`);
  const every = 100 / percent;
  const chances: Chance[] = [];
  const learnt = new Set<string>();
  /** How often each kind was made, with its place in a shuffle that breaks ties. */
  const made = new Map<string, { readonly rank: number; times: number }>();
  let label: string | undefined;
  /** Cards since the first. */
  let cards = -1;
  let block = -1;
  let dueAt = -1;
  let due: Chance | undefined;

  const timesOf = (kind: string): { readonly rank: number; times: number } => {
    const known = made.get(kind) ?? { rank: luck.next(), times: 0 };
    made.set(kind, known);
    return known;
  };
  const rarest = (among: readonly Chance[]): Chance | undefined => {
    const order = among
      .map((one) => ({ one, ...timesOf(one.kind) }))
      .toSorted((a, b) => a.times - b.times || a.rank - b.rank);
    const alike = order.filter(({ one }) => one.kind === order[0]?.one.kind);
    return alike[Math.floor(luck.next() * alike.length)]?.one;
  };

  function nextCard(of: string): void {
    label = of;
    cards++;
    if (cards < 1) return;
    const now = Math.floor((cards - 1) / every);
    if (now > block) {
      block = now;
      const [first, past] = [Math.ceil(now * every), Math.ceil((now + 1) * every)];
      dueAt = 1 + first + Math.floor(luck.next() * (past - first));
    }
    // One that found no job to spoil waits for the next card.
    if (cards === dueAt) due ??= rarest(chances);
  }

  return {
    next<K extends string>({ label: of, machine, side, kinds, can }: Spoilable<K>): K | undefined {
      if (of !== label) nextCard(of);
      const place = `${machine} ${side}`;
      const own = kinds.filter((kind) => wished?.includes(kind) ?? true);
      if (!learnt.has(place)) {
        learnt.add(place);
        for (const kind of own) if (can(kind)) chances.push({ place, kind });
      }
      if (cards < 1 || due?.place !== place) return undefined;
      const here = chances.filter((one) => one.place === place);
      const first = due;
      for (const { kind } of [first, ...here.filter(({ kind }) => kind !== first.kind)]) {
        const known = own.find((one) => one === kind);
        if (known === undefined || !can(known)) continue;
        due = undefined;
        timesOf(known).times++;
        return known;
      }
      return undefined;
    },
    made: (spoiling) => {
      appendFileSync(record, `${JSON.stringify(spoiling)}\n`);
    },
  };
}
