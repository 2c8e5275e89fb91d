/**
 * A station whose simulated machines spoil a share of its cards, by the seed: one card in every so many, each kind of flaw once before
 * any comes again. What is spoilt is written down where it is done, so that a test can hold a run's findings against it.
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
  /** Number of the head at which it lies. */
  readonly head: number;
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
  /** Of the station's cards. */
  readonly percent: number;
  /** Only these; all that its machines can when not said. */
  readonly kinds?: readonly string[] | undefined;
  readonly seed: string;
  /** File to which each spoilt card is added as a line of JSON. */
  readonly record: string;
}

/** Something that can go wrong, and at which machine and side. */
interface Chance {
  readonly place: string;
  readonly kind: string;
}

interface AtHead {
  label: string | undefined;
  cards: number;
  readonly chances: Chance[];
  /** What is to go wrong with the card that lies there. */
  wanted: Chance | undefined;
}

export function spoiler({ percent, kinds: wished, seed, record }: SpoilerOptions): Spoiler {
  const luck = chance(`spoiler ${seed}`);
  const every = 100 / percent;
  const heads = new Map<number, AtHead>();
  const learnt = new Set<string>();
  /** How often each kind was made, with its place in a shuffle that breaks ties. */
  const made = new Map<string, { readonly rank: number; times: number }>();
  let cards = 0;
  let block = -1;
  let dueAt = 0;
  /** Flaws that are due and have no card yet. */
  let owed = 0;

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

  /** The card that comes now is the station's next. */
  function isDue(): boolean {
    cards++;
    const now = Math.floor((cards - 1) / every);
    if (now > block) {
      block = now;
      const [first, past] = [Math.ceil(now * every), Math.ceil((now + 1) * every)];
      dueAt = 1 + first + Math.floor(luck.next() * (past - first));
    }
    return cards === dueAt;
  }

  function cardAt(number: number, label: string): AtHead {
    const head = heads.get(number) ?? { label: undefined, cards: 0, chances: [], wanted: undefined };
    heads.set(number, head);
    if (head.label === label) return head;
    // One that found no job to spoil waits for another card.
    if (head.wanted !== undefined) owed++;
    if (isDue()) owed++;
    head.label = label;
    head.cards++;
    head.wanted = owed > 0 && head.cards > 1 ? rarest(head.chances) : undefined;
    if (head.wanted !== undefined) owed--;
    return head;
  }

  return {
    next<K extends string>({ label, head: number, machine, side, kinds, can }: Spoilable<K>): K | undefined {
      const head = cardAt(number, label);
      const place = `${machine} ${side}`;
      const own = kinds.filter((kind) => wished?.includes(kind) ?? true);
      if (!learnt.has(place)) {
        learnt.add(place);
        for (const kind of own) if (can(kind)) head.chances.push({ place, kind });
      }
      const { wanted } = head;
      if (wanted?.place !== place) return undefined;
      const others = head.chances.filter((one) => one.place === place && one.kind !== wanted.kind);
      for (const { kind } of [wanted, ...others]) {
        const known = own.find((one) => one === kind);
        if (known === undefined || !can(known)) continue;
        head.wanted = undefined;
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
