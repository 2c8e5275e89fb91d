/**
 * The station's own journal: an append-only file, each line durable before what it speaks of happens or is told. It holds chip numbers
 * and ends, no text of a card; the lines to strike lie in a file a tray, which is overwritten and removed when the tray is counted in.
 * Only open trays are in memory; what became of the others is read from the file again when somebody asks.
 */
import {
  closeSync,
  existsSync,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import type { CardState, TrayCard } from "./protocol.js";
import { digestOf } from "./signing.js";

export interface BookedCard {
  readonly serial: string;
  readonly record: number;
  readonly attempt: number;
  state: CardState;
  detail?: string;
}

export interface BookedTray {
  readonly tray: string;
  /** Of all it was sent with: the same tray said again must be the same. */
  readonly digest: string;
  readonly cards: readonly BookedCard[];
  strangers: number;
  withdrawn: boolean;
  closed: boolean;
}

type Card = Pick<BookedCard, "serial" | "record" | "attempt">;
type Entry =
  | { readonly event: "lease"; readonly lease: number }
  | {
      readonly event: "tray";
      readonly tray: string;
      readonly digest: string;
      /** The line's, under the list. */
      readonly signature: string;
      readonly at: string;
      readonly cards: readonly Card[];
    }
  | { readonly event: "intent"; readonly tray: string; readonly serial: string }
  | { readonly event: "struck"; readonly tray: string; readonly serial: string }
  | { readonly event: "rejected"; readonly tray: string; readonly serial: string; readonly detail: string }
  | { readonly event: "stranger"; readonly tray: string; readonly serial?: string }
  | { readonly event: "withdrawn"; readonly tray: string }
  | { readonly event: "closed"; readonly tray: string; readonly at: string };

const keyOf = ({ serial, record, attempt }: Card): string =>
  [serial, String(record), String(attempt)].join(" ");

export class StationBook {
  /** Trays that are not counted in. */
  readonly trays = new Map<string, BookedTray>();
  /** Trays ever counted out to here. */
  #taken = 0;
  #lease = 0;
  readonly #root: string;
  readonly #path: string;
  readonly #file: number;

  /** Reads what an earlier process wrote: a card in work then is one of which nobody knows, and a reject. */
  constructor(root: string) {
    this.#root = root;
    mkdirSync(join(root, "lines"), { recursive: true, mode: 0o700 });
    this.#path = join(root, "journal.jsonl");
    this.#file = openSync(this.#path, "a", 0o600);
    let whole = 0;
    for (const { text, end } of linesIn(this.#path)) {
      this.#apply(JSON.parse(text) as Entry);
      whole = end;
    }
    // A kill may have cut the last line short: it was never durable, and nothing was done upon it.
    ftruncateSync(this.#file, whole);
    for (const { tray, cards } of this.trays.values())
      for (const { serial, state } of cards)
        if (state === "in-work")
          this.write({
            event: "rejected",
            tray,
            serial,
            detail: "the station was interrupted in the middle of it",
          });
    for (const name of readdirSync(join(root, "lines")))
      if (!this.trays.has(name.replace(/\.json$/, ""))) this.#erase(name);
  }

  get lease(): number {
    return this.#lease;
  }

  get taken(): number {
    return this.#taken;
  }

  /** Durable when it returns. */
  write(entry: Entry): void {
    writeSync(this.#file, `${JSON.stringify(entry)}\n`);
    fsyncSync(this.#file);
    this.#apply(entry);
  }

  /** A tray that was ever counted out to here. */
  find(tray: string): BookedTray | undefined {
    return this.trays.get(tray) ?? this.#recall(new Set([tray])).get(tray);
  }

  /** Whether one of these cards was ever counted out to here and not left untouched. */
  knowsAny(cards: readonly Card[]): boolean {
    const asked = new Set(cards.map(keyOf));
    const named = new Set<string>();
    for (const { text } of linesIn(this.#path)) {
      if (!text.startsWith('{"event":"tray"')) continue;
      const entry = JSON.parse(text) as Extract<Entry, { event: "tray" }>;
      if (entry.cards.some((card) => asked.has(keyOf(card)))) named.add(entry.tray);
    }
    if (named.size === 0) return false;
    return [...this.#recall(named).values()].some(({ cards: known, closed }) =>
      known.some((card) => asked.has(keyOf(card)) && !(closed && card.state === "untouched")),
    );
  }

  /** Keeps a tray and its lines. */
  take(tray: string, cards: readonly TrayCard[], signature: string): BookedTray {
    const path = join(this.#root, "lines", `${tray}.json`);
    const file = openSync(`${path}.new`, "w", 0o600);
    writeSync(file, JSON.stringify(cards));
    fsyncSync(file);
    closeSync(file);
    renameSync(`${path}.new`, path);
    this.write({
      event: "tray",
      tray,
      digest: digestOf(tray, cards),
      signature,
      at: new Date().toISOString(),
      cards: cards.map(({ serial, record, attempt }) => ({ serial, record, attempt })),
    });
    const taken = this.trays.get(tray);
    if (taken === undefined) throw new Error(`tray ${tray} was taken and is not there`);
    return taken;
  }

  /** What to strike on a card of a tray that is not counted in. */
  linesOf(tray: string, serial: string): TrayCard | undefined {
    const path = join(this.#root, "lines", `${tray}.json`);
    if (!existsSync(path)) return undefined;
    return (JSON.parse(readFileSync(path, "utf8")) as TrayCard[]).find((card) => card.serial === serial);
  }

  /** Erases a tray's lines, then says so. */
  closeTray(tray: string): void {
    this.#erase(`${tray}.json`);
    this.write({ event: "closed", tray, at: new Date().toISOString() });
  }

  close(): void {
    closeSync(this.#file);
  }

  #erase(name: string): void {
    const path = join(this.#root, "lines", name);
    if (!existsSync(path)) return;
    const file = openSync(path, "r+");
    writeSync(file, Buffer.alloc(statSync(path).size));
    fsyncSync(file);
    closeSync(file);
    rmSync(path);
  }

  #apply(entry: Entry): void {
    if (entry.event === "lease") {
      this.#lease = entry.lease;
      return;
    }
    if (entry.event === "tray") this.#taken++;
    enter(this.trays, entry);
    if (entry.event === "closed") this.trays.delete(entry.tray);
  }

  /** These trays as the file has them. */
  #recall(names: ReadonlySet<string>): Map<string, BookedTray> {
    const found = new Map<string, BookedTray>();
    for (const { text } of linesIn(this.#path)) {
      const tray = /"tray":"([^"]+)"/.exec(text)?.[1];
      if (tray !== undefined && names.has(tray))
        enter(found, JSON.parse(text) as Exclude<Entry, { event: "lease" }>);
    }
    return found;
  }
}

function enter(trays: Map<string, BookedTray>, entry: Exclude<Entry, { event: "lease" }>): void {
  if (entry.event === "tray") {
    const { tray, digest, cards } = entry;
    const booked = cards.map((card) => ({ ...card, state: "waiting" as const }));
    trays.set(tray, { tray, digest, cards: booked, strangers: 0, withdrawn: false, closed: false });
    return;
  }
  const tray = trays.get(entry.tray);
  if (tray === undefined) throw new Error(`the station's journal names tray ${entry.tray} before it came`);
  if (entry.event === "stranger") tray.strangers++;
  else if (entry.event === "closed") tray.closed = true;
  else if (entry.event === "withdrawn") {
    tray.withdrawn = true;
    for (const card of tray.cards) if (card.state === "waiting") card.state = "untouched";
  } else {
    const card = tray.cards.find(({ serial }) => serial === entry.serial);
    if (card === undefined)
      throw new Error(`the station's journal names a card that tray ${entry.tray} lacks`);
    if (entry.event === "intent") card.state = "in-work";
    else if (entry.event === "struck") card.state = "struck";
    else {
      card.state = "rejected";
      card.detail = entry.detail;
    }
  }
}

/** A file's whole lines, a piece of it in memory at a time. `end`: where the line ends, in bytes. */
function* linesIn(path: string): Generator<{ readonly text: string; readonly end: number }> {
  const file = openSync(path, "r");
  try {
    const { size } = fstatSync(file);
    const piece = Buffer.alloc(1 << 16);
    let rest = Buffer.alloc(0);
    let at = 0;
    for (let read = 0; read < size; ) {
      const length = readSync(file, piece, 0, Math.min(piece.length, size - read), read);
      if (length === 0) break;
      read += length;
      rest = Buffer.concat([rest, piece.subarray(0, length)]);
      let from = 0;
      for (let end = rest.indexOf(0x0a); end >= 0; end = rest.indexOf(0x0a, from)) {
        const text = rest.toString("utf8", from, end);
        at += end + 1 - from;
        from = end + 1;
        if (text !== "") yield { text, end: at };
      }
      rest = rest.subarray(from);
    }
  } finally {
    closeSync(file);
  }
}

/** One tray's way through a station. */
export interface StationTray {
  readonly tray: string;
  readonly cards: number;
  readonly outAt: string;
  readonly inAt?: string;
  readonly struck: number;
  readonly rejected: number;
  /** Not begun: still waiting, or left so when the tray was withdrawn. */
  readonly untouched: number;
  readonly strangers: number;
}

/** Every tray that was ever counted out to the station with this folder. */
export function stationTrays(root: string): StationTray[] {
  const path = join(root, "journal.jsonl");
  if (!existsSync(path)) return [];
  const trays = new Map<string, BookedTray>();
  const times = new Map<string, { outAt: string; inAt?: string }>();
  for (const { text } of linesIn(path)) {
    const entry = JSON.parse(text) as Entry;
    if (entry.event === "lease") continue;
    enter(trays, entry);
    if (entry.event === "tray") times.set(entry.tray, { outAt: entry.at });
    if (entry.event === "closed")
      times.set(entry.tray, { outAt: "", ...times.get(entry.tray), inAt: entry.at });
  }
  return [...trays.values()].map(({ tray, cards, strangers }) => {
    const of = (state: CardState): number => cards.filter((card) => card.state === state).length;
    return {
      tray,
      cards: cards.length,
      outAt: "",
      ...times.get(tray),
      struck: of("struck"),
      rejected: of("rejected") + of("in-work"),
      untouched: of("waiting") + of("untouched"),
      strangers,
    };
  });
}
