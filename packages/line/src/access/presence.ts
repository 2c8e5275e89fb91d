/** Who is where: granted passages, folded in order of time into places and stays. */
import { outside, type Passage, type Site } from "./types.js";
import { ZoneTree } from "./zones.js";

/** A granted passage as a move of a person. */
export interface Move {
  /** Milliseconds since 1970. */
  readonly at: number;
  readonly gate: string;
  readonly person: string;
  readonly from: string;
  readonly to: string;
}

export interface Stay {
  readonly person: string;
  readonly zone: string;
  /** Absent: the entry was never seen. */
  readonly in?: number;
  /** Absent: still inside. */
  readonly out?: number;
  readonly entryGate?: string;
  readonly exitGate?: string;
  /** `inferred`: a passage further in showed that the person was here already. */
  readonly entry: "seen" | "inferred" | "not-seen";
  readonly exit: "seen" | "not-seen" | "open";
}

/** A person inside, in the innermost zone. */
export interface Inside {
  readonly person: string;
  readonly zone: string;
  /** Milliseconds since 1970. */
  readonly since: number;
}

/** Where people are after the passages told so far. Its memory grows with the number of people, not of passages. */
export class Whereabouts {
  readonly #tree: ZoneTree;
  readonly #open = new Map<string, readonly Stay[]>();
  readonly #last = new Map<string, { readonly zone: string; readonly at: number }>();
  readonly #entries = new Map<string, Map<string, number>>();
  readonly #counts = new Map<string, number>();

  constructor(tree: ZoneTree) {
    this.#tree = tree;
  }

  /** Tells the next move (moves come in order of time); answers the stays that ended by it. */
  move({ at, gate, person, from, to }: Move): readonly Stay[] {
    const left = this.#tree.path(from) ?? [];
    const reached = this.#tree.path(to) ?? [];
    const open = this.#open.get(person) ?? [];
    const ended: Stay[] = [];
    const now: Stay[] = [];
    for (const stay of open) {
      if (left.includes(stay.zone) && reached.includes(stay.zone)) now.push(stay);
      else ended.push({ ...stay, out: at, ...exit(left.includes(stay.zone), gate) });
    }
    const known = (zone: string): boolean => open.some((stay) => stay.zone === zone);
    for (const zone of left) {
      if (known(zone)) continue;
      if (reached.includes(zone)) now.push({ person, zone, in: at, entry: "inferred", exit: "open" });
      else ended.push({ person, zone, out: at, entry: "not-seen", ...exit(true, gate) });
    }
    for (const zone of reached) {
      if (left.includes(zone)) continue;
      now.push({ person, zone, in: at, entryGate: gate, entry: "seen", exit: "open" });
      this.#entered(person, zone, at);
    }
    now.sort((a, b) => reached.indexOf(a.zone) - reached.indexOf(b.zone));
    for (const { zone } of open) this.#count(zone, -1);
    for (const { zone } of now) this.#count(zone, 1);
    if (now.length === 0) this.#open.delete(person);
    else this.#open.set(person, now);
    this.#last.set(person, { zone: to, at });
    return ended;
  }

  /** Where the last passage of a person led, and when. */
  place(person: string): { readonly zone: string; readonly at: number } | undefined {
    return this.#last.get(person);
  }

  /** When this person last came through a gate into this zone. */
  lastEntry(person: string, zone: string): number | undefined {
    return this.#entries.get(person)?.get(zone);
  }

  /** People in a zone and the zones inside it. */
  count(zone: string): number {
    return this.#counts.get(zone) ?? 0;
  }

  isIn(person: string, zone: string): boolean {
    return this.#open.get(person)?.some((stay) => stay.zone === zone) ?? false;
  }

  /** Everybody inside, each in the innermost zone. */
  *inside(): Generator<Inside> {
    for (const [person, stays] of this.#open) {
      const stay = stays.at(-1);
      if (stay?.in !== undefined) yield { person, zone: stay.zone, since: stay.in };
    }
  }

  /** Stays that have not ended. */
  *open(): Generator<Stay> {
    for (const stays of this.#open.values()) yield* stays;
  }

  #count(zone: string, by: number): void {
    this.#counts.set(zone, this.count(zone) + by);
  }

  #entered(person: string, zone: string, at: number): void {
    const entries = this.#entries.get(person) ?? new Map<string, number>();
    entries.set(zone, at);
    this.#entries.set(person, entries);
  }
}

const exit = (seen: boolean, gate: string): Pick<Stay, "exit" | "exitGate"> =>
  seen ? { exit: "seen", exitGate: gate } : { exit: "not-seen" };

/** Two cards of one person are one person. */
export const personOf = ({ reference, serial }: Pick<Passage, "reference" | "serial">): string | undefined =>
  reference ?? serial;

/**
 * The move a recorded passage stands for; nothing for a refused one, or when the site has no such zone any more. A gate that is no
 * longer in the gates file is taken as leading through the border of its zone.
 */
export function moveOf(site: Site, tree: ZoneTree, passage: Passage): Move | undefined {
  const person = personOf(passage);
  if (passage.decision !== "granted" || person === undefined) return undefined;
  const { zone, direction, gate } = passage;
  if (tree.path(zone) === undefined) return undefined;
  const around = tree.parent(zone);
  const known = site.gates.find(
    ({ name, from, to }) => name === gate && (direction === "in" ? to : from) === zone,
  );
  const { from, to } =
    known ?? (direction === "in" ? { from: around, to: zone } : { from: zone, to: around });
  return { at: Date.parse(passage.at), gate, person, from, to };
}

/** By time; equal times in the order in which they were recorded. A passage reported twice counts once. */
export function inOrder<P extends Passage>(passages: Iterable<P>): P[] {
  const once = new Map<string, P>();
  for (const passage of passages) {
    const { at, gate, serial = "", reference = "", decision, zone, direction } = passage;
    const key = JSON.stringify([Date.parse(at), gate, serial, reference, decision, zone, direction]);
    if (serial === "" || !once.has(key))
      once.set(serial === "" ? `${key}#${String(once.size)}` : key, passage);
  }
  return [...once.values()].sort((a, b) => Date.parse(a.at) - Date.parse(b.at));
}

/** How many people are in a zone, as steps; at one instant those who leave leave first, as stays are half open. */
export function occupancy(
  stays: Iterable<Stay>,
  zone: string,
): readonly { readonly at: number; readonly count: number }[] {
  const changes = new Map<number, number>();
  const change = (at: number, by: number): void => {
    changes.set(at, (changes.get(at) ?? 0) + by);
  };
  for (const stay of stays) {
    if (stay.zone !== zone || stay.in === undefined) continue;
    change(stay.in, 1);
    if (stay.out !== undefined) change(stay.out, -1);
  }
  let count = 0;
  return [...changes]
    .filter(([, by]) => by !== 0)
    .sort(([a], [b]) => a - b)
    .map(([at, by]) => ({ at, count: (count += by) }));
}

export interface Muster {
  readonly safe: readonly string[];
  readonly missing: readonly Inside[];
}

/** Who was inside at an alarm and who of them has since come to a muster zone or left the site. `passages`: in order, all there are. */
export function muster(site: Site, passages: Iterable<Passage>, alarm: number): Muster {
  const tree = new ZoneTree(site);
  const people = new Whereabouts(tree);
  let roll: readonly Inside[] | undefined;
  const safe = new Set<string>();
  const atMuster = (zone: string): boolean =>
    zone === outside || (tree.path(zone) ?? []).some((name) => tree.zone(name)?.muster === true);
  for (const passage of passages) {
    const move = moveOf(site, tree, passage);
    if (move === undefined) continue;
    if (move.at > alarm) {
      roll ??= [...people.inside()];
      if (atMuster(move.to)) safe.add(move.person);
      else safe.delete(move.person);
    }
    people.move(move);
  }
  roll ??= [...people.inside()];
  for (const { person, zone } of roll)
    if (atMuster(zone) && people.place(person)?.zone === zone) safe.add(person);
  const called = new Set(roll.map(({ person }) => person));
  return {
    safe: [...safe].filter((person) => called.has(person)).sort(),
    missing: roll.filter(({ person }) => !safe.has(person)),
  };
}
