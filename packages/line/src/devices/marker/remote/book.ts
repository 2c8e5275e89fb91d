/**
 * The station's own journal: an append-only file, each line durable before what it speaks of happens or is told. It holds chip numbers
 * and ends, no text of a card; the lines to strike lie in a file a tray, which is overwritten and removed when the tray is counted in.
 */
import { createHash } from "node:crypto";
import {
  closeSync,
  existsSync,
  fsyncSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import type { CardState, TrayCard } from "./protocol.js";

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

type Entry =
  | { readonly event: "lease"; readonly lease: number }
  | {
      readonly event: "tray";
      readonly tray: string;
      readonly digest: string;
      readonly cards: readonly Pick<BookedCard, "serial" | "record" | "attempt">[];
    }
  | { readonly event: "intent"; readonly tray: string; readonly serial: string }
  | { readonly event: "struck"; readonly tray: string; readonly serial: string }
  | { readonly event: "rejected"; readonly tray: string; readonly serial: string; readonly detail: string }
  | { readonly event: "stranger"; readonly tray: string }
  | { readonly event: "withdrawn"; readonly tray: string }
  | { readonly event: "closed"; readonly tray: string };

export const keyOf = ({
  serial,
  record,
  attempt,
}: Pick<BookedCard, "serial" | "record" | "attempt">): string =>
  `${serial} ${String(record)} ${String(attempt)}`;

export const digestOf = (cards: readonly TrayCard[]): string =>
  createHash("sha256").update(JSON.stringify(cards)).digest("hex");

export class StationBook {
  readonly trays = new Map<string, BookedTray>();
  /** Cards ever counted out to here, by chip, record and attempt. */
  readonly #known = new Map<string, string>();
  #lease = 0;
  readonly #root: string;
  readonly #file: number;

  /** Reads what an earlier process wrote: a card in work then is one of which nobody knows, and a reject. */
  constructor(root: string) {
    this.#root = root;
    mkdirSync(join(root, "lines"), { recursive: true, mode: 0o700 });
    const path = join(root, "journal.jsonl");
    const text = existsSync(path) ? readFileSync(path, "utf8") : "";
    // A kill may have cut the last line short: it was never durable, and nothing was done upon it.
    const whole = text.slice(0, text.lastIndexOf("\n") + 1);
    for (const line of whole.split("\n")) if (line !== "") this.#apply(JSON.parse(line) as Entry);
    this.#file = openSync(path, "a", 0o600);
    ftruncateSync(this.#file, Buffer.byteLength(whole));
    for (const { tray, cards } of this.trays.values())
      for (const { serial, state } of cards)
        if (state === "in-work")
          this.write({
            event: "rejected",
            tray,
            serial,
            detail: "the station was interrupted in the middle of it",
          });
    for (const name of readdirSync(join(root, "lines"))) {
      const tray = this.trays.get(name.replace(/\.json$/, ""));
      if (tray === undefined || tray.closed) this.#erase(name);
    }
  }

  get lease(): number {
    return this.#lease;
  }

  /** Durable when it returns. */
  write(entry: Entry): void {
    writeSync(this.#file, `${JSON.stringify(entry)}\n`);
    fsyncSync(this.#file);
    this.#apply(entry);
  }

  knows(card: Pick<BookedCard, "serial" | "record" | "attempt">): boolean {
    return this.#known.has(keyOf(card));
  }

  /** Keeps a tray and its lines. */
  take(tray: string, cards: readonly TrayCard[]): void {
    const path = join(this.#root, "lines", `${tray}.json`);
    const file = openSync(`${path}.new`, "w", 0o600);
    writeSync(file, JSON.stringify(cards));
    fsyncSync(file);
    closeSync(file);
    renameSync(`${path}.new`, path);
    this.write({
      event: "tray",
      tray,
      digest: digestOf(cards),
      cards: cards.map(({ serial, record, attempt }) => ({ serial, record, attempt })),
    });
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
    this.write({ event: "closed", tray });
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
    if (entry.event === "tray") {
      const { tray, digest, cards } = entry;
      const booked = cards.map((card) => ({ ...card, state: "waiting" as const }));
      this.trays.set(tray, { tray, digest, cards: booked, strangers: 0, withdrawn: false, closed: false });
      for (const card of cards) this.#known.set(keyOf(card), tray);
      return;
    }
    const tray = this.trays.get(entry.tray);
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
}
